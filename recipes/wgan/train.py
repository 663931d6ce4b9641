"""Image generation with a Wasserstein critic and a gradient penalty.

    ./run_recipe.sh wgan

Paper: Gulrajani et al., 2017, https://arxiv.org/abs/1704.00028
Minutes: 6
"""

import dataclasses
from typing import Literal

import keras
from keras import layers, ops

from common.base.ranges import Count, Rate, Seed, Share, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN
from common.losses import Wasserstein
from common.networks import Discriminator, Generator, num_downsamplings, upsample
from common.penalties import GradientPenalty
from common.training.length import Length
from data_prep.images import ImageOptions

from . import data


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # the training images
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=2_500)  # of the training
    batch_size: Count = 64  # images in an update of the critic
    critic_steps: Count = 5  # updates of the critic in a training step, each on fresh images
    lipschitz: Literal["penalty", "clip"] = "penalty"  # how the critic is kept Lipschitz
    learning_rate: Rate = 5e-4  # of both networks
    filters: Width = 32  # of the layer next to the image; doubled with every downsampling
    latent_dim: Width = 100  # length of a latent vector
    ema: Share = 0.99  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class ConvolutionalGenerator(Generator):
    """Latents to images, as in dcgan; batch norm is allowed here, since only the critic has to be Lipschitz."""

    def network(self, latents, image_shape, filters):
        return upsample(latents, image_shape, filters)


@keras.saving.register_keras_serializable(package="wgan")
class Clip(keras.constraints.Constraint):
    """Clips every weight to ±0.01 after each update (Arjovsky et al., 2017, algorithm 1)."""

    def __call__(self, weights):
        return ops.clip(weights, -0.01, 0.01)


class Critic(Discriminator):
    """Images to one number. No batch norm: with it the gradient at one image would depend on the others."""

    def network(self, images, filters, lipschitz):
        bound = Clip() if lipschitz == "clip" else None
        x = images
        for _ in range(num_downsamplings(*images.shape[1:3])):  # 14×14, then 7×7 of 28×28
            x = layers.Conv2D(filters, 4, strides=2, padding="same", kernel_constraint=bound, bias_constraint=bound)(x)
            x = layers.LeakyReLU(0.2)(x)
            filters *= 2
        return layers.Dense(1, kernel_constraint=bound, bias_constraint=bound)(layers.Flatten()(x))


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape):
    """Returns the compiled GAN for images of this shape."""
    gan = GAN(
        ConvolutionalGenerator(config.latent_dim, image_shape=image_shape, filters=config.filters),
        Critic(image_shape, filters=config.filters, lipschitz=config.lipschitz),
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
    )
    gan.compile(
        loss=Wasserstein(),
        generator_optimizer=keras.optimizers.Adam(
            config.learning_rate, beta_1=0.0, beta_2=0.9, use_ema=True, ema_momentum=config.ema
        ),
        discriminator_optimizer=keras.optimizers.Adam(config.learning_rate, beta_1=0.0, beta_2=0.9),
        penalty=GradientPenalty(10.0) if config.lipschitz == "penalty" else None,
        discriminator_steps=config.critic_steps,
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
