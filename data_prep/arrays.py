"""Images from NumPy's .npy and .npz files, of various dtypes, value ranges and axis orders."""

import contextlib
import tokenize

import numpy as np

from common.base.errors import InputError
from data_prep import decode
from data_prep.archives import DAMAGE

# Names of the images and labels of each split in a .npz file.
IMAGES = {
    "train": ("train_images", "x_train", "X_train", "train"),
    "test": ("test_images", "x_test", "X_test", "test"),
}
LABELS = {"train": ("train_labels", "y_train"), "test": ("test_labels", "y_test")}
WHOLE = ("images", "x", "X", "data", "arr_0")
WHOLE_LABELS = ("labels", "y", "arr_1")


def read(path, split="train"):
    """Returns images as uint8 `(count, height, width, channels)`, and labels `(count,)` or None.

    A .npy file is memory-mapped, so that only the batches are in memory. A .npz file is read completely. Which of them
    it is, its content tells.

    Args:
        path: path of a .npy or .npz file.
        split: "train" or "test"; of a file without splits, all images are returned.

    Raises:
        InputError: if the file is damaged, contains Python objects, or no images.
    """
    with refusing_damage(path):
        content = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(content, np.ndarray):
            return to_images(content, path), None
        with content as arrays:
            images, labels = chosen(arrays, path, split)
            return to_images(arrays[images], path), to_labels(arrays, images, labels, path)


def read_labels(path, split="train"):
    """Returns the labels that `read` returns, without the images."""
    with refusing_damage(path):
        content = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(content, np.ndarray):
            return None
        with content as arrays:
            _, labels = chosen(arrays, path, split)
            return None if labels is None else arrays[labels].reshape(-1)


def splits(path):
    """Returns the splits of a file: ("train", "test"), or ("train",) for a file without splits.

    Raises:
        InputError: if the file is damaged.
    """
    with refusing_damage(path):
        content = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(content, np.ndarray):
            return ("train",)
        with content as arrays:
            return ("train", "test") if any(name in arrays for name in IMAGES["test"]) else ("train",)


@contextlib.contextmanager
def refusing_damage(path):
    """Turns NumPy's errors about damaged files and Python objects into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except (*DAMAGE, OSError, SyntaxError, tokenize.TokenError) as error:
        raise InputError(f"{path} is damaged or contains Python objects ({error}); save it again.") from error


def chosen(arrays, path, split):
    """Returns the names of the images and of the labels; None if there are no labels."""
    for names, label_names in ((IMAGES[split], LABELS[split]), (WHOLE, WHOLE_LABELS)):
        found = next((name for name in names if name in arrays), None)
        if found:
            return found, next((name for name in label_names if name in arrays), None)
    if len(arrays.files) == 1:
        return arrays.files[0], None
    raise InputError(
        f"{path} holds the arrays {', '.join(arrays.files)}; the images of the split {split} are expected under "
        f"{', '.join(IMAGES[split])} or {', '.join(WHOLE)}."
    )


def to_labels(arrays, images, labels, path):
    if labels is None:
        return None
    values = arrays[labels].reshape(-1)
    if len(values) != len(arrays[images]):
        raise InputError(f"{path} has {len(arrays[images])} {images} but {len(values)} {labels}; save it again.")
    return values


def to_images(array, path):
    """Returns an array as uint8 images; converts booleans, 16 bits, floats in [0, 1] or [-1, 1], and channels first.

    Raises:
        InputError: if the shape or the values are not those of images.
    """
    if array.ndim == 4 and array.shape[3] not in (1, 3) and array.shape[1] in (1, 3):
        array = np.moveaxis(array, 1, 3)
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape:
        raise InputError(
            f"{path} holds an array of shape {array.shape}; expected is (count, height, width), optionally with a "
            "last axis of 1 or 3 channels."
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{path} holds {array.dtype}; numbers are expected.")
    low, high = float(np.min(array)), float(np.max(array))
    if array.dtype.kind == "f" and -1 <= low < 0 and high <= 1:
        array, low = (array + 1) / 2, 0.0
    try:
        if array.dtype.kind != "f" and low >= 0 and high <= 255:
            return array.astype(np.uint8)
        return np.stack([decode.from_deep(image, low, high) for image in array])
    except decode.UnusableError as error:
        raise InputError(f"{path} {error}.") from error
