"""Draw images of a class that one asks for: both networks are told it.

    ./run_recipe.sh cgan

Paper: Miyato and Koyama, 2018, https://arxiv.org/abs/1802.05637
Minutes: 6
"""

import dataclasses
from typing import Literal

import keras
from keras import layers, ops

from common.cli import main
from common.gan import GAN
from common.losses import NonSaturating
from common.networks import Discriminator, Generator, downsample, upsample
from common.options import Count, Rate, Seed, Share
from data_prep.images import ImageOptions

from . import data, interpolate


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # what to learn from
    epochs: Count = 60  # passes over the data
    batch_size: Count = 64  # images in a step
    learning_rate: Rate = 5e-4  # of both networks
    condition: Literal["projection", "concatenation"] = "projection"  # how the discriminator is told the class
    embedding_dim: Count = 50  # length of the vector that stands for a class
    filters: Count = 32  # of the layer next to the image; doubled with every halving of the image
    latent_dim: Count = 100  # length of a latent vector
    ema: Share = 0.998  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class ConditionalGenerator(Generator):
    """Latents and a class to images, as in dcgan; the class joins the latents as a learnt vector."""

    def network(self, inputs, image_shape, filters, class_count, embedding_dim):
        latents, labels = inputs
        x = layers.Concatenate()([latents, layers.Embedding(class_count, embedding_dim)(labels)])
        return upsample(x, image_shape, filters)


class ConditionalDiscriminator(Discriminator):
    """Images with their class to one logit: is it real, and is it of this class?"""

    def network(self, inputs, filters, class_count, condition):
        images, labels = inputs
        if condition == "concatenation":  # Mirza and Osindero, 2014: the class as one more plane of the image
            plane = layers.Embedding(class_count, images.shape[1] * images.shape[2])(labels)
            images = layers.Concatenate()([images, layers.Reshape((*images.shape[1:3], 1))(plane)])
        x = downsample(images, filters)
        logit = layers.Dense(1)(x)
        if condition == "projection":  # eq. 3: what speaks for this class is added
            logit = layers.Add()([logit, layers.Dot(1)([layers.Embedding(class_count, x.shape[1])(labels), x])])
        return logit


# Game -------------------------------------------------------------------------------------------------------------


class ConditionalGAN(GAN):
    """A sample is an image with its class; the fake ones are of the classes of the real ones."""

    def fake(self, real):
        _, labels = real
        return self.generator((self.latents(ops.shape(labels)[0]), labels), training=True), labels


# Training ---------------------------------------------------------------------------------------------------------


def train(config, run):
    """Trains a GAN as `config` says, continues what `run` holds, and returns it."""
    run.set_random_seed()
    batches, class_count = data.load(config)
    image_shape, _ = batches.sample_shape
    label = keras.Input((), name="labels", dtype="int32")
    gan = ConditionalGAN(
        ConditionalGenerator(
            (keras.Input((config.latent_dim,), name="latents"), label),
            **{"image_shape": image_shape, "filters": config.filters},
            **{"class_count": class_count, "embedding_dim": config.embedding_dim},
        ),
        ConditionalDiscriminator(
            (keras.Input(image_shape, name="images"), label),
            **{"filters": config.filters, "class_count": class_count, "condition": config.condition},
        ),
        seed=config.seed,
    )
    gan.compile(
        NonSaturating(),
        keras.optimizers.Adam(config.learning_rate, 0.5, use_ema=True, ema_momentum=config.ema),
        keras.optimizers.Adam(config.learning_rate, 0.5),
        steps_per_execution=8,
    )
    run.fit(gan, batches)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, {"interpolate": interpolate.interpolate})
