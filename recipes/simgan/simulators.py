"""Simulators: images drawn from random parameters, so that every label is known without annotation.

A simulator draws one image: `draw(rng) -> (image, labels)`, a uint8 image `(height, width)` and a dictionary of its
labels. Shapes are drawn at four times their size and downscaled, since OpenCV's own edges are jagged.
"""

import cv2
import numpy as np

SUPERSAMPLING = 4

# Garments -------------------------------------------------------------------------------------------------------------
#
# Coordinates are fractions of the sides; (0, 0) is the upper left corner. Every shape has one flat grey level.


class Sheet:
    """A black canvas to draw on, with coordinates that are fractions of its sides.

    Args:
        size: `(height, width)` in pixels.
    """

    def __init__(self, size):
        self.size = size
        self.canvas = np.zeros([SUPERSAMPLING * side for side in size], np.uint8)

    def points(self, points):
        return np.rint(np.array(points) * self.canvas.shape[::-1]).astype(np.int32)

    def polygon(self, points, level):
        cv2.fillPoly(self.canvas, [self.points(points)], level)

    def line(self, points, level, width=0.03):
        thickness = max(1, round(width * self.canvas.shape[1]))
        cv2.polylines(self.canvas, [self.points(points)], False, level, thickness)

    def mirrored(self, left, level):
        """Draws a symmetric polygon; `left` is its left half, from top to bottom."""
        self.polygon([*left, *[(1 - x, y) for x, y in reversed(left)]], level)

    def both(self, left, level):
        """Draws a polygon and its mirror image."""
        self.polygon(left, level)
        self.polygon([(1 - x, y) for x, y in left], level)

    def picture(self):
        return cv2.resize(self.canvas, self.size[::-1], interpolation=cv2.INTER_AREA)


def other(rng, level):
    """Returns a grey level for a detail on a garment of this level."""
    return int(np.clip(level + rng.choice([-1, 1]) * rng.uniform(40, 110), 30, 255))


