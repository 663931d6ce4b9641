"""Image generation on Stacked MNIST, with its 1,000 modes counted.

    ./run_recipe.sh stacked_mnist

Paper: Metz et al., 2017, https://arxiv.org/abs/1611.02163
Minutes: 20
"""

import dataclasses
from typing import Literal

import keras
from keras import layers

from common.base.ranges import Count, Rate, Seed, Share, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN
from common.losses import NonSaturating, RelativisticPairing
from common.networks import Discriminator, Generator, downsample, upsample
from common.penalties import R1, R2

from . import data, modes


@dataclasses.dataclass(frozen=True)
class Config:
    planes: data.PlaneOptions = data.PlaneOptions()  # the images to stack
    method: Literal["relativistic", "non_saturating"] = "relativistic"  # the loss, with its penalties
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    epochs: Count = 60  # of 12,800 images each
    batch_size: Count = 64  # images in a step
    learning_rate: Rate = 5e-4  # of both networks
    filters: Width = 32  # of the layer next to the image; doubled with every downsampling
    latent_dim: Width = 100  # length of a latent vector
    ema: Share = 0.999  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the data


# Networks ---------------------------------------------------------------------------------------------------------


class StackedGenerator(Generator):
    """Latents to images of three channels, as in dcgan."""

    def network(self, latents, image_shape, filters):
        return upsample(latents, image_shape, filters)


class StackedDiscriminator(Discriminator):
    """Images to one logit. No batch norm with a gradient penalty, which is defined for each image alone."""

    def network(self, images, filters, batch_norm):
        return layers.Dense(1)(downsample(images, filters, batch_norm))


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape):
    """Returns the compiled GAN for images of this shape."""
    is_relativistic = config.method == "relativistic"
    gan = GAN(
        StackedGenerator(config.latent_dim, image_shape=image_shape, filters=config.filters),
        StackedDiscriminator(image_shape, filters=config.filters, batch_norm=not is_relativistic),
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
    )
    gan.compile(
        loss=RelativisticPairing() if is_relativistic else NonSaturating(),
        generator_optimizer=keras.optimizers.Adam(
            config.learning_rate, beta_1=0.5, beta_2=0.99, use_ema=True, ema_momentum=config.ema
        ),
        discriminator_optimizer=keras.optimizers.Adam(config.learning_rate, beta_1=0.5, beta_2=0.99),
        penalty=[R1(10.0), R2(10.0)] if is_relativistic else None,
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
    of_single_images = {"invert": None, "truncate": None}  # which the data has, and not stacked ones
    main(train, Config, __package__, {"evaluate": modes.evaluate, **of_single_images})
