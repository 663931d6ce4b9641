"""Scores of volumes against the true ones: overlap, distances of surfaces, pieces. With NumPy and SciPy only."""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

NUMBERS = 25_000_000  # in a matrix of floats at a time, 100 MB
NEIGHBOURHOOD = np.ones((3, 3, 3), bool)  # voxels that touch, also at a corner, are one piece


def overlaps(truth, volumes):
    """Returns the intersection over union of each volume with the true one, in [0, 1]; of two empty ones 1.

    Args:
        truth, volumes: bool arrays `(count, R, R, R)`, or one volume for all.

    >>> overlaps(np.ones((1, 2, 2, 2), bool), np.arange(8).reshape(1, 2, 2, 2) < 2)
    array([0.25])
    """
    axes = (-3, -2, -1)
    union = (truth | volumes).sum(axis=axes)
    return np.where(union == 0, 1.0, (truth & volumes).sum(axis=axes) / np.maximum(union, 1))


def all_overlaps(volumes, others):
    """Returns the intersection over union of each volume with each of the others, `(len(volumes), len(others))`.

    They are products of matrices, of a block at a time so that little memory is needed.

    Args:
        volumes, others: bool arrays `(count, R, R, R)`.
    """
    return np.concatenate(
        [np.concatenate([products(one, other) for other in blocks(others)], axis=1) for one in blocks(volumes)]
    )


def blocks(volumes):
    """Yields bool volumes as rows of a matrix of floats, a block at a time."""
    count = max(1, NUMBERS // volumes[0].size)
    for start in range(0, len(volumes), count):
        block = volumes[start : start + count]
        yield block.reshape(len(block), -1).astype("float32")


def products(rows, others):
    """Returns the `all_overlaps` of two matrices."""
    common = (rows @ others.T).astype(float)
    union = rows.sum(axis=1)[:, np.newaxis] + others.sum(axis=1) - common
    return np.where(union == 0, 1.0, common / np.maximum(union, 1))


def surface_points(volume):
    """Returns the centres of the occupied voxels next to an empty one, `(count, 3)`, in sides of the cube."""
    padded = np.pad(volume, 1)
    surface = padded & ~ndimage.binary_erosion(padded)
    return np.argwhere(surface) / len(volume)


def surface_scores(truth, volume):
    """Returns the Chamfer distance of the surfaces of two volumes, and their F-score, in [0, 1].

    The Chamfer distance is the mean distance to the nearest point of the other surface, in sides of the cube, averaged
    over both directions. The F-score is the harmonic mean of the shares of points of both that are at most one voxel
    away from the other's. Reference: Tatarchenko et al., 2019, https://arxiv.org/abs/1905.03678.
    """
    points = surface_points(truth), surface_points(volume)
    if not all(map(len, points)):
        return 1.0, 0.0
    there = cKDTree(points[1]).query(points[0])[0]
    back = cKDTree(points[0]).query(points[1])[0]
    near = 1.001 / len(volume)
    recall, precision = (there <= near).mean(), (back <= near).mean()
    return (there.mean() + back.mean()) / 2, 2 * precision * recall / max(precision + recall, 1e-9)


def surface_scores_of(truth, volumes):
    """Returns the `surface_scores` of pairs, `(count, 2)`; pairs that come again, as answers to several images, once.

    Args:
        truth, volumes: bool arrays `(count, R, R, R)`.
    """
    known, keys = {}, []
    for pair in zip(truth, volumes, strict=True):
        keys.append(tuple(np.packbits(volume).tobytes() for volume in pair))
        if keys[-1] not in known:
            known[keys[-1]] = surface_scores(*pair)
    return np.array([known[key] for key in keys])


def pieces(volume):
    """Returns the piece that each voxel of a bool volume is in, from 1 on, 0 where it is empty; and their sizes."""
    parts, count = ndimage.label(volume, NEIGHBOURHOOD)
    return parts, np.bincount(parts.ravel(), minlength=count + 1)[1:]


def loose(volume):
    """Returns the share of the occupied voxels of a volume outside its largest piece; 0 if it is in one piece."""
    _, sizes = pieces(volume)
    return 1 - sizes.max() / sizes.sum() if len(sizes) > 1 else 0.0


def largest_piece(volume, level):
    """Returns a volume of probabilities in which no voxel outside the largest piece is occupied.

    Args:
        volume: array `(R, R, R)`.
        level: float, the probability from which a voxel is occupied.
    """
    parts, sizes = pieces(volume >= level)
    return np.where((parts == 0) | (parts == 1 + sizes.argmax()), volume, 0) if len(sizes) > 1 else volume


def scores_of(truth, volumes):
    """Returns the scores of volumes against the true ones, a dictionary of floats.

    Args:
        truth, volumes: bool arrays `(count, R, R, R)`.
    """
    surfaces = surface_scores_of(truth, volumes)
    return {
        "iou": float(overlaps(truth, volumes).mean()),
        "chamfer": float(surfaces[:, 0].mean()),
        "f-score": float(surfaces[:, 1].mean()),
        "volume": float(volumes.sum() / truth.sum()),
        **piece_scores(volumes),
    }


def piece_scores(volumes):
    """Returns the share of bool volumes that are in one piece, and the mean share of voxels outside the largest one."""
    outside = np.array([loose(volume) for volume in volumes])
    return {"one piece": float((outside == 0).mean()), "loose voxels": float(outside.mean())}
