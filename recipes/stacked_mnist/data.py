"""Stacked MNIST: three grey images of known classes as the channels of one; 10 classes make 1,000 modes."""

import dataclasses

import numpy as np

from common.base.arguments import refuse_ignored
from common.base.errors import InputError
from data_prep import images
from data_prep.batches import Batches

TRIPLES = 128_000  # number of stacked images
EPOCH = 12_800  # stacked images per epoch, a new choice in each


@dataclasses.dataclass(frozen=True)
class PlaneOptions(images.ImageOptions):
    """The options that select the images to stack."""

    def check_given(self, given):
        super().check_given(given)
        refuse_ignored(given, "balance", "here, since any three images are stacked, whatever their classes")


class Stacked:
    """Triples of grey images stacked as RGB images, indexed like an array of shape `(count, height, width, 3)`.

    Args:
        planes: uint8 array `(count, height, width, 1)`, the grey images.
        triples: integer array `(count, 3)`, the rows of `planes` to stack.

    >>> Stacked(np.arange(8, dtype="uint8").reshape(2, 2, 2, 1), np.array([[0, 1, 1]]))[[0]][0, 0].tolist()
    [[0, 4, 4], [1, 5, 5]]
    """

    def __init__(self, planes, triples):
        self.planes = planes
        self.triples = triples
        self.shape = (len(triples), *planes.shape[1:3], 3)

    def __len__(self):
        return len(self.triples)

    def __getitem__(self, rows):
        stacked = self.planes[self.triples[rows].reshape(-1)]
        return np.moveaxis(stacked.reshape(-1, 3, *self.shape[1:3]), 1, -1)


def load(config):
    """Returns the batches that `train` fits, `(batch_size, height, width, 3)` in [-1, 1]."""
    dataset = grey(images.load(config.planes))
    rng = np.random.default_rng(config.seed)
    stacked = Stacked(dataset.images, rng.integers(len(dataset.images), size=(TRIPLES, 3)))
    return Batches(
        stacked,
        config.batch_size,
        config.seed,
        order=lambda rng: rng.permutation(TRIPLES)[:EPOCH],
        augment=config.planes.augmentation(),
    )


def grey(dataset):
    """Returns the `Images` unchanged if they are grey.

    Raises:
        InputError: if they are not.
    """
    if dataset.images.shape[-1] != 1:
        raise InputError("Three grey images are stacked as one in colour, but these are in colour; add --channels 1.")
    return dataset
