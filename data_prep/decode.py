"""Decodes an image file to an array: the usual formats, bit depths and orientations, or the reason for a failure."""

import contextlib
import io
import stat
import threading
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Pillow's name of each format, and its file suffixes.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
}
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
# Photographs in formats that are not read: they are skipped, and said, where other files are no images.
UNREAD = (".heic", ".heif", ".avif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2")
PIXEL_LIMIT = 89_478_485  # Pillow's own: a quarter of a gigabyte in RGB
STRIP = 4_000_000  # pixels that are converted at a time, since a step takes many times the memory of the image
LARGE = 16_000_000  # pixels of an image that is decoded while no other large one is, whatever the number of threads
ONE_LARGE = threading.Lock()

cv2.setNumThreads(1)  # images are decoded in parallel; threads within one image would only compete
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # `UnusableError` reports damage
warnings.filterwarnings("ignore", module="PIL")  # about bombs, which `PIXEL_LIMIT` refuses, and damaged EXIF data


class UnusableError(ValueError):
    """A file that cannot be used as an image; the message is the reason, without the file name."""


class Header(NamedTuple):
    """Properties of an image, read from its header.

    Attributes:
        width, height: integers, pixels as displayed: the EXIF orientation is applied.
        channels: 1 (grey) or 3 (colour).
        format: string, a key of `FORMATS`.
        is_plain: bool, 8-bit grey or RGB without transparency, which OpenCV can decode.
    """

    width: int
    height: int
    channels: int
    format: str
    is_plain: bool


def read_header(file):
    """Returns the `Header` of a path or a binary file, without decoding the image.

    Raises:
        UnusableError: if it is not an image, or has more than `PIXEL_LIMIT` pixels.
    """
    try:
        with Image.open(file, formats=list(FORMATS)) as image:
            width, height = image.size
            turned = "exif" in image.info and image.getexif().get(0x0112, 1) >= 5  # 5 to 8 swap width and height
            channels = 1 if image.mode in ("1", "L", "LA", "F") or image.mode.startswith("I") else 3
            is_plain = image.mode in ("L", "RGB") and "transparency" not in image.info
            form = "JPEG" if image.format == "MPO" else image.format  # two JPEGs in one file, by some cameras
    except UnidentifiedImageError:
        raise UnusableError(reason_of(file)) from None
    except Image.DecompressionBombError:
        raise UnusableError(f"has more than {PIXEL_LIMIT:,} pixels: a decompression bomb?") from None
    except Exception as error:  # a decoder may raise anything on damaged bytes
        if isinstance(error, OSError) and error.strerror:
            raise UnusableError(f"cannot be read: {error.strerror}") from error
        raise UnusableError(f"is cut short or damaged: {error}") from error
    if width * height > PIXEL_LIMIT:
        raise UnusableError(f"has {width}×{height} pixels, more than {PIXEL_LIMIT:,}: a decompression bomb?")
    if width == height == 1:
        raise UnusableError("has 1×1 pixels")
    return Header(*((height, width) if turned else (width, height)), channels, form, is_plain)


def reason_of(file):
    size = len(file.getbuffer()) if isinstance(file, io.BytesIO) else Path(file).stat().st_size
    return "has zero bytes" if size == 0 else "is not an image, despite its name"


def read(path, size=None, fit="crop", channels=None):
    """Returns an image as uint8 `(height, width, 1 or 3)`: RGB, upright, with white for transparent pixels.

    Args:
        path: path of the file.
        size: `(height, width)` in pixels, or None to keep that of the file.
        fit: how to change the aspect ratio: see `resize`.
        channels: 1 for grey, 3 for colour, or None to keep those of the file.

    Raises:
        UnusableError: if the file cannot be decoded, or all its pixels are equal.
    """
    return decode(bytes_of(path), size, fit, channels)


