"""Pictures of a run: grids of samples, an animation of the grids, curves of the losses."""

import dataclasses
import json
import math

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from common.base.errors import InputError
from common.base.files import whole

MOST_FRAMES = 60  # limits the size of an animation
SHEET_HEIGHT = 256  # of a row of a sheet, in pixels
SHORTEST_SIDE = 512  # of a grid, in pixels; small images are enlarged by integer factors up to it


@dataclasses.dataclass(frozen=True)
class Mark:
    """Says in the metadata of a PNG file that a generative network made the picture, and which one.

    Attributes:
        recipe: string.
        seed: integer, of the latents or the noise; None if nothing is drawn.
        weights: string, the digest of the generator's weights, or the epoch of a training.
    """

    recipe: str
    seed: int | None
    weights: str

    def texts(self):
        """Returns a dictionary from keywords of the PNG specification to texts; the comment is JSON, for programs."""
        return {
            "Software": f"GAN cookbook, recipe {self.recipe}",
            "Source": "a generative network, not a camera and not a person",
            "Comment": json.dumps({"generated": True, **dataclasses.asdict(self)}),
        }


def scale(images):
    """Maps uint8 images in 0 … 255 to float32 in [-1, 1], the range of tanh."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def unscale(images):
    """Maps images in [-1, 1] to uint8 in 0 … 255; values outside are clipped."""
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


def with_histogram(images, target, source=None):
    """Returns images after the mapping of levels that matches the histogram of `source` to that of `target`.

    Args:
        images, target: uint8 arrays `(…, channels)`; each channel is matched by itself.
        source: uint8 array; by default `images`.
    """
    matched = np.empty_like(images)
    for channel in range(images.shape[-1]):
        sides = [side[..., channel].reshape(-1) for side in (images if source is None else source, target)]
        shares = [np.cumsum(np.bincount(side, minlength=256)) / side.size for side in sides]
        matched[..., channel] = np.rint(np.interp(*shares, np.arange(256))).astype(np.uint8)[images[..., channel]]
    return matched


def grid(images, columns=None):
    """Arranges images in a grid and enlarges small ones.

    Args:
        images: array `(count, height, width, 1 or 3)`, values in [-1, 1].
        columns: integer; by default the grid is as square as possible.

    Returns:
        uint8 array `(rows * height, columns * width, 1 or 3)`, times an integer factor; missing cells are white.

    Example:

    >>> grid(np.zeros((5, 300, 300, 1)), columns=3).shape
    (600, 900, 1)
    """
    images = unscale(np.asarray(images))
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"Expected images (count, height, width, 1 or 3) for a picture, but got an array of shape {images.shape}; "
            "for samples that are no images pass `render` to `run.fit`."
        )
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
    """Interleaves arrays of images into `(count * columns, …)`, so that each row of a `grid` shows one image of each.

    Args:
        *columns: arrays `(count, height, width, 1 or 3)`; if any is in colour, all are converted.

    Example:

    >>> side_by_side(np.zeros((5, 8, 8, 1)), np.zeros((5, 8, 8, 3))).shape
    (10, 8, 8, 3)
    """
    channels = max(column.shape[-1] for column in columns)
    columns = [np.repeat(c, channels, axis=-1) if c.shape[-1] < channels else c for c in columns]
    return np.stack(columns, axis=1).reshape(-1, *columns[0].shape[1:])


def pair_sheet(pairs, height=SHEET_HEIGHT, gap=8):
    """Arranges pairs of images, before and after, one pair per row, all resized to one height.

    Args:
        pairs: list of pairs of uint8 images `(height, width, 1 or 3)`, of any sizes.
        height: integer, of a row in pixels.
        gap: integer, white pixels between images.

    Returns:
        uint8 image in RGB.
    """
    rows = [[as_high(image, height) for image in pair] for pair in pairs]
    columns = [max(row[side].shape[1] for row in rows) for side in (0, 1)]
    sheet = np.full((len(rows) * (height + gap) - gap, sum(columns) + gap, 3), 255, np.uint8)
    for index, row in enumerate(rows):
        top = index * (height + gap)
        for left, image in zip((0, columns[0] + gap), row, strict=True):
            sheet[top : top + height, left : left + image.shape[1]] = image
    return sheet


def as_high(image, height=SHEET_HEIGHT):
    """Returns a uint8 image in RGB, resized to a height at its aspect ratio; enlarged images show their pixels."""
    resized = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
    width = max(1, round(resized.width * height / resized.height))
    method = Image.Resampling.NEAREST if resized.height < height else Image.Resampling.LANCZOS
    return np.asarray(resized.resize((width, height), method))


def save_png(path, image, mark=None):
    """Writes a uint8 image `(height, width, 1 or 3)`; what a generative network made has a `Mark`."""
    is_small = image.size < 10_000_000  # the best compression of a large photograph takes a minute
    metadata = PngInfo()
    for keyword, text in mark.texts().items() if mark else ():
        metadata.add_text(keyword, text)
    with whole(path) as part:
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(
            part, optimize=is_small, pnginfo=metadata
        )


def save_gif(path, pictures, milliseconds=200, pause=10, mark=None):
    """Writes an animation, of about `MOST_FRAMES` frames at most.

    Args:
        path: path.
        pictures: list of paths of image files, or of uint8 images `(height, width, 1 or 3)`.
        milliseconds: integer, how long a frame is shown.
        pause: integer, how many times longer the last one is; 1 for what goes round.
        mark: `Mark` of what a generator made, or None; it becomes the comment of the file.
    """
    pictures = [*pictures[: -1 : max(1, len(pictures) // MOST_FRAMES)], pictures[-1]]
    # Few colours without dithering, because noise does not compress.
    frames = [frame_of(picture).quantize(64, dither=Image.Dither.NONE) for picture in pictures]
    durations = [milliseconds] * (len(frames) - 1) + [pause * milliseconds]
    comment = {"comment": mark.texts()["Comment"].encode()} if mark else {}
    with whole(path) as part:
        frames[0].save(part, save_all=True, append_images=frames[1:], duration=durations, loop=0, **comment)


def save_mp4(path, pictures, milliseconds=80):
    """Writes a film of uint8 images `(height, width, 1 or 3)` of one size.

    Raises:
        InputError: if this build of OpenCV cannot encode films.
    """
    import cv2  # slow to import

    frames = [np.asarray(frame_of(picture)) for picture in pictures]
    height, width = (side - side % 2 for side in frames[0].shape[:2])  # the encoder wants even sides
    with whole(path) as part:
        film = cv2.VideoWriter(str(part), cv2.VideoWriter_fourcc(*"mp4v"), 1000 / milliseconds, (width, height))
        if not film.isOpened():
            raise InputError(f"{path} cannot be written: this build of OpenCV encodes no films; use a .gif.")
        for frame in frames:
            film.write(np.ascontiguousarray(frame[:height, :width, ::-1]))
        film.release()


def frame_of(picture):
    """Returns an image file, or a uint8 image, as an image of Pillow in RGB."""
    if isinstance(picture, np.ndarray):
        return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).convert("RGB")
    return Image.open(picture).convert("RGB")


def save_losses(path, rows):
    """Plots the columns of `log.csv` in up to three panels: losses, their terms, the Fréchet distance."""
    from matplotlib.figure import Figure  # slow to import; unlike pyplot, Figure needs no display

    losses = [key for key in rows[0] if key.endswith("_loss")]
    terms = [key for key in rows[0] if key not in losses and key.startswith(tuple(loss[:-4] for loss in losses))]
    scored = [row for row in rows if not math.isnan(row.get("frechet", math.nan))]
    curves = {"loss": (rows, losses), "term": (rows, terms), "Fréchet distance": (scored, ["frechet"])}
    curves = {label: (those, names) for label, (those, names) in curves.items() if those and names}
    figure = Figure(figsize=(7, 2 + 2 * len(curves)), layout="constrained")
    panels = figure.subplots(len(curves), sharex=True, squeeze=False)[:, 0]
    for axes, (label, (those, names)) in zip(panels, curves.items(), strict=True):
        for name in names:
            marker = "." if len(those) < 10 or those is scored else None
            axes.plot([row["epoch"] for row in those], [row[name] for row in those], label=name, marker=marker)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        if those is scored:
            axes.set_yscale("log")
        else:
            axes.legend()
    panels[-1].set_xlabel("epoch")
    save_figure(path, figure, dpi=100)


def save_rows(path, rows, names, columns=None, mark=None):
    """Writes a sheet of images with the name of each row beside it.

    Args:
        path: path.
        rows: list of arrays `(count, height, width, 1 or 3)` in [-1, 1]; shorter rows are filled up with white.
        names: list of strings, of the rows.
        columns: list of strings, names of the columns, or None.
        mark: `Mark` of what a generator made, or None.
    """
    from matplotlib.figure import Figure

    longest, shape = max(map(len, rows)), rows[0].shape[1:]
    cells = np.ones((len(rows), longest, *shape), "float32")
    for row, images in zip(cells, rows, strict=True):
        row[: len(images)] = images
    sheet = unscale(cells.swapaxes(1, 2).reshape(len(rows) * shape[0], longest * shape[1], shape[2]))
    figure = Figure(figsize=(0.7 * longest + 2, 0.7 * len(rows) * shape[0] / shape[1] + 0.5), layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet if shape[2] == 3 else sheet[..., 0], cmap="gray", vmin=0, vmax=255)
    # A name may have two $, between which matplotlib expects formulas.
    axes.set_yticks((np.arange(len(rows)) + 0.5) * shape[0], names, parse_math=False)
    axes.set_xticks((np.arange(longest) + 0.5) * shape[1], columns or [""] * longest)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    save_figure(path, figure, dpi=100, mark=mark)


def save_figure(path, figure, dpi=80, mark=None):
    """Writes a figure of matplotlib to a file, which is whole or not there; with a `Mark` if it shows samples."""
    with whole(path) as part:
        figure.savefig(part, dpi=dpi, metadata=mark.texts() if mark else {"Software": None})
