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


class Together:
    """Arrays of the same length whose samples belong together, such as images and their labels: they share an order.

    Args:
        samples: array, or a structure of arrays.
        batch_size: integer, samples per batch.
    """

    def __init__(self, samples, batch_size):
        self.samples = samples
        self.batch_size = batch_size
        self.arrays = keras.tree.flatten(samples)
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) > 1:
            raise InputError(
                f"Expected as many samples in each array, but got {', '.join(map(str, lengths))}; "
                "for arrays that do not belong together use paired=False."
            )

    def __len__(self):
        return len(self.arrays[0])

    def at(self, rows):
        """Returns the samples at some rows, those of damaged files replaced in all arrays alike."""
        rows = self._usable(rows)
        return keras.tree.pack_sequence_as(self.samples, [array[rows] for array in self.arrays])

    def _usable(self, rows):
        while True:
            before = rows
            for array in self.arrays:
                rows = array.usable(rows) if hasattr(array, "usable") else rows
            # Repeat after a change: the replacement may be damaged in another array.
            if np.array_equal(before, rows):
                return rows

    def prefetch(self, rows):
        for array in self.arrays:
            if hasattr(array, "prefetch"):
                array.prefetch(rows)


class Batches(keras.utils.PyDataset):
    """Batches for `fit`, in an order that depends only on the seed and the epoch.

    Every epoch is a new permutation. The incomplete batch at its end is dropped: different samples in each epoch. After
    `set_steps_per_epoch` an epoch consists of several passes over the data, or of a part of one. Set `epoch` to
    continue where an earlier `fit` ended, and call `fit` with `shuffle=False`: otherwise Keras shuffles the batches
    again, with Python's global random state.

    Args:
        samples: array of the data, the first axis being the samples; or a structure of arrays: a tuple such as
            `(images, labels)`, a dictionary. Anything with a length that can be indexed by an array will do, such as
            `folders.Pictures`. The batches have the same structure.
        batch_size: integer, samples per batch; without `paired` also a tuple or dictionary, one for each part.
        seed: integer, seed of the order and of the augmentation.
        transform: function from a stored batch to the batch that is fed, called for every batch of every epoch.
        order: function from a random generator to the indices of an epoch, such as those of `balance.py`; by default
            a permutation of all. Only for paired samples.
        augment: an `Augmentation`, or another function `(batch, rng)` from a stored batch to a changed one; without
            `paired` it gets each part alone.
        paired: bool; False if the parts of the tuple or dictionary do not belong together, and may have other lengths.
            Each part then has its own order, and shorter ones repeat within an epoch. Arrays within a part still belong
            together: `((images, labels), unlabelled)`.
        updates: integer, of a network in a training step; a batch holds `batch_size` fresh samples for each.

    The attribute `shard` is `(index, count)`: this host's part of each batch, and the number of hosts. `Run.fit` sets
    it. The parts of all hosts, concatenated, are the batch of a single host: the order does not depend on the number of
    hosts.

    Raises:
        InputError: if a batch is larger than the data, or arrays that belong together have different lengths.

    Example:

    >>> batches = Batches(np.full((5, 2, 2, 1), 255, "uint8"), batch_size=2)
    >>> len(batches), batches[0].shape, float(batches[0].max()), batches.sample_shape
    (2, (2, 2, 2, 1), 1.0, (2, 2, 1))
    >>> labelled, unlabelled = (np.zeros((6, 3)), np.arange(6)), np.zeros((100, 3))
    >>> batches = Batches((labelled, unlabelled), batch_size=(2, 10), paired=False)
    >>> len(batches), keras.tree.map_structure(lambda array: array.shape, batches[0])
    (10, (((2, 3), (2,)), (10, 3)))
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
        updates=1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.samples = samples
        self.updates = updates
        self._given_sizes = keras.tree.map_structure(lambda size: size * updates, batch_size)
        self.seed = seed
        self.transform = transform
        self.order = order
        self.augment = augment
        self.paired = paired
        self.shard = (0, 1)
        self.epoch = 0
        self._parts = [Together(*part) for part in self._divided()]
        self.batch_sizes = [part.batch_size for part in self._parts]
        self.batch_size = max(self.batch_sizes)
        self.count = len(self._pass(np.random.default_rng(seed))) if paired else max(map(len, self._parts))
        self.steps_per_pass = self._steps_per_pass()
        self._steps = self.steps_per_pass
        self._draw_orders()

    def _divided(self):
        """Returns the parts that have an order of their own, each with its batch size."""
        if self.paired:
            return [(self.samples, self._given_sizes)]
        keys = self.samples if isinstance(self.samples, dict) else range(len(self.samples))
        sizes = self._given_sizes
        return [(self.samples[key], sizes if isinstance(sizes, int) else sizes[key]) for key in keys]

    def _packed(self, parts):
        """Returns what `_divided` has divided as a structure like the samples."""
        if self.paired:
            return parts[0]
        if isinstance(self.samples, dict):
            return dict(zip(self.samples, parts, strict=True))
        return tuple(parts)

    def _steps_per_pass(self):
        """Returns how many training steps one pass over the data takes; shorter parts repeat."""
        lengths = [self.count] if self.paired else map(len, self._parts)
        steps = max(length // size for length, size in zip(lengths, self.batch_sizes, strict=True))
        if not steps:
            size, largest = self.batch_size, self.count // self.updates
            size = f"{self.updates} × {size // self.updates}" if self.updates > 1 else size
            advice = f"use --batch-size {largest} or less" if largest else "add images"
            raise InputError(f"A batch of {size} is larger than the data of {self.count} samples; {advice}.")
        return steps

    def _draw_orders(self):
        """Draws the indices of an epoch for each part: of one pass over the data, or of as many as its steps need."""
        rng = np.random.default_rng((self.seed, self.epoch))
        if self.paired:
            passes = [self._pass(rng)]
            while sum(map(len, passes)) < self._steps * self.batch_size:
                passes.append(self._pass(rng))
            self._orders = [np.concatenate(passes)]
        else:
            self._orders = [
                repeated(rng, np.arange(len(part)), max(self._steps * part.batch_size, len(part)))
                for part in self._parts
            ]

    def _pass(self, rng):
        """Returns the indices of one pass over paired samples."""
        return self.order(rng) if self.order else rng.permutation(len(self._parts[0]))

    def set_steps_per_epoch(self, steps):
        """Makes an epoch of so many steps instead of one pass over the data."""
        if steps != self._steps:
            self._steps = steps
            self._draw_orders()

    def on_epoch_begin(self):
        self._draw_orders()
        self.epoch += 1

    def __len__(self):
        return self._steps

    def __getitem__(self, index):
        for ahead in range(index, min(index + 3, len(self))):
            for part, rows in zip(self._parts, self._rows(ahead), strict=True):
                part.prefetch(rows)
        batch = [part.at(rows) for part, rows in zip(self._parts, self._rows(index), strict=True)]
        if self.augment:
            rng = np.random.default_rng((self.seed, self.epoch, index, self.shard[0]))
            batch = [self.augment(part, rng) for part in batch]
        return self.transform(self._packed(batch))

    def _rows(self, index):
        """Returns the rows of each part that form this host's share of a batch."""
        host, hosts = self.shard
        chosen = []
        for part, order in zip(self._parts, self._orders, strict=True):
            size = part.batch_size // hosts
            start = index * part.batch_size + host * size
            chosen.append(order[start : start + size])
        return chosen

    def first(self, count):
        """Returns `count` samples of the first epoch, transformed as for training."""
        return Batches(self.samples, count, self.seed, self.transform, self.order, self.augment, self.paired)[0]

    @property
    def sizes(self):
        """Length and shape of each array, to check that all hosts have the same data."""
        return [(len(array), *array.shape[1:]) for part in self._parts for array in part.arrays]

    @property
    def sample_shape(self):
        """Shape of one sample as the networks receive it, without the batch axis."""
        return keras.tree.map_structure(lambda array: array.shape[1:], self[0])

    @property
    def skipped(self):
        """Unusable and misnamed files of the data, a list of `skipped.Skipped`."""
        return [row for part in self._parts for array in part.arrays for row in getattr(array, "skipped", ())]

    def refuse_many_skipped(self):
        """Raises an `InputError` if more files turned out to be damaged than allowed."""
        for array in (array for part in self._parts for array in part.arrays):
            if hasattr(array, "refuse_many_skipped"):
                array.refuse_many_skipped()
