"""A folder of image files as an array: lists the files, skips unusable ones, and decodes images on demand."""

import collections
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import track

from common.base.errors import InputError
from data_prep import decode
from data_prep.archives import MAX_DEPTH
from data_prep.decode import FORMATS, SUFFIXES, UNREAD, UnusableError
from data_prep.skipped import Skipped, missing_of, refuse_many, summary, tell_skipped

MEMORY = 512e6  # maximum bytes of decoded images in memory; a larger folder is decoded batch by batch
SPLITS = {"train": ("train",), "test": ("test", "val", "valid", "validation")}  # names of subfolders
CHUNK = 16  # images that a worker decodes at a time
READ_AHEAD = 4  # batches


class Listing(NamedTuple):
    """The image files of a folder.

    Attributes:
        root: path of the folder.
        names: list of strings, paths of the files relative to `root`, sorted folder by folder.
        skipped: list of `Skipped`.
        found: integer, all files of the folder that are listed or skipped; `names` may become a part of it.
    """

    root: Path
    names: list
    skipped: list
    found: int


# Finding --------------------------------------------------------------------------------------------------------


def find(root, wanted=None):
    """Returns the `Listing` of a folder and its subfolders; follows links, detects loops, ignores hidden files.

    Args:
        root: path of the folder.
        wanted: function from the path of a file to whether it is listed; by default images are.
    """
    wanted, names, skipped = wanted or is_image, [], []

    def enter(folder, prefix, parents):
        try:
            status = Path(folder).stat()
            identity = (status.st_dev, status.st_ino)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            return skipped.append(Skipped(prefix, "skipped", f"cannot be read: {error.strerror}"))
        if identity in parents:
            return skipped.append(Skipped(prefix, "skipped", "is a link back to a folder above it"))
        if len(parents) > MAX_DEPTH:
            return skipped.append(Skipped(prefix, "skipped", f"is within more than {MAX_DEPTH} folders"))
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.name.startswith((".", "__MACOSX")):
                continue
            try:
                if entry.is_dir():
                    enter(entry.path, f"{name}/", {*parents, identity})
                elif not entry.is_file():
                    skipped.append(Skipped(name, "skipped", "is a broken link or not a regular file"))
                elif wanted(entry.path):
                    names.append(name)
                elif wanted is is_image and Path(name).suffix.lower() in UNREAD:
                    kind = Path(name).suffix[1:].upper()
                    skipped.append(Skipped(name, "skipped", f"is a {kind} file, convert it to JPEG or PNG"))
            except OSError as error:
                skipped.append(Skipped(name, "skipped", f"cannot be read: {error.strerror}"))
        return None

    enter(root, "", frozenset())
    return Listing(Path(root), names, skipped, len(names) + missing_of(skipped))


def is_image(path):
    """Returns whether a file has the suffix of an image, or its first bytes are those of one."""
    if Path(path).suffix.lower() in SUFFIXES:
        return True
    with open(path, "rb") as file:  # noqa: PTH123 (creating a path object would take as long as the test itself)
        start = file.read(12)
    begins = start.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*"))
    return begins or (start[:4] == b"RIFF" and start[8:] == b"WEBP")


def has_splits(root):
    """Returns whether a folder has a subfolder with training images."""
    return subfolder(root, SPLITS["train"]) is not None


def subfolder(root, names):
    """Returns the first subfolder with one of these names, in any case, lower case if there are both; or None."""
    there = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}  # capitals come first
    return next((there[name] for name in names if name in there), None)


def split_folder(root, split):
    """Returns the subfolder of a split ("train" or "test"), or the folder itself if it has no splits.

    Raises:
        InputError: if the folder has a training part, but not the requested one.
    """
    if not has_splits(root):
        return root
    if found := subfolder(root, SPLITS[split]):
        return found
    raise InputError(f"{root} has a folder train, but none of {', '.join(SPLITS[split])}.")


def part_of(count, split):
    """Returns the indices of a split for data without a test part: every tenth image is for testing.

    >>> part_of(12, "test"), part_of(12, "train")[:4]
    (array([ 0, 10]), array([1, 2, 3, 4]))
    """
    every = np.arange(count)
    return every[(every % 10 == 0) == (split == "test")]


