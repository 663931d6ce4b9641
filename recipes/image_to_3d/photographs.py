"""Images as the encoder sees them: one object in grey on white, its box in the middle of a square."""

import dataclasses

import cv2
import numpy as np

from common.base.errors import InputError

WHITE = 255
MARGIN = 1.1  # side of the square around an object, as a multiple of the longer side of its box
PLAIN = 24  # grey levels by which most pixels of a plain border differ from its colour at most
BORDER_SHARE = 0.9  # of the border, that is most pixels
GREYS = (70, 215)  # of nearly all of a rendered object
SMALLEST = 0.005  # share of an image that an object covers at least
CUT_OUT_SIDE = 256  # pixels, the longer side of an image in which an object is cut out, which takes a second
FRAME = 0.03  # of that side, the width of the border that is background for certain
CUTS = 5  # iterations of GrabCut


@dataclasses.dataclass(frozen=True)
class CutOutOptions:
    """Options of whatever takes photographs."""

    cut_out: bool = False
    """cut the object out of a background of any colours, by GrabCut; it must not touch the border of the image"""


def framed(image, size):
    """Returns the object of an image on white in the middle of a square, as rendered and photographed objects both are.

    Args:
        image: uint8 array `(height, width, 1)`, grey on white.
        size: integer, side of the square in pixels.

    Returns:
        uint8 array `(size, size, 1)`; white if there is no object.
    """
    rows, columns = (np.flatnonzero((image[..., 0] < WHITE).any(axis)) for axis in (1, 0))
    if not len(rows):
        return np.full((size, size, 1), WHITE, np.uint8)
    box = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0]
    side = max(round(max(box.shape) * MARGIN), max(box.shape) + 2)
    square = np.full((side, side), WHITE, np.uint8)
    top, left = ((side - length) // 2 for length in box.shape)
    square[top : top + box.shape[0], left : left + box.shape[1]] = box
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(square, (size, size), interpolation=method)[..., np.newaxis]


def object_on_white(image, name="The image", cut_out=False):
    """Returns a photograph in grey, as bright as rendered objects are, with its background replaced by white.

    Args:
        image: uint8 array `(height, width, 3)`; what is transparent is white already.
        name: string, for the error.
        cut_out: bool, whether the background may have any colours; else it is plain.

    Returns:
        uint8 array `(height, width, 1)`.

    Raises:
        InputError: if the background is not plain, or nothing stands out against it.
    """
    mask = largest(foreground(image) if cut_out else stands_out(image, name))
    if mask.mean() < SMALLEST:
        raise InputError(
            f"{name} shows nothing that stands out against its background; expected one object, larger and of another "
            "brightness or colour."
        )
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey[mask], (2, 98))
    shade = np.clip((grey - low) / max(high - low, 1), 0, 1) * (GREYS[1] - GREYS[0]) + GREYS[0]
    return np.where(mask, np.rint(shade), WHITE).astype(np.uint8)[..., np.newaxis]


def stands_out(image, name):
    """Returns which pixels differ from the colour of the border, a bool array `(height, width)`."""
    pixels = image.astype(int)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(border, axis=0)
    if (abs(border - colour).max(axis=1) <= PLAIN).mean() < BORDER_SHARE:
        raise InputError(
            f"{name} has no plain background: its border has several colours; expected one object in front of one "
            "colour, or a transparent background (PNG); with --cut-out the background may have any colours."
        )
    return abs(pixels - colour).max(axis=-1) > PLAIN


def foreground(image):
    """Returns which pixels are likely of an object that does not touch the border, a bool array `(height, width)`.

    By GrabCut: Rother et al., 2004, https://doi.org/10.1145/1015706.1015720.
    """
    height, width = image.shape[:2]
    share = min(1, CUT_OUT_SIDE / max(height, width))
    size = max(1, round(width * share)), max(1, round(height * share))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    frame = max(1, round(FRAME * max(size)))
    kinds = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    kinds[frame:-frame, frame:-frame] = cv2.GC_PR_FGD
    if not (kinds == cv2.GC_PR_FGD).any():
        return np.zeros((height, width), bool)
    cv2.setRNGSeed(0)  # its colours are clustered from random centres
    cv2.grabCut(small, kinds, None, np.zeros((1, 65)), np.zeros((1, 65)), CUTS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(kinds, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    return cv2.resize(found, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def largest(mask):
    """Returns the largest connected part of a mask, its small gaps closed and its holes filled where they are small."""
    mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, parts, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count < 2:
        return mask.astype(bool)
    return parts == 1 + np.argmax(statistics[1:, cv2.CC_STAT_AREA])
