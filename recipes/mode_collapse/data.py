"""Points of two mixtures of Gaussians, on which collapse can be counted and seen."""

import cv2
import numpy as np

from data_prep.batches import Batches

ROUNDS = 250  # of the game in an epoch
SIDE = 192  # pixels of a picture


def mixture(name):
    """Returns the centres `(modes, 2)` of a mixture and the standard deviation of each Gaussian.

    Reference: Srivastava et al., 2017, https://arxiv.org/abs/1705.07761, section 5.1.

    >>> [mixture(name)[0].shape for name in ("ring", "grid")]
    [(8, 2), (25, 2)]
    """
    if name == "ring":
        angles = 2 * np.pi * np.arange(8) / 8
        return 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.02
    sides = np.arange(-4, 5, 2.0)
    return np.stack(np.meshgrid(sides, sides), axis=-1).reshape(-1, 2), 0.05


def load(config):
    """Returns the batches that `train` fits: points `(batch_size, 2)`, not scaled."""
    centres, deviation = mixture(config.mixture)
    rng = np.random.default_rng(config.seed)
    shape = (ROUNDS * config.batch_size, 2)
    points = centres[rng.integers(len(centres), size=shape[0])] + deviation * rng.normal(size=shape)
    return Batches(points.astype("float32"), config.batch_size, config.seed)


def picture(points, name):
    """Returns a picture `(1, side, side, 3)` in [-1, 1] of points: blue within three deviations of a mode, else orange.

    Args:
        points: array `(count, 2)`.
        name: string, of the mixture; its modes are grey discs.
    """
    centres, deviation = mixture(name)
    scale = SIDE / (2 * np.abs(centres).max() + 2)  # pixels of one unit
    sheet = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for centre in to_pixels(centres, scale):
        cv2.circle(sheet, centre.tolist(), round(3 * deviation * scale) + 2, (215, 215, 215), -1)
    good = np.linalg.norm(points[:, None] - centres, axis=-1).min(axis=1) <= 3 * deviation
    for (x, y), is_good in zip(to_pixels(points, scale), good, strict=True):
        if min(x, y) >= 0 and max(x, y) < SIDE - 1:
            sheet[y : y + 2, x : x + 2] = (0, 90, 200) if is_good else (230, 110, 0)
    return sheet[np.newaxis].astype("float32") / 127.5 - 1


def to_pixels(points, scale):
    return np.floor(np.asarray(points) * (scale, -scale) + SIDE / 2).astype(int)
