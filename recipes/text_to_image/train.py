"""Images from phrases: also from phrases that no image of the training has.

    ./run_recipe.sh text_to_image

Paper: Reed et al., 2016, https://arxiv.org/abs/1605.05396
Minutes: 15
"""

import dataclasses
from typing import Literal

import keras
from keras import layers, ops

from common.base.ranges import Count, Rate, Seed, Share, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN, count_of
from common.latents import Draws
from common.losses import NonSaturating
from common.networks import Discriminator, Generator, downsample, upsample
from common.training.length import Length
from data_prep.captions import CaptionOptions

from . import actions, data
from .matching import Matching, contrast, likeness, mismatch, mixed, random_shares
from .phrases import SIDE, PhraseLatents
from .text import TEXT_DIM, TextEncoder, halves, phrase_input, read


@dataclasses.dataclass(frozen=True)
class Config:
    captioned: CaptionOptions = CaptionOptions()  # the training images and their captions
    text_encoder: Literal["ngrams", "minilm"] = "ngrams"  # words by their n-grams, or by vectors learned elsewhere
    matching: Matching = Matching()  # of image and phrase
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=7_800)  # of the training
    batch_size: Count = 64  # images in a step
    learning_rate: Rate = 5e-4  # of all networks
    filters: Width = 32  # of the layer next to the image; doubled with every downsampling
    latent_dim: Width = 100  # length of a latent vector
    ema: Share = 0.998  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents, and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class PhraseGenerator(Generator):
    """Latents and phrases to images: both are the input, and set the conditional batch norm of each size."""

    def network(self, inputs, image_shape, filters):
        latents, phrases = inputs  # read by a text encoder of its own, as each network of cgan embeds the labels
        condition = layers.Concatenate()([latents, read(phrases)])
        return upsample(condition, image_shape, filters, condition, smooth=True)


class MatchingDiscriminator(Discriminator):
    """Images to one logit, is it real?, and to features, whose product with the vector of a phrase is added to it."""

    def network(self, images, filters):
        features = downsample(images, filters)
        return [layers.Dense(1)(features), layers.Dense(TEXT_DIM)(features)]


# GAN --------------------------------------------------------------------------------------------------------------


class TextToImage(GAN):
    """A batch is `(images, phrases)`. The discriminator sees pairs, also real images with wrong phrases.

    Fake are `(images, phrases, shares, others)`: by which share each phrase is mixed with the next one; and images of
    other latents and the same phrases.
    """

    players = {"discriminator": ("discriminator", "text_encoder"), "generator": ("generator",)}

    def __init__(self, generator, *arguments, **kwargs):
        super().__init__(generator, *arguments, **kwargs)
        vars(self)["halves"] = halves(generator)  # not as an attribute of Keras, which would save them again

    def fake(self, batch):
        _, phrases = batch
        count, (reader, painter), draws = count_of(batch), self.halves, Draws(self.seed_generator)
        shares = random_shares(draws, count, self.options["interpolation"])
        vectors = mixed(reader(phrases, training=True), shares)
        images, others = (painter([draws.normal(count, self.latents.dim), vectors], training=True) for _ in range(2))
        return images, phrases, shares, others

    def judge(self, samples, network="discriminator"):
        images, phrases, *shares = samples[:3]
        return [*super().judge(images), mixed(super().judge(phrases, "text_encoder"), *shares)]

    def logits(self, judged):
        score, features, vectors = judged
        return score + ops.sum(features * vectors, axis=1, keepdims=True) / TEXT_DIM**0.5  # the projection

    def discriminator_loss(self, real, fake):
        score, features, vectors = judged = self.judge(real)
        wrong = self.logits([score, features, ops.roll(vectors, 1, axis=0)])
        rejected = mismatch(wrong, real[1], ops.roll(real[1], 1, axis=0))
        terms = self.adversarial_discriminator_loss(real, fake[:2], (judged, self.judge(fake)))
        return {**terms, "mismatch": rejected, "contrast": contrast(features, vectors)}

    def generator_loss(self, real, fake):
        _, features, vectors = judged = self.judge(fake)
        terms = self.adversarial_generator_loss(real, fake, judged)
        return {**terms, "contrast": contrast(features, vectors), "mode_seeking": likeness(fake[0], fake[3])}


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape, phrases):
    """Returns the compiled GAN for images of this shape; `phrases`, a list of strings, are those of its grids."""
    latents, matching = keras.Input((config.latent_dim,), name="latents"), config.matching
    encoder = config.text_encoder
    gan = TextToImage(
        PhraseGenerator((latents, phrase_input(encoder)), image_shape=image_shape, filters=config.filters),
        MatchingDiscriminator(image_shape, filters=config.filters),
        networks={"text_encoder": TextEncoder(phrase_input(encoder), "text_encoder")},
        latents=PhraseLatents(config.latent_dim, phrases, encoder),
        seed=config.seed,
        options={"interpolation": matching.interpolation},
        augmentation=config.little_data.augmentation(),
    )
    adam = keras.optimizers.Adam
    gan.compile(
        loss=NonSaturating(),
        loss_weights=matching.weights(),
        generator_optimizer=adam(config.learning_rate, beta_1=0.5, use_ema=True, ema_momentum=config.ema),
        discriminator_optimizer=adam(config.learning_rate, beta_1=0.5),
        steps_per_execution=8,
    )
    return gan


def train(config, run):
    """Trains a GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches, phrases = data.load(config)
    image_shape, _ = batches.sample_shape
    gan = build(config, image_shape, phrases)
    run.fit(gan, batches, columns=SIDE)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, actions.ACTIONS)
