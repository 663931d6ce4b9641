"""Procedural objects: ten kinds with several free parameters each, as volumes of any resolution.

An object faces the x axis, z is up. It is a list of parts, each a simple form in a box, in any unit: `volume` scales
the whole so that its longest side fills most of the cube.
"""

from typing import NamedTuple

import numpy as np

FILLED = 0.94  # of the cube, by the longest side of an object
STRETCH = (0.85, 1.18)  # range of the factors by which an object is stretched along each axis


class Part(NamedTuple):
    """A form in a box.

    Attributes:
        form: string, a function of `FORMS`.
        low, high: corners of the box, `(x, y, z)`.
        top: float, width of its top relative to its bottom; less than 1 for what narrows.
        lean: float, how far its top is moved along x, in units of the box's depth.
        sweep: float, how far its left and right ends are moved back along x, in units of the box's depth.
        cut: bool, whether the part is cut out of those before it.
    """

    form: str
    low: tuple
    high: tuple
    top: float = 1.0
    lean: float = 0.0
    sweep: float = 0.0
    cut: bool = False


# Whether points are within a form, given their coordinates in its box, from -1 to 1.
FORMS = {
    "box": lambda x, y, z: (abs(x) <= 1) & (abs(y) <= 1) & (abs(z) <= 1),
    "column": lambda x, y, z: (x**2 + y**2 <= 1) & (abs(z) <= 1),
    "wheel": lambda x, y, z: (x**2 + z**2 <= 1) & (abs(y) <= 1),
    "tube": lambda x, y, z: (y**2 + z**2 <= 1) & (abs(x) <= 1),
    "ball": lambda x, y, z: x**2 + y**2 + z**2 <= 1,
    "ring": lambda x, y, z: (y**2 + z**2 <= 1) & (y**2 + z**2 >= 0.3) & (abs(x) <= 1),
}


def centred(form, x, y, z, size, **options):
    """Returns a `Part` whose box stands on the height `z`, centred at `x` and `y`."""
    depth, width, height = size
    return Part(form, (x - depth / 2, y - width / 2, z), (x + depth / 2, y + width / 2, z + height), **options)


def legs(depth, width, height, thickness, form="box"):
    """Returns the four legs below a rectangle."""
    places = [(x, y) for x in (-1, 1) for y in (-1, 1)]
    inset = thickness / 2
    return [
        centred(form, x * (depth / 2 - inset), y * (width / 2 - inset), 0.0, (thickness, thickness, height))
        for x, y in places
    ]


# The kinds --------------------------------------------------------------------------------------------------------


def chair(rng):
    depth, width, seat = rng.uniform(0.8, 1.1), rng.uniform(0.8, 1.1), rng.uniform(0.7, 1.1)
    back, thick, slab = rng.uniform(0.6, 1.4), rng.uniform(0.11, 0.18), rng.uniform(0.1, 0.2)
    lean = rng.uniform(-1.5, 0.0)
    parts = [*legs(depth, width, seat, thick), centred("box", 0, 0, seat, (depth, width, slab))]
    top = seat + slab
    rear = -depth / 2 + thick / 2
    if rng.random() < 0.5:
        parts.append(centred("box", rear, 0, top, (thick, width, back), lean=lean))
    else:
        count = rng.integers(2, 4)
        for y in np.linspace(-1, 1, count) * (width - thick) / 2:
            parts.append(centred("box", rear, y, top, (thick, thick, back), lean=lean))
        rail = back * 0.25
        moved = 2 * lean * thick / 2 * (1 - rail / back / 2)
        parts.append(centred("box", rear + moved, 0, top + back - rail, (thick, width, rail)))
    if rng.random() < 0.4:
        arm = rng.uniform(0.3, 0.45) * min(back, 1.0)
        for y in (-1, 1):
            side = y * (width - thick) / 2
            parts.append(centred("box", 0, side, top + arm, (depth, thick, thick)))
            parts.append(centred("box", depth / 2 - thick / 2, side, top, (thick, thick, arm)))
    return parts


