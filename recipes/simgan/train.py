"""Make drawn pictures look real and keep their labels, so that a network can be trained without labelled photos.

    ./run_recipe.sh simgan

Paper: Shrivastava et al., 2017, https://arxiv.org/abs/1612.07828
Minutes: 18
"""

import dataclasses

import keras
from keras import layers, ops

from common import translate
from common.cli import main
from common.gan import GAN, sample
from common.history import History
from common.layers import reflect, residual_block
from common.losses import NonSaturating
from common.networks import Discriminator, Generator
from common.options import Count, Rate, Seed, Weight
from common.run import first_side_by_side

from . import data, export, measure


@dataclasses.dataclass(frozen=True)
class Config:
    simulation: data.SimulationOptions = data.SimulationOptions()  # what to refine towards what
    epochs: Count = 12  # passes over the simulated pictures
    batch_size: Count = 32  # pictures of each kind in a step
    learning_rate: Rate = 2e-4  # of both networks in the game
    regularization: Weight = 2.0  # weight of the change that R makes, in R's loss
    transform: data.Transform = "pixels"  # in which features that change is measured
    steps: tuple[Count, Count] = (2, 1)  # of R and of D in a round: the paper's K_g and K_d
    pretraining: tuple[Count, Count] = (3, 1)  # passes of R alone, then of D alone, before the game
    filters: Count = 32  # of the refiner
    seed: Seed = 0  # of weights, history and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class Refiner(Generator):
    """Drawn pictures to refined ones: residual blocks at the full size, so that nothing has to move."""

    def network(self, simulated, filters):
        x = layers.Conv2D(filters, 3, activation="relu")(reflect(simulated, 1))
        for _ in range(4):
            x = residual_block(x, norm=False)  # a norm would take away the brightness, which is to stay
        return layers.Conv2D(simulated.shape[-1], 1, activation="tanh")(x)


class LocalDiscriminator(Discriminator):
    """Pictures to a map of logits, one for each region of 18 pixels: what R does anywhere is judged there."""

    def network(self, pictures, filters):
        x = layers.Conv2D(filters, 4, 2, "same", activation="relu")(pictures)  # kernels that see every pixel as often
        x = layers.Conv2D(2 * filters, 4, 2, "same", activation="relu")(x)
        x = layers.Conv2D(2 * filters, 3, padding="same", activation="relu")(x)
        return layers.Conv2D(1, 1)(x)


# Game -------------------------------------------------------------------------------------------------------------


class SimGAN(GAN):
    """A sample is `(simulated, real)`, two pictures with nothing in common; the fake one is the first, refined."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.buffer = History(self.options["history"], self.discriminator.input_shape[1:], exact=True)

    def fake(self, sides):
        return self.generator(sides[0], training=True)

    def discriminator_loss(self, sides):
        refined = self.buffer(ops.stop_gradient(self.fake(sides)))  # half of them from earlier rounds
        return self.adversarial_loss.discriminator(self.judge(sides[1]), self.judge(refined))

    def generator_loss(self, sides):
        refined = self.fake(sides)
        realism = self.adversarial_loss.generator(self.judge(refined))
        return realism + self.options["regularization"] * data.CHANGES[self.options["transform"]](sides[0], refined)


# Training ---------------------------------------------------------------------------------------------------------


def pretrain(gan, batches, config):
    """Lets R learn to change nothing, and then D to tell that from what is real: the game begins at neither's end."""
    simulated, real = batches.first(min(10_000, batches.count))
    refiner, discriminator = gan.generator.plain(), gan.discriminator.plain()
    refiner.compile("adam", data.CHANGES[config.transform])
    refiner.fit(simulated, simulated, config.batch_size, config.pretraining[0], verbose=2)
    both, is_real = data.labelled(sample(refiner, simulated), real)
    discriminator.compile("adam", lambda is_real, logits: ops.softplus((1 - 2 * is_real) * logits))
    discriminator.fit(both, is_real, config.batch_size, config.pretraining[1], verbose=2)


def train(config, run):
    """Trains a GAN as `config` says, continues what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    shape, _ = batches.sample_shape
    refiner = Refiner(keras.Input((None, None, shape[-1])), filters=config.filters)
    discriminator = LocalDiscriminator(shape, filters=config.filters)
    options = {"regularization": config.regularization, "transform": config.transform, "history": 1000}
    gan = SimGAN(refiner, discriminator, config.seed, options)
    if run.is_new:
        pretrain(gan, batches, config)
    optimizers = (keras.optimizers.Adam(config.learning_rate, 0.5) for _ in range(2))
    gan.compile(NonSaturating(), *optimizers, generator_steps=config.steps[0], discriminator_steps=config.steps[1])
    run.fit(gan, batches, draw=data.refinements(config), columns=12, show=first_side_by_side)
    return gan


if __name__ == "__main__":
    actions = {"apply": translate.apply, "evaluate": measure.evaluate, "export": export.export, "sample": None}
    main(train, Config, __package__, actions)
