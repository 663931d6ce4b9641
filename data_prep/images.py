"""Where images come from: a named data set, or a folder, an archive or an array file of the user's."""

import dataclasses
import difflib
import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro

from common import places
from common.errors import InputError
from data_prep import archives, arrays, augment, balance, datasets, decode, folders, idx


@dataclasses.dataclass(frozen=True)
class ImageOptions:
    """The options by which a user says what to learn from; a recipe's `Config` has them as one field."""

    dataset: Literal["fashion_mnist", "fashion_mnist_full", "mnist", "cifar10"] = "fashion_mnist"
    """a named data set; fashion_mnist is embedded, the others are downloaded when asked for"""
    classes: tuple[str, ...] = ()
    """only these classes, by name or number, such as: --classes sneaker ankle-boot"""
    data: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """your own pictures instead: a folder (subfolders are classes), a .zip or .tar of one, a .npz or .npy, IDX files"""
    size: Annotated[str | None, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = None
    """bring them to this size in pixels, such as 64 or 96x48; by default the one that all of them have"""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """to another aspect: cut the middle out, add bars, or distort"""
    channels: Literal["auto", "1", "3"] = "auto"
    """1 for grey, 3 for colour; by default colour if any picture is"""
    balance: Literal["none", "sampling", "cap"] = "none"
    """classes of unlike sizes: draw from all equally often, or take as many of each as the smallest has"""
    augment: tuple[Literal["flip", "crop", "rotate", "colour", "noise"], ...] = ()
    """random changes of every picture, anew each time it is seen; samples will show them too"""
    allow_skipped: bool = False
    """go on when more than 5% of the files cannot be used"""

    def order(self, labels):
        """Returns the `order` of `Batches` that `--balance` asks for; None is the usual one."""
        if self.balance != "none" and len(np.unique(labels)) == 1:
            raise InputError("--balance needs classes, and all pictures are of one; put them into a folder for each.")
        return None if self.balance == "none" else BALANCE[self.balance](labels)

    def augmentation(self):
        """Returns the `augment` of `Batches` that `--augment` asks for, or None."""
        return composed(self.augment)


BALANCE = {"sampling": balance.EqualShares, "cap": balance.Capped}
AUGMENTATIONS = {
    "flip": augment.Flip,
    "crop": augment.Crop,
    "rotate": augment.Rotate,
    "colour": augment.Colour,
    "noise": augment.Noise,
}


def composed(names):
    """Returns the augmentations of these names, one after the other, or None."""
    return augment.Compose(*(AUGMENTATIONS[name]() for name in names)) if names else None


class Images(NamedTuple):
    """Images of one size with their classes.

    Attributes:
        images: uint8 array `(count, height, width, channels)`, 1 channel (grey) or 3 (RGB); of a folder
            `folders.Pictures`, which is indexed like one.
        labels: integer array `(count,)`, indices into `class_names`.
        class_names: tuple of strings.
    """

    images: Any
    labels: np.ndarray
    class_names: tuple[str, ...]


def load(options, split="train", hold_out=False):
    """Returns the `Images` that the options name.

    Args:
        options: `ImageOptions`.
        split: "train" or "test". Data without a test part is returned whole.
        hold_out: bool, whether to make every tenth picture of such data its test part: see `folders.part_of`.

    Raises:
        InputError: if the data is not there, or not what was expected; says which file to put where.
    """
    if options.data is None:
        return fitted(*datasets.load(options.dataset, split), options)
    path = opened(options.data)
    part = split if hold_out and not has_splits(options) else None
    if path.is_file():
        images, labels = arrays.read(path, split)
        class_names, labels = named(labels, len(images), path.stem)
        rows = folders.part_of(len(images), part) if part else slice(None)
        return fitted(images[rows], labels[rows], class_names, options)
    if idx.holds_idx(path):
        names = datasets.GARMENTS if options.dataset == "fashion_mnist_full" else datasets.DIGITS
        return fitted(*idx.read_split(path, split), names, options)
    return load_folder(folders.split_folder(path, split), options, part=part)


def class_names(options):
    """Returns the names of the classes that `load` finds; pictures of a folder are not decoded."""
    path = options.data and opened(options.data)
    if not path or path.is_file() or idx.holds_idx(path):
        return load(options).class_names
    root = folders.split_folder(path, "train")
    labels, names = folders.classes_of(root, folders.find(root).names)
    return only_classes(labels, names, options.classes)[2] if options.classes else names


def has_splits(options):
    """Tells whether the data of the options has a training and a test part."""
    if options.data is None:
        return True
    path = opened(options.data)
    if path.is_file():
        return len(arrays.splits(path)) > 1
    return idx.holds_idx(path) or any((path / name).is_dir() for name in folders.SPLITS["train"])


def opened(path):
    """Returns the folder or array file that a path names; an archive is extracted into the user's cache.

    Raises:
        InputError: if there is no such thing, or it is something else.
    """
    if path.is_dir():
        items = [item for item in path.iterdir() if not item.name.startswith(".")]
        return items[0] if len(items) == 1 and is_array(items[0]) else path
    if is_array(path):
        return path
    if path.is_file() and archives.is_archive(path):
        status = path.stat()
        identity = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
        digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        return datasets.extracted(path, places.downloads() / "extracted" / f"{path.name}-{digest}")
    problem = "is none of these" if path.exists() else "does not exist"
    raise InputError(
        f"--data expects a folder, an archive ({', '.join(archives.SUFFIXES)}) or an array file (.npy, .npz), "
        f"and {path} {problem}; check the path."
    )


def is_array(path):
    return path.is_file() and path.suffix in (".npy", ".npz")


def named(labels, count, stem):
    """Returns class names and labels 0, 1, 2 … for labels of any values; without labels all are of one class."""
    if labels is None:
        return (stem,), np.zeros(count, np.int64)
    values, labels = np.unique(labels, return_inverse=True)
    return tuple(str(value) for value in values), labels


def fitted(images, labels, class_names, options):
    """Returns arrays as `Images`, of the wanted classes, size and channels."""
    images = images if images.ndim == 4 else images[..., np.newaxis]
    labels = labels.reshape(-1).astype(np.int64)
    if options.classes:
        kept, labels, class_names = only_classes(labels, class_names, options.classes)
        images = images[kept]
    size, channels = wanted_shape(options)
    if (size and size != images.shape[1:3]) or (channels and channels != images.shape[3]):
        size, channels = size or images.shape[1:3], channels or images.shape[3]
        images = np.stack([decode.resize(decode.with_channels(image, channels), size, options.fit) for image in images])
    return Images(images, labels, class_names)


def load_folder(root, options, memory=folders.MEMORY, workers=None, part=None):
    """Returns the `Images` of a folder of pictures, its subfolders being the classes.

    What fits into `memory` bytes is decoded at once; a larger folder batch by batch.

    Args:
        root: path of the folder.
        options: `ImageOptions`.
        memory, workers: integers, bytes and threads.
        part: "train" or "test" for that part of a folder without parts, or None for all of it.
    """
    listing, headers = folders.described(root, options.allow_skipped)
    labels, class_names = folders.classes_of(root, listing.names)
    if options.classes:
        kept, labels, class_names = only_classes(labels, class_names, options.classes)
        listing, headers = folders.chosen(listing, headers, kept)
    if part:
        rows = folders.part_of(len(labels), part)
        labels, (listing, headers) = labels[rows], folders.chosen(listing, headers, rows)
    size, channels = wanted_shape(options)
    size = size or folders.common_size(root, headers)
    channels = channels or folders.common_channels(headers)
    images = folders.Pictures(listing, size, options.fit, channels, workers, options.allow_skipped)
    if np.prod(images.shape) <= memory:
        labels = labels[images.decode_all()]
    images.make_ready()
    return Images(images, labels, class_names)


def wanted_shape(options):
    """Returns `(height, width)` and the number of channels that the options ask for; None where they do not.

    Raises:
        InputError: if the size is none.
    """
    return parse_size(options.size), None if options.channels == "auto" else int(options.channels)


def parse_size(text):
    """Returns `(height, width)` of "64" or "96x48" (width x height), and None of None."""
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})(?:[x×]([1-9]\d{0,4}))?", text)
    if not match:
        raise InputError(f"--size must be pixels such as 64, or 96x48 (width x height), but is {text!r}.")
    width, height = match[1], match[2] or match[1]
    return int(height), int(width)


def only_classes(labels, class_names, wanted):
    """Returns the indices of the wanted classes, given by name or number, their new labels, and the names of these."""
    numbers = sorted({class_number(name, class_names) for name in wanted})
    kept = np.flatnonzero(np.isin(labels, numbers))
    return kept, np.searchsorted(numbers, labels[kept]), tuple(class_names[number] for number in numbers)


def class_number(name, class_names):
    if name in class_names:
        return class_names.index(name)
    if name.isdigit() and int(name) < len(class_names):
        return int(name)
    nearest = difflib.get_close_matches(name, class_names, 1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"choose among {', '.join(class_names)}."
    raise InputError(f"There is no class {name!r} in this data; {hint}")