def upper_part(sheet, rng, level, sleeve_end, sleeve_reach, hem, neck=0.1):
    """Draws a body with sleeves, as shirts, pullovers and coats have it."""
    shoulder, waist = rng.uniform(0.2, 0.27), rng.uniform(0.2, 0.28)
    top = rng.uniform(0.03, 0.1)
    sheet.mirrored([(0.5 - neck, top), (0.5 - shoulder, top + 0.05), (0.5 - waist, 0.5), (0.5 - waist, hem)], level)
    if sleeve_end:
        outer, inner = 0.5 - sleeve_reach, 0.5 - sleeve_reach + rng.uniform(0.1, 0.15)
        arm = [(0.5 - shoulder, top + 0.04), (outer, sleeve_end - 0.03), (inner, sleeve_end), (0.5 - waist, top + 0.32)]
        sheet.both(arm, level)
        if sleeve_end > 0.6:  # a fold between arm and body
            fold = [(0.5 - waist, top + 0.3), (0.5 - waist - 0.01, min(hem, sleeve_end))]
            for points in (fold, [(1 - x, y) for x, y in fold]):
                sheet.line(points, level // 2, 0.02)
    sheet.mirrored([(0.5 - neck, top - 0.01), (0.5, top + rng.uniform(0.03, 0.12))], 0)


def t_shirt(sheet, rng, level):
    upper_part(sheet, rng, level, rng.uniform(0.27, 0.42), rng.uniform(0.38, 0.48), rng.uniform(0.88, 0.99))
    if rng.random() < 0.4:
        left, top = rng.uniform(0.35, 0.45), rng.uniform(0.3, 0.45)
        bottom = top + rng.uniform(0.05, 0.25)
        sheet.polygon([(left, top), (1 - left, top), (1 - left, bottom), (left, bottom)], other(rng, level))


def trouser(sheet, rng, level):
    waist, knee, hem = rng.uniform(0.12, 0.18), rng.uniform(0.14, 0.2), rng.uniform(0.13, 0.23)
    inner, crotch = rng.uniform(0.02, 0.08), rng.uniform(0.3, 0.42)
    top, bottom = rng.uniform(0.0, 0.05), rng.uniform(0.95, 1.0)
    leg = [
        (0.5, top),
        (0.5 - waist, top),
        (0.5 - knee, 0.45),
        (0.5 - hem, bottom),
        (0.5 - inner, bottom),
        (0.5, crotch),
    ]
    sheet.both(leg, level)


def pullover(sheet, rng, level):
    upper_part(sheet, rng, level, rng.uniform(0.8, 0.95), rng.uniform(0.38, 0.48), rng.uniform(0.85, 0.98))
    if rng.random() < 0.4:
        top, stripe = rng.uniform(0.3, 0.6), other(rng, level)
        sheet.line([(0.26, top), (0.74, top)], stripe, rng.uniform(0.03, 0.2))


def dress(sheet, rng, level):
    shoulder, waist, hem = rng.uniform(0.1, 0.17), rng.uniform(0.09, 0.15), rng.uniform(0.14, 0.3)
    top, middle = rng.uniform(0.0, 0.06), rng.uniform(0.35, 0.5)
    sheet.mirrored(
        [(0.45, top), (0.5 - shoulder, top), (0.5 - waist, middle), (0.5 - hem, rng.uniform(0.95, 1))], level
    )
    if rng.random() < 0.4:
        end = rng.uniform(0.2, 0.6)
        sheet.both([(0.5 - shoulder, top), (0.5 - shoulder - 0.14, end), (0.5 - shoulder - 0.04, end + 0.02)], level)
    sheet.mirrored([(0.44, top - 0.01), (0.5, top + rng.uniform(0.03, 0.15))], 0)


def coat(sheet, rng, level):
    upper_part(sheet, rng, level, rng.uniform(0.8, 0.95), rng.uniform(0.36, 0.46), rng.uniform(0.93, 1.0))
    sheet.line([(0.5, 0.1), (0.5, 1.0)], level // 3, rng.uniform(0.02, 0.05))
    sheet.both([(0.42, 0.04), (0.36, 0.1), (0.48, rng.uniform(0.25, 0.4))], other(rng, level))


def sandal(sheet, rng, level):
    toe, heel, rise = rng.uniform(0.62, 0.75), rng.uniform(0.6, 0.75), rng.uniform(0.0, 0.25)
    sole = [(0.02, toe), (0.4, toe - 0.03), (0.97, heel - rise), (0.97, heel + 0.05), (0.8, heel + 0.03 - rise * 0.7)]
    sheet.polygon([*sole, (0.4, toe + 0.06), (0.02, toe + 0.06)], level)
    if rise > 0.1:  # a heel
        sheet.polygon([(0.86, heel - rise), (0.97, heel - rise), (0.95, toe + 0.05), (0.9, toe + 0.05)], level)
    for _ in range(rng.integers(2, 5)):
        left, width, high = rng.uniform(0.05, 0.7), rng.uniform(0.08, 0.25), rng.uniform(0.1, 0.3)
        top = (left + width / 2, toe - rise * left - high)
        sheet.line([(left, toe), top, (left + width, toe - rise * (left + width))], level, rng.uniform(0.02, 0.05))


def shirt(sheet, rng, level):
    is_long = rng.random() < 0.7
    end, reach = (rng.uniform(0.75, 0.92), rng.uniform(0.36, 0.46)) if is_long else (0.38, rng.uniform(0.38, 0.47))
    upper_part(sheet, rng, level, end, reach, rng.uniform(0.9, 1.0), neck=0.08)
    detail = other(rng, level)
    if rng.random() < 0.7:
        for y in np.linspace(0.2, 0.85, rng.integers(4, 7)):
            sheet.line([(0.49, y), (0.51, y)], detail, 0.04)
    if rng.random() < 0.4:
        for x in np.linspace(0.28, 0.72, rng.integers(4, 8)):
            sheet.line([(x, 0.15), (x, 0.95)], detail, 0.02)
    sheet.both([(0.42, 0.03), (0.38, 0.1), (0.49, 0.17)], detail)


def sneaker(sheet, rng, level):
    sole, low = rng.uniform(0.66, 0.74), rng.uniform(0.45, 0.53)
    heel = low - rng.uniform(0, 0.1)
    tongue = (rng.uniform(0.5, 0.6), low - rng.uniform(0.02, 0.08))
    upper = [(0.02, sole), (0.03, sole - 0.1), (0.2, sole - rng.uniform(0.14, 0.18)), tongue, (0.75, low + 0.05)]
    sheet.polygon([*upper, (0.93, heel), (0.98, sole)], level)
    sheet.polygon(
        [(0.01, sole - 0.03), (0.99, sole - 0.04), (0.98, sole + 0.04), (0.03, sole + 0.04)], other(rng, level)
    )
    for _ in range(rng.integers(0, 3)):
        x = rng.uniform(0.35, 0.7)
        sheet.line([(x, low + 0.04), (x - 0.08, sole - 0.04)], other(rng, level), 0.04)


def bag(sheet, rng, level):
    side, top, bottom = rng.uniform(0.03, 0.15), rng.uniform(0.3, 0.5), rng.uniform(0.8, 0.95)
    slope = rng.uniform(-0.06, 0.08)
    if rng.random() < 0.7:
        reach, high = rng.uniform(0.15, 0.35), top - rng.uniform(0.1, 0.3)
        handle = [
            (0.5 - reach, top + 0.02),
            (0.5 - 0.7 * reach, high),
            (0.5 + 0.7 * reach, high),
            (0.5 + reach, top + 0.02),
        ]
        sheet.line(handle, level, rng.uniform(0.03, 0.07))
    sheet.mirrored([(side + slope, top), (side, bottom)], level)
    if rng.random() < 0.6:
        y = rng.uniform(top + 0.05, bottom - 0.1)
        sheet.line([(side + 0.03, y), (0.97 - side, y)], other(rng, level), rng.uniform(0.02, 0.06))


def ankle_boot(sheet, rng, level):
    top, sole, shaft = rng.uniform(0.05, 0.25), rng.uniform(0.78, 0.9), rng.uniform(0.45, 0.58)
    instep = rng.uniform(0.45, 0.58)
    front = [
        (0.02, sole),
        (0.04, sole - 0.14),
        (0.25, sole - rng.uniform(0.2, 0.26)),
        (shaft, instep),
        (shaft + 0.03, top),
    ]
    sheet.polygon([*front, (0.93, top + rng.uniform(-0.04, 0.04)), (0.95, sole)], level)
    detail = other(rng, level)
    sheet.polygon([(0.02, sole - 0.03), (0.96, sole - 0.03), (0.96, sole + 0.03), (0.02, sole + 0.03)], detail)
    heel = rng.uniform(0.0, 0.1)
    sheet.polygon([(0.7, sole), (0.96, sole), (0.95, sole + 0.04 + heel), (0.75, sole + 0.04 + heel)], detail)


GARMENTS = (t_shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle_boot)  # as in Fashion-MNIST


def garment(rng, size=(28, 28)):
    """Draws a garment, a flat polygon with few details.

    Returns:
        the image, and its label `class`, numbered as in Fashion-MNIST.
    """
    kind = int(rng.integers(len(GARMENTS)))
    sheet = Sheet(size)
    GARMENTS[kind](sheet, rng, int(rng.uniform(70, 250)))
    return sheet.picture(), {"class": kind}


# Eyes -----------------------------------------------------------------------------------------------------------------

MOST_YAW, MOST_PITCH = 25.0, 15.0  # degrees


def eye(rng, size=(36, 60)):
    """Draws an eye: lids, sclera, iris, pupil, glint and shaded skin, with an equalized histogram as in MPIIGaze.

    Returns:
        the image, and its labels: `yaw` and `pitch` in degrees, to the right and down, and `pupil_x` and `pupil_y`,
        the centre of the pupil in pixels.
    """
    height, width = (SUPERSAMPLING * side for side in size)
    yaw, pitch = rng.uniform(-MOST_YAW, MOST_YAW), rng.uniform(-MOST_PITCH, MOST_PITCH)
    centre = np.array([0.5 + rng.normal(0, 0.03), 0.5 + rng.normal(0, 0.03)]) * (width, height)
    ball = height * rng.uniform(0.5, 0.6)  # radius of the eyeball
    pupil = centre + ball * np.sin(np.radians([yaw, pitch]))

    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    image = skin(rng, columns / width, rows / height)
    upper, lower = lids(rng, centre, height, width, pitch)
    is_open = (rows > upper(columns)) & (rows < lower(columns))
    eyeball = sclera(rng, columns, rows, centre, ball)
    draw_iris(eyeball, rng, pupil, height, (yaw, pitch))
    lid_shadow = np.clip((rows - upper(columns)) / (0.12 * height), 0, 1)
    image = np.where(is_open, eyeball * (0.45 + 0.55 * lid_shadow), image)
    draw_lids(image, rng, upper, lower, height)
    image = cv2.GaussianBlur(np.clip(image, 0, 255).astype(np.uint8), (0, 0), rng.uniform(0.5, 1.5))
    image = cv2.equalizeHist(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA))
    x, y = pupil / SUPERSAMPLING
    return image, {"yaw": yaw, "pitch": pitch, "pupil_x": x, "pupil_y": y}


def skin(rng, x, y):
    """Returns skin lit from one side, darker in the socket above the eye."""
    light = rng.uniform(-60, 60) * (x - 0.5) + rng.uniform(0, 60) * (y - 0.5)
    socket = rng.uniform(10, 60) * np.exp(-(((y - 0.18) / 0.15) ** 2))
    return rng.uniform(120, 180) + light - socket


def lids(rng, centre, height, width, pitch):
    """Returns the edges of the upper and the lower lid, two functions from columns to rows."""
    half = width * rng.uniform(0.36, 0.44)
    tilt = rng.normal(0, 0.05)
    rise, fall = height * rng.uniform(0.2, 0.32), height * rng.uniform(0.14, 0.24)
    rise -= height * 0.004 * pitch  # the upper lid follows the gaze
    peak = rng.uniform(-0.25, 0.25)

    def edge(columns, reach, power):
        across = np.clip((columns - centre[0]) / half, -1, 1)
        bow = (1 - np.abs(across) ** power) * (1 + peak * across * (1 - across**2))
        return centre[1] + tilt * (columns - centre[0]) + reach * bow

    return (lambda columns: edge(columns, -rise, 2.2)), (lambda columns: edge(columns, fall, 2.6))


def sclera(rng, columns, rows, centre, ball):
    """Returns the white of the eye, shaded towards its border."""
    distance = np.hypot(columns - centre[0], rows - centre[1]) / (2.2 * ball)
    return rng.uniform(150, 225) * np.clip(1.1 - distance**2, 0.4, 1)


def draw_iris(image, rng, pupil, height, gaze):
    """Draws iris, pupil and glint; iris and pupil are foreshortened by the gaze angles."""
    centre = tuple(int(value) for value in np.rint(pupil))
    radius = height * rng.uniform(0.23, 0.28)
    narrow = np.cos(np.radians(gaze))
    for share, level in ((1, rng.uniform(40, 75)), (rng.uniform(0.35, 0.55), rng.uniform(5, 25))):
        axes = tuple(int(value) for value in np.rint(radius * share * narrow))
        cv2.ellipse(image, centre, axes, 0, 0, 360, level, -1)
    if rng.random() < 0.7:
        glint = tuple(int(value) for value in np.rint(pupil + rng.uniform(-0.4, 0.4, 2) * radius))
        cv2.circle(image, glint, max(1, round(height * rng.uniform(0.015, 0.04))), 255, -1)


def draw_lids(image, rng, upper, lower, height):
    """Draws the lashes, the crease above the eye and the rim of the lower lid."""
    columns = np.arange(image.shape[1])
    columns = columns[lower(columns) - upper(columns) > 1]  # between the corners of the eye
    lines = (
        (upper(columns), 20, rng.uniform(0.04, 0.09)),
        (upper(columns) - height * rng.uniform(0.08, 0.16), 90, rng.uniform(0.02, 0.04)),
        (lower(columns), 80, rng.uniform(0.02, 0.04)),
    )
    for rows, level, share in lines:
        points = np.rint(np.stack([columns, rows], axis=1)).astype(np.int32)
        cv2.polylines(image, [points], False, level, max(1, round(height * share)))
