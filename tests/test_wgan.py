"""The critic of wgan is bounded as its papers say."""

import keras
import numpy as np
import pytest
from keras import layers

from common import backend
from common.gan import GAN
from common.losses import Wasserstein
from common.penalties import GradientPenalty
from recipes.wgan.train import Config, Critic
from tests.conftest import values


def test_the_critic_has_no_batch_norm():
    critic = Critic((28, 28, 1), filters=2, lipschitz="penalty")
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in critic.layers)
    assert critic.output_shape == (None, 1)
    assert Config().critic_steps == 5


def game(lipschitz, steps=2):
    backend.set_random_seed(0)
    critic = Critic((28, 28, 1), filters=2, lipschitz=lipschitz)
    generator = keras.Sequential([keras.Input((4,)), layers.Dense(784, "tanh"), layers.Reshape((28, 28, 1))])
    gan = GAN(generator, critic, seed=0)
    penalty = GradientPenalty(10.0) if lipschitz == "penalty" else None
    gan.compile(
        Wasserstein(), keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2), penalty, discriminator_steps=steps
    )
    return gan


@pytest.mark.parametrize("lipschitz", ["clip", "penalty"])
def test_clipping_bounds_every_weight_of_the_critic_and_no_other(lipschitz):
    gan = game(lipschitz)
    real = np.random.default_rng(0).uniform(-1, 1, (16, 28, 28, 1)).astype("float32")
    gan.fit(real, batch_size=16, epochs=3, shuffle=False, verbose=0)
    largest = max(np.abs(value).max() for value in values(gan.discriminator.trainable_variables))
    assert (largest <= 0.01 + 1e-7) == (lipschitz == "clip")
    assert max(np.abs(value).max() for value in values(gan.generator.trainable_variables)) > 0.02


def test_a_clipped_game_is_saved_and_goes_on(tmp_path):
    gan = game("clip")
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    real = np.random.default_rng(0).uniform(-1, 1, (16, 28, 28, 1)).astype("float32")
    for one in (gan, loaded):
        one.fit(real, batch_size=16, shuffle=False, verbose=0)
    for first, second in zip(values(gan.discriminator.weights), values(loaded.discriminator.weights), strict=True):
        assert np.array_equal(first, second)
        assert np.abs(first).max() <= 0.01 + 1e-7
