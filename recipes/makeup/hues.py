"""Styles in other hues: an example of a style whose colours nothing that F has left on the source betrays."""

import math

from keras import ops

from common.latents import Draws


def in_another_hue(images, bare, seed):
    """Returns images whose styles have their colours turned about the grey axis of RGB, by any angle at random.

    Args:
        images: list of tensors `(batch, height, width, 3)`, values in [-1, 1]; those of the same row, as a reference
            and the same one warped, are turned alike.
        bare: list of the same without their style: what they have besides is the style.
        seed: `keras.random.SeedGenerator`.
    """
    count, *_ = ops.shape(images[0])
    matrices = turns(math.pi * ops.expand_dims(Draws(seed).uniform(count, 1), -1))
    return [ops.clip(b + turned(image - b, matrices), -1.0, 1.0) for image, b in zip(images, bare, strict=True)]


def turns(angles):
    """Returns the rotations about the grey axis by angles `(count, 1, 1)` in radians (Rodrigues' formula)."""
    grey = ops.ones((3, 3)) / 3  # times a colour: its part along the axis
    product = ops.convert_to_tensor([[0.0, 1, -1], [-1, 0, 1], [1, -1, 0]]) / math.sqrt(3)  # with the axis
    return grey + ops.cos(angles) * (ops.eye(3) - grey) + ops.sin(angles) * product


def turned(styles, matrices):
    """Returns styles `(batch, height, width, 3)`, the colours of each times its matrix of `(batch, 3, 3)`."""
    pixels = ops.reshape(styles, (-1, styles.shape[1] * styles.shape[2], 3))
    return ops.reshape(ops.matmul(pixels, matrices), ops.shape(styles))
