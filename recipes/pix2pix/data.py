"""Pairs of a source and a target: edges of garments and the garments, or pairs of the user's."""

import dataclasses
from typing import Annotated, Any, Literal, NamedTuple

import cv2
import numpy as np
import tyro

from common.errors import InputError
from common.pictures import side_by_side
from data_prep import images, pairs
from data_prep.batches import Batches, first, scale


@dataclasses.dataclass(frozen=True)
class SourceOptions(pairs.PairOptions):
    """The options by which a user says what to translate into what."""

    dataset: Literal["garments", "facades"] = "garments"
    """the embedded garments from their edges, or facades, downloaded when asked for"""
    size: Annotated[str | None, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = None
    """bring each picture to this size in pixels; by default 28 for garments, else 256"""
    task: Literal["pairs", "edges", "colorize"] = "pairs"
    """what --data holds: pairs, or single pictures of which the edges or the grey version are the source"""
    direction: Literal["a2b", "b2a"] = "a2b"
    """from the left (or first) picture of a pair to the right one, or back"""

    @property
    def is_derived(self):
        """Whether the sources are computed from single pictures."""
        return self.task != "pairs" or (self.data is None and self.dataset == "garments")


class Derived:
    """What a function makes of the pictures of an array, indexed like an array.

    Args:
        pictures: array of uint8 pictures `(count, height, width, channels)`, or what is indexed like one.
        function: from a picture to a picture of one channel.
    """

    def __init__(self, pictures, function):
        self.pictures = pictures
        self.function = function
        self.shape = (*pictures.shape[:3], 1)

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, rows):
        return np.stack([self.function(picture)[..., np.newaxis] for picture in self.pictures[rows]])


def grey(picture):
    return picture[..., 0] if picture.shape[-1] == 1 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def edges(picture):
    """Returns white edges on black, by Canny's method."""
    return cv2.Canny(grey(picture), 100, 200)


class Sides(NamedTuple):
    """Sources and targets, indexed like uint8 arrays `(count, height, width, channels)`."""

    source: Any
    target: Any


def load_sides(options, split):
    """Returns the `Sides` of a split. Of data without a test part every tenth pair is one, so that none is in both.

    Raises:
        InputError: if the data is not there, or not what was expected.
    """
    if options.is_derived:
        both = derived(options, split)
    else:
        found = pairs.load(dataclasses.replace(options, size=options.size or "256"), split, hold_out=True)
        both = found.a, found.b
    return Sides(*(reversed(both) if options.direction == "b2a" else both))


def derived(options, split):
    """Returns sources made from single pictures, and these pictures."""
    if options.task == "colorize" and options.data is None:
        raise InputError("--task colorize needs pictures in colour; name a folder of them with --data.")
    default = None if options.data is None else "256"
    single = images.ImageOptions(
        data=options.data,
        size=options.size or default,
        fit=options.fit,
        channels="3" if options.task == "colorize" else options.channels,
        allow_skipped=options.allow_skipped,
    )
    target = images.load(single, split, hold_out=True).images
    return Derived(target, grey if options.task == "colorize" else edges), target


def load(config):
    """Returns the batches that `train` fits, pairs of `(batch_size, height, width, channels)` in [-1, 1]."""
    sides = load_sides(config.pairs, "train")
    return Batches(tuple(sides), config.batch_size, config.seed, augment=config.pairs.augmentation())


# Pictures of a run ----------------------------------------------------------------------------------------------------


def translations(config, count=20):
    """Returns a function from the GAN to a sheet of held-out pairs: source, translation and target side by side."""
    sides = load_sides(config.pairs, "test")
    sources, targets = (scale(first(side, count)) for side in sides)
    return lambda gan: side_by_side(sources, gan.sample(sources, training=True), targets)
