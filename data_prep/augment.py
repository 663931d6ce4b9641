"""Data augmentation: random changes, drawn anew each time an image is fed, make a small data set look larger.

A generator learns the augmented distribution: trained on rotated images, it generates rotated images. Use only changes
that could occur in the data anyway. (A change that must not appear in samples has to be applied to real and fake images
alike, wherever they are judged: `common/diff_augment.py`.)

Each augmentation works on uint8 images before they are scaled, with OpenCV. It changes all images of a sample in the
same way: both images of a pair are flipped, or neither.
"""

import dataclasses

import cv2
import numpy as np
import optree


class Augmentation:
    """A random change of images. Subclasses implement `draw` and `apply`."""

    def __call__(self, samples, rng):
        """Returns a stored batch, an array or a structure of arrays, with its images changed."""
        count = len(optree.tree_leaves(samples)[0])
        drawn = [self.draw(rng) for _ in range(count)]

        def changed(array):
            if not is_pictures(array):
                return array
            return np.stack(
                [self.apply(image, values).reshape(image.shape) for image, values in zip(array, drawn, strict=True)]
            )

        return optree.tree_map(changed, samples)

    def draw(self, rng):
        """Returns the random values for one sample."""
        raise NotImplementedError

    def apply(self, image, values):
        """Returns one uint8 image `(height, width, channels)`, changed by the drawn values."""
        raise NotImplementedError


def is_pictures(array):
    return array.dtype == np.uint8 and array.ndim == 4


class Compose(Augmentation):
    """Several augmentations in sequence.

    >>> images = np.zeros((2, 8, 8, 3), "uint8")
    >>> Compose(Flip(), Crop())(images, np.random.default_rng(0)).shape
    (2, 8, 8, 3)
    """

    def __init__(self, *steps):
        self.steps = steps

    def __call__(self, samples, rng):
        for step in self.steps:
            samples = step(samples, rng)
        return samples


@dataclasses.dataclass(frozen=True)
class Flip(Augmentation):
    """Mirrors half of the images horizontally. Not for writing, nor for garments whose sides differ."""

    probability: float = 0.5

    def draw(self, rng):
        return rng.random() < self.probability

    def apply(self, image, flipped):
        return image[:, ::-1] if flipped else image


@dataclasses.dataclass(frozen=True)
class Crop(Augmentation):
    """Crops at least the given share of each side, and resizes to the original size."""

    share: float = 0.85

    def draw(self, rng):
        return rng.uniform(self.share, 1), rng.random(), rng.random()

    def apply(self, image, values):
        share, down, right = values
        height, width = image.shape[:2]
        inner = (max(1, round(height * share)), max(1, round(width * share)))
        top, left = round((height - inner[0]) * down), round((width - inner[1]) * right)
        part = image[top : top + inner[0], left : left + inner[1]]
        return cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)


@dataclasses.dataclass(frozen=True)
class Rotate(Augmentation):
    """Rotates about the centre by up to this many degrees; the border is repeated into the corners."""

    degrees: float = 10

    def draw(self, rng):
        return rng.uniform(-self.degrees, self.degrees)

    def apply(self, image, degrees):
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
        return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@dataclasses.dataclass(frozen=True)
class Colour(Augmentation):
    """Changes brightness, contrast and, for colour images, saturation by up to these shares."""

    brightness: float = 0.1
    contrast: float = 0.1
    saturation: float = 0.2

    def draw(self, rng):
        limits = np.array([self.brightness, self.contrast, self.saturation])
        return rng.uniform(-limits, limits)

    def apply(self, image, values):
        brightness, contrast, saturation = values
        changed = image.astype(np.float32)
        if image.shape[2] == 3:
            grey = changed.mean(axis=2, keepdims=True)
            changed = grey + (1 + saturation) * (changed - grey)
        middle = changed.mean()
        changed = middle + (1 + contrast) * (changed - middle) + 255 * brightness
        return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class Noise(Augmentation):
    """Adds Gaussian noise to every pixel; the standard deviation is in levels of 0 … 255."""

    deviation: float = 5

    def draw(self, rng):
        return int(rng.integers(2**63))  # the same noise for both images of a pair

    def apply(self, image, seed):
        noise = np.random.default_rng(seed).normal(0, self.deviation, image.shape)
        return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
