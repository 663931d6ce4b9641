"""Translates images of any size within bounded memory: tile by tile, with instance norm of the whole image.

A tile is translated with a margin as wide as the receptive field, which is then cut off, so that nothing shows where
tiles meet. Instance norm needs the mean and the variance of the whole image: they are measured in one pass over all
tiles for each such layer, in the order in which the network applies them. So a deep network takes several times as long
as on the whole image at once.
"""

import contextlib
import math

import numpy as np
from keras import layers, ops

from common.base.pictures import scale, unscale
from common.sampling import as_array

WHOLE = 1_000_000  # pixels up to which an image is translated at once
TILE = 500_000  # pixels of a tile with its margin, if the margin leaves so little
# Layers that look at a neighbourhood, or at each pixel alone.
LOCAL = (
    *(layers.Conv2D, layers.Conv2DTranspose, layers.Concatenate, layers.Add, layers.InputLayer),
    *(layers.UpSampling2D, layers.ReLU, layers.LeakyReLU, layers.Activation, layers.Dropout),
)


def can_be_tiled(generator):
    """Returns whether all layers are local, but for instance norm."""
    return all(isinstance(layer, LOCAL) or is_instance_norm(layer) for layer in generator.layers)


def is_instance_norm(layer):
    return isinstance(layer, layers.GroupNormalization) and layer.groups in (-1, layer.gamma.shape[-1])


def stride_of(generator):
    """Returns the total stride of a generator's downsampling layers."""
    return math.prod(layer.strides[0] for layer in generator.layers if isinstance(layer, layers.Conv2D))


def reach_of(generator):
    """Returns how many pixels away a pixel can have an influence, rather too many than too few."""
    reach, stride = 0, 1
    for layer in generator.layers:
        if isinstance(layer, layers.Conv2D):
            reach += layer.kernel_size[0] // 2 * layer.dilation_rate[0] * stride
            stride *= layer.strides[0]
        elif isinstance(layer, layers.Conv2DTranspose):
            reach += math.ceil(layer.kernel_size[0] / layer.strides[0]) * stride
            stride //= layer.strides[0]
        elif isinstance(layer, layers.UpSampling2D):
            reach += stride
            stride //= layer.size[0]
    return reach


class Tile:
    """A part of an image, in pixels: `rows` and `columns`, and the same with margins, as slices."""

    def __init__(self, top, left, core, margin, shape):
        self.rows, self.columns = slice(top, min(top + core, shape[0])), slice(left, min(left + core, shape[1]))
        self.outer = tuple(
            slice(max(0, side.start - margin), min(side.stop + margin, length))
            for side, length in zip((self.rows, self.columns), shape, strict=True)
        )

    def cut(self, features):
        """Returns the part without margins of features of the part with margins, at their resolution."""
        height = self.outer[0].stop - self.outer[0].start
        stride = height // features.shape[0]
        rows, columns = (
            slice((side.start - outer.start) // stride, (side.stop - outer.start) // stride)
            for side, outer in zip((self.rows, self.columns), self.outer, strict=True)
        )
        return features[rows, columns]


def tiles_of(shape, stride, reach):
    """Returns the tiles of an image whose sides are multiples of the stride."""
    margin = math.ceil(reach / stride) * stride
    core = max(stride, int((math.sqrt(TILE) - 2 * margin) / stride) * stride)
    return [
        Tile(top, left, core, margin, shape) for top in range(0, shape[0], core) for left in range(0, shape[1], core)
    ]


class Measured(Exception):  # noqa: N818 (not an error)
    """Ends the forward pass of a tile at an instance norm whose statistics are not known yet."""


class Norms:
    """Replaces the instance norms of a network by ones with the statistics of the whole image.

    Args:
        generator: `keras.Model`.

    Attributes:
        known: list of means and variances, of the norms in the order in which they are applied.
    """

    def __init__(self, generator):
        self.layers = [layer for layer in generator.layers if is_instance_norm(layer)]
        self.known = []
        self.sums = None
        self.tile = None

    @contextlib.contextmanager
    def replaced(self):
        own = {layer: layer.call for layer in self.layers}
        try:
            for layer in self.layers:
                layer.call = lambda x, layer=layer: self._call(layer, x)
            yield self
        finally:
            for layer, call in own.items():
                layer.call = call

    def begin(self, tile):
        self.tile, self.applied = tile, 0

    def _call(self, layer, x):
        if self.applied == len(self.known):
            self._measure(x)
            raise Measured
        mean, variance = self.known[self.applied]
        self.applied += 1
        factor = layer.gamma.value * ops.rsqrt(ops.convert_to_tensor(variance, "float32") + layer.epsilon)
        return (x - ops.convert_to_tensor(mean, "float32")) * factor + layer.beta.value

    def _measure(self, x):
        part = self.tile.cut(ops.convert_to_numpy(x)[0]).astype(np.float64)
        count = np.full(part.shape[-1], part.shape[0] * part.shape[1])
        sums = np.stack([count, part.sum(axis=(0, 1)), (part**2).sum(axis=(0, 1))])
        self.sums = sums if self.sums is None else self.sums + sums

    def finish_pass(self):
        """Adds the statistics that the tiles have measured; returns False if they had none to measure."""
        if self.sums is None:
            return False
        count, total, squares = self.sums
        self.known.append((total / count, squares / count - (total / count) ** 2))
        self.sums = None
        return True


def translate_tiled(generator, image):
    """Returns the translation of a uint8 image `(height, width, channels)`, whose sides are multiples of the stride."""
    tiles = tiles_of(image.shape[:2], stride_of(generator), reach_of(generator))
    translated = np.empty((*image.shape[:2], generator.output_shape[-1]), np.uint8)
    with Norms(generator).replaced() as norms:
        while True:
            for tile in tiles:
                norms.begin(tile)
                with contextlib.suppress(Measured):
                    output = generator(scale(image[tile.outer])[np.newaxis], training=True)
                    output = as_array(output)[0]
                    translated[tile.rows, tile.columns] = unscale(tile.cut(output))
            if not norms.finish_pass():
                return translated
