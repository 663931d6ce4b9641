"""Refinement of simulated images that keeps their labels.

    ./run_recipe.sh simgan

Paper: Shrivastava et al., 2017, https://arxiv.org/abs/1612.07828
Minutes: 18
"""

import dataclasses

import keras
from keras import layers, ops

from common.base.ranges import Count, Rate, Seed, Weight, Width
from common.cli.apply import apply_action
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN
from common.image_pool import ImagePool
from common.layers import reflection_pad, residual_block
from common.losses import NonSaturating
from common.networks import Discriminator, Generator, plain
from common.sampling import draw_samples
from common.training.run import first_side_by_side

from . import data, export, measure


@dataclasses.dataclass(frozen=True)
class Config:
    simulation: data.SimulationOptions = data.SimulationOptions()  # the simulated and the real images
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    epochs: Count = 12  # passes over the simulated images
    batch_size: Count = 32  # images of each kind in an update
    learning_rate: Rate = 2e-4  # of both networks in the adversarial training
    regularization: Weight = 2.0  # weight of the self-regularization in R's loss
    transform: data.Transform = "pixels"  # the features ψ in which self-regularization compares
    updates: tuple[Count, Count] = (2, 1)  # updates of R and of D in a training step: the paper's K_g and K_d
    pretraining: tuple[Count, Count] = (3, 1)  # passes of R alone, then of D alone, before the adversarial training
    filters: Width = 32  # of the refiner
    seed: Seed = 0  # of weights, image pool and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class Refiner(Generator):
    """Simulated images to refined ones: residual blocks at the full resolution, so that nothing moves."""

    def network(self, simulated, filters):
        x = layers.Conv2D(filters, 3, activation="relu")(reflection_pad(simulated, 1))
        for _ in range(4):
            x = residual_block(x, norm=False)  # a norm would remove the brightness, which is to be kept
        return layers.Conv2D(simulated.shape[-1], 1, activation="tanh")(x)


class LocalDiscriminator(Discriminator):
    """Images to a map of logits, one for each region of 18 pixels: a local adversarial loss."""

    def network(self, images, filters):
        # Kernels divisible by their stride see every pixel equally often.
        x = layers.Conv2D(filters, 4, strides=2, padding="same", activation="relu")(images)
        x = layers.Conv2D(2 * filters, 4, strides=2, padding="same", activation="relu")(x)
        x = layers.Conv2D(2 * filters, 3, padding="same", activation="relu")(x)
        return layers.Conv2D(1, 1)(x)


# GAN --------------------------------------------------------------------------------------------------------------


class SimGAN(GAN):
    """A sample is `(simulated, real)`, two unrelated images; the fake one is the simulated image, refined.

    Its options are the features `transform` of the self-regularization, and the `pool_size` of the image pool.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.buffer = ImagePool(self.options["pool_size"], self.discriminator.input_shape[1:], exact=True)

    def fake(self, batch):
        simulated, _ = batch
        return self.generator(simulated, training=True)

    def discriminator_loss(self, real, fake):
        _, real = real
        return super().discriminator_loss(real, self.buffer(fake))  # half of them from earlier steps

    def generator_loss(self, real, fake):
        simulated, real = real
        change = data.CHANGES[self.options["transform"]](simulated, fake)
        return {**super().generator_loss(real, fake), "regularization": change}


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape):
    """Returns the compiled GAN for images of this shape."""
    any_size = keras.Input((None, None, image_shape[-1]))  # so that R refines images of other sizes
    gan = SimGAN(
        Refiner(any_size, filters=config.filters),
        LocalDiscriminator(image_shape, filters=config.filters),
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
        options={"transform": config.transform, "pool_size": 1000},
    )
    generator_steps, discriminator_steps = config.updates
    gan.compile(
        loss=NonSaturating(),
        loss_weights={"g_regularization": config.regularization},
        generator_optimizer=keras.optimizers.Adam(config.learning_rate, beta_1=0.5),
        discriminator_optimizer=keras.optimizers.Adam(config.learning_rate, beta_1=0.5),
        generator_steps=generator_steps,
        discriminator_steps=discriminator_steps,
    )
    return gan


def pretrain(gan, batches, config):
    """Trains R alone to change nothing, then D alone to tell its output from real images (algorithm 1)."""
    simulated, real = batches.first(min(10_000, batches.count))
    refiner_epochs, discriminator_epochs = config.pretraining
    refiner, discriminator = plain(gan.generator), plain(gan.discriminator)
    refiner.compile("adam", loss=data.CHANGES[config.transform])
    refiner.fit(simulated, simulated, config.batch_size, epochs=refiner_epochs, verbose=2)
    images, is_real = data.labelled(draw_samples(refiner, simulated), real)
    discriminator.compile("adam", loss=lambda is_real, logits: ops.softplus((1 - 2 * is_real) * logits))
    discriminator.fit(images, is_real, config.batch_size, epochs=discriminator_epochs, verbose=2)


def train(config, run):
    """Trains a GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    image_shape, _ = batches.sample_shape
    gan = build(config, image_shape)
    if run.is_new:
        pretrain(gan, batches, config)
    run.fit(gan, batches, draw=data.refinements(config), columns=12, show=first_side_by_side)
    return gan


if __name__ == "__main__":
    actions = {"apply": apply_action, "evaluate": measure.evaluate, "export": export.export, "sample": None}
    main(train, Config, __package__, actions)
