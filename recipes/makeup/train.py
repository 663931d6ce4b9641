"""The make-up of a reference on another face, and off again: asymmetric style transfer.

    ./run_recipe.sh makeup

Paper: Chang et al., 2018, https://doi.org/10.1109/CVPR.2018.00012
Minutes: 28
"""

import dataclasses

import keras
from keras import ops

from common.base.ranges import Rate, Seed, Several, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN
from common.losses import NonSaturating, squared_distance
from common.schedules import ConstantThenLinear
from common.training.length import Length
from common.training.run import first_side_by_side

from . import actions, data
from .networks import Apply, Judge, Remove
from .terms import Terms


@dataclasses.dataclass(frozen=True)
class Config:
    collections: data.CollectionOptions = data.CollectionOptions()  # the images without and with the style
    terms: Terms = Terms()  # of the loss of G and F
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=3_000)  # of the training
    batch_size: Several = 4  # images of each collection in a step; each is compared with another one
    learning_rate: Rate = 1e-3  # of all networks; decays linearly to 0 in the second half
    filters: Width = 16  # of the layers next to the image
    seed: Seed = 0  # of weights and of the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


def there_and_back(image_shape, filters):
    """Returns the generator: (source, reference) to (G(source, reference), F(reference)); see `networks.py`."""
    source, reference, image = (keras.Input(image_shape, name=name) for name in ("source", "reference", "image"))
    G = Apply((source, reference), name="apply", filters=filters)
    F = Remove(image, name="remove", filters=filters)
    return keras.Model([source, reference], [G((source, reference)), F(reference)], name="generator")


# GAN --------------------------------------------------------------------------------------------------------------


class PairedCycleGAN(GAN):
    """A sample is `(x, (y, w))`: a source, a reference, and that warped; the fake one is `(G(x, y), F(y), F(w), b)`.

    b is the reference without its style. D_Y is the discriminator, D_X is `is_plain`, and D_S, of pairs, `is_same`.
    """

    players = {"discriminator": ("discriminator", "is_plain", "is_same"), "generator": ("generator",)}

    @property
    def halves(self):
        """G and F."""
        return self.generator.get_layer("apply"), self.generator.get_layer("remove")

    def fake(self, batch):
        x, (y, warped) = batch
        applied, removed = self.generator((x, y), training=True)
        G, F = self.halves
        bare = F(G((removed, ops.roll(y, 1, axis=0))))  # another style hides what F has left of this one
        return applied, removed, ops.stop_gradient(F(warped)), ops.stop_gradient(bare)

    def styles(self, real, fake):
        """Returns the styles of the references, of them warped, and of the results, which are to be all the same.

        A style is what F takes off, or G puts on, so that D_S need not tell faces from each other.
        """
        (x, (y, warped)), (applied, removed, warped_removed, _) = real, fake
        return ops.stop_gradient(y - removed), warped - warped_removed, applied - x

    def discriminator_loss(self, real, fake):
        (x, (y, _)), (applied, removed, *_) = real, fake
        own, warped, _ = self.styles(real, fake)
        terms = self.adversarial_discriminator_loss(y, applied)
        terms["plain"] = self.told_apart(x, removed, "is_plain")
        terms["pair"] = self.told_apart((own, warped), (own, ops.roll(warped, 1, axis=0)), "is_same")
        return terms

    def generator_loss(self, real, fake):
        (x, (y, warped)), (applied, removed, _, bare), (G, F) = real, fake, self.halves
        own, same, added = self.styles(real, fake)
        terms = {
            "styled": self.adversarial_generator_loss(y, applied)["adversarial"],
            "plain": self.fooled(x, removed, "is_plain"),
            "identity": squared_distance(x, F(applied)),
            "style": squared_distance(y, G((removed, applied))),
        }
        if self.loss_weights.get("g_pair", 1.0):  # otherwise spare what they cost
            terms["pair"] = self.fooled((own, same), (own, added), "is_same")
        if self.loss_weights.get("g_warped", 1.0):
            terms["warped"] = squared_distance(y, G((bare, warped)))
        return terms

    def told_apart(self, real, fake, network):
        return self.adversarial_loss.discriminator(self.judge(real, network), self.judge(fake, network))

    def fooled(self, real, fake, network):
        compared = [self.judge(real, network)] if self.adversarial_loss.relativistic else []
        return self.adversarial_loss.generator(self.judge(fake, network), *compared)


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape, steps):
    """Returns the compiled GAN for images of this shape and a training of so many steps."""
    styles = [keras.Input(image_shape, name=name) for name in ("style", "other_style")]
    gan = PairedCycleGAN(
        there_and_back(image_shape, config.filters),
        Judge(image_shape, filters=config.filters),
        networks={
            "is_plain": Judge(image_shape, name="is_plain", filters=config.filters),
            "is_same": Judge(styles, name="is_same", filters=config.filters),
        },
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
    )
    rate = ConstantThenLinear(config.learning_rate, steps)
    gan.compile(
        loss=NonSaturating(),
        loss_weights=config.terms.weights(),
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
    run.fit(gan, batches, draw=data.transfers(config), columns=10, show=first_side_by_side)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, actions.ACTIONS)