def table(rng):
    depth, width, height = rng.uniform(0.7, 1.3), rng.uniform(1.0, 2.0), rng.uniform(0.6, 1.1)
    thick, slab = rng.uniform(0.12, 0.22), rng.uniform(0.09, 0.18)
    is_round = rng.random() < 0.4
    top = centred("column" if is_round else "box", 0, 0, height, (depth, width, slab))
    if is_round or rng.random() < 0.3:
        foot = rng.uniform(0.35, 0.6)
        stand = centred("column", 0, 0, 0, (1.3 * thick, 1.3 * thick, height))
        return [top, stand, centred("column", 0, 0, 0, (depth * foot, width * foot, slab))]
    parts = [top, *legs(depth, width, height, thick)]
    if rng.random() < 0.4:
        parts.append(centred("box", 0, 0, height * rng.uniform(0.2, 0.5), (depth, width, slab)))
    return parts


def stool(rng):
    size, height = rng.uniform(0.6, 1.0), rng.uniform(0.8, 1.6)
    thick, slab = rng.uniform(0.11, 0.18), rng.uniform(0.1, 0.3)
    seat = centred("column", 0, 0, height, (size, size, slab), top=rng.uniform(0.8, 1.1))
    if rng.random() < 0.4:
        return [
            seat,
            centred("column", 0, 0, 0, (1.3 * thick, 1.3 * thick, height)),
            centred("column", 0, 0, 0, (size, size, 0.1), top=0.7),
        ]
    side = size * rng.uniform(0.65, 0.75)
    ring = height * rng.uniform(0.25, 0.5)
    bars = [
        bar
        for place in (-1, 1)
        for bar in (
            centred("box", place * (side - thick) / 2, 0, ring, (0.8 * thick, side, 0.8 * thick)),
            centred("box", 0, place * (side - thick) / 2, ring, (side, 0.8 * thick, 0.8 * thick)),
        )
    ]
    return [seat, *legs(side, side, height, thick), *(bars if rng.random() < 0.6 else [])]


def lamp(rng):
    height, pole = rng.uniform(0.7, 1.5), rng.uniform(0.13, 0.18)
    base, shade = rng.uniform(0.45, 0.9), rng.uniform(0.6, 1.1)
    shade_height, top = rng.uniform(0.35, 0.7), rng.uniform(0.35, 0.9)
    foot = "box" if rng.random() < 0.3 else "column"
    parts = [
        centred(foot, 0, 0, 0, (base, base, rng.uniform(0.08, 0.16))),
        centred("column", 0, 0, 0, (pole, pole, height)),
        centred("column", 0, 0, height, (shade, shade, shade_height), top=top),
    ]
    if rng.random() < 0.4:
        ball = rng.uniform(0.25, 0.45)
        parts.append(centred("ball", 0, 0, height * 0.1, (ball, ball, height * rng.uniform(0.3, 0.6))))
    return parts


def mug(rng):
    width, height, wall = rng.uniform(0.7, 1.1), rng.uniform(0.7, 1.3), rng.uniform(0.1, 0.16)
    top = rng.uniform(0.85, 1.2)
    handle, drop = rng.uniform(0.4, 0.6), rng.uniform(0.2, 0.4)
    inner = width - 2 * wall
    ring = height * rng.uniform(0.45, 0.65)
    side = rng.choice((-1, 1)) * width / 2
    low = (height - ring) * drop
    return [
        centred("ring", 0, side, low, (0.16, handle, ring)),
        centred("column", 0, 0, 0, (width, width, height), top=top),
        centred("column", 0, 0, wall, (inner, inner, height), top=top, cut=True),
    ]


def bottle(rng):
    width, height = rng.uniform(0.5, 0.9), rng.uniform(0.8, 1.6)
    neck, length, shoulder = rng.uniform(0.2, 0.34), rng.uniform(0.25, 0.7), rng.uniform(0.15, 0.5)
    form = "box" if rng.random() < 0.3 else "column"
    depth = width * rng.uniform(0.55, 1.0)
    parts = [
        centred(form, 0, 0, 0, (depth, width, height)),
        centred(form, 0, 0, height, (depth, width, shoulder), top=neck / width),
        centred("column", 0, 0, height + shoulder - 0.05, (neck, neck, length + 0.1)),
    ]
    if rng.random() < 0.6:
        cap = neck * rng.uniform(1.2, 1.5)
        parts.append(centred("column", 0, 0, height + shoulder + length, (cap, cap, rng.uniform(0.1, 0.22))))
    return parts


