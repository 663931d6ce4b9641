"""Notices a generator that is not that of the run in whose folder it is, but of another recipe or other options."""

import keras
import numpy as np

from common.base.errors import InputError


def other_generator(difference):
    """Returns the `InputError` for a generator that does not belong to its run, with what is different about it."""
    return InputError(
        f"The generator is not that of this recipe with the options of this run: {difference}; put the run's own "
        "generator.keras back, or train one more epoch to rewrite it."
    )


def refuse_other_inputs(generator, inputs):
    """Raises an `InputError` if a generator takes inputs of other shapes than these arrays, one or several."""
    taken = shapes_of(generator, "inputs")
    fed = [tuple(np.shape(part)[1:]) for part in keras.tree.flatten(inputs)]
    if taken and not (len(taken) == len(fed) and all(map(fits, taken, fed))):
        raise other_generator(f"it takes {described(taken)}, but is fed {described(fed)}")


def refuse_no_images(generator):
    """Raises an `InputError` if a generator does not make images `(height, width, 1 or 3)`."""
    made = shapes_of(generator, "outputs")
    if made and not are_one_image(made):
        raise other_generator(f"it makes {described(made)}, not images")


def refuse_no_translator(generator):
    """Raises an `InputError` if a generator does not make images of images."""
    taken = shapes_of(generator, "inputs")
    if taken and not are_one_image(taken):
        raise other_generator(f"it takes {described(taken)}, not images")
    refuse_no_images(generator)


def refuse_other_channels(generator, channels):
    """Raises an `InputError` if a generator makes images of another number of channels."""
    made = shapes_of(generator, "outputs")
    if made and made[0][-1] != channels:
        raise other_generator(f"its images have {made[0][-1]} channel(s), not {channels}")


def shapes_of(generator, side):
    """Returns the shapes of the inputs or outputs of a network without the first axis; a subclassed one has none."""
    return [tuple(part.shape[1:]) for part in getattr(generator, side, None) or []]


def are_one_image(shapes):
    return len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][-1] in (1, 3)


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
