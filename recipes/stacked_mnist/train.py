"""Draw three pictures at once, one in each colour: 1,000 modes, and a count of those that are lost.

    ./run_recipe.sh stacked_mnist

Paper: Metz et al., 2017, https://arxiv.org/abs/1611.02163
Minutes: 20
"""

import dataclasses
from typing import Literal

import keras
from keras import layers

from common.cli import main
from common.gan import GAN
from common.losses import NonSaturating, RelativisticPairing
from common.networks import Discriminator, Generator, downsample, upsample
from common.options import Count, Rate, Seed, Share
from common.penalties import R1, R2
from data_prep.images import ImageOptions

from . import data, modes


@dataclasses.dataclass(frozen=True)
class Config:
    planes: ImageOptions = ImageOptions()  # what to stack
    method: Literal["relativistic", "non_saturating"] = "relativistic"  # the game
    epochs: Count = 60  # of 12,800 pictures each
    batch_size: Count = 64  # pictures in a step
    learning_rate: Rate = 5e-4  # of both networks
    filters: Count = 32  # of the layer next to the picture; doubled with every halving of the picture
    latent_dim: Count = 100  # length of a latent vector
    ema: Share = 0.999  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the data


# Networks ---------------------------------------------------------------------------------------------------------


class StackedGenerator(Generator):
    """Latents to pictures of three colours, as in dcgan."""

    def network(self, latents, image_shape, filters):
        return upsample(latents, image_shape, filters)


class StackedDiscriminator(Discriminator):
    """Pictures to one logit. Batch norm only in the plain game: slopes are those of one picture."""

    def network(self, pictures, filters, batch_norm):
        return layers.Dense(1)(downsample(pictures, filters, batch_norm))


# Training ---------------------------------------------------------------------------------------------------------


def train(config, run):
    """Trains a GAN as `config` says, continues what `run` holds, and returns it."""
    run.set_random_seed()
    is_plain = config.method == "non_saturating"
    batches = data.load(config)
    gan = GAN(
        StackedGenerator(config.latent_dim, image_shape=batches.sample_shape, filters=config.filters),
        StackedDiscriminator(batches.sample_shape, filters=config.filters, batch_norm=is_plain),
        seed=config.seed,
    )
    gan.compile(
        NonSaturating() if is_plain else RelativisticPairing(),
        keras.optimizers.Adam(config.learning_rate, 0.5, 0.99, use_ema=True, ema_momentum=config.ema),
        keras.optimizers.Adam(config.learning_rate, 0.5, 0.99),
        penalty=None if is_plain else [R1(10.0), R2(10.0)],
        steps_per_execution=8,
    )
    run.fit(gan, batches)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, {"evaluate": modes.evaluate})
