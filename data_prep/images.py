"""Where images come from: named data sets, a folder of pictures, a folder of IDX files."""

import dataclasses
import difflib
import os
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import cv2
import keras
import numpy as np
import tyro

from common.errors import InputError
from data_prep import idx

EMBEDDED = Path(__file__).parent / "fashion_mnist" / "fashion_mnist.npz"
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}

DIGITS = tuple("0123456789")
GARMENTS = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle-boot"),
)
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclasses.dataclass(frozen=True)
class ImageOptions:
    """The options by which a user says what to learn from; a recipe's `Config` has them as one field."""

    dataset: Literal["fashion_mnist", "fashion_mnist_full", "mnist", "cifar10"] = "fashion_mnist"
    """a named data set; fashion_mnist is embedded, the others are downloaded when asked for"""
    classes: tuple[str, ...] = ()
    """only these classes, by name or number, such as: --classes sneaker ankle-boot"""
    data: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """your own images instead: a folder of one size, in class folders or not, or MNIST's IDX files"""


class Images(NamedTuple):
    """Images of one size with their classes.

    Attributes:
        images: uint8 array `(count, height, width, channels)`, 1 channel (grey) or 3 (RGB).
        labels: integer array `(count,)`, indices into `class_names`.
        class_names: tuple of strings.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]


def load(options, split="train"):
    """Returns the `Images` that the options name.

    Args:
        options: `ImageOptions`.
        split: "train" or "test". A folder of pictures has no split and is returned whole.

    Raises:
        InputError: if the data is not there, or not what was expected; says which file to put where.
    """
    if options.data is None:
        images = load_dataset(options.dataset, split)
    elif not options.data.is_dir():
        raise InputError(f"--data expects a folder, and {options.data} is none; check the path.")
    elif idx.holds_idx(options.data):
        names = {"fashion_mnist": GARMENTS, "fashion_mnist_full": GARMENTS}.get(options.dataset, DIGITS)
        images = from_arrays(*idx.read_split(options.data, split), names)
    else:
        images = load_folder(options.data)
    return only_classes(images, options.classes) if options.classes else images


def load_dataset(name, split):
    """Returns the `Images` of a named data set."""
    if name == "fashion_mnist":
        with np.load(EMBEDDED, allow_pickle=False) as arrays:
            return from_arrays(arrays[f"{split}_images"], arrays[f"{split}_labels"], GARMENTS)
    if name == "fashion_mnist_full" and idx.holds_idx(DEBIAN_FASHION_MNIST):
        return from_arrays(*idx.read_split(DEBIAN_FASHION_MNIST, split), GARMENTS)
    module, names, by_hand = {
        "fashion_mnist_full": (
            keras.datasets.fashion_mnist,
            GARMENTS,
            "install Debian's package dataset-fashion-mnist, or put Zalando's four files such as "
            "train-images-idx3-ubyte.gz into a folder and name it: --data FOLDER",
        ),
        "mnist": (
            keras.datasets.mnist,
            DIGITS,
            f"put mnist.npz into {cache()}, or MNIST's four files such as train-images-idx3-ubyte.gz "
            "into a folder and name it: --data FOLDER",
        ),
        "cifar10": (
            keras.datasets.cifar10,
            CIFAR10,
            f"put cifar-10-python.tar.gz into {cache()} under the name cifar-10-batches-py-target_archive",
        ),
    }[name]
    try:
        train, test = module.load_data()
    except Exception as error:  # Keras raises a plain Exception when a download fails.
        raise InputError(f"The data set {name} could not be downloaded ({first_line(error)}); {by_hand}.") from error
    return from_arrays(*(train if split == "train" else test), names)


def cache():
    """Returns the folder in which Keras looks for data sets."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "datasets"


def first_line(error):
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def from_arrays(images, labels, class_names):
    images = images if images.ndim == 4 else images[..., np.newaxis]
    return Images(images, labels.reshape(-1).astype(np.int64), class_names)


def load_folder(folder):
    """Returns the `Images` of a folder of pictures of one size; the names of its subfolders are the classes."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise InputError(f"{folder} holds no image ({', '.join(sorted(SUFFIXES))}), directly or in subfolders.")
    images = [read_image(path) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            raise InputError(
                f"All images of a folder must have one size: {paths[0].name} has {described(images[0])}, "
                f"{path.name} has {described(image)}; bring them to one size first."
            )
    class_names = tuple(sorted({path.parent.name for path in paths}))
    labels = np.array([class_names.index(path.parent.name) for path in paths])
    return Images(np.stack(images), labels, class_names)


def read_image(path):
    """Returns a picture as uint8 `(height, width, 1 or 3)`, in RGB order."""
    # imdecode, unlike imread, reads paths of any alphabet on any system.
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED) if path.stat().st_size else None
    if image is None:
        raise InputError(f"{path} cannot be read as an image; repair it or take it out of the folder.")
    image = image if image.ndim == 3 else image[..., np.newaxis]
    if image.dtype != np.uint8 or image.shape[2] not in (1, 3):
        raise InputError(
            f"{path} has {image.shape[2]} channels of {image.dtype}, but 8-bit grey or RGB without alpha is expected; "
            "convert it first."
        )
    return image[..., ::-1] if image.shape[2] == 3 else image


def described(image):
    height, width, channels = image.shape
    return f"{width}×{height} pixels with {channels} channel{'s' if channels > 1 else ''}"


def only_classes(images, wanted):
    """Returns the images of the wanted classes, given by name or number."""
    numbers = [class_number(name, images.class_names) for name in wanted]
    kept = np.isin(images.labels, numbers)
    labels = np.searchsorted(sorted(set(numbers)), images.labels[kept])
    return Images(images.images[kept], labels, tuple(images.class_names[number] for number in sorted(set(numbers))))


def class_number(name, class_names):
    if name in class_names:
        return class_names.index(name)
    if name.isdigit() and int(name) < len(class_names):
        return int(name)
    nearest = difflib.get_close_matches(name, class_names, 1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"choose among {', '.join(class_names)}."
    raise InputError(f"There is no class {name!r} in this data; {hint}")
