"""The nearest images, pixel by pixel: an answer that every network has to beat, and what a memorizing one repeats."""

import numpy as np
from scipy.spatial.distance import cdist

from data_prep import decode

SIDE = 32  # pixels, to which larger images are reduced


def nearest(images, others):
    """Returns the indices of the nearest of the others for each image, in pixels, reduced to at most 32×32.

    Args:
        images, others: uint8 arrays `(count, height, width, channels)`, also ones that are read when they are indexed.
    """
    wanted, known = (np.concatenate([thumbnails(side[rows]) for rows in chunks(side)]) for side in (images, others))
    return np.concatenate([cdist(wanted[rows], known).argmin(axis=1) for rows in chunks(wanted)])


def thumbnails(images):
    size = min(SIDE, *images.shape[1:3])
    return np.stack([decode.resize(image, (size, size), "stretch").ravel() for image in images]).astype(np.float32)


def chunks(images, size=100):
    """Returns the indices of images in parts, so that not all are in memory at once."""
    return np.array_split(np.arange(len(images)), -(-len(images) // size))
