"""Simulated images with perfect labels, and real images without labels."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro
from keras import ops

from common.base.arguments import refuse_ignored, refuse_missing
from common.base.errors import InputError
from common.base.pictures import scale, side_by_side, unscale
from common.base.ranges import Count
from common.losses import l1_distance
from common.sampling import draw_samples
from data_prep import images
from data_prep.batches import Batches, first

from . import simulators

SIMULATORS = {"garments": (simulators.garment, "28"), "eyes": (simulators.eye, "60x36")}  # with their default sizes


@dataclasses.dataclass(frozen=True)
class SimulationOptions:
    """The options that choose the simulated and the real images."""

    simulator: Literal["garments", "eyes"] = "garments"
    """the simulator: garments drawn as polygons, or eyes"""
    simulated: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """your own simulated images instead: a folder, archive or array file"""
    real: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """real images: a folder, archive or array file; by default the embedded garments"""
    count: Count = 10_000  # images to simulate
    size: Annotated[str | None, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = None
    """resize all images to this size in pixels; by default 28 for garments, 60x36 for eyes"""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """how to change the aspect ratio: crop the centre, pad with bars, or distort"""
    channels: Literal["1", "3"] = "1"
    """1 for grey, the only choice of the simulators; 3 for colour"""

    def check_given(self, given):
        """Refuses options that have no effect beside the others, or lack one."""
        if self.real is None and (self.simulator == "eyes" or self.simulated):
            raise InputError("The refiner needs real images; name a folder or an array file with --real.")
        refuse_missing("simulated", self.simulated)
        refuse_missing("real", self.real)
        if self.simulated:
            refuse_ignored(given, "count", "with --simulated, whose images are all used")
        elif self.channels != "1":
            raise InputError("The simulators draw in grey; use --channels 1, or --simulated with colour images.")

    @property
    def pixels(self):
        """`--size`, or its default."""
        return self.size or SIMULATORS[self.simulator][1]

    @property
    def is_embedded(self):
        """Whether the real images are the embedded garments, whose classes are known."""
        return self.real is None


class Sides(NamedTuple):
    """Simulated and real images, indexed like uint8 arrays `(count, height, width, channels)`.

    Attributes:
        labels: dictionary from the names of the simulator's labels to arrays `(count,)`; empty if there are none.
        real_labels: integer array, the classes of the real images. They are for evaluation only: the training does not
            use them.
    """

    simulated: Any
    real: Any
    labels: dict
    real_labels: np.ndarray


def load_sides(options, split):
    """Returns the `Sides` of a split. Without a test part, every tenth image is held out for testing.

    Raises:
        InputError: if the data is missing or not as expected.
    """
    options.check_given(())
    real = found(options, options.real, split)
    simulated, labels = load_simulated(options, split)
    return Sides(simulated, real.images, labels, real.labels)


def load_simulated(options, split, most=None):
    """Returns the simulated images of a split, at most `most` of the drawn ones, and a dictionary of their labels."""
    if options.simulated:
        return found(options, options.simulated, split).images, {}
    count, seed = (options.count, 0) if split == "train" else (max(1, options.count // 5), 1)
    return simulate(options, min(count, most or count), seed)


def found(options, path, split):
    """Returns the `Images` of a path, or the embedded garments, at the size of the options."""
    image_options = images.ImageOptions(data=path, size=options.pixels, fit=options.fit, channels=options.channels)
    return images.load(image_options, split, hold_out=True)


def simulate(options, count, seed):
    """Returns simulated images, uint8 `(count, height, width, 1)`, and their labels, a dictionary of arrays."""
    rng = np.random.default_rng(seed)
    draw, size = SIMULATORS[options.simulator][0], images.parse_size(options.pixels)
    drawn = [draw(rng, size) for _ in range(count)]
    labels = {name: np.array([each[name] for _, each in drawn]) for name in drawn[0][1]}
    return np.stack([image for image, _ in drawn])[..., np.newaxis], labels


def load(config):
    """Returns the batches that `train` fits; a batch is `(simulated, real)`, both in [-1, 1].

    A batch has enough images for every update of a training step to get fresh ones.
    """
    sides = load_sides(config.simulation, "train")
    both, updates = (sides.simulated, sides.real), max(config.updates)
    return Batches(both, config.batch_size, config.seed, updates=updates, paired=False)


def labelled(fake, real):
    """Returns equally many fake and real images as one array, and their targets 0 or 1, shaped like a map of logits."""
    count = min(len(fake), len(real))
    is_real = np.repeat([0.0, 1.0], count).astype("float32").reshape(-1, 1, 1, 1)
    return np.concatenate([fake[:count], real[:count]]), is_real


# Self-regularization --------------------------------------------------------------------------------------------------

Transform = Literal["pixels", "gradients"]


def gradients(x):
    """Returns the differences to the right and the lower neighbour: they keep the edges, but not the brightness."""
    here = x[:, :-1, :-1]
    return ops.concatenate([x[:, :-1, 1:] - here, x[:, 1:, :-1] - here], axis=-1)


CHANGES = {  # the distance between simulated and refined images in the features ψ, a scalar
    "pixels": l1_distance,
    "gradients": lambda simulated, refined: l1_distance(gradients(simulated), gradients(refined)),
}


# Samples of a run -----------------------------------------------------------------------------------------------------


def refinements(config, count=24):
    """Returns a function from the GAN to a grid of held-out images: simulated, refined, and the nearest real image."""
    simulated = scale(first(load_simulated(config.simulation, "test", most=count)[0], count))
    real = first(found(config.simulation, config.simulation.real, "train").images, 10_000)

    def draw(gan):
        refined = draw_samples(gan.generator, simulated)
        return side_by_side(simulated, refined, scale(nearest(unscale(refined), real)))

    return draw


def nearest(refined, real):
    """Returns the nearest real image to each refined one, by Euclidean distance of the pixels."""
    x, y = (each.reshape(len(each), -1).astype(np.float32) for each in (refined, real))
    distances = (y**2).sum(axis=1) - 2 * x @ y.T  # without the squares of x, which do not change the minimum
    return real[distances.argmin(axis=1)]
