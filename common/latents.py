"""What a generator is fed: one object for the training steps, and for every grid, score and sample of a run."""

import json
import sys

import keras
import numpy as np

from common import backend
from common.base.errors import InputError
from common.losses import Serializable

GRID_COUNT = 64  # samples in the grid of an epoch
MAX_GRID_CLASSES = 10  # rows of a grid in which each row is a class


class Latents(Serializable):
    """Vectors of a standard normal distribution. Override `inputs` for a generator that is fed something else.

    Args:
        dim: integer, length of a vector.
        class_count: integer, of a class-conditional generator; 0 for others.

    Example: latents, and a number between -1 and 1.

    >>> class WithNumber(Latents):
    ...     def inputs(self, random, count):
    ...         return random.normal(count, self.dim), random.uniform(count, 1)
    >>> [part.shape for part in WithNumber(3).fixed(2, seed=0)]
    [(2, 3), (2, 1)]
    """

    # What hubs of models call a generator of images that is fed such. Latents of "text-to-image" have `phrases`, and
    # `of(phrases, count, seed)`, the inputs for so many samples of each.
    task = "unconditional-image-generation"

    def __init__(self, dim, class_count=0):
        self.dim = dim
        self.class_count = class_count

    def get_config(self):
        return {"dim": self.dim, "class_count": self.class_count}

    def inputs(self, random, count):
        """Returns the inputs of the generator for `count` samples: an array, or a tuple of arrays for several inputs.

        Args:
            random: draws arrays: `normal(count, dim)`; `uniform(count, dim)` in [-1, 1); `classes(count, class_count)`,
                integers of shape `(count,)`.
            count: integer.
        """
        latents = random.normal(count, self.dim)
        return (latents, random.classes(count, self.class_count)) if self.class_count else latents

    def draw(self, count, seed, labels=None):
        """Returns the inputs for `count` samples of a training step, new ones on every call.

        Args:
            count: integer.
            seed: `keras.random.SeedGenerator`.
            labels: integer tensor `(count,)`, the classes; by default uniformly distributed ones.
        """
        return self.inputs(Draws(seed, labels), count)

    def fixed(self, count, seed, labels=None):
        """Returns the inputs for `count` samples as NumPy arrays, the same whenever and wherever they are drawn.

        Args:
            count: integer.
            seed: integer.
            labels: integer array `(count,)`, the classes; by default each in turn.
        """
        return self.inputs(FixedDraws(seed, labels), count)

    def grid(self, seed, count=GRID_COUNT):
        """Returns the inputs for the grid of an epoch: `count` samples, or one row per class, with equal latents."""
        if not self.class_count:
            return self.fixed(count, seed)
        side = min(self.class_count, MAX_GRID_CLASSES)
        rows = [self.fixed(side, seed, np.full(side, label, "int32")) for label in range(side)]
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *rows)

    def labels(self, count):
        """Returns the classes of `fixed(count, seed)`, an integer array; None for a generator without classes."""
        return in_turn(count, self.class_count) if self.class_count else None


def in_turn(count, class_count):
    return np.arange(count, dtype="int32") % class_count


class Draws:
    """Random arrays of a training step, different rows on each device."""

    def __init__(self, seed, labels=None):
        self.seed = seed
        self.labels = labels

    def normal(self, count, dim):
        return backend.draw_rows(keras.random.normal, (count, dim), seed=self.seed)

    def uniform(self, count, dim):
        return backend.draw_rows(keras.random.uniform, (count, dim), minval=-1.0, maxval=1.0, seed=self.seed)

    def classes(self, count, class_count):
        if self.labels is not None:
            return self.labels
        limits = {"minval": 0, "maxval": class_count, "dtype": "int32"}
        return backend.draw_rows(keras.random.randint, (count,), **limits, seed=self.seed)


class FixedDraws:
    """Arrays that depend on a seed alone, the same on every backend."""

    def __init__(self, seed, labels=None):
        self.rng = np.random.default_rng(seed)
        self.labels = labels

    def normal(self, count, dim):
        return self.rng.standard_normal((count, dim), dtype="float32")

    def uniform(self, count, dim):
        return self.rng.uniform(-1, 1, (count, dim)).astype("float32")

    def classes(self, count, class_count):
        return in_turn(count, class_count) if self.labels is None else self.labels


# Of a generator that does not say what it is fed ----------------------------------------------------------------------


def latents_for(generator):
    """Returns the `Latents` that the inputs of a generator suggest; None if they suggest none, such as images.

    A vector stands for latents, a second input of labels, which an `Embedding` takes, for their classes.
    """
    first, *others = getattr(generator, "inputs", None) or [None]  # a subclassed model has no symbolic inputs
    if first is None or len(first.shape) != 2 or not first.dtype.startswith("float"):
        return None
    embedding = embedding_of(generator)
    if embedding and len(others) == 1:
        return Latents(first.shape[-1], embedding.input_dim)
    return None if others else Latents(first.shape[-1])


def latents_of(gan):
    """Returns the `Latents` of a GAN.

    Raises:
        ValueError: if it has none.
    """
    if gan.latents is None:
        inputs = ", ".join(f"{x.name} {tuple(x.shape)}" for x in getattr(gan.generator, "inputs", [])) or "its input"
        raise ValueError(
            f"It is unknown what the generator is fed as {inputs}: pass `latents=` to the GAN, a Latents that "
            "draws it; or, for a generator that translates images, override `fake` and pass `draw` to `run.fit`."
        )
    return gan.latents


def embedding_of(network):
    """Returns the layer that embeds the labels, an integer input of shape `(batch,)`; None if there is none."""
    labels = [x for x in getattr(network, "inputs", None) or [] if len(x.shape) == 1 and x.dtype.startswith("int")]
    for layer in network.layers:
        if isinstance(layer, keras.layers.Embedding):
            fed = [tensor for node in layer._inbound_nodes for tensor in node.input_tensors]
            if any(tensor is label for tensor in fed for label in labels):
                return layer
    return None


# In the folder of a run -----------------------------------------------------------------------------------------------


def as_stored(latents):
    """Returns a `Latents` as a JSON-compatible dictionary.

    Raises:
        ValueError: if it could not be restored from that.
    """
    package, _, name = keras.saving.get_registered_name(type(latents)).rpartition(">")
    stored = {"class": f"{name_of_main() if package == '__main__' else package}>{name}", "config": latents.get_config()}
    try:
        from_stored(json.loads(json.dumps(stored)))
    except TypeError as error:
        raise ValueError(
            f"{name} cannot be stored with a run ({error}): its get_config has to return the arguments of its "
            "constructor, as numbers and strings."
        ) from error
    return stored


def from_stored(stored):
    """Returns the `Latents` that `as_stored` described. Its class must be a registered one: no module is imported.

    Raises:
        InputError: if there is no such class.
    """
    package, _, name = stored["class"].rpartition(">")
    found = keras.saving.get_registered_object(stored["class"])
    if found is None and package == name_of_main():
        found = keras.saving.get_registered_object(f"__main__>{name}")
    if not (isinstance(found, type) and issubclass(found, Latents)):
        raise InputError(
            f"The run draws its latents by {name} of {package}, which is not there; use the command of its own recipe."
        )
    return found.from_config(stored["config"])


def name_of_main():
    """Returns the name under which another program imports the module that runs as a script."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec.name if spec else "__main__"
