"""From what a generator is fed to samples: as arrays, and as the grid that a run shows every epoch."""

import keras
import numpy as np
from keras import ops


def draw_samples(generator, inputs, batch_size=256, training=False):
    """Returns what a generator, such as one loaded from a file, makes of its inputs, as a float32 NumPy array.

    Args:
        generator: a built `keras.Model`.
        inputs: array `(count, latent_dim)`, such as `latents.fixed(count, seed)`; of an image-to-image generator its
            input images; of a generator with several inputs a tuple of arrays, such as latents and labels.
        batch_size: integer, samples generated at once.
        training: bool; True for a generator whose noise is dropout.
    """
    count = len(keras.tree.flatten(inputs)[0])
    batches = []
    for start in range(0, count, batch_size):
        part = keras.tree.map_structure(lambda array, start=start: array[start : start + batch_size], inputs)
        batches.append(generator(part, training=training))
    return np.concatenate([ops.convert_to_numpy(ops.cast(batch, "float32")) for batch in batches])
