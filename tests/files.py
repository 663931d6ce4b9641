"""Image files of every kind, and files of volumes, generated for the tests."""

import io
import itertools
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SHARED = Path(__file__).parents[2] / "shared" / "data"


def picture(height=40, width=60, seed=0):
    """Returns a smooth colour image, different for each seed, that JPEG compression hardly changes."""
    noise = np.random.default_rng(seed).integers(0, 256, (10, 10, 3)).astype("uint8")
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)


def encoded(image, kind, **options):
    """Returns an array or a Pillow image, encoded as the bytes of a file."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def write(path, image, kind=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = image[..., 0] if isinstance(image, np.ndarray) and image.shape[-1] == 1 else image
    path.write_bytes(encoded(image, kind or {".jpg": "JPEG"}.get(path.suffix, path.suffix[1:].upper()), **options))


def write_many(folder, count, size=(20, 24), suffix=".png", first=0):
    for index in range(first, first + count):
        write(folder / f"{index:03d}{suffix}", picture(*size, seed=index))


def write_bad_files(folder):
    """Writes one unusable file of each kind; returns their names and a part of the expected reason."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = encoded(picture(), "JPEG")
    (folder / "zero.jpg").touch()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "cut.png").write_bytes(encoded(picture(), "PNG")[:2000])
    (folder / "text.jpg").write_text("a shopping list")
    (folder / "bomb.png").write_bytes(bomb())
    write(folder / "dot.png", np.zeros((1, 1, 3), "uint8"))
    write(folder / "blank.png", np.full((9, 9, 3), 200, "uint8"))
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "loop").symlink_to(folder.parent, target_is_directory=True)
    return {
        "zero.jpg": "zero bytes",
        "cut.jpg": "cut short",
        "cut.png": "cut short",
        "text.jpg": "not an image",
        "bomb.png": "bomb",
        "dot.png": "1×1",
        "blank.png": "blank",
        "gone.png": "broken link",
        "pipe.png": "not a regular file",
        "loop": "link back",
    }


def bomb():
    """Returns a small PNG whose header claims 60,000 × 60,000 pixels."""
    data = bytearray(encoded(np.zeros((4, 4), "uint8"), "PNG"))
    data[16:24] = struct.pack(">II", 60000, 60000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


def binvox(volume, sides=None):
    """Returns the bytes of a .binvox file, its volume as runs of at most 255 voxels."""
    values = volume.transpose(0, 2, 1).ravel().astype(np.uint8)  # y is fastest
    runs = [(value, len(list(group))) for value, group in itertools.groupby(values)]
    pieces = [(value, min(255, count - start)) for value, count in runs for start in range(0, count, 255)]
    header = f"#binvox 1\ndim {sides or ' '.join(map(str, volume.shape))}\ntranslate 0 0 0\nscale 1\ndata\n"
    return header.encode() + np.array(pieces, np.uint8).tobytes()
