"""Image generation with two fully connected networks.

    ./run_recipe.sh vanilla

Paper: Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661
Minutes: 3
"""

import dataclasses
import math

import keras
from keras import layers

from common.base.ranges import Count, Rate, Seed, Share, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN
from common.losses import NonSaturating
from common.networks import Discriminator, Generator
from common.training.length import Length
from data_prep.images import ImageOptions

from . import data


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # the training images
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=9_360)  # of the training
    batch_size: Count = 64  # images in a step
    learning_rate: Rate = 5e-4  # of both networks
    beta_1: Share = 0.5  # of Adam, the momentum of its mean
    units: Width = 512  # width of the hidden layers
    latent_dim: Width = 100  # length of a latent vector
    ema: Share = 0.999  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class DenseGenerator(Generator):
    """Latents to images by two hidden layers."""

    def network(self, latents, image_shape, units):
        x = layers.Dense(units)(latents)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dense(units)(x)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dense(math.prod(image_shape), activation="tanh")(x)
        return layers.Reshape(image_shape)(x)


class DenseDiscriminator(Discriminator):
    """Images to one logit by two hidden layers; dropout keeps it from memorizing the training images."""

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


def build(config, image_shape):
    """Returns the compiled GAN for images of this shape."""
    gan = GAN(
        DenseGenerator(config.latent_dim, image_shape=image_shape, units=config.units),
        DenseDiscriminator(image_shape, units=config.units),
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
    )
    gan.compile(
        loss=NonSaturating(),
        generator_optimizer=keras.optimizers.Adam(
            config.learning_rate, config.beta_1, use_ema=True, ema_momentum=config.ema
        ),
        discriminator_optimizer=keras.optimizers.Adam(config.learning_rate, config.beta_1),
        steps_per_execution=8,
    )
    return gan


def train(config, run):
    """Trains a GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    gan = build(config, batches.sample_shape)
    run.fit(gan, batches)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__)
