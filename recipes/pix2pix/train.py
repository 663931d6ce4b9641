"""Paired image-to-image translation with a U-Net and a PatchGAN.

    ./run_recipe.sh pix2pix

Paper: Isola et al., 2017, https://arxiv.org/abs/1611.07004
Minutes: 3
"""

import dataclasses

import keras
from keras import layers

from common.base.ranges import Count, Rate, Seed, Share, Weight, Width
from common.cli.apply import apply_action
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN
from common.layers import instance_norm, patch_logits
from common.losses import NonSaturating, l1_distance
from common.networks import Discriminator, Generator, num_downsamplings
from common.schedules import ConstantThenLinear
from common.training.length import Length
from common.training.run import first_side_by_side

from . import data, measure


@dataclasses.dataclass(frozen=True)
class Config:
    pairs: data.SourceOptions = data.SourceOptions()  # the pairs of source and target
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=12_500)  # of the training
    batch_size: Count = 4  # pairs in a step
    learning_rate: Rate = 1e-3  # of both networks; decays linearly to 0 in the second half
    adversarial: Weight = 1.0  # weight of the adversarial term in G's loss; 0 trains the U-Net on the distance alone
    distance: Weight = 100.0  # weight of the L1 distance to the target in G's loss
    filters: Width = 32  # of the layer next to the image; doubled with every downsampling, up to 512
    dropout: Share = 0.5  # of the features next to the bottleneck: the noise of G, at test time too
    seed: Seed = 0  # of weights, noise and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class UNet(Generator):
    """Images to images: an encoder and a decoder, with a skip connection at each resolution."""

    def network(self, source, channels, num_downsamplings, filters, dropout):
        x, skips = source, []
        for level in range(num_downsamplings):
            skips.append(x)
            width = min(filters * 2**level, 512)
            x = layers.Conv2D(width, 4, strides=2, padding="same", use_bias=level == 0)(x)
            if level > 0:  # no norm next to the image
                x = instance_norm()(x)
            x = layers.LeakyReLU(0.2)(x)
        for level in reversed(range(1, num_downsamplings)):
            width = min(filters * 2 ** (level - 1), 512)
            x = layers.Conv2DTranspose(width, 4, strides=2, padding="same", use_bias=False)(x)
            x = instance_norm()(x)
            if level == num_downsamplings - 1:  # next to the bottleneck
                x = layers.Dropout(dropout)(x)  # the noise: G is called with training=True wherever it is used
            x = layers.Concatenate()([layers.ReLU()(x), skips[level]])
        return layers.Conv2DTranspose(channels, 4, strides=2, padding="same", activation="tanh")(x)


class PatchDiscriminator(Discriminator):
    """A source and its target, real or translated, to a map of logits, one for each patch."""

    def network(self, pair, filters):
        return patch_logits(layers.Concatenate()(pair), filters)


# GAN --------------------------------------------------------------------------------------------------------------


class Pix2Pix(GAN):
    """A sample is `(source, target)`; the fake one is the same source with its translation."""

    def fake(self, batch):
        source, _ = batch
        return source, self.generator(source, training=True)

    def generator_loss(self, real, fake):
        (_, target), (_, translated) = real, fake
        return {**super().generator_loss(real, fake), "distance": l1_distance(target, translated)}  # equation 4


# Training ---------------------------------------------------------------------------------------------------------


def build(config, source_shape, target_shape, steps):
    """Returns the compiled GAN for sources and targets of these shapes and a training of so many steps."""
    source, target = keras.Input(source_shape), keras.Input(target_shape)
    any_size = keras.Input((None, None, source_shape[-1]), name="source")  # so that G translates images of other sizes
    downsamplings = num_downsamplings(*target_shape[:2])
    generator = UNet(
        any_size,
        channels=target_shape[-1],
        num_downsamplings=downsamplings,
        filters=config.filters,
        dropout=config.dropout,
    )
    discriminator = PatchDiscriminator((source, target), filters=config.filters)
    gan = Pix2Pix(generator, discriminator, seed=config.seed, augmentation=config.little_data.augmentation())
    rate = ConstantThenLinear(config.learning_rate, steps)
    gan.compile(
        loss=NonSaturating(),
        loss_weights={"g_adversarial": config.adversarial, "g_distance": config.distance},
        generator_optimizer=keras.optimizers.Adam(rate, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(rate, beta_1=0.5),
    )
    return gan


def train(config, run):
    """Trains a GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    gan = build(config, *batches.sample_shape, steps=run.plan(batches) * len(batches))
    run.fit(gan, batches, draw=data.translations(config), columns=12, show=first_side_by_side)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, {"apply": apply_action, "evaluate": measure.measure, "sample": None})