def bytes_of(path):
    """Returns the content of a file.

    Raises:
        UnusableError: if it cannot be read, or is a pipe, a socket or a device, whose content may never end.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnusableError("is not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror}") from error


def decode(data, size=None, fit="crop", channels=None):
    """Returns the image in the bytes of a file: see `read`."""
    header = read_header(io.BytesIO(data))
    with ONE_LARGE if header.width * header.height > LARGE else contextlib.nullcontext():
        image = with_opencv(data, header, size) if header.is_plain else None
        if image is None:
            image = with_pillow(data)
        image = with_channels(image, channels or header.channels)
        if size:
            image = resize(image, size, fit)
    if (image == image[:1, :1]).all():
        raise UnusableError("is blank: all pixels are equal")
    return image


def with_opencv(data, header, size):
    """Returns the image, decoded at 1/2, 1/4 or 1/8 of its size if that is enough, or None if OpenCV fails."""
    if header.format == "PNG" and b"IEND" not in data[-64:]:
        return None  # truncated; libpng would print a warning
    scale = 1
    if size and header.format == "JPEG":
        # Keep at least twice the wanted size, so that the final resize still averages.
        ratio = min(header.height / size[0], header.width / size[1])
        scale = next((scale for scale in (8, 4, 2) if ratio >= 2 * scale), 1)
    # All flags except IMREAD_UNCHANGED apply the EXIF orientation.
    kind = "GRAYSCALE" if header.channels == 1 else "COLOR"
    flag = f"IMREAD_{kind}" if scale == 1 else f"IMREAD_REDUCED_{kind}_{scale}"
    image = cv2.imdecode(np.frombuffer(data, np.uint8), getattr(cv2, flag))
    if image is None:
        return None
    return image[..., np.newaxis] if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def with_pillow(data):
    """Returns an image of any mode as 8-bit grey or RGB: keeps the upper 8 of 16 bits, makes transparency white."""
    try:
        with Image.open(io.BytesIO(data), formats=list(FORMATS)) as image:
            ImageOps.exif_transpose(image, in_place=True)
            if image.mode == "F" or image.mode.startswith("I"):
                return from_deep(np.asarray(image))[..., np.newaxis]
            mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
            array = np.empty((image.height, image.width, len(mode)), np.uint8)
            for rows in strips(image.height, image.width):
                part = image.crop((0, rows.start, image.width, rows.stop))
                array[rows] = np.asarray(on_white(part).convert(mode)).reshape(array[rows].shape)
            return array
    except UnusableError:
        raise
    except Exception as error:  # a decoder may raise anything on damaged bytes
        raise UnusableError(f"is cut short or damaged: {error}") from error


def strips(height, width):
    """Yields slices of the rows of an image, of about `STRIP` pixels each."""
    count = max(1, STRIP // width)
    for top in range(0, height, count):
        yield slice(top, min(top + count, height))


def on_white(image):
    """Returns an image of Pillow with white in the place of transparent pixels."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def from_deep(array, low=None, high=None):
    """Maps 16 bits, or floats in [0, 1] or in 0 … 255, to uint8; `low` and `high` are the range of all images."""
    low, high = (np.min(array), np.max(array)) if low is None else (low, high)
    if not (low >= 0 and high <= 65535):  # false for NaN
        raise UnusableError(f"has values from {low:g} to {high:g}; 8 or 16 bits, or 0 to 1, are expected")
    is_float = array.dtype.kind == "f"
    scale = 255 if is_float and high <= 1 else 1 if is_float and high <= 255 else 1 / 257
    result = np.empty(array.shape, np.uint8)
    for rows in strips(len(array), array[:1].size):
        result[rows] = np.rint(array[rows].astype(np.float64) * scale)
    return result


def with_channels(image, channels):
    """Returns an image with 1 channel (its luminance) or 3."""
    if image.shape[2] == channels:
        return image
    if channels == 1:
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    return np.repeat(image, 3, axis=2)


def resize(image, size, fit="crop"):
    """Returns an image resized; shrinking averages, because picking single pixels would leave jagged edges.

    Args:
        image: uint8 `(height, width, channels)`.
        size: `(height, width)` in pixels.
        fit: "crop" keeps the centre, "pad" adds bars in the colour of the image's border, "stretch" distorts.
    """
    height, width = image.shape[:2]
    if (height, width) == tuple(size):
        return image
    if fit == "crop" and max(size[0] * width, size[1] * height) > 4 * min(size[0] * width, size[1] * height):
        # Of a very long image the whole would be enlarged, before most of it is cropped.
        return resize(centre(image, size), size, "stretch")
    if fit == "stretch":
        inner = tuple(size)
    else:
        scale = (max if fit == "crop" else min)(size[0] / height, size[1] / width)
        inner = tuple(
            max(1, round(length * scale)) if fit == "pad" else max(wanted, round(length * scale))
            for length, wanted in zip((height, width), size, strict=True)
        )
    method = cv2.INTER_AREA if inner[0] < height or inner[1] < width else cv2.INTER_CUBIC
    resized = cv2.resize(image, inner[::-1], interpolation=method).reshape(*inner, -1)
    top, left = abs(inner[0] - size[0]) // 2, abs(inner[1] - size[1]) // 2
    if fit == "crop":
        return resized[top : top + size[0], left : left + size[1]]
    if fit == "pad":
        canvas = np.broadcast_to(border_colour(image), (*size, image.shape[2])).copy()
        canvas[top : top + inner[0], left : left + inner[1]] = resized
        return canvas
    return resized


def centre(image, size):
    """Returns the largest part around the centre of an image that has the aspect ratio of a size."""
    height, width = image.shape[:2]
    scale = min(height / size[0], width / size[1])
    kept = [max(1, round(side * scale)) for side in size]
    top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
    return image[top : top + kept[0], left : left + kept[1]]


def border_colour(image):
    edges = (image[0], image[-1], image[:, 0], image[:, -1])
    return np.median(np.concatenate(edges), axis=0).astype(np.uint8)
