"""Unpaired image-to-image translation with cycle consistency.

    ./run_recipe.sh style_transfer

Paper: Zhu et al., 2017, https://arxiv.org/abs/1703.10593
Minutes: 55
"""

import dataclasses

import keras
from keras import layers

from common.base.ranges import Count, Rate, Seed, Weight, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN
from common.image_pool import ImagePool
from common.layers import instance_norm, patch_logits, reflection_pad, residual_block, upsampling_convolution
from common.losses import LeastSquares, l1_distance
from common.networks import Discriminator, Generator
from common.schedules import ConstantThenLinear
from common.training.length import Length
from common.training.run import first_side_by_side

from . import actions, data


@dataclasses.dataclass(frozen=True)
class Config:
    domains: data.DomainOptions = data.DomainOptions()  # the two domains
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=25_000)  # of the training
    batch_size: Count = 4  # images of each domain in a step
    learning_rate: Rate = 2e-4  # of all networks; decays linearly to 0 in the second half
    cycle: Weight = 10.0  # weight of the cycle consistency loss
    identity: Weight = 5.0  # weight of the identity loss
    filters: Width = 16  # of the layer next to the image
    blocks: Width = 4  # residual blocks in the middle of a generator
    seed: Seed = 0  # of weights, image pools and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class ResidualGenerator(Generator):
    """Images to images of the same size, through residual blocks at a quarter of it, with one skip connection."""

    def network(self, images, filters, blocks):
        x = layers.Conv2D(filters, 7, use_bias=False)(reflection_pad(images, 3))
        x = fine = layers.ReLU()(instance_norm()(x))
        for factor in (2, 4):
            x = layers.Conv2D(filters * factor, 3, strides=2, padding="same", use_bias=False)(x)
            x = layers.ReLU()(instance_norm()(x))
        for _ in range(blocks):
            x = residual_block(x)
        for factor in (2, 1):
            x = layers.ReLU()(instance_norm()(upsampling_convolution(x, filters * factor)))
        x = reflection_pad(layers.Concatenate()([x, fine]), 3)
        return layers.Conv2D(images.shape[-1], 7, activation="tanh")(x)


class PatchDiscriminator(Discriminator):
    """Images of one domain, real or translated, to a map of logits, one for each patch."""

    def network(self, images, filters):
        return patch_logits(images, filters)


def in_parallel(name, *networks):
    """Returns networks of one input each as one `keras.Model`; `get_layer(name)` returns each of them."""
    inputs = [keras.Input(network.input_shape[1:]) for network in networks]
    outputs = [network(x) for network, x in zip(networks, inputs, strict=True)]
    return keras.Model(inputs, outputs, name=name)


# GAN --------------------------------------------------------------------------------------------------------------


class CycleGAN(GAN):
    """A sample is `(a, b)`, an image of each domain; the fake one is `(F(b), G(a))`, with G: A→B and F: B→A.

    Its option is the `pool_size` of the image pools.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        pool_size = self.options["pool_size"]
        self.pool_a, self.pool_b = (ImagePool(pool_size, x.shape[1:]) for x in self.discriminator.inputs)

    @property
    def translators(self):
        """G: A→B and F: B→A."""
        return self.generator.get_layer("to_b"), self.generator.get_layer("to_a")

    def fake(self, batch):
        fake_b, fake_a = self.generator(batch, training=True)
        return fake_a, fake_b

    def discriminator_loss(self, real, fake):
        fake_a, fake_b = fake
        return super().discriminator_loss(real, (self.pool_a(fake_a), self.pool_b(fake_b)))

    def generator_loss(self, real, fake):
        (a, b), (fake_a, fake_b), (G, F) = real, fake, self.translators
        terms = super().generator_loss(real, fake)  # of both discriminators
        terms["cycle"] = l1_distance(a, F(fake_b)) + l1_distance(b, G(fake_a))
        if self.loss_weights.get("g_identity", 1.0):  # otherwise spare the two passes
            terms["identity"] = l1_distance(a, F(a)) + l1_distance(b, G(b))
        return terms


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape, steps):
    """Returns the compiled GAN for images of this shape and a training of so many steps."""
    any_size = keras.Input((None, None, image_shape[-1]))  # so that the generators translate images of other sizes
    size = {"filters": config.filters, "blocks": config.blocks}
    G, F = (ResidualGenerator(any_size, name=name, **size) for name in ("to_b", "to_a"))
    D_A, D_B = (PatchDiscriminator(image_shape, name=name, filters=2 * config.filters) for name in ("is_a", "is_b"))
    gan = CycleGAN(
        in_parallel("generator", G, F),
        in_parallel("discriminator", D_A, D_B),
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
        options={"pool_size": max(50, config.batch_size)},
    )
    rate = ConstantThenLinear(config.learning_rate, steps)
    gan.compile(
        loss=LeastSquares(),
        loss_weights={"g_cycle": config.cycle, "g_identity": config.identity},
        generator_optimizer=keras.optimizers.Adam(rate, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(rate, beta_1=0.5),
    )
    return gan


def train(config, run):
    """Trains a GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    image_shape, _ = batches.sample_shape
    gan = build(config, image_shape, steps=run.plan(batches) * len(batches))
    run.fit(gan, batches, draw=data.translations(config), columns=12, show=first_side_by_side)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, {"apply": actions.apply_either_way, "evaluate": actions.evaluate, "sample": None})
