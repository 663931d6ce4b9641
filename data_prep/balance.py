"""Classes of unlike sizes, balanced while training: which samples an epoch shows, as the `order` of `Batches`."""

import numpy as np


def members(labels):
    """Returns the indices of each class, a list of arrays."""
    order = np.argsort(labels, kind="stable")
    return [part for part in np.split(order, np.cumsum(np.bincount(labels))[:-1]) if len(part)]


def repeated(rng, indices, count):
    """Returns `count` of the indices in a random order, each once before any comes again."""
    rounds = -(-count // len(indices))
    return np.concatenate([rng.permutation(indices) for _ in range(rounds)])[:count]


class EqualShares:
    """Every class equally often in an epoch as long as the data: sampling by inverse frequency.

    Pictures of a small class come again within an epoch, those of a large one not in each. Nothing is lost, but a class
    of few pictures may be learnt by heart.

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
    """At most `cap` pictures of each class in an epoch, others in every epoch; none comes twice.

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
