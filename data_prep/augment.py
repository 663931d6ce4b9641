"""Random changes of pictures, drawn anew each time a picture is fed: small data sets seem larger.

A generator learns what it is shown: with rotated pictures it draws rotated ones. Take changes that the data could have
had anyway. (Changes that are not to show in samples have to reach real and fake pictures alike, in `GAN.judge`.)

Each works on uint8 pictures before they are scaled, by OpenCV, and changes all pictures of one sample in the same way:
both halves of a pair are flipped, or none.
"""

import dataclasses

import cv2
import numpy as np
import optree


class Augmentation:
    """A random change of pictures. Subclasses write `draw` and `apply`."""

    def __call__(self, samples, rng):
        """Returns a batch as stored, an array or a structure of arrays, with its pictures changed."""
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
        """Returns the random numbers of one sample."""
        raise NotImplementedError

    def apply(self, image, values):
        """Returns one uint8 picture `(height, width, channels)`, changed as the numbers say."""
        raise NotImplementedError


def is_pictures(array):
    return array.dtype == np.uint8 and array.ndim == 4


class Compose(Augmentation):
    """Several changes, one after the other.

    >>> pictures = np.zeros((2, 8, 8, 3), "uint8")
    >>> Compose(Flip(), Crop())(pictures, np.random.default_rng(0)).shape
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
    """Left becomes right in half of the pictures. Not for writing, nor for garments with a side."""

    probability: float = 0.5

    def draw(self, rng):
        return rng.random() < self.probability

    def apply(self, image, flipped):
        return image[:, ::-1] if flipped else image


@dataclasses.dataclass(frozen=True)
class Crop(Augmentation):
    """A part of at least the given share of both sides, enlarged to the old size."""

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
    """Turned about the middle by up to so many degrees; the corners repeat the border."""

    degrees: float = 10

    def draw(self, rng):
        return rng.uniform(-self.degrees, self.degrees)

    def apply(self, image, degrees):
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
        return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@dataclasses.dataclass(frozen=True)
class Colour(Augmentation):
    """Brightness, contrast and, of colour pictures, saturation changed by up to these shares."""

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
    """Normal noise on every pixel, of a standard deviation in levels of 0 … 255."""

    deviation: float = 5

    def draw(self, rng):
        return int(rng.integers(2**63))  # the same noise for both halves of a pair

    def apply(self, image, seed):
        noise = np.random.default_rng(seed).normal(0, self.deviation, image.shape)
        return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
