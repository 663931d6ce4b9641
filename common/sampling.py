"""From what a generator is fed to samples: as arrays, and as the grid that a run shows every epoch."""

import keras
import numpy as np
from keras import ops

from common.base.errors import InputError


def draw_samples(generator, inputs, batch_size=256, training=False):
    """Returns what a generator, such as one loaded from a file, makes of its inputs, as a float32 NumPy array.

    Args:
        generator: a built `keras.Model`.
        inputs: array `(count, latent_dim)`, such as `latents.fixed(count, seed)`; of an image-to-image generator its
            input images; of a generator with several inputs a tuple of arrays, such as latents and labels.
        batch_size: integer, samples generated at once.
        training: bool; True for a generator whose noise is dropout.

    Raises:
        InputError: if it takes other inputs, or what it makes is not finite.
    """
    refuse_other_inputs(generator, inputs)
    count = len(keras.tree.flatten(inputs)[0])
    batches = []
    for start in range(0, count, batch_size):
        part = keras.tree.map_structure(lambda array, start=start: array[start : start + batch_size], inputs)
        batches.append(generator(part, training=training))
    return finite(np.concatenate([ops.convert_to_numpy(ops.cast(batch, "float32")) for batch in batches]))


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


def refuse_other_inputs(generator, inputs):
    """Raises an `InputError` if a generator takes inputs of other shapes, such as that of another recipe."""
    taken = getattr(generator, "inputs", None)  # a subclassed model does not say
    shapes = [tuple(part.shape[1:]) for part in taken or []]
    fed = [tuple(np.shape(part)[1:]) for part in keras.tree.flatten(inputs)]
    if taken and not (len(shapes) == len(fed) and all(map(fits, shapes, fed))):
        raise other_generator(f"it takes {described(shapes)}, but is fed {described(fed)}")


def other_generator(difference):
    """Returns the `InputError` for a generator that does not belong to the run whose folder it is in."""
    return InputError(
        f"The generator is not that of this recipe with the options of this run: {difference}; put the run's own "
        "generator.keras back, or train one more epoch to rewrite it."
    )


def fits(shape, fed):
    """Returns whether an input of a shape, whose sides may be None, takes arrays of another; as Keras, it adds an axis.

    >>> fits((None, None, 1), (28, 28, 1)), fits((1,), ()), fits((100,), (28, 28, 1))
    (True, True, False)
    """
    if abs(len(shape) - len(fed)) == 1:
        longer = max(shape, fed, key=len)
        shape, fed = (side[:-1] if side is longer and side[-1] == 1 else side for side in (shape, fed))
    return len(shape) == len(fed) and all(side in (None, other) for side, other in zip(shape, fed, strict=True))


def described(shapes):
    return " and ".join(f"({', '.join('any' if side is None else str(side) for side in shape)})" for shape in shapes)
