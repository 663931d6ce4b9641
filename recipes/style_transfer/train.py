"""Turn pictures of one kind into another, and back, without a single pair that shows how: photos into paintings.

    ./run_recipe.sh style_transfer

Paper: Zhu et al., 2017, https://arxiv.org/abs/1703.10593
Minutes: 55
"""

import dataclasses

import keras
from keras import ops

from common.cli import main
from common.gan import GAN
from common.history import History
from common.layers import judge_patches, patch_halvings, residual_translation
from common.losses import LeastSquares, l1_distance
from common.networks import Discriminator, Generator, as_one_player, halvings
from common.options import Count, Rate, Seed, Weight
from common.run import first_side_by_side
from common.schedules import ConstantThenLinear

from . import actions, data


@dataclasses.dataclass(frozen=True)
class Config:
    domains: data.DomainOptions = data.DomainOptions()  # between what to translate
    epochs: Count = 20  # passes over the larger domain
    batch_size: Count = 4  # pictures of each domain in a step
    learning_rate: Rate = 2e-4  # of both networks; falls to 0 in the second half
    cycle: Weight = 10.0  # weight of the way there and back
    identity: Weight = 5.0  # weight of leaving alone what is of the wanted kind already
    filters: Count = 16  # of the layer next to the picture
    blocks: Count = 4  # residual blocks in the middle of a generator
    seed: Seed = 0  # of weights, history and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class ResidualGenerator(Generator):
    """Pictures to pictures: to a quarter of the size, changed there by residual blocks, and back."""

    def network(self, pictures, filters, blocks):
        return residual_translation(pictures, filters, blocks)


class PatchDiscriminator(Discriminator):
    """Pictures of one domain, real or translated, to a map of logits, one a patch."""

    def network(self, pictures, filters):
        return judge_patches(pictures, filters, patch_halvings(halvings(*pictures.shape[1:3])))


# Game -------------------------------------------------------------------------------------------------------------


class CycleGAN(GAN):
    """A sample is `(a, b)`, a picture of each domain; the fake one is `(b as a, a as b)`.

    Its options are the weights `cycle` and `identity` of the generators' loss, and the size of each `history`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.histories = [History(self.options["history"], part.shape[1:]) for part in self.discriminator.inputs]

    @property
    def translators(self):
        """The two generators: from a to b, and back."""
        return [self.generator.get_layer(name) for name in ("to_b", "to_a")]

    def fake(self, real):
        as_b, as_a = self.generator(real, training=True)
        return as_a, as_b

    def discriminator_loss(self, real):
        fakes = map(ops.stop_gradient, self.fake(real))
        pooled = tuple(history(fake) for history, fake in zip(self.histories, fakes, strict=True))
        return sum(map(self.adversarial_loss.discriminator, self.judge(real), self.judge(pooled)))

    def generator_loss(self, real):
        (a, b), (to_b, to_a) = real, self.translators
        as_a, as_b = self.fake(real)
        loss = sum(map(self.adversarial_loss.generator, self.judge((as_a, as_b))))
        loss += self.options["cycle"] * (l1_distance(a, to_a(as_b)) + l1_distance(b, to_b(as_a)))
        if self.options["identity"]:  # else the two passes are spared
            loss += self.options["identity"] * (l1_distance(a, to_a(a)) + l1_distance(b, to_b(b)))
        return loss


# Training ---------------------------------------------------------------------------------------------------------


def train(config, run):
    """Trains a GAN as `config` says, continues what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    shape, _ = batches.sample_shape
    any_size = keras.Input((None, None, shape[-1]))  # so that the generators take pictures of other sizes
    size = {"filters": config.filters, "blocks": config.blocks}
    to_b, to_a = (ResidualGenerator(any_size, name, **size) for name in ("to_b", "to_a"))
    is_a, is_b = (PatchDiscriminator(shape, name, filters=2 * config.filters) for name in ("is_a", "is_b"))
    gan = CycleGAN(
        as_one_player("generator", to_b, to_a),
        as_one_player("discriminator", is_a, is_b),
        config.seed,
        options={"cycle": config.cycle, "identity": config.identity, "history": max(50, config.batch_size)},
    )
    rate = ConstantThenLinear(config.learning_rate, config.epochs * len(batches))
    gan.compile(LeastSquares(), keras.optimizers.Adam(rate, 0.5), keras.optimizers.Adam(rate, 0.5))
    run.fit(gan, batches, draw=data.translations(config), columns=12, show=first_side_by_side)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, {"apply": actions.apply, "evaluate": actions.evaluate, "sample": None})
