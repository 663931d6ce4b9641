"""Draw images against a critic whose loss measures a distance, by weight clipping or a gradient penalty.

    ./run_recipe.sh wgan

Paper: Gulrajani et al., 2017, https://arxiv.org/abs/1704.00028
Minutes: 6
"""

import dataclasses
from typing import Literal

import keras
from keras import layers, ops

from common.cli import main
from common.gan import GAN
from common.losses import Wasserstein
from common.networks import Discriminator, Generator, halvings, upsample
from common.options import Count, Rate, Seed, Share
from common.penalties import GradientPenalty
from data_prep.images import ImageOptions

from . import data


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # what to learn from
    epochs: Count = 80  # passes over the data
    batch_size: Count = 64  # images in a step of the critic
    critic_steps: Count = 5  # of the critic in a round, each on fresh images
    lipschitz: Literal["penalty", "clip"] = "penalty"  # how the critic's slope is bounded
    learning_rate: Rate = 5e-4  # of both networks
    filters: Count = 32  # of the layer next to the image; doubled with every halving of the image
    latent_dim: Count = 100  # length of a latent vector
    ema: Share = 0.99  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class ConvolutionalGenerator(Generator):
    """Latents to images, as in dcgan: its batch norm is harmless, since only the critic's slope counts."""

    def network(self, latents, image_shape, filters):
        return upsample(latents, image_shape, filters)


@keras.saving.register_keras_serializable(package="wgan")
class Clip(keras.constraints.Constraint):
    """Keeps every weight within ±0.01 after each step (Arjovsky et al., 2017, algorithm 1)."""

    def __call__(self, weights):
        return ops.clip(weights, -0.01, 0.01)


class Critic(Discriminator):
    """Images to one number. No batch norm: it would make the slope at one image depend on the others."""

    def network(self, images, filters, lipschitz):
        bound = Clip() if lipschitz == "clip" else None
        bounds = {"kernel_constraint": bound, "bias_constraint": bound}
        x = images
        for _ in range(halvings(*images.shape[1:3])):  # 14×14, then 7×7 of 28×28
            x = layers.Conv2D(filters, 4, 2, "same", **bounds)(x)
            x = layers.LeakyReLU(0.2)(x)
            filters *= 2
        return layers.Dense(1, **bounds)(layers.Flatten()(x))


# Training ---------------------------------------------------------------------------------------------------------


def train(config, run):
    """Trains a GAN as `config` says, continues what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    gan = GAN(
        ConvolutionalGenerator(config.latent_dim, image_shape=batches.sample_shape, filters=config.filters),
        Critic(batches.sample_shape, filters=config.filters, lipschitz=config.lipschitz),
        seed=config.seed,
    )
    gan.compile(
        Wasserstein(),
        keras.optimizers.Adam(config.learning_rate, 0.0, 0.9, use_ema=True, ema_momentum=config.ema),
        keras.optimizers.Adam(config.learning_rate, 0.0, 0.9),
        penalty=GradientPenalty(10.0) if config.lipschitz == "penalty" else None,
        discriminator_steps=config.critic_steps,
    )
    run.fit(gan, batches)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__)
