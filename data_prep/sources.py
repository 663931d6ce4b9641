"""The formats of data: one class for each, with `splits`, `class_names` and `read`.

`find` detects the format of a path; `NamedDataSet` is data given by name. `read` returns images with the sizes and
channels of the files; `fitted` converts them to those that a recipe needs.
"""

import dataclasses
import hashlib
from typing import Any

import numpy as np

from common.base import paths
from common.base.errors import InputError
from data_prep import archives, arrays, datasets, decode, folders, idx

WHOLE = ("train",)  # the splits of data without a test part
BOTH = ("train", "test")


# Contents ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Arrays:
    """Images in memory.

    Attributes:
        images: uint8 array `(count, height, width, channels)`.
        labels: integer array `(count,)`, indices into `class_names`.
        class_names: tuple of strings.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def rows(self, rows):
        """Returns the selected images."""
        return dataclasses.replace(self, images=self.images[rows], labels=self.labels[rows])

    def fitted(self, size, channels, fit):
        """Returns the images with a size `(height, width)` and a number of channels; None leaves it unchanged."""
        shape = self.images.shape[1:]
        size, channels = size or shape[:2], channels or shape[2]
        if (*size, channels) == shape:
            return self.images
        return np.stack([decode.resize(decode.with_channels(image, channels), size, fit) for image in self.images])


@dataclasses.dataclass(frozen=True)
class Files:
    """Image files of a folder, not decoded yet.

    Attributes:
        listing: `folders.Listing`.
        headers: list of `decode.Header`, one per file.
        labels, class_names: as in `Arrays`.
        allow_skipped: bool, whether more than 5% of the files may be unusable.
    """

    listing: Any
    headers: list
    labels: np.ndarray
    class_names: tuple[str, ...]
    allow_skipped: bool

    def rows(self, rows):
        """Returns the selected files."""
        listing, headers = folders.chosen(self.listing, self.headers, rows)
        return dataclasses.replace(self, listing=listing, headers=headers, labels=self.labels[rows])

    def fitted(self, size, channels, fit, workers=None):
        """Returns the images as `folders.Pictures`; if no size is given, all files must have the same size."""
        size = size or folders.common_size(self.listing.root, self.headers)
        channels = channels or folders.common_channels(self.headers)
        return folders.Pictures(self.listing, size, fit, channels, workers, self.allow_skipped)


# Formats ----------------------------------------------------------------------------------------------------------


class NamedDataSet:
    """A data set of `datasets.toml`, downloaded when needed."""

    splits = BOTH

    def __init__(self, name):
        self.name = name

    def class_names(self):
        return datasets.CLASS_NAMES[self.name]

    def read(self, split, allow_skipped=False):
        images, labels = datasets.load(self.name, split)
        return Arrays(with_channel_axis(images), labels.astype(np.int64), self.class_names())


class ArrayFile:
    """A .npy or .npz file."""

    def __init__(self, path):
        self.root = path
        self.splits = arrays.splits(path)

    def class_names(self):
        return self._named(arrays.read_labels(self.root))[1]

    def read(self, split, allow_skipped=False):
        images, labels = arrays.read(self.root, split)
        return Arrays(images, *self._named(labels, len(images)))

    def _named(self, labels, count=0):
        """Returns labels 0, 1, 2 … for arbitrary labels, and the class names; without labels there is one class."""
        if labels is None:
            return np.zeros(count, np.int64), (self.root.stem,)
        values, labels = np.unique(labels, return_inverse=True)
        return labels.reshape(-1).astype(np.int64), tuple(str(value) for value in values)


class IdxFolder:
    """A folder of IDX files with MNIST's names; classes beyond the names have their number as name."""

    def __init__(self, root, class_names=datasets.DIGITS):
        self.root = root
        self.splits = tuple(idx.splits(root))
        self._class_names = class_names

    def class_names(self):
        last = max(idx.read_part(self.root, split, "labels-idx1").max() for split in self.splits)
        return (*self._class_names, *map(str, range(len(self._class_names), last + 1)))

    def read(self, split, allow_skipped=False):
        images, labels = idx.read_split(self.root, split)
        return Arrays(with_channel_axis(images), labels.astype(np.int64), self.class_names())


class ImageFolder:
    """A folder of image files; its subfolders are the classes, or the splits with the classes below them."""

    def __init__(self, root):
        self.root = root
        self.splits = BOTH if folders.has_splits(root) else WHOLE

    def class_names(self):
        root = folders.split_folder(self.root, "train")
        return folders.classes_of(root, folders.find(root).names)[1]

    def read(self, split, allow_skipped=False):
        return files_of(folders.split_folder(self.root, split), allow_skipped)


def files_of(root, allow_skipped=False):
    """Returns the `Files` of a folder, ignoring splits.

    Raises:
        InputError: if there are none, or too many are unusable and this is not allowed.
    """
    listing, headers = folders.described(root, allow_skipped)
    return Files(listing, headers, *folders.classes_of(root, listing.names), allow_skipped)


def with_channel_axis(images):
    return images if images.ndim == 4 else images[..., np.newaxis]


# Finding ----------------------------------------------------------------------------------------------------------


def find(path, idx_class_names=datasets.DIGITS):
    """Returns the source for a path given by the user; an archive is extracted into the user's cache.

    Args:
        path: path of a folder, an archive, an array file, or a folder of IDX files.
        idx_class_names: tuple of strings, class names for IDX files, which have none.

    Raises:
        InputError: if the path does not exist, or is none of these.
    """
    path = opened(path)
    if path.is_file():
        return ArrayFile(path)
    return IdxFolder(path, idx_class_names) if idx.holds_idx(path) else ImageFolder(path)


def opened(path):
    """Returns the folder or array file for a path; extracts an archive, and unwraps a folder with one array file."""
    if path.is_dir():
        items = [item for item in path.iterdir() if not item.name.startswith(".")]
        return items[0] if len(items) == 1 and is_array(items[0]) else path
    if is_array(path):
        return path
    if path.is_file() and archives.is_archive(path):
        status = path.stat()
        identity = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
        digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        return datasets.extracted(path, paths.downloads() / "extracted" / f"{path.name}-{digest}")
    problem = "is none of these" if path.exists() else "does not exist"
    raise InputError(
        f"--data expects a folder, an archive ({', '.join(archives.SUFFIXES)}) or an array file (.npy, .npz), "
        f"but {path} {problem}; check the path."
    )


def is_array(path):
    return path.is_file() and path.suffix in (".npy", ".npz")
