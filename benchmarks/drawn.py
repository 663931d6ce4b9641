"""Draws images that no default was tuned for, to try recipes on: creatures and woven textures, in colour."""

import colorsys

import cv2
import numpy as np

SCALE = 4  # creatures are drawn so much larger, and then averaged


def colour(hue, saturation, value):
    """Returns an RGB colour, three integers of 0 … 255; all arguments are in [0, 1]."""
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))


def creature(rng, size=64):
    """Returns a creature on white, `(size, size, 3)` uint8: a body with ears, arms, feet, eyes and a mouth."""
    side = SCALE * size
    image = np.full((side, side, 3), 255, np.uint8)

    def ellipse(across, down, width, height, fill, angle=0):
        """Draws an ellipse; lengths are shares of the image, `across` is counted from its middle."""
        centre = round(side * (0.5 + across)), round(side * down)
        axes = round(side * width), round(side * height)
        cv2.ellipse(image, centre, axes, angle, 0, 360, fill, cv2.FILLED, cv2.LINE_AA)

    hue, width, height, ear = rng.random(), rng.uniform(0.2, 0.36), rng.uniform(0.2, 0.34), rng.uniform(0.07, 0.15)
    saturation, value = rng.uniform(0.5, 0.9), rng.uniform(0.6, 0.95)
    body, dark = colour(hue, saturation, value), colour(hue, saturation, 0.6 * value)
    pointed = rng.random() < 0.5
    for mirror in (-1, 1):
        if pointed:
            corners = [(-ear, 0.52 - 0.6 * height), (ear, 0.52 - 0.6 * height), (mirror * ear / 2, 0.5 - height - ear)]
            points = [(round(side * (0.5 + mirror * width / 2 + x)), round(side * y)) for x, y in corners]
            cv2.fillPoly(image, [np.array(points)], dark, cv2.LINE_AA)
        else:
            ellipse(mirror * width / 2, 0.52 - height, ear, ear, dark)
        ellipse(mirror * width / 2, 0.52 + height, 0.09, 0.06, dark)
        ellipse(mirror * width, 0.52, 0.05, 0.11, dark, angle=-25 * mirror)
    ellipse(0, 0.52, width, height, body)
    ellipse(0, 0.52 + height / 3, 0.6 * width, 0.55 * height, colour(hue, 0.5 * saturation, 1.0))
    eye, apart, iris = rng.uniform(0.035, 0.07), 0.42 * width, colour(hue + rng.uniform(0.3, 0.7), 0.7, 0.4)
    for mirror in (-1, 1):
        ellipse(mirror * apart, 0.52 - 0.3 * height, eye, eye, (255, 255, 255))
        ellipse(mirror * apart, 0.52 - 0.3 * height, eye / 2, eye / 2, iris)
    ellipse(0, 0.52 + height / 5, eye * rng.uniform(0.4, 1.2), eye / 3, (60, 20, 20))
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def texture(rng, size=64):
    """Returns a weave of two gratings in two colours of similar hue, with some noise, `(size, size, 3)` uint8."""
    rows, columns = np.mgrid[:size, :size] / size
    angle = rng.uniform(0, np.pi)
    along, across = columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)
    warp, weft = (np.sin(2 * np.pi * (rng.uniform(3, 9) * axis + rng.random())) for axis in (along, across))
    mixed = (warp, warp * weft, np.maximum(warp, weft))[rng.integers(3)]
    share = 0.5 + 0.5 * np.tanh(rng.uniform(1, 4) * mixed)[..., np.newaxis]
    hue = rng.random()
    dark = np.array(colour(hue, rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.6)))
    light = np.array(colour(hue + rng.uniform(-0.15, 0.15), rng.uniform(0.1, 0.5), rng.uniform(0.7, 1)))
    grain = cv2.GaussianBlur(rng.normal(0, 30, (size, size)), (0, 0), 1)[..., np.newaxis]
    return np.clip(dark + (light - dark) * share + grain, 0, 255).astype(np.uint8)


KINDS = {"creatures": creature, "textures": texture}


def draw(kind, count, seed=0, size=64):
    """Returns `count` different images of a kind, `(count, size, size, 3)` uint8."""
    rng = np.random.default_rng(seed)
    return np.stack([KINDS[kind](rng, size) for _ in range(count)])
