"""Class balancing during training: functions that choose the samples of an epoch, for the `order` of `Batches`."""

import numpy as np


def members(labels):
    """Returns the indices of each class, a list of arrays."""
    order = np.argsort(labels, kind="stable")
    return [part for part in np.split(order, np.cumsum(np.bincount(labels))[:-1]) if len(part)]


def repeated(rng, indices, count):
    """Returns `count` of the indices in random order; none repeats before all have been used."""
    permutations = -(-count // len(indices))
    return np.concatenate([rng.permutation(indices) for _ in range(permutations)])[:count]


class EqualShares:
    """Samples every class equally often, by inverse frequency; an epoch is as long as the data.

    Images of a small class repeat within an epoch; of a large class, each epoch has only a part. No image is excluded,
    but a class of few images may be memorized.

    Args:
        labels: integer array `(count,)`.

    Example:

    >>> labels = np.array([0] * 8 + [1] * 2)
    >>> epoch = EqualShares(labels)(np.random.default_rng(0))
    >>> np.bincount(labels[epoch]).tolist()
    [5, 5]
    """

    def __init__(self, labels):
        self.count = len(labels)
        self.members = members(labels)

    def __call__(self, rng):
        share = -(-self.count // len(self.members))
        chosen = np.concatenate([repeated(rng, indices, share) for indices in self.members])
        return rng.permutation(chosen)[: self.count]


class Capped:
    """Samples at most `cap` images of each class per epoch, without repetition and different ones in every epoch.

    Args:
        labels: integer array `(count,)`.
        cap: integer; by default the size of the smallest class.

    Example:

    >>> labels = np.array([0] * 8 + [1] * 2)
    >>> epoch = Capped(labels)(np.random.default_rng(0))
    >>> np.bincount(labels[epoch]).tolist()
    [2, 2]
    """

    def __init__(self, labels, cap=None):
        self.members = members(labels)
        self.cap = cap or min(len(indices) for indices in self.members)

    def __call__(self, rng):
        return rng.permutation(np.concatenate([rng.permutation(indices)[: self.cap] for indices in self.members]))
