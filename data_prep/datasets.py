"""The named data sets of `datasets.toml`: where each comes from, its hash, its licence and whom to cite."""

import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common import places
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


class DataSet(NamedTuple):
    """A named data set.

    Attributes:
        what: string, what it holds.
        licence: string, as its authors state it.
        citation: string.
        files: tuple of `File`, empty for what comes with the project.
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
    """Returns the folder of a named data set, downloaded and extracted if it is not there.

    Raises:
        InputError: if it cannot be downloaded; says which file to put where.
    """
    folder = places.downloads() / name
    paths = [downloads.fetch(file, folder) for file in table()[name].files]
    return extracted(paths[0]) if archives.is_archive(paths[0]) else folder


def extracted(archive, folder=None):
    """Returns the folder of an archive's files, extracted beside it, or into `folder`, if that was not done before."""
    folder = folder or archive.with_name(f"{archive.name}.extracted")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with downloads.locked(folder):
        if not folder.exists():
            archives.extract(archive, folder)
    return archives.inner(folder)


def load(name, split):
    """Returns images, labels and class names of a named data set of single images; `split` is "train" or "test"."""
    if name == "fashion_mnist":
        with np.load(EMBEDDED, allow_pickle=False) as arrays:
            return arrays[f"{split}_images"], arrays[f"{split}_labels"], GARMENTS
    if name == "fashion_mnist_full" and idx.holds_idx(DEBIAN_FASHION_MNIST):
        return *idx.read_split(DEBIAN_FASHION_MNIST, split), GARMENTS
    folder = folder_of(name)
    if name == "cifar10":
        return *read_cifar10(folder, split), CIFAR10
    return *idx.read_split(folder, split), DIGITS if name == "mnist" else GARMENTS


def read_cifar10(folder, split):
    """Returns images `(count, 32, 32, 3)` and labels of the binary version: records of a label and three planes."""
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] if split == "train" else ["test_batch.bin"]
    records = np.concatenate([np.fromfile(folder / name, np.uint8).reshape(-1, 1 + 3 * 32 * 32) for name in names])
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(np.moveaxis(planes, 1, 3)), records[:, 0]
