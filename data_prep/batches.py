"""The interface between data and `fit`: shuffled batches of samples in [-1, 1], the same on every backend."""

import keras
import numpy as np

from common.base.errors import InputError
from common.base.pictures import scale
from data_prep.balance import repeated


def first(images, count):
    """Returns the first images of anything indexed like an array, as an array; all of them if there are fewer.

    >>> first(np.arange(5), 3), len(first(np.arange(5), 9))
    (array([0, 1, 2]), 5)
    """
    return images[np.arange(min(count, len(images)))]


def scaled(batch):
    """Returns a batch with its images, which are the uint8 arrays, mapped to [-1, 1]; labels are unchanged."""
    return keras.tree.map_structure(lambda array: scale(array) if array.dtype == np.uint8 else array, batch)


class Batches(keras.utils.PyDataset):
    """Batches for `fit`, in an order that depends only on the seed and the epoch.

    Every epoch is a new permutation. The incomplete batch at its end is dropped: different samples in each epoch. Set
    `epoch` to continue where an earlier `fit` ended, and call `fit` with `shuffle=False`: otherwise Keras shuffles the
    batches again, with Python's global random state.

    Args:
        samples: array of the data, the first axis being the samples; or a structure of arrays, such as
            `(images, labels)`. Anything with a length that can be indexed by an array will do, such as
            `folders.Pictures`.
        batch_size: integer, samples per batch.
        seed: integer, seed of the order and of the augmentation.
        transform: function from a stored batch to the batch that is fed, called for every batch of every epoch.
        order: function from a random generator to the indices of an epoch, such as those of `balance.py`; by default
            a permutation of all.
        augment: an `Augmentation`, or another function `(batch, rng)` from a stored batch to a changed one.
        paired: bool; False for arrays of different lengths whose samples do not correspond. Each array gets its own
            order, and shorter arrays repeat within an epoch.

    The attribute `shard` is `(index, count)`: this host's part of each batch, and the number of hosts. `Run.fit` sets
    it. The parts of all hosts, concatenated, are the batch of a single host: the order does not depend on the number of
    hosts.

    Raises:
        InputError: if a batch is larger than the data.

    Example:

    >>> batches = Batches(np.full((5, 2, 2, 1), 255, "uint8"), batch_size=2)
    >>> len(batches), batches[0].shape, float(batches[0].max()), batches.sample_shape
    (2, (2, 2, 2, 1), 1.0, (2, 2, 1))
    """

    def __init__(
        self,
        samples,
        batch_size,
        seed=0,
        transform=scaled,
        order=None,
        augment=None,
        paired=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.samples = samples
        self.batch_size = batch_size
        self.seed = seed
        self.transform = transform
        self.order = order
        self.augment = augment
        self.paired = paired
        self.shard = (0, 1)
        self.epoch = 0
        self._arrays = keras.tree.flatten(samples)
        self._draw_orders()
        self.count = len(self._orders[0])
        if batch_size > self.count:
            raise InputError(
                f"A batch of {batch_size} is larger than the data of {self.count} samples; "
                f"use --batch-size {self.count} or less."
            )

    def _draw_orders(self):
        """Draws the indices of an epoch for each array; paired arrays share them."""
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.paired:
            order = self.order(rng) if self.order else rng.permutation(len(self._arrays[0]))
            orders = [order] * len(self._arrays)
        else:
            longest = max(len(array) for array in self._arrays)
            orders = [repeated(rng, np.arange(len(array)), longest) for array in self._arrays]
        self._orders = orders

    def on_epoch_begin(self):
        self._draw_orders()
        self.epoch += 1

    def __len__(self):
        return self.count // self.batch_size

    def __getitem__(self, index):
        for ahead in range(index, min(index + 3, len(self))):
            self._prefetch(ahead)
        batch = [array[rows] for array, rows in zip(self._arrays, self._usable(self._rows(index)), strict=True)]
        batch = keras.tree.pack_sequence_as(self.samples, batch)
        if self.augment:
            batch = self.augment(batch, np.random.default_rng((self.seed, self.epoch, index, self.shard[0])))
        return self.transform(batch)

    def _rows(self, index):
        """Returns the rows of each array that form this host's part of a batch."""
        host, hosts = self.shard
        size = self.batch_size // hosts
        start = index * self.batch_size + host * size
        return [order[start : start + size] for order in self._orders]

    def _prefetch(self, index):
        for array, rows in zip(self._arrays, self._rows(index), strict=True):
            if hasattr(array, "prefetch"):
                array.prefetch(rows)

    def _usable(self, rows):
        """Returns the rows with those of damaged files replaced, in all arrays alike if the samples are paired."""
        while True:
            before = rows
            for place, array in enumerate(self._arrays):
                if hasattr(array, "usable"):
                    found = array.usable(rows[place])
                    rows = [found] * len(rows) if self.paired else [*rows[:place], found, *rows[place + 1 :]]
            # Repeat after a change: the replacement may be damaged in another array.
            if all(map(np.array_equal, before, rows)):
                return rows

    def first(self, count):
        """Returns `count` samples of the first epoch, transformed as for training."""
        return Batches(self.samples, count, self.seed, self.transform, self.order, self.augment, self.paired)[0]

    @property
    def sizes(self):
        """Length and shape of each array, to check that all hosts have the same data."""
        return [(len(array), *array.shape[1:]) for array in self._arrays]

    @property
    def sample_shape(self):
        """Shape of one sample as the networks receive it, without the batch axis."""
        return keras.tree.map_structure(lambda array: array.shape[1:], self[0])

    @property
    def skipped(self):
        """Unusable and misnamed files of the data, a list of `skipped.Skipped`."""
        return [row for array in self._arrays for row in getattr(array, "skipped", ())]

    def refuse_many_skipped(self):
        """Raises an `InputError` if more files turned out to be damaged than allowed."""
        for array in self._arrays:
            if hasattr(array, "refuse_many_skipped"):
                array.refuse_many_skipped()
