"""Drawn faces, and make-up as a layer of its own: so the same face with the make-up of another one is known.

A face is numbers from a seed: its shape, skin, hair and light. None is drawn after a person. Lengths are in units of
half the image, from the middle of the face: x to the right, y down.
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np

FINER = 3  # times the size at which shapes are drawn before they are reduced
SKIN = np.array([(250, 220, 198), (232, 184, 148), (196, 140, 104), (141, 92, 66), (84, 54, 42)])  # light to dark
HAIR = np.array([(36, 28, 26), (84, 56, 40), (134, 86, 52), (202, 164, 104), (150, 66, 40), (164, 160, 158)])
EYES = np.array([(88, 60, 40), (64, 92, 132), (84, 112, 76), (52, 40, 32)])
MARGIN = 0.15  # height of the eye shadow, as a share of the eye's distance to the brow that is left free


class Paint(NamedTuple):
    """One colour of a make-up: red, green, blue in [0, 255], and its strength in [0, 1]."""

    colour: tuple
    strength: float


@dataclasses.dataclass(frozen=True)
class Makeup:
    """What is painted on a face."""

    lips: Paint
    lids: Paint  # eye shadow
    cheeks: Paint  # blush
    liner: Paint  # along the upper edge of the eyes


@dataclasses.dataclass(frozen=True)
class Face:
    """What a face looks like without make-up; see `drawn_face` for the ranges."""

    turn: float  # degrees
    size: float
    place: tuple
    skin: tuple
    hair: tuple
    iris: tuple
    clothes: tuple
    background: tuple
    light: float  # by which share the right side is brighter than the middle
    width: float
    height: float
    jaw: float  # by which share the chin is narrower
    hairline: float
    long_hair: float  # how far down it reaches
    eye_x: float
    eye_y: float
    eye_width: float
    eye_open: float
    brow: float  # above the eye
    brow_thickness: float
    brow_slope: float
    nose: float
    nose_width: float
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    smile: float


def drawn_face(rng):
    """Returns a random `Face`."""
    uniform = rng.uniform
    skin = between(SKIN, uniform()) + rng.normal(0, 4, 3)
    hair = HAIR[rng.integers(len(HAIR))] + rng.normal(0, 8, 3)
    return Face(
        turn=uniform(-6, 6),
        size=uniform(1.2, 1.34),
        place=tuple(uniform(-0.05, 0.05, 2)),
        skin=rgb(skin),
        hair=rgb(hair),
        iris=rgb(EYES[rng.integers(len(EYES))]),
        clothes=hsv(uniform(0, 360), uniform(0.1, 0.6), uniform(0.2, 0.9)),
        background=hsv(uniform(0, 360), uniform(0.0, 0.35), uniform(0.45, 1.0)),
        light=uniform(-0.18, 0.18),
        width=uniform(0.48, 0.58),
        height=uniform(0.66, 0.74),
        jaw=uniform(0.15, 0.4),
        hairline=uniform(0.55, 0.8),
        long_hair=uniform(-0.4, 1.0),
        eye_x=uniform(0.22, 0.26),
        eye_y=uniform(-0.14, -0.06),
        eye_width=uniform(0.12, 0.15),
        eye_open=uniform(0.05, 0.075),
        brow=uniform(0.16, 0.21),
        brow_thickness=uniform(0.02, 0.045),
        brow_slope=uniform(-0.03, 0.05),
        nose=uniform(0.2, 0.27),
        nose_width=uniform(0.06, 0.1),
        mouth_y=uniform(0.36, 0.42),
        mouth_width=uniform(0.17, 0.24),
        upper_lip=uniform(0.035, 0.06),
        lower_lip=uniform(0.05, 0.085),
        smile=uniform(-0.01, 0.05),
    )


def drawn_makeup(rng):
    """Returns a random `Makeup`: lips and lids are always painted, cheeks and liner more or less."""
    uniform = rng.uniform
    return Makeup(
        lips=Paint(hsv(uniform(-60, 25), uniform(0.5, 0.95), uniform(0.35, 0.9)), uniform(0.6, 1.0)),
        lids=Paint(hsv(uniform(0, 360), uniform(0.3, 0.9), uniform(0.3, 0.85)), uniform(0.4, 0.9)),
        cheeks=Paint(hsv(uniform(-25, 20), uniform(0.5, 0.8), uniform(0.7, 0.95)), uniform(0.0, 0.5)),
        liner=Paint(hsv(uniform(0, 360), uniform(0.0, 0.6), uniform(0.05, 0.25)), uniform(0.2, 1.0)),
    )


# Colours ----------------------------------------------------------------------------------------------------------


def between(colours, share):
    """Returns the colour at a share of the way through a list of colours."""
    steps = np.linspace(0, 1, len(colours))
    return np.array([np.interp(share, steps, channel) for channel in np.transpose(colours)])


def rgb(colour):
    return tuple(np.clip(np.rint(colour), 0, 255).tolist())


def hsv(hue, saturation, value):
    """Returns the colour of a hue in degrees, a saturation and a value in [0, 1]."""
    pixel = np.array([[(hue % 360, saturation, value)]], np.float32)
    return rgb(255 * cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0])


# Shapes -----------------------------------------------------------------------------------------------------------
# Polygons, as arrays `(corners, 2)` of x and y.

T = np.linspace(0, 1, 25)[:, np.newaxis]  # along a curve
ARC = np.sin(np.pi * T)


def closed(upper, lower):
    """Returns the polygon between two curves from left to right."""
    return np.concatenate([upper, lower[::-1]])


def ellipse(x, y, width, height):
    angles = 2 * np.pi * T
    return np.column_stack([x + width * np.cos(angles), y + height * np.sin(angles)])


def mirrored(polygon):
    """Returns a polygon of the right side of a face, and that of its left side."""
    return [polygon, polygon * (-1, 1)]


def outline(face):
    """Returns the shape of the head: an ellipse that is narrower towards the chin."""
    points = ellipse(0, 0, face.width, face.height)
    points[:, 0] *= 1 - face.jaw * np.clip(points[:, 1] / face.height, 0, 1) ** 2
    return points


def eye_curve(face, height, beyond=0.0):
    """Returns a curve over the right eye, from the inner corner to the outer one and beyond it."""
    x = face.eye_x + face.eye_width * ((2 + beyond) * T - 1)
    return np.hstack([x, face.eye_y - height * ARC - beyond * 0.1 * T])


def eyes(face):
    return mirrored(closed(eye_curve(face, face.eye_open), eye_curve(face, -0.7 * face.eye_open)))


def brow_curve(face, height):
    slope = -face.brow_slope * T - 0.03 * ARC
    return np.hstack([face.eye_x + 1.2 * face.eye_width * (2 * T - 1), face.eye_y - height + slope])


def lids(face):
    top = face.eye_open + (1 - MARGIN) * (face.brow - face.eye_open)
    return mirrored(closed(eye_curve(face, top, beyond=0.3), eye_curve(face, 0.5 * face.eye_open)))


def liner(face):
    return mirrored(closed(eye_curve(face, face.eye_open + 0.022, beyond=0.35), eye_curve(face, face.eye_open - 0.01)))


def lip_curve(face, height):
    """Returns a curve from the left corner of the mouth to the right one, which a smile raises."""
    corners = face.smile * (2 * T - 1) ** 2
    return np.hstack([face.mouth_width * (2 * T - 1), face.mouth_y - corners - height])


def lips(face):
    bow = face.upper_lip * (ARC - 0.3 * np.exp(-(((T - 0.5) / 0.1) ** 2)))
    return [closed(lip_curve(face, bow), lip_curve(face, -face.lower_lip * ARC))]


def cheeks(face):
    return mirrored(ellipse(0.62 * face.width, 0.5 * face.mouth_y, 0.16, 0.1))


# Drawing ----------------------------------------------------------------------------------------------------------


class Canvas:
    """An image that shapes of a face are painted on, `FINER` times as large.

    Args:
        face: `Face`.
        side: integer, pixels of the finished image.
    """

    def __init__(self, face, side):
        self.side, full = side, side * FINER
        turn = np.deg2rad(face.turn)
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        self.matrix, self.offset = rotation * face.size * full / 2, (np.array(face.place) + 1) * full / 2
        self.pixels = np.full((full, full, 3), face.background, np.float32)

    def mask(self, polygons, softness=0.0):
        """Returns how far each pixel belongs to polygons, values in [0, 1], and where: two slices that hold them all.

        Args:
            polygons: list of arrays `(corners, 2)`.
            softness: float, standard deviation of a blur, as a length.
        """
        full, blur = len(self.pixels), softness * len(self.pixels) / 2
        corners = [polygon @ self.matrix.T + self.offset for polygon in polygons]
        low = np.floor(np.min([each.min(axis=0) for each in corners], axis=0) - 3 * blur - 1).astype(int)
        high = np.ceil(np.max([each.max(axis=0) for each in corners], axis=0) + 3 * blur + 2).astype(int)
        (left, top), (right, bottom) = np.clip(low, 0, full - 1), np.clip(high, 1, full)
        mask = np.zeros((bottom - top, right - left), np.uint8)
        for each in corners:  # in sixteenths of a pixel
            cv2.fillPoly(
                mask, [np.rint(16 * (each - (left, top))).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4
            )
        if blur:
            mask = cv2.GaussianBlur(mask, (0, 0), blur)
        return mask[..., np.newaxis] / np.float32(255), (slice(top, bottom), slice(left, right))

    def paint(self, polygons, colour, strength=1.0, softness=0.0):
        mask, place = self.mask(polygons, softness)
        self.pixels[place] += strength * mask * (np.array(colour, np.float32) - self.pixels[place])

    def finished(self, pixels):
        return cv2.resize(pixels, (self.side, self.side), interpolation=cv2.INTER_AREA)


SOFT = {"lips": 0.008, "lids": 0.03, "cheeks": 0.07, "liner": 0.006}  # the softness of each part of a make-up


def portrait(face, makeup=None, side=64):
    """Returns the image of a face, with or without make-up, a uint8 array `(side, side, 3)`."""
    canvas = Canvas(face, side)
    skin, hair = np.array(face.skin), np.array(face.hair)
    shadow = 0.82 * skin

    def make_up(part, polygons):
        if makeup:
            colour, strength = getattr(makeup, part)
            canvas.paint(polygons, colour, strength, SOFT[part])

    long = 0.9 * face.width
    canvas.paint([ellipse(0, -0.12, face.width + 0.14, face.height + 0.06)], 0.85 * hair)
    if face.long_hair > 0:
        sides = np.array([(-1, -0.1), (1, -0.1), (1.1, face.long_hair), (-1.1, face.long_hair)]) * (long + 0.16, 1)
        canvas.paint([sides], 0.85 * hair, softness=0.03)
    canvas.paint([np.array([(-0.2, 0.4), (0.2, 0.4), (0.24, 1.6), (-0.24, 1.6)])], shadow)
    canvas.paint([ellipse(0, 1.35, 0.95, 0.5)], face.clothes)
    canvas.paint(mirrored(ellipse(face.width, 0.02, 0.06, 0.12)), 0.93 * skin)
    canvas.paint([outline(face)], skin)
    canvas.paint(mirrored(ellipse(0.62 * face.width, 0.16, 0.14, 0.1)), skin * (1.06, 0.94, 0.94), 0.6, 0.06)
    make_up("cheeks", cheeks(face))
    make_up("lids", lids(face))
    canvas.paint(eyes(face), (240, 238, 235))
    look = (face.eye_x, face.eye_y - 0.003)
    canvas.paint(mirrored(ellipse(*look, 0.85 * face.eye_open, 0.85 * face.eye_open)), face.iris)
    canvas.paint(mirrored(ellipse(*look, 0.4 * face.eye_open, 0.4 * face.eye_open)), (16, 14, 14))
    canvas.paint(
        mirrored(closed(eye_curve(face, face.eye_open + 0.012), eye_curve(face, face.eye_open - 0.008))), 0.45 * skin
    )
    make_up("liner", liner(face))
    brow = closed(brow_curve(face, face.brow + face.brow_thickness), brow_curve(face, face.brow))
    canvas.paint(mirrored(brow), 0.7 * hair, 0.85, 0.008)
    tip = face.eye_y + face.nose
    canvas.paint([ellipse(0, tip, face.nose_width, 0.035)], shadow, 0.8, 0.015)
    canvas.paint([ellipse(0, face.eye_y + 0.55 * face.nose, 0.025, 0.45 * face.nose)], 1.08 * skin, 0.6, 0.02)
    canvas.paint(lips(face), 0.55 * skin + 0.45 * np.array((176, 72, 76)), softness=SOFT["lips"])
    make_up("lips", lips(face))
    canvas.paint([closed(lip_curve(face, 0.006), lip_curve(face, -0.006))], (70, 30, 30), 0.6)
    top = np.vstack([ellipse(0, 0, face.width + 0.06, face.height + 0.06)[12:]])  # the upper half, left to right
    arch = np.sqrt(np.clip(1 - (top[:, 0] / 0.62) ** 2, 0, 1))
    line = np.column_stack([top[:, 0], -face.hairline * face.height * arch])
    canvas.paint([closed(top, line)], hair)
    x = np.linspace(-1, 1, canvas.pixels.shape[1], dtype=np.float32)[:, np.newaxis]
    return np.rint(np.clip(canvas.finished(canvas.pixels * (1 + face.light * x)), 0, 255)).astype(np.uint8)


def regions(face, side=64):
    """Returns where make-up is painted on a face, a dictionary of float arrays `(side, side)` in [0, 1]."""

    def share(polygons, softness=0.0):
        canvas = Canvas(face, side)
        canvas.pixels[:] = 0
        canvas.paint(polygons, (1, 1, 1), softness=softness)
        return canvas.finished(canvas.pixels)[..., 0]

    shapes = {"lips": lips(face), "lids": lids(face), "cheeks": cheeks(face), "liner": liner(face)}
    found = {part: share(polygons, SOFT[part]) for part, polygons in shapes.items()}
    found["lids"] = found["lids"] * (1 - share(eyes(face)))  # eyes are not painted
    return found
