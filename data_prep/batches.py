"""The seam between data and `fit`: shuffled batches of samples in [-1, 1], the same on every backend."""

import keras
import numpy as np

from common.errors import InputError
from data_prep.balance import repeated


def scale(images):
    """Maps uint8 images of 0 … 255 to float32 in [-1, 1], the range of tanh."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def unscale(images):
    """Maps images in [-1, 1] to uint8 of 0 … 255; values outside are clipped."""
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


def first(pictures, count):
    """Returns the first pictures of what is indexed like an array, as an array; all, if there are no more.

    >>> first(np.arange(5), 3), len(first(np.arange(5), 9))
    (array([0, 1, 2]), 5)
    """
    return pictures[np.arange(min(count, len(pictures)))]


def scaled(batch):
    """Returns a batch with its uint8 arrays, which are images, mapped to [-1, 1]; labels stay as they are."""
    return keras.tree.map_structure(lambda array: scale(array) if array.dtype == np.uint8 else array, batch)


class Batches(keras.utils.PyDataset):
    """Batches for `fit`, in an order that depends on the seed and the epoch alone.

    Every epoch is a new permutation; the incomplete batch at its end is left out, other samples in each epoch. Set
    `epoch` to continue where an earlier `fit` ended, and give `fit` the option `shuffle=False`: else Keras draws the
    order of the batches once more, from Python's global random numbers.

    Args:
        samples: array of the data, first axis the samples; or a structure of arrays, such as `(images, labels)`. An
            array is what has a length and can be indexed by an array, such as `folders.Pictures`.
        batch_size: integer, samples in a batch.
        seed: integer, of the order and of the augmentation.
        transform: function from a batch as stored to a batch as fed, called anew in every epoch.
        order: function from a random generator to the indices of an epoch, such as those of `balance.py`; by default
            all in a random order.
        augment: an `Augmentation`, or another function `(batch, rng)` from a batch as stored to a changed one.
        paired: bool; False for arrays of unlike lengths that do not belong together sample by sample. Each gets an
            order of its own, and the shorter ones begin anew within an epoch.

    The attribute `shard` is `(index, count)`, which part of each batch this host gets of how many: `Run.fit` sets it.
    The parts in their order are the batch of one host, so the number of hosts changes nothing.

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
        """Draws the indices of an epoch, for each array: the same ones if the samples are paired."""
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
        """Returns which rows of each array make this host's part of a batch."""
        host, hosts = self.shard
        size = self.batch_size // hosts
        start = index * self.batch_size + host * size
        return [order[start : start + size] for order in self._orders]

    def _prefetch(self, index):
        for array, rows in zip(self._arrays, self._rows(index), strict=True):
            if hasattr(array, "prefetch"):
                array.prefetch(rows)

    def _usable(self, rows):
        """Returns the rows with those of damaged files replaced, in all arrays alike where samples are paired."""
        while True:
            before = rows
            for place, array in enumerate(self._arrays):
                if hasattr(array, "usable"):
                    found = array.usable(rows[place])
                    rows = [found] * len(rows) if self.paired else [*rows[:place], found, *rows[place + 1 :]]
            # Once more after a change: what replaces a damaged file may be damaged in another array.
            if all(map(np.array_equal, before, rows)):
                return rows

    def first(self, count):
        """Returns `count` samples of the first epoch, as they are fed."""
        return Batches(self.samples, count, self.seed, self.transform, self.order, self.augment, self.paired)[0]

    @property
    def sizes(self):
        """Length and shape of each array, which tell whether two hosts have the same data."""
        return [(len(array), *array.shape[1:]) for array in self._arrays]

    @property
    def sample_shape(self):
        """Shape of one sample as the networks see it, without the batch."""
        return keras.tree.map_structure(lambda array: array.shape[1:], self[0])

    @property
    def skipped(self):
        """Files of the data that were not what they seemed, a list of `skipped.Skipped`."""
        return [row for array in self._arrays for row in getattr(array, "skipped", ())]

    def refuse_many_skipped(self):
        """Raises an `InputError` if more files turned out to be damaged than may."""
        for array in self._arrays:
            if hasattr(array, "refuse_many_skipped"):
                array.refuse_many_skipped()
