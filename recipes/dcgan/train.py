"""Draw images with two convolutional networks that grow with the image.

    ./run_recipe.sh dcgan

Paper: Radford et al., 2015, https://arxiv.org/abs/1511.06434
Minutes: 6
"""

import dataclasses

import keras
from keras import layers

from common.cli import main
from common.controls import ControlOptions
from common.gan import GAN
from common.losses import NonSaturating
from common.networks import Discriminator, Generator, halvings
from common.options import Count, Rate, Seed, Share
from data_prep.images import ImageOptions

from . import data


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # what to learn from
    controls: ControlOptions = ControlOptions()  # what steadies the game, if it needs it
    epochs: Count = 60  # passes over the data
    batch_size: Count = 64  # images in a step
    learning_rate: Rate = 5e-4  # of both networks
    beta_1: Share = 0.5  # of Adam; 0.9 oscillates, says the paper
    filters: Count = 32  # of the layer next to the image; doubled with every halving of the image
    latent_dim: Count = 100  # length of a latent vector
    ema: Share = 0.998  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------
# Sizes at line ends are those of images of 28×28 pixels; larger images pass the loops more often.


class ConvolutionalGenerator(Generator):
    """Latents to images: every transposed convolution doubles the size, with a kernel divisible by its stride."""

    def network(self, latents, image_shape, filters):
        height, width, channels = image_shape
        times = halvings(height, width)
        filters = filters * 2 ** (times - 1)
        small = (height // 2**times, width // 2**times, filters)
        x = layers.Dense(small[0] * small[1] * filters, use_bias=False)(latents)
        x = layers.Reshape(small)(x)  # 7×7 of 28×28
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        for _ in range(times - 1):  # 14×14
            filters //= 2
            x = layers.Conv2DTranspose(filters, 4, 2, "same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.ReLU()(x)
        return layers.Conv2DTranspose(channels, 4, 2, "same", activation="tanh")(x)  # 28×28


class ConvolutionalDiscriminator(Discriminator):
    """Images to one logit: strided convolutions instead of pooling, no batch norm at the image and at the logit."""

    def network(self, images, filters, controls=ControlOptions()):
        times = halvings(*images.shape[1:3])
        x = controls.before(images)
        x = layers.Conv2D(filters, 4, 2, "same")(x)  # 14×14 of 28×28
        x = layers.LeakyReLU(0.2)(x)
        for _ in range(times - 1):  # 7×7
            filters *= 2
            x = layers.Conv2D(filters, 4, 2, "same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.LeakyReLU(0.2)(x)
        return layers.Dense(1)(controls.after(layers.Flatten()(x)))


# Training ---------------------------------------------------------------------------------------------------------


def train(config, run):
    """Trains a GAN as `config` says, continues what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    gan = GAN(
        ConvolutionalGenerator(config.latent_dim, image_shape=batches.sample_shape, filters=config.filters),
        ConvolutionalDiscriminator(batches.sample_shape, filters=config.filters, controls=config.controls),
        seed=config.seed,
    )
    gan.compile(
        config.controls.around(NonSaturating()),
        keras.optimizers.Adam(config.learning_rate, config.beta_1, use_ema=True, ema_momentum=config.ema),
        keras.optimizers.Adam(config.learning_rate, config.beta_1),
        steps_per_execution=8,
    )
    run.fit(gan, batches, controls=config.controls.callbacks(config.epochs))
    return gan


if __name__ == "__main__":
    main(train, Config, __package__)
