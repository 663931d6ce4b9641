"""GANs that must learn in seconds, since a smoke test does not notice one that cannot."""

import keras
import numpy as np
import pytest
from keras import layers

from common.gan import GAN
from common.losses import LeastSquares, NonSaturating, RelativisticPairing, Wasserstein
from common.networks import Discriminator, Generator
from common.penalties import R1, R2, GradientPenalty
from data_prep.batches import Batches

CENTER, SPREAD = np.array([2.0, -1.0]), 0.5


class PointGenerator(Generator):
    def network(self, latents):
        x = layers.Dense(32, activation="relu")(latents)
        return layers.Dense(2)(x)


class PointDiscriminator(Discriminator):
    def network(self, points):
        x = layers.Dense(32)(points)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dense(32)(x)
        x = layers.LeakyReLU(0.2)(x)
        return layers.Dense(1)(x)


@pytest.mark.parametrize(
    ("loss", "penalty", "steps"),
    [
        pytest.param(NonSaturating(), R1(0.1), 1, marks=pytest.mark.once),
        pytest.param(LeastSquares(), R1(0.1), 1, marks=pytest.mark.once),
        (
            Wasserstein(),
            GradientPenalty(1.0),
            2,
        ),  # of mixed samples, with several updates: the most that a backend does
        pytest.param(RelativisticPairing(), [R1(0.1), R2(0.1)], 1, marks=pytest.mark.once),
    ],
    ids=lambda value: type(value).__name__,
)
def test_learns_the_distribution_of_points(loss, penalty, steps):
    keras.utils.set_random_seed(0)
    points = np.random.default_rng(0).normal(CENTER, SPREAD, (2048, 2)).astype("float32")
    gan = GAN(PointGenerator(4), PointDiscriminator((2,)), seed=0)
    gan.compile(
        loss,
        keras.optimizers.Adam(2e-3, 0.5, use_ema=True, ema_momentum=0.98),
        keras.optimizers.Adam(4e-3, 0.5),
        penalty=penalty,
        discriminator_steps=steps,
    )
    batches = Batches(points, batch_size=64 * steps, transform=lambda batch: batch)
    latents = np.random.default_rng(1).normal(size=(2000, 4)).astype("float32")
    assert np.linalg.norm(gan.sample(latents).mean(axis=0) - CENTER) > 1  # untrained
    gan.fit(batches, epochs=15 * steps, verbose=0)
    found = gan.sample(latents)
    assert np.linalg.norm(found.mean(axis=0) - CENTER) < 0.3
    assert np.all(np.abs(found.std(axis=0) - SPREAD) < 0.25)
