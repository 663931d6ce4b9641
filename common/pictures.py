"""Pictures of a run: grids of samples, an animation of them, curves of the losses."""

import math

import numpy as np
from PIL import Image

from common.files import whole
from data_prep.batches import unscale

MOST_FRAMES = 60  # of an animation, or it grows too large to look at
SHORTEST_SIDE = 512  # pixels of a grid; small images are enlarged by whole factors


def grid(images, columns=None):
    """Lays images out in rows and enlarges small ones.

    Args:
        images: array `(count, height, width, 1 or 3)`, values in [-1, 1].
        columns: integer; as square as possible if left out.

    Returns:
        uint8 array `(rows * height, columns * width, 1 or 3)`, times a whole factor; missing cells are white.

    Example:

    >>> grid(np.zeros((5, 300, 300, 1)), columns=3).shape
    (600, 900, 1)
    """
    images = unscale(np.asarray(images))
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = np.full((rows * columns, height, width, channels), 255, np.uint8)
    cells[:count] = images
    sheet = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    factor = max(1, SHORTEST_SIDE // min(sheet.shape[:2]))
    return sheet.repeat(factor, axis=0).repeat(factor, axis=1)


def side_by_side(*columns):
    """Returns images `(count * columns, …)` for a `grid` whose rows show side by side what belongs together.

    Args:
        *columns: arrays `(count, height, width, 1 or 3)`; if any is in colour, all become so.

    Example:

    >>> side_by_side(np.zeros((5, 8, 8, 1)), np.zeros((5, 8, 8, 3))).shape
    (10, 8, 8, 3)
    """
    channels = max(column.shape[-1] for column in columns)
    columns = [np.repeat(c, channels, axis=-1) if c.shape[-1] < channels else c for c in columns]
    return np.stack(columns, axis=1).reshape(-1, *columns[0].shape[1:])


def pair_sheet(pairs, height=256, gap=8):
    """Lays pairs of pictures out, before and after side by side, a pair a row, each brought to one height.

    Args:
        pairs: list of pairs of uint8 pictures `(height, width, 1 or 3)`, of any sizes.
        height: integer, pixels of a row.
        gap: integer, white pixels between what is laid out.

    Returns:
        uint8 picture in RGB.
    """
    rows = [[as_high(picture, height) for picture in pair] for pair in pairs]
    columns = [max(row[side].shape[1] for row in rows) for side in (0, 1)]
    sheet = np.full((len(rows) * (height + gap) - gap, sum(columns) + gap, 3), 255, np.uint8)
    for index, row in enumerate(rows):
        top = index * (height + gap)
        for left, picture in zip((0, columns[0] + gap), row, strict=True):
            sheet[top : top + height, left : left + picture.shape[1]] = picture
    return sheet


def as_high(picture, height):
    """Returns a uint8 picture in RGB at a height, its aspect kept; small ones keep their pixels visible."""
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).convert("RGB")
    width = max(1, round(image.width * height / image.height))
    kind = Image.Resampling.NEAREST if image.height < height else Image.Resampling.LANCZOS
    return np.asarray(image.resize((width, height), kind))


def save_png(path, image):
    """Writes a uint8 image `(height, width, 1 or 3)`."""
    with whole(path) as part:
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(part, optimize=True)


def save_gif(path, pictures, milliseconds=200):
    """Writes an animation of picture files, at most some sixty of them; the last one stays for a moment."""
    pictures = [*pictures[: -1 : max(1, len(pictures) // MOST_FRAMES)], pictures[-1]]
    # Few colours without dithering: noise does not compress.
    frames = [Image.open(picture).convert("RGB").quantize(64, dither=Image.Dither.NONE) for picture in pictures]
    durations = [milliseconds] * (len(frames) - 1) + [10 * milliseconds]
    with whole(path) as part:
        frames[0].save(part, save_all=True, append_images=frames[1:], duration=durations, loop=0)


def save_losses(path, rows):
    """Plots the loss columns of `log.csv`, one curve each, and under them the Fréchet distance if there is one."""
    from matplotlib.figure import Figure  # slow to import; and Figure, unlike pyplot, never looks for a screen

    scored = [row for row in rows if not math.isnan(row.get("frechet", math.nan))]
    figure = Figure(figsize=(7, 6 if scored else 4), layout="constrained")
    axes, *below = figure.subplots(2 if scored else 1, sharex=True, squeeze=False)[:, 0]
    for name in (key for key in rows[0] if key.endswith("loss")):
        marker = "." if len(rows) < 10 else None
        axes.plot([row["epoch"] for row in rows], [row[name] for row in rows], label=name, marker=marker)
    axes.set_ylabel("loss")
    axes.legend()
    for lower in below:
        lower.plot([row["epoch"] for row in scored], [row["frechet"] for row in scored], marker=".", color="black")
        lower.set(ylabel="Fréchet distance", yscale="log")
    for part in (axes, *below):
        part.grid(alpha=0.3)
    [axes, *below][-1].set_xlabel("epoch")
    with whole(path) as part:
        figure.savefig(part, dpi=100)
