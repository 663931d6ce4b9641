"""From what a generator is fed to samples: as arrays, and as the grid that a run shows every epoch."""

import keras
import numpy as np
from keras import ops

from common.base.errors import InputError


def draw_samples(generator, inputs, batch_size=256, training=False):
    """Returns what a generator, such as one loaded from a file, makes of its inputs, as a float32 NumPy array.

    Of a network with several outputs, such as an encoder, it is a structure of arrays.

    Args:
        generator: a built `keras.Model`.
        inputs: array `(count, latent_dim)`, such as `latents.fixed(count, seed)`; of an image-to-image generator its
            input images; of a generator with several inputs a tuple of arrays, such as latents and labels.
        batch_size: integer, samples generated at once.
        training: bool; True for a generator whose noise is dropout.

    Raises:
        InputError: if what it makes is not finite.
    """
    count = len(keras.tree.flatten(inputs)[0])
    batches = []
    for start in range(0, count, batch_size):
        part = keras.tree.map_structure(lambda array, start=start: array[start : start + batch_size], inputs)
        batches.append(generator(part, training=training))
    return keras.tree.map_structure(lambda *parts: np.concatenate([as_array(part) for part in parts]), *batches)


def as_array(samples):
    """Returns what a network makes, a tensor, as a float32 NumPy array.

    Raises:
        InputError: if it is not finite.
    """
    return finite(ops.convert_to_numpy(ops.cast(samples, "float32")))


def finite(samples):
    """Returns the samples of a network.

    Raises:
        InputError: if they are not finite: as pictures and in scores that would not show.
    """
    if not np.isfinite(samples).all():
        raise InputError(
            "The network's samples are not finite (NaN or infinite), so its training has failed or its file is "
            "damaged; use another run, or train again with --restart and a lower learning rate."
        )
    return samples
