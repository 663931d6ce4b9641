"""Image generation judged on the features of a network pretrained on photographs.

    ./run_recipe.sh projected_gan

Paper: Sauer et al., 2021, https://arxiv.org/abs/2111.01007
Minutes: 15
"""

import dataclasses

import keras
from keras import layers, ops

from common.base.ranges import Count, Rate, Seed, Share, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN
from common.layers import SpectralConv2D
from common.losses import Hinge
from common.networks import Discriminator, Generator, num_downsamplings
from common.training.length import Length
from data_prep.images import ImageOptions

from . import data
from .features import projections

LATENT_DIM = 64  # length of a latent vector


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # the training images
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=3_000)  # of the training
    batch_size: Count = 32  # images in a step
    learning_rate: Rate = 5e-4  # of both networks
    filters: Width = 16  # of G next to the image; doubled with every downsampling, up to 256
    projected: Width = 32  # channels of the large projected feature maps; of the small ones up to four times as many
    ema: Share = 0.998  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, projections, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------
# Comments at line ends give the sizes for images of 28×28 pixels; larger images pass the loops more often.


class GatedGenerator(Generator):
    """Latents to images: nearest-neighbour upsampling, convolutions, and gated linear units (a part of FastGAN)."""

    def network(self, latents, image_shape, filters):
        height, width, channels = image_shape
        upsamplings = num_downsamplings(height, width)
        widths = [min(256, filters * 2**level) for level in range(upsamplings + 1)]  # from the image down
        small = (height // 2**upsamplings, width // 2**upsamplings, 2 * widths[-1])
        x = layers.Dense(small[0] * small[1] * small[2], use_bias=False)(latents)
        x = gated(layers.Reshape(small)(x))  # 7×7
        for width in reversed(widths[:-1]):  # 14×14, 28×28
            x = layers.UpSampling2D(2)(x)
            x = gated(layers.Conv2D(2 * width, 3, padding="same", use_bias=False)(x))
        return layers.Conv2D(channels, 3, padding="same", activation="tanh")(x)


def gated(x):
    """Returns half of the channels, each multiplied by the sigmoid of one of the other half."""
    return ops.glu(layers.BatchNormalization(momentum=0.9)(x))


class ProjectedDiscriminator(Discriminator):
    """Images to six logits or maps of them: a small network on the image, and on each of its projected feature maps."""

    def network(self, images, filters):
        of_features = [head(features, filters) for features in projections(images, filters)]
        # The features alone hardly see colour. Batch norm lets D see the other images: are all of them of one colour?
        return [head(images, max(1, filters // 2), batch_norm=True), *of_features]


def head(x, filters, batch_norm=False):
    while min(x.shape[1:3]) > 4:
        x = SpectralConv2D(filters, 4, strides=2, padding="same", use_bias=not batch_norm)(x)
        x = layers.LeakyReLU(0.2)(layers.BatchNormalization(momentum=0.9)(x) if batch_norm else x)
        filters = min(2 * filters, 256)
    return SpectralConv2D(1, min(4, *x.shape[1:3]), use_bias=False)(x)


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape):
    """Returns the compiled GAN for images of this shape."""
    gan = GAN(
        GatedGenerator(LATENT_DIM, image_shape=image_shape, filters=config.filters),
        ProjectedDiscriminator(image_shape, filters=config.projected),
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
    )
    gan.compile(
        loss=Hinge(),
        generator_optimizer=keras.optimizers.Adam(
            config.learning_rate, beta_1=0.0, beta_2=0.99, use_ema=True, ema_momentum=config.ema
        ),
        discriminator_optimizer=keras.optimizers.Adam(config.learning_rate, beta_1=0.0, beta_2=0.99),
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
