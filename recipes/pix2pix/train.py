"""Turn pictures into other pictures, from pairs that show how: edges into garments, plans into facades.

    ./run_recipe.sh pix2pix

Paper: Isola et al., 2017, https://arxiv.org/abs/1611.07004
Minutes: 10
"""

import dataclasses

import keras
from keras import layers

from common import translate
from common.cli import main
from common.gan import GAN
from common.layers import instance_norm, judge_patches, patch_halvings
from common.losses import NonSaturating, l1_distance
from common.networks import Discriminator, Generator, halvings
from common.options import Count, Rate, Seed, Share, Weight
from common.run import first_side_by_side

from . import data, measure


@dataclasses.dataclass(frozen=True)
class Config:
    pairs: data.SourceOptions = data.SourceOptions()  # what to translate into what
    epochs: Count = 20  # passes over the pairs
    batch_size: Count = 16  # pairs in a step
    learning_rate: Rate = 2e-4  # of both networks
    adversarial: Weight = 1.0  # weight of the game in G's loss; 0 leaves the distance alone, to compare with
    distance: Weight = 100.0  # weight of the L1 distance to the target in G's loss
    filters: Count = 32  # of the layer next to the image; doubled with every halving, up to 512
    dropout: Share = 0.5  # of the features in the decoder: the noise of G, also when it is used
    seed: Seed = 0  # of weights, noise and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class UNet(Generator):
    """Images to images: halved, then doubled again, each size joined with what had that size before."""

    def network(self, source, channels, times, filters, dropout):
        x, skips = source, []
        for level in range(times):
            skips.append(x)
            x = layers.Conv2D(min(filters * 2**level, 512), 4, 2, "same", use_bias=level == 0)(x)
            x = layers.LeakyReLU(0.2)(instance_norm()(x) if level else x)  # no norm next to the image
        for level in reversed(range(1, times)):
            x = layers.Conv2DTranspose(min(filters * 2 ** (level - 1), 512), 4, 2, "same", use_bias=False)(x)
            x = instance_norm()(x)
            if level >= times - 3:  # the three innermost layers
                x = layers.Dropout(dropout)(x)  # the noise: G is called with training=True wherever it is used
            x = layers.Concatenate()([layers.ReLU()(x), skips[level]])
        return layers.Conv2DTranspose(channels, 4, 2, "same", activation="tanh")(x)


class PatchDiscriminator(Discriminator):
    """A source and its target, real or translated, to a map of logits, one a patch."""

    def network(self, pair, filters, times):
        return judge_patches(layers.Concatenate()(pair), filters, patch_halvings(times))


# Game -------------------------------------------------------------------------------------------------------------


class Pix2Pix(GAN):
    """A sample is `(source, target)`; the fake one is the same source with its translation.

    Its options are the weights of both terms of the generator's loss (equation 4): `adversarial` and `distance`.
    """

    def fake(self, real):
        source, _ = real
        return source, self.generator(source, training=True)

    def generator_loss(self, real):
        fake = self.fake(real)
        adversarial = self.adversarial_loss.generator(self.judge(fake))
        distance = l1_distance(real[1], fake[1])
        return self.options["adversarial"] * adversarial + self.options["distance"] * distance


# Training ---------------------------------------------------------------------------------------------------------


def train(config, run):
    """Trains a GAN as `config` says, continues what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    source, target = (keras.Input(shape) for shape in batches.sample_shape)
    times = halvings(*target.shape[1:3])
    any_size = keras.Input((None, None, source.shape[-1]), name="source")  # so that G takes pictures of other sizes
    gan = Pix2Pix(
        UNet(any_size, channels=target.shape[-1], times=times, filters=config.filters, dropout=config.dropout),
        PatchDiscriminator((source, target), filters=config.filters, times=times),
        config.seed,
        options={"adversarial": config.adversarial, "distance": config.distance},
    )
    rate = config.learning_rate
    gan.compile(NonSaturating(), keras.optimizers.Adam(rate, 0.5), keras.optimizers.Adam(rate, 0.5))
    run.fit(gan, batches, draw=data.translations(config), columns=12, show=first_side_by_side)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, {"apply": translate.apply, "evaluate": measure.measure, "sample": None})
