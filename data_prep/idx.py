"""IDX, the file format of MNIST and Fashion-MNIST: a header with the array's shape, then its bytes.

Reference: http://yann.lecun.com/exdb/mnist, "The IDX file format".
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from common.base.errors import InputError

UNSIGNED_BYTE = 0x08
MOST_DIMENSIONS = 4  # of images in colour
BLOCK = 1 << 24  # bytes
PREFIXES = {"train": "train", "test": "t10k"}


def read(path):
    """Returns the array of an IDX file of unsigned bytes, plain or gzipped.

    Raises:
        InputError: if the file is truncated or has other content.
    """
    path = Path(path)
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            zeros, kind, dimensions = struct.unpack(">HBB", file.read(4))
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
            values = np.frombuffer(at_most(math.prod(shape) + 1, file), np.uint8)  # one more, to notice a longer file
    except (struct.error, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is not a complete IDX file ({error}); fetch it again.") from error
    if dimensions > MOST_DIMENSIONS:
        raise InputError(f"{path} says that it has {dimensions} dimensions; images and labels have 3 and 1.")
    if zeros or kind != UNSIGNED_BYTE or 0 in shape or values.size != math.prod(shape):
        found = f"{values.size}" if values.size <= math.prod(shape) else "more"
        raise InputError(
            f"{path} is not a complete IDX file of bytes: its header says shape {shape}, but it holds {found} values; "
            "fetch it again."
        )
    return values.reshape(shape)


def at_most(count, file):
    """Returns up to `count` bytes of a file, in blocks: its header may promise terabytes, and gzip unpack to them."""
    blocks = []
    while count and (block := file.read(min(count, BLOCK))):
        blocks.append(block)
        count -= len(block)
    return b"".join(blocks)


def find(folder, name):
    """Returns the path of an IDX file, gzipped or not, or None; `name` is, for example, "train-images-idx3-ubyte"."""
    candidates = (Path(folder) / f"{name}{suffix}" for suffix in (".gz", ""))
    return next((path for path in candidates if path.is_file()), None)


def splits(folder):
    """Returns the splits ("train", "test") that a folder has as IDX files with MNIST's names."""
    return [split for split, prefix in PREFIXES.items() if find(folder, f"{prefix}-images-idx3-ubyte") is not None]


def holds_idx(folder):
    """Returns whether a folder has IDX files with MNIST's names."""
    return bool(splits(folder))


def read_part(folder, split, part):
    """Returns the array of "images-idx3" or "labels-idx1" of a split."""
    name = f"{PREFIXES[split]}-{part}-ubyte"
    path = find(folder, name)
    if path is None:
        raise InputError(f"{folder} has no file {name}.gz; put it there next to the others.")
    return read(path)


def read_split(folder, split):
    """Returns uint8 images `(count, height, width)` and labels `(count,)` of the split "train" or "test"."""
    images, labels = read_part(folder, split, "images-idx3"), read_part(folder, split, "labels-idx1")
    is_image = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))
    if not is_image or labels.ndim != 1:
        raise InputError(
            f"{folder} holds images of shape {images.shape} and labels of shape {labels.shape}; expected are (count, "
            "height, width) and (count,)."
        )
    if len(images) != len(labels):
        raise InputError(f"{folder} has {len(images)} images but {len(labels)} labels; fetch both files again.")
    return images, labels
