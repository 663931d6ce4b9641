"""The perceptual distance: how far apart two images are for a network that knows photographs.

As a term of a generator's loss, `PerceptualDistance` is made once, in `__init__` of the GAN; its weight is in
`loss_weights`:

    def generator_loss(self, real, fake):
        (_, target), (_, translated) = real, fake
        return {**super().generator_loss(real, fake), "perceptual": self.perceptual(target, translated)}
"""

import numpy as np
from keras import ops

from common import backend, imagenet
from common.base.pictures import scale

BATCH_SIZE = 20


class PerceptualDistance:
    """The mean squared difference of the features of two images, over five stages of EfficientNet-Lite0.

    At each place the vector of features is scaled to length 1; the squared differences are summed over channels and
    averaged over places, then over the stages. So it is 0 for equal images and at most 4. It is the distance LPIPS
    without its learned weights of channels, and with another network: its values are comparable only among themselves.

    The network is frozen, and no part of a GAN that has this as an attribute: Keras neither trains nor saves it.

    Raises:
        InputError: if the weights of the network are missing and cannot be installed.

    Reference: Zhang et al., 2018, https://arxiv.org/abs/1801.03924, equation 1.
    """

    def __init__(self):
        self.network = imagenet.stages()
        self._of_batch = backend.inference(self.of_pairs)

    def __call__(self, first, second):
        """Returns the mean distance of pairs of images, a scalar in float32, differentiable with respect to both.

        Args:
            first, second: tensors `(batch, height, width, 1 or 3)` in [-1, 1], of any size.
        """
        return ops.mean(self.of_pairs(first, second))

    def of_pairs(self, first, second):
        """Returns the distance of each pair of images, a tensor `(batch,)`; the arguments are those of a call."""
        distances = [
            ops.mean(ops.sum(ops.square(a - b), axis=-1), axis=(1, 2))
            for a, b in zip(self._directions(first), self._directions(second), strict=True)
        ]
        return sum(distances) / len(distances)

    def of_images(self, first, second):
        """Returns the distance of each pair of images as a float64 array `(count,)`.

        Args:
            first, second: uint8 arrays `(count, height, width, 1 or 3)`.
        """
        found = []
        for start in range(0, len(first), BATCH_SIZE):
            pair = (in_colour(scale(side[start : start + BATCH_SIZE])) for side in (first, second))
            found.append(ops.convert_to_numpy(self._of_batch(*pair)))
        return np.concatenate(found).astype(np.float64)

    def _directions(self, images):
        # The addend keeps the gradient finite where all features are 0.
        maps = self.network(in_colour(images))
        return [x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-8) for x in maps]


def in_colour(images):
    """Returns images of 1 or 3 channels as a tensor in float32 of 3 channels."""
    images = ops.cast(images, "float32")
    return ops.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
