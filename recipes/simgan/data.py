"""Two kinds of pictures: simulated ones with perfect labels, and real ones without any."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro
from keras import ops

from common.errors import InputError
from common.gan import sample
from common.losses import l1_distance
from common.options import Count
from common.pictures import side_by_side
from data_prep import images
from data_prep.batches import Batches, first, scale, unscale

from . import simulators

SIMULATORS = {"garments": (simulators.garment, "28"), "eyes": (simulators.eye, "60x36")}  # and their sizes


@dataclasses.dataclass(frozen=True)
class SimulationOptions:
    """The options by which a user says what to refine towards what."""

    simulator: Literal["garments", "eyes"] = "garments"
    """what is drawn: polygons of garments, or eyes; its labels are known"""
    simulated: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """simulated pictures of your own instead, a folder, archive or array file"""
    real: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """real pictures, a folder, archive or array file; by default the embedded garments"""
    count: Count = 10_000  # pictures to draw
    size: Annotated[str | None, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = None
    """bring all pictures to this size in pixels; by default 28 for garments, 60x36 for eyes"""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """to another aspect: cut the middle out, add bars, or distort"""
    channels: Literal["1", "3"] = "1"
    """1 for grey, as the simulators draw; 3 for colour"""

    @property
    def pixels(self):
        """`--size`, or what stands for it if it is not given."""
        return self.size or SIMULATORS[self.simulator][1]

    @property
    def is_embedded(self):
        """Whether the real pictures are the embedded garments, whose classes are known."""
        return self.real is None


class Sides(NamedTuple):
    """Simulated and real pictures, indexed like uint8 arrays `(count, height, width, channels)`.

    Attributes:
        labels: dictionary from the names of what is known of the simulated pictures to arrays `(count,)`.
        real_labels: integer array, the classes of the real pictures where they are the embedded ones. No training
            looks at them: they measure.
    """

    simulated: Any
    real: Any
    labels: dict
    real_labels: np.ndarray


def load_sides(options, split):
    """Returns the `Sides` of a split. Of data without a test part every tenth picture is one.

    Raises:
        InputError: if the data is not there, or not what was expected.
    """
    if options.real is None and (options.simulator == "eyes" or options.simulated):
        raise InputError("Real pictures are needed to refine towards; name a folder or an array file with --real.")
    real = found(options, options.real, split)
    pictures, labels = load_simulated(options, split)
    return Sides(pictures, real.images, labels, real.labels)


def load_simulated(options, split, most=None):
    """Returns the simulated pictures of a split, of those to draw at most so many, and their labels if known."""
    if options.simulated:
        return found(options, options.simulated, split).images, {}
    if options.channels != "1":
        raise InputError("The simulators draw in grey; use --channels 1, or --simulated with pictures in colour.")
    count, seed = (options.count, 0) if split == "train" else (max(1, options.count // 5), 1)
    return simulate(options, min(count, most or count), seed)


def found(options, path, split):
    """Returns the `Images` of a path, or the embedded ones, at the size of the options."""
    if path and not path.exists():
        raise InputError(f"--real and --simulated expect pictures, and {path} does not exist; check the path.")
    wanted = images.ImageOptions(data=path, size=options.pixels, fit=options.fit, channels=options.channels)
    return images.load(wanted, split, hold_out=True)


def simulate(options, count, seed):
    """Returns drawn pictures, uint8 `(count, height, width, 1)`, and their labels, a dictionary of arrays."""
    rng = np.random.default_rng(seed)
    draw, size = SIMULATORS[options.simulator][0], images.parse_size(options.pixels)
    drawn = [draw(rng, size) for _ in range(count)]
    labels = {name: np.array([known[name] for _, known in drawn]) for name in drawn[0][1]}
    return np.stack([picture for picture, _ in drawn])[..., np.newaxis], labels


def load(config):
    """Returns the batches that `train` fits: simulated and real `(pictures, height, width, channels)` in [-1, 1].

    A batch holds as many times `batch_size` pictures as a round has steps of one player: each step sees other ones.
    """
    sides = load_sides(config.simulation, "train")
    return Batches((sides.simulated, sides.real), config.batch_size * max(config.steps), config.seed, paired=False)


def labelled(fake, real):
    """Returns as many pictures of both in one array, and 0 or 1 for each, shaped as a map of logits is."""
    count = min(len(fake), len(real))
    is_real = np.repeat([0.0, 1.0], count).astype("float32").reshape(-1, 1, 1, 1)
    return np.concatenate([fake[:count], real[:count]]), is_real


# Self-regularization --------------------------------------------------------------------------------------------------

Transform = Literal["pixels", "gradients"]


def gradients(pictures):
    """Returns the differences of neighbours to the right and below: brightness may change then, edges may not."""
    here = pictures[:, :-1, :-1]
    return ops.concatenate([pictures[:, :-1, 1:] - here, pictures[:, 1:, :-1] - here], axis=-1)


CHANGES = {  # functions from simulated and refined pictures to how much was changed, a scalar
    "pixels": l1_distance,
    "gradients": lambda simulated, refined: l1_distance(gradients(simulated), gradients(refined)),
}


# Pictures of a run ----------------------------------------------------------------------------------------------------


def refinements(config, count=24):
    """Returns a function from the GAN to a sheet of held-out pictures: simulated, refined, and the nearest real."""
    simulated = scale(first(load_simulated(config.simulation, "test", most=count)[0], count))
    real = first(found(config.simulation, config.simulation.real, "train").images, 10_000)

    def draw(gan):
        refined = sample(gan.generator, simulated)
        return side_by_side(simulated, refined, scale(nearest(unscale(refined), real)))

    return draw


def nearest(pictures, real):
    """Returns, for each picture, the real one at the least distance in pixels."""
    flat, others = (each.reshape(len(each), -1).astype(np.float32) for each in (pictures, real))
    distances = (others**2).sum(axis=1) - 2 * flat @ others.T
    return real[distances.argmin(axis=1)]
