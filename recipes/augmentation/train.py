"""Data augmentation by samples: a class-conditional GAN of a few labelled images draws more of them.

    ./run_recipe.sh augmentation

Paper: Antoniou et al., 2017, https://arxiv.org/abs/1711.04340
Minutes: 3
"""

import dataclasses

import keras
from keras import layers

from common.base.ranges import Count, Rate, Seed, Share, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import ConditionalGAN
from common.losses import NonSaturating
from common.networks import Discriminator, Generator, downsample, upsample
from common.training.length import Length

from . import actions, data


@dataclasses.dataclass(frozen=True)
class Config:
    images: data.FewImagesOptions = data.FewImagesOptions()  # the training images, and how many of each class
    little_data: LittleDataOptions = LittleDataOptions(diff_augment=True)  # what helps where there are few images
    length: Length = Length(steps=5_000)  # of the training
    batch_size: Count = 64  # images in a step, at most as many as there are
    learning_rate: Rate = 5e-4  # of both networks
    embedding_dim: Width = 50  # length of the vector that a label is embedded in
    filters: Width = 32  # of the layer next to the image; doubled with every downsampling
    latent_dim: Width = 100  # length of a latent vector
    ema: Share = 0.998  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents, the order of the data and the choice of the images


# Networks ---------------------------------------------------------------------------------------------------------


class ConditionalGenerator(Generator):
    """Latents and a label to images, as in cgan."""

    def network(self, inputs, image_shape, filters, class_count, embedding_dim):
        latents, labels = inputs
        embedded = layers.Embedding(class_count, embedding_dim)(labels)
        return upsample(layers.Concatenate()([latents, embedded]), image_shape, filters)


class ProjectionDiscriminator(Discriminator):
    """Images and labels to one logit: is the image real, and does it show this class? (Miyato and Koyama, 2018)"""

    def network(self, inputs, filters, class_count):
        images, labels = inputs
        features = downsample(images, filters)
        embedded = layers.Embedding(class_count, features.shape[1])(labels)
        return layers.Add()([layers.Dense(1)(features), layers.Dot(axes=1)([embedded, features])])


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape, class_count):
    """Returns the compiled GAN for images of this shape and so many classes."""
    latents = keras.Input((config.latent_dim,), name="latents")
    images = keras.Input(image_shape, name="images")
    labels = keras.Input((), name="labels", dtype="int32")
    size = {"filters": config.filters, "class_count": class_count}
    gan = ConditionalGAN(
        ConditionalGenerator((latents, labels), image_shape=image_shape, embedding_dim=config.embedding_dim, **size),
        ProjectionDiscriminator((images, labels), **size),
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
    )
    gan.compile(
        loss=NonSaturating(),
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
    main(train, Config, __package__, {"evaluate": actions.evaluate})
