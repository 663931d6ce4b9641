"""What images show, in numbers: brightness, width, symmetry …, and the classes that an extractor sees."""

import cv2
import numpy as np
from scipy.special import log_softmax

from common.base.errors import InputError
from common.scoring.reconstructions import mean_sharpness
from data_prep.decode import with_channels


def brightness(images):
    """Returns the mean of all pixels, in [0, 1]."""
    return images.mean(axis=(1, 2, 3)) / 255


def contrast(images):
    """Returns the standard deviation of the pixels of each image, in [0, 0.5]."""
    return images.std(axis=(1, 2, 3)) / 255


def width(images):
    """Returns how wide the object is: the standard deviation of its columns, in image widths."""
    return spread_of(object_weights(images).sum(axis=1))


def height(images):
    """Returns how high the object is: the standard deviation of its rows, in image heights."""
    return spread_of(object_weights(images).sum(axis=2))


def symmetry(images):
    """Returns how alike each object and its mirror image are, in [0, 1]; 1 is symmetric."""
    weights = object_weights(images)
    total = np.maximum(weights.sum(axis=(1, 2)), 1e-6)
    return 1 - np.abs(weights - weights[:, :, ::-1]).sum(axis=(1, 2)) / (2 * total)


def sleeves(images):
    """Returns the share of the object in the outer quarters of the lower half: how far the sleeves of a top reach."""
    weights = object_weights(images)
    rows, columns = weights.shape[1] // 2, weights.shape[2] // 4
    sides = weights[:, rows:, :columns].sum(axis=(1, 2)) + weights[:, rows:, -columns:].sum(axis=(1, 2))
    return sides / np.maximum(weights.sum(axis=(1, 2)), 1e-6)


def sharpness(images):
    """Returns the logarithm of the variance of the Laplacian of each image."""
    return np.array([np.log(mean_sharpness(image[np.newaxis]) + 1) for image in images])


def saturation(images):
    """Returns the mean saturation of each image in HSV, in [0, 1]; 0 of grey ones."""
    return np.array([cv2.cvtColor(with_channels(image, 3), cv2.COLOR_RGB2HSV)[..., 1].mean() for image in images]) / 255


FUNCTIONS = {
    function.__name__: function
    for function in (brightness, contrast, width, height, symmetry, sleeves, sharpness, saturation)
}


def object_weights(images):
    """Returns how far each pixel is from the median of the border of its image, `(count, height, width)` in [0, 1]."""
    grey = images.mean(axis=3)
    edges = [grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]]
    border = np.median(np.concatenate(edges, axis=1), axis=1)
    return np.abs(grey - border[:, np.newaxis, np.newaxis]) / 255


def spread_of(weights):
    """Returns the standard deviation of the positions 0 … 1 with these weights, `(count,)`."""
    positions = np.linspace(0, 1, weights.shape[1])
    weights = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-6)
    mean = weights @ positions
    return np.sqrt(np.maximum(weights @ positions**2 - mean**2, 0))


class Attributes:
    """All that is measured of images: the functions above, and the classes of an extractor.

    Args:
        extractor: `Extractor`.
        channels: integer, of the images; saturation is measured of colour ones only.

    Attributes:
        names: list of strings, of the columns of what a call returns.
        class_names: list of strings, those of them that are classes.
    """

    def __init__(self, extractor, channels):
        self.extractor = extractor
        self.functions = [name for name in FUNCTIONS if channels == 3 or name != "saturation"]
        self.class_names = list(extractor.class_names)
        self.names = [*self.functions, *self.class_names]

    def __call__(self, images):
        """Returns the attributes of uint8 images, `(count, len(names))`, and their features.

        That of a class is the logarithm of its probability.
        """
        columns = [FUNCTIONS[name](images) for name in self.functions]
        features, logits = self.extractor.with_logits(images)
        if self.class_names:
            columns += list(log_softmax(logits.astype("float64"), axis=1).T)
        return np.stack(columns, axis=1), features

    def column(self, name):
        """Returns the column of an attribute.

        Raises:
            InputError: if there is none of this name.
        """
        if name not in self.names:
            raise InputError(f"There is no attribute {name!r}; there are {', '.join(self.names)}.")
        return self.names.index(name)
