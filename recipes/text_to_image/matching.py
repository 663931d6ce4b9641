"""Losses by which images match their phrases, and phrases between phrases."""

import dataclasses

import keras
from keras import ops

from common.base.ranges import Share, Weight

from .text import TEXT_DIM


@dataclasses.dataclass(frozen=True)
class Matching:
    """How much it counts that image and phrase match; each can be 0, to see what it does."""

    mismatch: Weight = 1.0  # weight of real images with wrong phrases in D's loss (Reed et al., section 4.2)
    contrast: Weight = 1.0  # weight of finding the phrase of an image among all of a batch, in both losses
    interpolation: Share = 0.25  # share of fake images whose phrase is a mixture of two (section 4.3)
    mode_seeking: Weight = 0.1  # weight of two images of a phrase being alike, in G's loss (Mao et al., 2019)

    def weights(self):
        """Returns the `loss_weights` of `compile`."""
        return {
            "d_mismatch": self.mismatch,
            "d_contrast": self.contrast,
            "g_contrast": self.contrast,
            "g_mode_seeking": self.mode_seeking,
        }


# Between phrases --------------------------------------------------------------------------------------------------


def random_shares(draws, count, portion):
    """Returns by which share each of a batch's vectors is mixed with the next one: 0, but for a portion of them.

    Args:
        draws: `Draws`.
        count: integer.
        portion: float in [0, 1].

    Returns:
        tensor `(count, 1)` in [0, 1).
    """
    shares, drawn = ((draws.uniform(count, 1) + 1) / 2 for _ in range(2))
    return ops.where(drawn < portion, shares, 0.0)


def mixed(vectors, shares=0.0):
    """Returns vectors, each mixed with a share of the next one of the batch."""
    return vectors + shares * (ops.roll(vectors, -1, axis=0) - vectors)


# Matching ---------------------------------------------------------------------------------------------------------


def mismatch(logits, phrases, wrong):
    """Returns the mean of softplus over real images with wrong phrases; 0 where a wrong phrase is the right one.

    Args:
        logits: tensor `(batch, 1)`, of images with wrong phrases.
        phrases, wrong: tensors `(batch, …)`, the right phrases and the wrong ones, as a text encoder is fed them. They
            are equal where a batch has the same caption twice.

    Reference: Reed et al., 2016, https://arxiv.org/abs/1605.05396, algorithm 1.
    """
    is_wrong = ops.any(ops.not_equal(phrases, wrong), axis=tuple(range(1, len(phrases.shape))))
    return ops.mean(ops.where(is_wrong, ops.softplus(logits[:, 0]), 0.0))


def contrast(features, vectors):
    """Returns the mean cross-entropy of finding the phrase of each image among those of the batch, in nats.

    Args:
        features, vectors: tensors `(batch, TEXT_DIM)`, of images and of their phrases.

    Reference: Zhang et al., 2021, https://arxiv.org/abs/2101.04702, section 4.1.
    """
    return found_in_batch(ops.matmul(features, ops.transpose(vectors)) / TEXT_DIM**0.5)


def found_in_batch(products):
    """Returns the mean cross-entropy of finding, in each row of logits `(batch, batch)`, the one on the diagonal."""
    rows = ops.arange(ops.shape(products)[0])
    return ops.mean(keras.losses.sparse_categorical_crossentropy(rows, products, from_logits=True))


# Diversity --------------------------------------------------------------------------------------------------------


def likeness(images, others):
    """Returns how alike images of the same phrases and of different latents are: the mean of 1 / (distance + 0.05).

    A discriminator that sees each phrase once in a batch does not notice if all images of a phrase are equal.

    Args:
        images, others: tensors `(batch, height, width, channels)`; the distance of two is their mean difference.

    Reference: Mao et al., 2019, https://arxiv.org/abs/1903.05628, equation 3; the distance of normal latents of many
    dimensions, by which the paper divides, hardly varies.
    """
    distance = ops.mean(ops.abs(ops.cast(images, "float32") - ops.cast(others, "float32")), axis=(1, 2, 3))
    return ops.mean(1 / (distance + 0.05))
