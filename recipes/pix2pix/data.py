"""Pairs of a source and a target image: garments and their edges, or pairs of the user."""

import dataclasses
from typing import Annotated, Any, Literal, NamedTuple

import cv2
import numpy as np
import tyro

from common.base.arguments import refuse_ignored, refuse_missing
from common.base.errors import InputError
from common.base.pictures import scale, side_by_side
from data_prep import images, pairs
from data_prep.batches import Batches, first

DEFAULT_SIZE = "64"  # pixels of real pairs


@dataclasses.dataclass(frozen=True)
class SourceOptions(pairs.PairOptions):
    """The options that choose the sources and the targets."""

    dataset: Literal["garments", "facades"] = "garments"
    """the embedded garments, from their edges; or facades, downloaded when needed"""
    size: Annotated[str | None, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = None
    """resize each image to this size in pixels; by default 28 for garments, else 64"""
    task: Literal["pairs", "edges", "colorize"] = "pairs"
    """what --data contains: pairs, or single images, whose edges or grey version become the sources"""
    direction: Literal["a2b", "b2a"] = "a2b"
    """from the left (or first) image of a pair to the right (or second) one, or back"""
    augment: tuple[Literal["none", "flip", "crop", "rotate", "colour", "noise"], ...] | None = None
    """random changes, the same for both images of a pair, or none; by default flip and crop, but none for garments and
    flip for edges"""

    @property
    def is_derived(self):
        """Whether the sources are computed from single images."""
        return self.task != "pairs" or (self.data is None and self.dataset == "garments")

    def augmentation(self):
        """Returns the `augment` of `Batches` for `--augment`; the default is the paper's jitter where it fits."""
        default = ("flip", "crop")
        if self.is_derived and self.task != "colorize":
            default = () if self.data is None else ("flip",)  # a resized edge is not as sharp as one that was found
        return images.composed(images.chosen_changes(self.augment, default))

    def check_given(self, given):
        """Refuses options that have no effect beside the others, or lack one."""
        self.augmentation()  # refuses none among others
        if self.data is None:
            if self.data_b:
                raise InputError("--data-b is the second of two folders; name the first one, of domain A, with --data.")
            if self.task != "pairs" and self.dataset != "garments":
                raise InputError(f"--task {self.task} is for single images, but {self.dataset} are pairs; omit it.")
            if self.dataset == "garments" and self.size is None:
                refuse_ignored(given, "fit", "without --size, since the images keep their size")
        else:
            refuse_ignored(given, "dataset", "with --data")
        if self.task != "pairs":
            refuse_ignored(given, "data_b", f"with --task {self.task}, which makes pairs of single images")
        if self.task == "colorize" and (self.data is None or self.channels == "1"):
            raise InputError(
                "--task colorize needs colour images; name a folder of them with --data, and no --channels."
            )
        refuse_missing("data_b", self.data_b)


class Derived:
    """The results of a function for the images of an array, indexed like an array and computed on access.

    Args:
        images: uint8 array `(count, height, width, channels)`, or anything indexed like one.
        function: function from an image to an image of one channel.
    """

    def __init__(self, images, function):
        self.images = images
        self.function = function
        self.shape = (*images.shape[:3], 1)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        return np.stack([self.function(image)[..., np.newaxis] for image in self.images[rows]])


def grey(image):
    return image[..., 0] if image.shape[-1] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def edges(image):
    """Returns the edges by Canny's method, white on black."""
    return cv2.Canny(grey(image), 100, 200)


class Sides(NamedTuple):
    """Sources and targets, indexed like uint8 arrays `(count, height, width, channels)`."""

    source: Any
    target: Any


def load_sides(options, split):
    """Returns the `Sides` of a split. Without a test part, every tenth pair is held out for testing.

    Raises:
        InputError: if the data is missing or not as expected.
    """
    options.check_given(())
    if options.is_derived:
        both = derived(options, split)
    else:
        loaded = pairs.load(dataclasses.replace(options, size=options.size or DEFAULT_SIZE), split, hold_out=True)
        both = loaded.a, loaded.b
    return Sides(*(reversed(both) if options.direction == "b2a" else both))


def derived(options, split):
    """Returns the sources computed from single images, and these images as the targets."""
    default = None if options.data is None else DEFAULT_SIZE
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
    """Returns the batches that `train` fits; a batch is `(sources, targets)`, both in [-1, 1]."""
    sides = load_sides(config.pairs, "train")
    return Batches(tuple(sides), config.batch_size, config.seed, augment=config.pairs.augmentation())


# Samples of a run -----------------------------------------------------------------------------------------------------


def translations(config, count=20):
    """Returns a function from the GAN to a grid of held-out pairs: source, translation and target side by side."""
    sides = load_sides(config.pairs, "test")
    sources, targets = (scale(first(side, count)) for side in sides)
    return lambda gan: side_by_side(sources, gan.sample(sources, training=True), targets)
