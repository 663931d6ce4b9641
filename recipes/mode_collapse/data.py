"""Points of two Gaussian mixtures, on which mode collapse can be counted and seen."""

import cv2
import numpy as np

from data_prep.batches import Batches

STEPS = 250  # training steps in an epoch
SIDE = 192  # height and width of a picture in pixels


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
    shape = (STEPS * config.batch_size, 2)
    points = centres[rng.integers(len(centres), size=shape[0])] + deviation * rng.normal(size=shape)
    return Batches(points.astype("float32"), config.batch_size, config.seed)


def picture(points, name):
    """Returns a plot `(1, side, side, 3)` in [-1, 1]: points within three deviations of a mode are blue, others orange.

    Args:
        points: array `(count, 2)`.
        name: string, name of the mixture; its modes are drawn as grey discs.
    """
    centres, deviation = mixture(name)
    scale = SIDE / (2 * np.abs(centres).max() + 2)  # pixels per unit
    canvas = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for centre in to_pixels(centres, scale):
        cv2.circle(canvas, centre.tolist(), round(3 * deviation * scale) + 2, (215, 215, 215), -1)
    good = np.linalg.norm(points[:, None] - centres, axis=-1).min(axis=1) <= 3 * deviation
    for (x, y), is_good in zip(to_pixels(points, scale), good, strict=True):
        if min(x, y) >= 0 and max(x, y) < SIDE - 1:
            canvas[y : y + 2, x : x + 2] = (0, 90, 200) if is_good else (230, 110, 0)
    return canvas[np.newaxis].astype("float32") / 127.5 - 1


def to_pixels(points, scale):
    return np.floor(np.asarray(points) * (scale, -scale) + SIDE / 2).astype(int)