def classes_of(root, names):
    """Returns labels `(count,)` and class names: a class is a folder directly under `root`, as elsewhere in Keras."""
    folders = [name.partition("/")[0] if "/" in name else Path(root).resolve().name for name in names]
    class_names, labels = np.unique(folders, return_inverse=True)
    return labels.astype(np.int64), tuple(str(name) for name in class_names)


def read_headers(listing):
    """Returns the listing without the files whose headers are unusable, and the headers of the others."""
    names, headers, skipped = [], [], list(listing.skipped)
    known = {}  # stores equal headers once: this saves a hundred megabytes for a million files
    for name in progress(listing.names, "Reading image headers"):
        try:
            header = decode.read_header(listing.root / name)
        except UnusableError as error:
            skipped.append(Skipped(name, "skipped", str(error)))
            continue
        if Path(name).suffix.lower() not in FORMATS[header.format]:
            skipped.append(Skipped(name, "used", f"is a {header.format} file with another suffix"))
        names.append(name)
        headers.append(known.setdefault(header, header))
    return listing._replace(names=names, skipped=skipped), headers


def chosen(listing, headers, rows):
    """Returns the `Listing` and the headers of the selected rows."""
    return listing._replace(names=[listing.names[row] for row in rows]), [headers[row] for row in rows]


def described(root, allow_skipped):
    """Returns the `Listing` of a folder's usable images and their headers.

    Raises:
        InputError: if there are none, or too many files cannot be used and this is not allowed.
    """
    listing, headers = read_headers(find(root))
    refuse_many(root, listing.skipped, len(listing.names), allow_skipped)
    return listing, headers


def progress(items, description, total=None):
    """Yields the items, with a progress bar if the output is a terminal."""
    return track(items, description, total, transient=True, disable=not sys.stdout.isatty())


# Choosing a size and channels ---------------------------------------------------------------------------------------


def common_size(root, headers):
    """Returns the `(height, width)` of all images.

    Raises:
        InputError: if they differ.
    """
    sizes = collections.Counter((header.height, header.width) for header in headers)
    if len(sizes) > 1:
        small, large = min(sizes), max(sizes)
        raise InputError(
            f"The images in {root} have {len(sizes)} sizes, from {small[1]}×{small[0]} to {large[1]}×{large[0]} "
            "pixels; choose one size, such as --size 64 or --size 96x64 (width x height)."
        )
    return next(iter(sizes))


def common_channels(headers):
    """Returns 1 if all images are grey, else 3; prints a line if there are both."""
    grey = sum(header.channels == 1 for header in headers)
    if 0 < grey < len(headers):
        print(f"{grey} grey and {len(headers) - grey} colour images: all are read as colour; --channels 1 for grey.")
    return 1 if grey == len(headers) else 3


# Reading ----------------------------------------------------------------------------------------------------------


