"""The seam between data and `fit`: shuffled batches of samples in [-1, 1], the same on every backend."""

import keras
import numpy as np

from common.errors import InputError


def scale(images):
    """Maps uint8 images of 0 … 255 to float32 in [-1, 1], the range of tanh."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def unscale(images):
    """Maps images in [-1, 1] to uint8 of 0 … 255; values outside are clipped."""
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


class Batches(keras.utils.PyDataset):
    """Batches for `fit`, in an order that depends on the seed and the epoch alone.

    Every epoch is a new permutation; the incomplete batch at its end is left out, other samples in each epoch. Set
    `epoch` to continue where an earlier `fit` ended, and give `fit` the option `shuffle=False`: else Keras draws the
    order of the batches once more, from Python's global random numbers.

    Args:
        samples: array of the data, first axis the samples; or a structure of arrays, such as `(images, labels)`.
        batch_size: integer, samples in a batch.
        seed: integer, of the order.
        transform: function from a batch as stored to a batch as fed, called anew in every epoch.

    Raises:
        InputError: if a batch is larger than the data.

    Example:

    >>> batches = Batches(np.full((5, 2, 2, 1), 255, "uint8"), batch_size=2)
    >>> len(batches), batches[0].shape, float(batches[0].max()), batches.sample_shape
    (2, (2, 2, 2, 1), 1.0, (2, 2, 1))
    """

    def __init__(self, samples, batch_size, seed=0, transform=scale, **kwargs):
        super().__init__(**kwargs)
        self.samples = samples
        self.batch_size = batch_size
        self.seed = seed
        self.transform = transform
        self.epoch = 0
        self.count = len(keras.tree.flatten(samples)[0])
        if batch_size > self.count:
            raise InputError(
                f"A batch of {batch_size} is larger than the data of {self.count} samples; "
                f"use --batch-size {self.count} or less."
            )
        self._shuffle()

    def _shuffle(self):
        self.order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)

    def on_epoch_begin(self):
        self._shuffle()
        self.epoch += 1

    def __len__(self):
        return self.count // self.batch_size

    def __getitem__(self, index):
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return self.transform(keras.tree.map_structure(lambda array: array[chosen], self.samples))

    @property
    def sample_shape(self):
        """Shape of one sample as the networks see it, without the batch."""
        return keras.tree.map_structure(lambda array: array.shape[1:], self[0])
