"""wgan: the critic has no batch norm, and clipping bounds its weights."""

import keras
import numpy as np
import pytest
from keras import layers

from common import backend
from recipes.wgan.train import Config, Critic, build
from tests.conftest import values


@pytest.mark.once
def test_the_critic_has_no_batch_norm():
    critic = Critic((28, 28, 1), filters=2, lipschitz="penalty")
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in critic.layers)
    assert critic.output_shape == (None, 1)
    assert Config().critic_steps == 5


def tiny(lipschitz):
    backend.set_random_seed(0)
    return build(Config(filters=2, critic_steps=2, latent_dim=4, lipschitz=lipschitz, learning_rate=1e-2), (28, 28, 1))


@pytest.mark.parametrize("lipschitz", ["clip", "penalty"])
def test_clipping_bounds_only_the_weights_of_the_critic(lipschitz):
    gan = tiny(lipschitz)
    real = np.random.default_rng(0).uniform(-1, 1, (16, 28, 28, 1)).astype("float32")
    gan.fit(real, batch_size=16, epochs=3, shuffle=False, verbose=0)
    largest = max(np.abs(value).max() for value in values(gan.discriminator.trainable_variables))
    assert (largest <= 0.01 + 1e-7) == (lipschitz == "clip")
    assert max(np.abs(value).max() for value in values(gan.generator.trainable_variables)) > 0.02


def test_a_clipped_critic_is_saved_and_stays_clipped(tmp_path):
    gan = tiny("clip")
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    real = np.random.default_rng(0).uniform(-1, 1, (16, 28, 28, 1)).astype("float32")
    for one in (gan, loaded):
        one.fit(real, batch_size=16, shuffle=False, verbose=0)
    for first, second in zip(values(gan.discriminator.weights), values(loaded.discriminator.weights), strict=True):
        assert np.array_equal(first, second)
        assert np.abs(first).max() <= 0.01 + 1e-7
