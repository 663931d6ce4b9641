"""Loads images from a named data set, or from the user's folder, archive or array file."""

import dataclasses
import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro

from common.base.arguments import refuse_ignored
from common.base.errors import InputError
from common.base.ranges import Share
from data_prep import augment, balance, datasets, folders, sources


@dataclasses.dataclass(frozen=True)
class ImageOptions:
    """The command-line options that select the training images; a recipe's `Config` has them as one field."""

    dataset: Literal["fashion_mnist", "fashion_mnist_full", "mnist", "cifar10"] = "fashion_mnist"
    """a named data set; fashion_mnist is embedded, the others are downloaded when needed"""
    classes: tuple[str, ...] = ()
    """use only these classes, by name or number, such as: --classes sneaker ankle-boot"""
    data: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """your own images instead: a folder (subfolders are classes), a .zip or .tar of one, a .npz or .npy, IDX files"""
    size: Annotated[str | None, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = None
    """resize to this size in pixels, such as 64 or 96x48; by default the common size of all images"""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """how to change the aspect ratio: crop the centre, pad with bars, or distort"""
    channels: Literal["auto", "1", "3"] = "auto"
    """1 for grey, 3 for colour; by default colour if any image is in colour"""
    balance: Literal["none", "sampling", "cap"] = "none"
    """for imbalanced classes: sample all equally often, or cap each at the size of the smallest"""
    augment: tuple[Literal["flip", "crop", "rotate", "colour", "noise"], ...] = ()
    """random changes, drawn anew each time an image is fed; samples will show them too"""
    allow_skipped: bool = False
    """continue even if more than 5% of the files cannot be used"""
    validation: Share = 0.0
    """share of the training images that is held out to select an epoch; 0.1 with --evaluate-every"""

    def check_given(self, given):
        """Refuses options that have no effect beside the others."""
        if self.data and "dataset" in given and not isinstance(source_of(self), sources.IdxFolder):
            refuse_ignored(given, "dataset", "with --data, except for IDX files, whose classes it names")
        if not self.size:
            refuse_ignored(given, "fit", "without --size, since the images keep their size")

    def balanced_order(self, labels):
        """Returns the `order` of `Batches` for `--balance`; None stands for the default order."""
        if self.balance != "none" and len(np.unique(labels)) == 1:
            raise InputError("--balance needs classes, but all images are of one; put each class into its own folder.")
        return None if self.balance == "none" else BALANCE[self.balance](labels)

    def each_once(self):
        """Returns these options without what changes or repeats images in training."""
        return dataclasses.replace(self, augment=(), balance="none")

    def augmentation(self):
        """Returns the `augment` of `Batches` for `--augment`, or None."""
        return composed(self.augment)


MAX_SIDE = 4096  # of the images that networks see
BALANCE = {"sampling": balance.EqualShares, "cap": balance.Capped}
AUGMENTATIONS = {
    "flip": augment.Flip,
    "crop": augment.Crop,
    "rotate": augment.Rotate,
    "colour": augment.Colour,
    "noise": augment.Noise,
}


def composed(names):
    """Returns the composition of the named augmentations, or None if there are none."""
    return augment.Compose(*(AUGMENTATIONS[name]() for name in names)) if names else None


def chosen_changes(names, default):
    """Returns the names of `--augment` of a recipe that augments by default: they, the default, or none for "none".

    Raises:
        InputError: if "none" is one of several.

    >>> chosen_changes(None, ("flip",)), chosen_changes(("none",), ("flip",)), chosen_changes(("noise",), ("flip",))
    (('flip',), (), ('noise',))
    """
    if names is None:
        return default
    if "none" in names and len(names) > 1:
        raise InputError(f"--augment none goes with no other change, but is {' '.join(names)}; choose.")
    return () if names == ("none",) else names


class Images(NamedTuple):
    """Images of one size with their classes.

    Attributes:
        images: uint8 array `(count, height, width, channels)`, 1 channel (grey) or 3 (RGB); for a folder
            `folders.Pictures`, which is indexed like an array.
        labels: integer array `(count,)`, indices into `class_names`.
        class_names: tuple of strings.
    """

    images: Any
    labels: np.ndarray
    class_names: tuple[str, ...]

    def at(self, rows):
        """Returns some of the images, as an array."""
        return Images(self.images[rows], self.labels[rows], self.class_names)

    def as_array(self):
        """Returns all of the images as an array, for data that fits into memory."""
        return self.at(np.arange(len(self.images)))


def load(options, split="train", hold_out=False):
    """Returns the `Images` that the options select.

    Args:
        options: `ImageOptions`.
        split: "train", "test", or "validation", the part of the training images that `options.validation` holds out.
            Of data without a test part, "test" stands for all images.
        hold_out: bool, whether to use every tenth image of such data as its test part: see `folders.part_of`.

    Raises:
        InputError: if the data is missing or invalid; the message says which file to put where.
    """
    source = source_of(options)
    part = split if hold_out and len(source.splits) == 1 else None
    found = source.read("test" if split == "test" else "train", options.allow_skipped)
    if split == "test" and len(source.splits) > 1:
        found = numbered_as_in_training(found, source)
    return fitted(chosen_images(found, options, split, part), options)


def load_folder(root, options, memory=folders.MEMORY, workers=None):
    """Returns the `Images` of a folder of image files, whose subfolders are the classes.

    Args:
        root: path of the folder.
        options: `ImageOptions`.
        memory: integer, bytes; a folder whose decoded images take more is decoded batch by batch.
        workers: integer, number of threads; by default one per core.
    """
    return fitted(chosen_images(sources.files_of(root, options.allow_skipped), options), options, memory, workers)


def source_of(options):
    """Returns the source, a class of `sources.py`, that the options select."""
    if options.data is None:
        return sources.NamedDataSet(options.dataset)
    names = datasets.CLASS_NAMES.get(options.dataset) if options.dataset == "fashion_mnist_full" else datasets.DIGITS
    return sources.find(options.data, names)


def class_names(options):
    """Returns the class names that `load` returns, without decoding the images of a folder."""
    names = source_of(options).class_names()
    return tuple(names[number] for number in class_numbers(options.classes, names)) if options.classes else names


def has_splits(options):
    """Returns whether the data of the options has a training and a test part."""
    return len(source_of(options).splits) > 1


def chosen_images(found, options, split="test", part=None):
    """Returns the content of a source reduced to the requested classes and the split.

    Args:
        found: `sources.Arrays` or `sources.Files`.
        options: `ImageOptions`.
        split: see `load`.
        part: the split if the data has no test part and every tenth image is to be one, else None.
    """
    if options.classes:
        found = only_classes(found, options.classes)
    if part:
        found = found.rows(folders.part_of(len(found.labels), "test" if part == "test" else "train"))
    if split == "validation" or (split == "train" and options.validation):
        found = found.rows(validation_rows(found.labels, options.validation, split))
    return found


def numbered_as_in_training(found, source):
    """Returns the test part of a source with the class names and numbers of its training part.

    Raises:
        InputError: if it has another class. It may lack some, and in data of one class the name is of no importance.
    """
    names = source.class_names()
    others = sorted({*found.class_names} - {*names})
    if others and len(names) == len(found.class_names) == 1:
        others, found = [], dataclasses.replace(found, class_names=names)
    if others:
        raise InputError(
            f"The test part of {source.root} has images of {', '.join(others)}, which its training part does not have; "
            f"expected are the same classes in both: {', '.join(names)}."
        )
    numbers = np.array([names.index(name) for name in found.class_names], np.int64)
    return dataclasses.replace(found, labels=numbers[found.labels], class_names=names)


def validation_rows(labels, share, split):
    """Returns the places of the training or of the validation images, ascending; the same for every run.

    The share is held out of each class, which keeps one image at least.

    Raises:
        InputError: if no image is held out.

    >>> validation_rows(np.zeros(10), 0.2, "validation"), validation_rows(np.zeros(10), 0.2, "train")
    (array([4, 6]), array([0, 1, 2, 3, 5, 7, 8, 9]))
    """
    rng = np.random.default_rng(0)
    orders = [rng.permutation(members) for members in balance.members(np.asarray(labels, np.int64))]
    held_out = np.concatenate([order[: min(round(len(order) * share), len(order) - 1)] for order in orders])
    if not len(held_out):
        raise InputError(
            f"--validation {share:g} of {len(labels)} images holds out none; use a larger share, or add images."
        )
    return np.sort(held_out) if split == "validation" else np.setdiff1d(np.arange(len(labels)), held_out)


def fitted(found, options, memory=folders.MEMORY, workers=None):
    """Returns the content of a source as `Images` with the requested size and channels.

    Args:
        found: `sources.Arrays` or `sources.Files`.
        options: `ImageOptions`.
        memory, workers: see `load_folder`.
    """
    size, channels = wanted_shape(options)
    if isinstance(found, sources.Arrays):
        return Images(found.fitted(size, channels, options.fit), found.labels, found.class_names)
    images, labels = found.fitted(size, channels, options.fit, workers), found.labels
    if np.prod(images.shape) <= memory:
        labels = labels[images.decode_all()]
    images.make_ready()
    return Images(images, labels, found.class_names)


def only_classes(found, wanted):
    """Returns the content of a source with the wanted classes only, numbered anew."""
    numbers = class_numbers(wanted, found.class_names)
    names = tuple(found.class_names[number] for number in numbers)
    found = found.rows(np.flatnonzero(np.isin(found.labels, numbers)))
    return dataclasses.replace(found, labels=np.searchsorted(numbers, found.labels), class_names=names)


def wanted_shape(options):
    """Returns the requested `(height, width)` and number of channels, each None if not given.

    Raises:
        InputError: if the size is invalid.
    """
    return parse_size(options.size), None if options.channels == "auto" else int(options.channels)


def parse_size(text):
    """Returns `(height, width)` for "64" or "96x48" (width x height), and None for None."""
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})(?:[x×]([1-9]\d{0,4}))?", text)
    if not match:
        raise InputError(f"--size must be pixels such as 64, or 96x48 (width x height), but is {text!r}.")
    width, height = int(match[1]), int(match[2] or match[1])
    if max(width, height) > MAX_SIDE:
        raise InputError(f"--size must be at most {MAX_SIDE} pixels, but is {text}.")
    return height, width


def class_numbers(wanted, class_names):
    """Returns the sorted numbers of classes given by name or number."""
    return sorted({class_number(name, class_names) for name in wanted})


def class_number(name, class_names):
    if name in class_names:
        return class_names.index(name)
    if name.isdecimal() and len(name) < 10 and int(name) < len(class_names):  # int refuses "²", and 5,000 digits
        return int(name)
    nearest = difflib.get_close_matches(name, class_names, 1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"choose among {', '.join(class_names)}."
    raise InputError(f"There is no class {name!r} in this data; {hint}")
