"""Image generation with convolutional networks.

    ./run_recipe.sh dcgan

Paper: Radford et al., 2015, https://arxiv.org/abs/1511.06434
Minutes: 6
"""

import dataclasses

import keras
from keras import layers

from common.base.ranges import Count, Rate, Seed, Share, Width
from common.cli.main import main
from common.controls import ControlOptions
from common.diff_augment import LittleDataOptions
from common.gan import GAN
from common.losses import NonSaturating
from common.networks import Discriminator, Generator, num_downsamplings
from common.training.length import Length
from data_prep.images import ImageOptions

from . import data


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # the training images
    controls: ControlOptions = ControlOptions()  # what stabilizes the training, if it needs it
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=9_360)  # of the training
    batch_size: Count = 64  # images in a step
    learning_rate: Rate = 5e-4  # of both networks
    beta_1: Share = 0.5  # of Adam; training oscillates at 0.9, says the paper
    filters: Width = 32  # of the layer next to the image; doubled with every downsampling
    latent_dim: Width = 100  # length of a latent vector
    ema: Share = 0.998  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------
# Comments at line ends give the sizes for images of 28×28 pixels; larger images pass the loops more often.


class ConvolutionalGenerator(Generator):
    """Latents to images: each transposed convolution doubles the size; its kernel is divisible by its stride."""

    def network(self, latents, image_shape, filters):
        height, width, channels = image_shape
        upsamplings = num_downsamplings(height, width)
        filters = filters * 2 ** (upsamplings - 1)
        small = (height // 2**upsamplings, width // 2**upsamplings, filters)
        x = layers.Dense(small[0] * small[1] * filters, use_bias=False)(latents)
        x = layers.Reshape(small)(x)  # 7×7 of 28×28
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        for _ in range(upsamplings - 1):  # 14×14
            filters //= 2
            x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.ReLU()(x)
        return layers.Conv2DTranspose(channels, 4, strides=2, padding="same", activation="tanh")(x)  # 28×28


class ConvolutionalDiscriminator(Discriminator):
    """Images to one logit: strided convolutions instead of pooling, no batch norm at the input and the output."""

    def network(self, images, filters, controls=ControlOptions()):
        x = controls.add_instance_noise(images)
        x = layers.Conv2D(filters, 4, strides=2, padding="same")(x)  # 14×14
        x = layers.LeakyReLU(0.2)(x)
        for _ in range(num_downsamplings(*images.shape[1:3]) - 1):  # 7×7
            filters *= 2
            x = layers.Conv2D(filters, 4, strides=2, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.LeakyReLU(0.2)(x)
        x = controls.add_dropout(layers.Flatten()(x))
        return layers.Dense(1)(x)


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape):
    """Returns the compiled GAN for images of this shape."""
    gan = GAN(
        ConvolutionalGenerator(config.latent_dim, image_shape=image_shape, filters=config.filters),
        ConvolutionalDiscriminator(image_shape, filters=config.filters, controls=config.controls),
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
    )
    gan.compile(
        loss=config.controls.wrap_loss(NonSaturating()),
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
    run.fit(gan, batches, controls=config.controls.callbacks(run.plan(batches)))
    return gan


if __name__ == "__main__":
    main(train, Config, __package__)
