"""Mode collapse, counted on 2D Gaussian mixtures for four losses.

    ./run_recipe.sh mode_collapse

Paper: Huang et al., 2024, https://arxiv.org/abs/2501.05441
Minutes: 1
"""

import dataclasses
import functools
from typing import Literal

import keras
from keras import layers

from common import losses
from common.base.ranges import Count, Rate, Seed, Share, Width
from common.cli.main import WITHOUT_LATENT_ACTIONS, main
from common.gan import GAN
from common.networks import Discriminator, Generator
from common.penalties import R1, R2, GradientPenalty

from . import data, lesson


@dataclasses.dataclass(frozen=True)
class Config:
    mixture: Literal["grid", "ring"] = "grid"  # 25 Gaussians in rows, or 8 on a circle
    method: Literal["non_saturating", "least_squares", "wgan_gp", "relativistic"] = "relativistic"  # loss and penalties
    epochs: Count = 36  # of 250 training steps each
    batch_size: Count = 256  # points in a step
    learning_rate: Rate = 4e-3  # of both networks at the beginning; decays to 0 along a cosine
    units: Width = 128  # of a hidden layer
    latent_dim: Width = 2  # length of a latent vector
    ema: Share = 0.999  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the data


# Networks ---------------------------------------------------------------------------------------------------------


class PointGenerator(Generator):
    """Latents to points of the plane."""

    def network(self, latents, units):
        x = latents
        for _ in range(3):
            x = layers.Dense(units, activation="relu")(x)
        return layers.Dense(2)(x)


class PointDiscriminator(Discriminator):
    """Points to one logit. It judges one point at a time and cannot notice that all samples are alike."""

    def network(self, points, units):
        x = points
        for _ in range(3):
            x = layers.LeakyReLU(0.2)(layers.Dense(units)(x))
        return layers.Dense(1)(x)


# Losses -----------------------------------------------------------------------------------------------------------

# What is compared: a loss, and the penalties on the discriminator.
METHODS = {
    "non_saturating": (losses.NonSaturating(), []),
    "least_squares": (losses.LeastSquares(), []),
    "wgan_gp": (losses.Wasserstein(), [GradientPenalty(1.0)]),
    "relativistic": (losses.RelativisticPairing(), [R1(0.1), R2(0.1)]),
}


# Training ---------------------------------------------------------------------------------------------------------


def build(config, steps):
    """Returns the compiled GAN for a training of so many steps."""
    loss, penalties = METHODS[config.method]
    gan = GAN(
        PointGenerator(config.latent_dim, units=config.units),
        PointDiscriminator((2,), units=config.units),
        seed=config.seed,
    )
    rate = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
    gan.compile(
        loss=loss,
        generator_optimizer=keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99, use_ema=True, ema_momentum=config.ema),
        discriminator_optimizer=keras.optimizers.Adam(rate, beta_1=0.0, beta_2=0.99),
        penalty=penalties,
        steps_per_execution=50,
    )
    return gan


def train(config, run):
    """Trains a GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    gan = build(config, steps=config.epochs * len(batches))
    run.fit(gan, batches, render=lambda points: data.picture(points, config.mixture), count=1000)
    return gan


if __name__ == "__main__":
    compare = functools.partial(lesson.compare, train, Config, METHODS)
    actions = {"sample": lesson.sample, "evaluate": lesson.evaluate, "compare": compare, **WITHOUT_LATENT_ACTIONS}
    main(train, Config, __package__, actions)
