"""Class-conditional image generation with a projection discriminator.

    ./run_recipe.sh cgan

Paper: Miyato and Koyama, 2018, https://arxiv.org/abs/1802.05637
Minutes: 6
"""

import dataclasses
from typing import Literal

import keras
from keras import layers

from common.base.ranges import Count, Rate, Seed, Share, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import ConditionalGAN
from common.layers import SpectralConv2D
from common.losses import Hinge, NonSaturating
from common.networks import Discriminator, Generator, downsample, upsample
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
    condition: Literal["projection", "concatenation"] = "projection"  # how the discriminator receives the label
    spectral_norm: bool = False  # whether spectral norm bounds the discriminator, instead of batch norm; hinge loss
    embedding_dim: Width = 50  # length of the vector that a label is embedded in
    filters: Width = 32  # of the layer next to the image; doubled with every downsampling
    latent_dim: Width = 100  # length of a latent vector
    ema: Share = 0.998  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class ConditionalGenerator(Generator):
    """Latents and a label to images, as in dcgan; the embedded label is concatenated with the latents."""

    def network(self, inputs, image_shape, filters, class_count, embedding_dim):
        latents, labels = inputs
        embedded = layers.Embedding(class_count, embedding_dim)(labels)
        return upsample(layers.Concatenate()([latents, embedded]), image_shape, filters)


class ConditionalDiscriminator(Discriminator):
    """Images and labels to one logit: is the image real, and does it show this class?"""

    def network(self, inputs, filters, class_count, condition, spectral_norm):
        images, labels = inputs
        if condition == "concatenation":  # Mirza and Osindero, 2014: the embedded label is one more channel
            plane = layers.Embedding(class_count, images.shape[1] * images.shape[2])(labels)
            images = layers.Concatenate()([images, layers.Reshape((*images.shape[1:3], 1))(plane)])
        convolution = SpectralConv2D if spectral_norm else layers.Conv2D
        features = downsample(images, filters, batch_norm=not spectral_norm, convolution=convolution)
        logits = layers.Dense(1)(features)
        if condition == "projection":  # equation 3: the inner product of embedded label and features is added
            embedded = layers.Embedding(class_count, features.shape[1])(labels)
            logits = layers.Add()([logits, layers.Dot(axes=1)([embedded, features])])
        return logits


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape, class_count):
    """Returns the compiled GAN for images of this shape and so many classes."""
    latents = keras.Input((config.latent_dim,), name="latents")
    images = keras.Input(image_shape, name="images")
    labels = keras.Input((), name="labels", dtype="int32")
    generator = ConditionalGenerator(
        (latents, labels),
        image_shape=image_shape,
        filters=config.filters,
        class_count=class_count,
        embedding_dim=config.embedding_dim,
    )
    discriminator = ConditionalDiscriminator(
        (images, labels),
        filters=config.filters,
        class_count=class_count,
        condition=config.condition,
        spectral_norm=config.spectral_norm,
    )
    gan = ConditionalGAN(generator, discriminator, seed=config.seed, augmentation=config.little_data.augmentation())
    gan.compile(
        loss=Hinge() if config.spectral_norm else NonSaturating(),
        generator_optimizer=keras.optimizers.Adam(
            config.learning_rate, beta_1=0.5, use_ema=True, ema_momentum=config.ema
        ),
        discriminator_optimizer=keras.optimizers.Adam(config.learning_rate, beta_1=0.5),
        steps_per_execution=8,
    )
    return gan


def train(config, run):
    """Trains a GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches, class_count = data.load(config)
    image_shape, _ = batches.sample_shape
    gan = build(config, image_shape, class_count)
    run.fit(gan, batches)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__)