class Pictures:
    """The images of a folder, indexed like a uint8 array `(count, height, width, channels)` and decoded on access.

    Only the names and the prefetched images are in memory; after `decode_all`, all images are. Threads decode; the
    results do not depend on their number.

    Args:
        listing: `Listing`.
        size: `(height, width)` in pixels.
        fit: "crop", "pad" or "stretch": see `decode.resize`.
        channels: 1 or 3.
        workers: integer, number of threads; by default one per core.
        allow_skipped: bool, whether more than 5% of the files may turn out to be damaged.

    Attributes:
        skipped: list of `Skipped`; grows when a file turns out to be damaged.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, listing, size, fit="crop", channels=3, workers=None, allow_skipped=False):
        self.root = listing.root
        self.names = np.array([os.fsencode(name) for name in listing.names])  # a third of the memory of strings
        self.skipped = list(listing.skipped)
        self._found = listing.found
        self.size, self.fit, self.channels = tuple(size), fit, channels
        self.allow_skipped = allow_skipped
        self.decoded = None
        self._pool = ThreadPoolExecutor(workers or os.cpu_count())
        self._pending = {}
        self._unusable = {}

    def __len__(self):
        return len(self.names)

    @property
    def shape(self):
        return (len(self), *self.size, self.channels)

    @property
    def usable_count(self):
        """Number of images of the whole folder that are not known to be damaged."""
        return self._found - missing_of(self.skipped)

    def name(self, index):
        """Returns the path of an image, relative to the folder."""
        return os.fsdecode(self.names[index])

    def __getitem__(self, indices):
        """Returns the images of an array of indices; in the place of a damaged file the next readable one."""
        if self.decoded is not None:
            return self.decoded[indices]
        return np.stack(self._read(self.usable(indices)))

    def usable(self, indices):
        """Returns the indices, with each damaged file replaced by the next readable one."""
        if self.decoded is not None:
            return indices
        indices = np.array(indices)
        for place, image in enumerate(self._read(indices, keep=True)):
            while image is None:
                if len(self._unusable) == len(self):
                    raise InputError(f"No image in {self.root} can be read ({summary(self.skipped)}).")
                indices[place] = (indices[place] + 1) % len(self)
                (image,) = self._decode(indices[place : place + 1])
        return indices

    def refuse_many_skipped(self):
        """Raises an `InputError` if more files turned out to be damaged than allowed."""
        refuse_many(self.root, self.skipped, self.usable_count, self.allow_skipped)

    def make_ready(self):
        """Checks a sample of the images if they are not decoded yet, and prints what was skipped.

        Raises:
            InputError: if more files turned out to be damaged than allowed.
        """
        if self.decoded is None:
            self.look_into()
        self.refuse_many_skipped()
        tell_skipped(self.skipped, self.usable_count)

    def look_into(self, count=256):
        """Decodes a random sample of the images, so that a damaged folder is detected before training starts."""
        sample = np.random.default_rng(0).permutation(len(self))[:count]
        damaged = [index for index, image in zip(sample, self._read(sample), strict=True) if image is None]
        rows = [Skipped(self.name(index), "skipped", str(self._unusable[index])) for index in damaged]
        refuse_many(self.root, rows, len(sample) - len(damaged), self.allow_skipped)

    def prefetch(self, indices):
        """Starts decoding these images, for a later access with the same indices."""
        key = indices.tobytes()
        if self.decoded is None and key not in self._pending:
            chunks = [indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK)]
            self._pending[key] = [self._pool.submit(self._decode, chunk) for chunk in chunks]
            while len(self._pending) > READ_AHEAD:  # batches that were never requested
                self._pending.pop(next(iter(self._pending)))

    def decode_all(self):
        """Decodes all images into memory, drops the damaged ones, and returns the indices of the others."""
        images = np.empty(self.shape, np.uint8)
        usable = np.zeros(len(self), bool)
        chunks = np.split(np.arange(len(self)), range(CHUNK, len(self), CHUNK))
        found = progress(self._pool.map(self._decode, chunks), f"Reading {len(self)} images", len(chunks))
        for indices, chunk in zip(chunks, found, strict=True):
            for index, image in zip(indices, chunk, strict=True):
                if image is not None:
                    images[index], usable[index] = image, True
        self.decoded = images if usable.all() else images[usable]
        self.names = self.names[usable]
        self._unusable = {}
        return np.flatnonzero(usable)

    def keep(self, rows):
        """Keeps only these rows of the decoded images."""
        self.decoded, self.names = self.decoded[rows], self.names[rows]

    def read(self, path):
        """Returns the image of a file; a subclass may return a part of it."""
        return decode.read(path, self.size, self.fit, self.channels)

    def _read(self, indices, keep=False):
        self.prefetch(indices)
        key = indices.tobytes()
        futures = self._pending[key] if keep else self._pending.pop(key)
        return [image for future in futures for image in future.result()]

    def _decode(self, indices):
        return [self._decode_one(int(index)) for index in indices]

    def _decode_one(self, index):
        """Returns an image, or None if the file is unusable; then the reason is recorded."""
        if index in self._unusable:
            return None
        name = self.name(index)
        try:
            return self.read(self.root / name)
        except UnusableError as error:
            if self._unusable.setdefault(index, error) is error:  # true in the first thread that finds it
                self.skipped.append(Skipped(name, "skipped", str(error)))
            return None
