"""Draw images with two fully connected networks, the game as it was first played.

    ./run_recipe.sh vanilla

Paper: Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661
Minutes: 3
"""

import dataclasses
import math

import keras
from keras import layers

from common.cli import main
from common.gan import GAN
from common.losses import NonSaturating
from common.networks import Discriminator, Generator
from common.options import Count, Rate, Seed, Share
from data_prep.images import ImageOptions

from . import data


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # what to learn from
    epochs: Count = 60  # passes over the data
    batch_size: Count = 64  # images in a step
    learning_rate: Rate = 5e-4  # of both networks
    beta_1: Share = 0.5  # of Adam, the momentum of its mean
    units: Count = 512  # width of the hidden layers
    latent_dim: Count = 100  # length of a latent vector
    ema: Share = 0.999  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class DenseGenerator(Generator):
    """Latents to images through two hidden layers."""

    def network(self, latents, image_shape, units):
        x = layers.Dense(units)(latents)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dense(units)(x)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dense(math.prod(image_shape), activation="tanh")(x)
        return layers.Reshape(image_shape)(x)


class DenseDiscriminator(Discriminator):
    """Images to one logit through two hidden layers; dropout keeps it from learning the images by heart."""

    def network(self, images, units):
        x = layers.Flatten()(images)
        x = layers.Dense(units)(x)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dropout(0.3)(x)
        x = layers.Dense(units)(x)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dropout(0.3)(x)
        return layers.Dense(1)(x)


# Training ---------------------------------------------------------------------------------------------------------


def train(config, run):
    """Trains a GAN as `config` says, continues what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    gan = GAN(
        DenseGenerator(config.latent_dim, image_shape=batches.sample_shape, units=config.units),
        DenseDiscriminator(batches.sample_shape, units=config.units),
        seed=config.seed,
    )
    gan.compile(
        NonSaturating(),
        keras.optimizers.Adam(config.learning_rate, config.beta_1, use_ema=True, ema_momentum=config.ema),
        keras.optimizers.Adam(config.learning_rate, config.beta_1),
        steps_per_execution=8,
    )
    run.fit(gan, batches)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__)