def aeroplane(rng):
    length, body = rng.uniform(1.6, 2.2), rng.uniform(0.22, 0.36)
    span, chord, sweep = rng.uniform(1.4, 2.2), rng.uniform(0.3, 0.55), rng.uniform(-0.1, 1.0)
    place, level = rng.uniform(-0.1, 0.3), rng.uniform(0.2, 0.8) * body
    thick, tail, fin = 0.11, rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.5)
    rear = -length / 2 + 0.2
    parts = [
        centred("ball" if rng.random() < 0.5 else "tube", 0, 0, 0, (length, body, body)),
        centred("box", place, 0, level - thick / 2, (chord, span, thick), sweep=sweep),
        centred("box", rear, 0, body * 0.5, (0.28, 0.16, fin), top=1.0, lean=-0.4),
    ]
    high = body * 0.5 + fin - thick if rng.random() < 0.3 else body * 0.4
    parts.append(centred("box", rear - 0.05, 0, high, (0.25, tail, thick), sweep=0.4))
    if rng.random() < 0.6:
        for side in (-1, 1):
            y = side * span * rng.uniform(0.2, 0.22)
            parts.append(centred("tube", place + 0.15, y, level - 0.2, (0.4, 0.17, 0.17)))
    return parts


def car(rng):
    length, width, body = rng.uniform(1.6, 2.1), rng.uniform(0.75, 0.95), rng.uniform(0.28, 0.42)
    wheel, roof = rng.uniform(0.32, 0.44), rng.uniform(0.26, 0.42)
    cabin, place = rng.uniform(0.4, 0.75) * length, rng.uniform(-0.15, 0.1)
    ground = wheel * 0.4
    parts = [
        centred("box", 0, 0, ground, (length, width, body)),
        centred("box", place, 0, ground + body, (cabin, 0.9 * width, roof), top=rng.uniform(0.65, 0.95)),
    ]
    for x in (-1, 1):
        for y in (-1, 1):
            middle = y * (width / 2 - 0.08)
            parts.append(centred("wheel", x * length * 0.3, middle, 0, (wheel, 0.2, wheel)))
    if rng.random() < 0.3:
        bed = -length / 2 + 0.3
        parts.append(centred("box", bed, 0, ground + body * 0.6, (0.45, width * 0.75, body), cut=True))
    return parts


def sofa(rng):
    depth, width, seat = rng.uniform(0.8, 1.0), rng.uniform(1.3, 2.3), rng.uniform(0.35, 0.5)
    back, arm = rng.uniform(0.3, 0.65), rng.uniform(0.12, 0.3)
    thick, leg = rng.uniform(0.18, 0.3), rng.uniform(0.0, 0.2)
    parts = [
        centred("box", 0, 0, leg, (depth, width, seat)),
        centred("box", -depth / 2 + thick / 2, 0, leg + seat, (thick, width, back), lean=rng.uniform(-0.4, 0.0)),
        *legs(depth, width, leg, 0.14),
    ]
    sides = rng.choice(3, p=(0.2, 0.6, 0.2))  # how many arms; one makes a chaise longue
    for y in (-1, 1)[:sides]:
        parts.append(centred("box", 0, y * (width - thick) / 2, leg + seat, (depth, thick, arm)))
    return parts


