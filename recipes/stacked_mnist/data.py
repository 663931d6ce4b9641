"""Three grey pictures of known classes as the colours of one: 10 classes make 1,000 modes."""

import numpy as np

from common.errors import InputError
from data_prep import images
from data_prep.batches import Batches

TRIPLES = 128_000  # different pictures there are
EPOCH = 12_800  # of them, drawn anew for each epoch


class Stacked:
    """Grey pictures stacked by threes, indexed like an array of shape `(count, height, width, 3)`.

    Args:
        pictures: uint8 array `(count, height, width, 1)`.
        triples: integer array `(count, 3)`, rows of `pictures`.

    >>> Stacked(np.arange(8, dtype="uint8").reshape(2, 2, 2, 1), np.array([[0, 1, 1]]))[[0]][0, 0].tolist()
    [[0, 4, 4], [1, 5, 5]]
    """

    def __init__(self, pictures, triples):
        self.pictures = pictures
        self.triples = triples
        self.shape = (len(triples), *pictures.shape[1:3], 3)

    def __len__(self):
        return len(self.triples)

    def __getitem__(self, rows):
        planes = self.pictures[self.triples[rows].reshape(-1)]
        return np.moveaxis(planes.reshape(-1, 3, *self.shape[1:3]), 1, -1)


def load(config):
    """Returns the batches that `train` fits, `(batch_size, height, width, 3)` in [-1, 1]."""
    found = grey(images.load(config.planes))
    rng = np.random.default_rng(config.seed)
    stacked = Stacked(found.images, rng.integers(len(found.images), size=(TRIPLES, 3)))
    return Batches(
        stacked,
        config.batch_size,
        config.seed,
        order=lambda rng: rng.permutation(TRIPLES)[:EPOCH],
        augment=config.planes.augmentation(),
    )


def grey(found):
    """Returns the `Images` if they are grey.

    Raises:
        InputError: if they are not.
    """
    if found.images.shape[-1] != 1:
        raise InputError(
            "Three grey pictures make one in colour, but these are in colour themselves; add --channels 1."
        )
    return found
