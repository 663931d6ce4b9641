"""The named data sets of `datasets.toml`, each with its sources, hashes, licence and citation."""

import contextlib
import shutil
import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.base import paths
from data_prep import archives, downloads, idx
from data_prep.downloads import File

EMBEDDED = Path(__file__).parent / "fashion_mnist" / "fashion_mnist.npz"
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")

DIGITS = tuple("0123456789")
GARMENTS = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle-boot"),
)
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CLASS_NAMES = {"fashion_mnist": GARMENTS, "fashion_mnist_full": GARMENTS, "mnist": DIGITS, "cifar10": CIFAR10}


class DataSet(NamedTuple):
    """A named data set.

    Attributes:
        what: string, its content.
        licence: string, as its authors state it.
        citation: string.
        files: tuple of `File`, empty for a data set that comes with the project.
    """

    what: str
    licence: str
    citation: str
    files: tuple[File, ...]


def table():
    """Returns the named data sets, a dictionary of `DataSet`."""
    entries = tomllib.loads(Path(__file__).with_name("datasets.toml").read_text("utf-8"))
    return {
        name: DataSet(
            entry["what"],
            entry["licence"],
            entry["citation"],
            tuple(
                File(file, size, sha256, tuple(mirror + file for mirror in entry["mirrors"]))
                for file, size, sha256 in entry.get("files", [])
            ),
        )
        for name, entry in entries.items()
    }


def folder_of(name):
    """Returns the folder of a named data set, downloaded and extracted if missing.

    Raises:
        InputError: if it cannot be downloaded; the message says which file to put where.
    """
    folder = paths.downloads() / name
    files = [downloads.fetch(file, folder) for file in table()[name].files]
    return extracted(files[0]) if archives.is_archive(files[0]) else folder


def extracted(archive, folder=None):
    """Returns the folder of an archive's files; extracts them once, into `folder` or beside the archive."""
    folder = folder or archive.with_name(f"{archive.name}.extracted")
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent)
    with downloads.locked(folder):
        if not folder.exists():
            archives.extract(archive, folder)
    return archives.inner(folder)


def sweep(parent):
    """Removes the unfinished folders of extractions that were killed, which may have many gigabytes.

    An extraction holds a lock, which the system frees when its process ends, however it ends. Unlike the age of a
    folder or the number of a process, this holds on slow disks and across containers, too.
    """
    for part in parent.glob(".part-*-*/"):
        with contextlib.suppress(OSError), downloads.locked(parent / archives.folder_name(part), wait=False):
            shutil.rmtree(part)


def load(name, split):
    """Returns images and labels of a named data set without pairs; `split` is "train" or "test"."""
    if name == "fashion_mnist":
        with np.load(EMBEDDED, allow_pickle=False) as arrays:
            return arrays[f"{split}_images"], arrays[f"{split}_labels"]
    if name == "fashion_mnist_full" and idx.holds_idx(DEBIAN_FASHION_MNIST):
        return idx.read_split(DEBIAN_FASHION_MNIST, split)
    folder = folder_of(name)
    if name == "cifar10":
        return read_cifar10(folder, split)
    return idx.read_split(folder, split)


def read_cifar10(folder, split):
    """Returns images `(count, 32, 32, 3)` and labels of the binary version: each record is a label and three planes."""
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] if split == "train" else ["test_batch.bin"]
    records = np.concatenate([np.fromfile(folder / name, np.uint8).reshape(-1, 1 + 3 * 32 * 32) for name in names])
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(np.moveaxis(planes, 1, 3)), records[:, 0]