def shelf(rng):
    depth, width, height = rng.uniform(0.4, 0.7), rng.uniform(0.7, 1.3), rng.uniform(0.9, 1.9)
    wall = rng.uniform(0.09, 0.13)
    rows, columns = rng.integers(1, 5), rng.integers(1, 3)
    parts = [centred("box", 0, 0, 0, (depth, width, height))]
    cell_height, cell_width = (height - wall) / rows, (width - wall) / columns
    closed = rng.integers(0, rows + 1) if rng.random() < 0.4 else 0  # rows with doors, from below
    for row in range(closed, rows):
        for column in range(columns):
            y = -width / 2 + wall + (column + 0.5) * cell_width - wall / 2
            z = wall + row * cell_height
            size = (depth, cell_width - wall, cell_height - wall)
            parts.append(centred("box", wall, y, z, size, cut=True))
    return parts


KINDS = {kind.__name__: kind for kind in (aeroplane, bottle, car, chair, lamp, mug, shelf, sofa, stool, table)}


# Volumes ----------------------------------------------------------------------------------------------------------


def volume(parts, resolution, stretch=(1.0, 1.0, 1.0)):
    """Returns a list of parts as a bool array `(resolution, resolution, resolution)` with the axes x, y and z.

    Args:
        parts: list of `Part`.
        resolution: integer, voxels along a side.
        stretch: the factors by which it is stretched along each axis.
    """
    low, high = bounds(parts)
    stretch = np.asarray(stretch)
    scale = FILLED / ((high - low) * stretch).max()
    axis = (np.arange(resolution) + 0.5) / resolution - 0.5
    points = [axis / (scale * factor) + middle for factor, middle in zip(stretch, (low + high) / 2, strict=True)]
    grid = np.meshgrid(*points, indexing="ij", sparse=True)
    occupied = np.zeros((resolution,) * 3, bool)
    for part in parts:
        within = contains(part, *grid)
        occupied = occupied & ~within if part.cut else occupied | within
    return occupied


def contains(part, x, y, z):
    """Returns whether points are within a part, a bool array."""
    (middle_x, half_x), (middle_y, half_y), (middle_z, half_z) = (
        ((low + high) / 2, max((high - low) / 2, 1e-6)) for low, high in zip(part.low, part.high, strict=True)
    )
    x, y, z = (x - middle_x) / half_x, (y - middle_y) / half_y, (z - middle_z) / half_z
    height = np.clip((z + 1) / 2, 0, 1)  # from 0 at the bottom to 1 at the top
    width = 1 + (part.top - 1) * height
    x = x - 2 * part.lean * height + 2 * part.sweep * abs(y)
    return FORMS[part.form](x / width, y / width, z)


def bounds(parts):
    """Returns the corners of the box that all solid parts are in, two arrays `(x, y, z)`."""
    boxes = []
    for part in parts:
        if not part.cut:
            (low_x, *low), (high_x, *high) = part.low, part.high
            depth = high_x - low_x
            wide = max(part.top - 1, 0) / 2  # by which a wider top juts out on each side, as a share
            low_x, high_x = low_x - wide * depth, high_x + wide * depth
            low_x += min(part.lean, 0) * depth - max(part.sweep, 0) * depth
            high_x += max(part.lean, 0) * depth - min(part.sweep, 0) * depth
            side = wide * (high[0] - low[0])
            boxes.append(((low_x, low[0] - side, low[1]), (high_x, high[0] + side, high[1])))
    lows, highs = np.array(boxes).transpose(1, 0, 2)
    return lows.min(axis=0), highs.max(axis=0)


def objects(count, resolution, seed):
    """Returns volumes of objects, as many of each kind as possible in turn, none twice.

    Args:
        count: integer.
        resolution: integer, voxels along a side.
        seed: integer, or sequence of integers.

    Returns:
        bool array `(count, resolution, resolution, resolution)`, and the labels, int32, the order of `KINDS`.
    """
    rng = np.random.default_rng(seed)
    volumes, seen = np.empty((count, *(resolution,) * 3), bool), set()
    labels = np.arange(count, dtype="int32") % len(KINDS)
    kinds = list(KINDS.values())
    for index, label in enumerate(labels):
        while True:
            made = volume(kinds[label](rng), resolution, rng.uniform(*STRETCH, 3))
            digest = made.tobytes()
            if digest not in seen:
                break
        seen.add(digest)
        volumes[index] = made
    return volumes, labels
