"""Decoding of image files of all formats, modes and bit depths."""

import io
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from data_prep import decode
from data_prep.decode import UnusableError
from tests.conftest import PROJECT
from tests.files import bomb, encoded, picture

pytestmark = pytest.mark.once

GREY16 = (np.linspace(0, 65535, 40 * 60).reshape(40, 60)).astype("uint16")


def exif(orientation):
    data = Image.Exif()
    data[0x0112] = orientation
    return data


def half_transparent(mode):
    image = Image.fromarray(picture()).convert(mode)
    alpha = np.full((40, 60), 255, "uint8")
    alpha[:, 30:] = 0
    image.putalpha(Image.fromarray(alpha))
    return image


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_colour_in_every_format_is_rgb(kind):
    image = np.zeros((40, 60, 3), "uint8")
    image[:20, :, 0] = 255
    found = decode.decode(encoded(image, kind))
    assert found.shape == (40, 60, 3)
    assert np.abs(found[5, 5].astype(int) - [255, 0, 0]).max() < 10
    assert found.dtype == np.uint8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_grey_has_one_channel(kind):
    grey = picture()[..., 0]
    found = decode.decode(encoded(grey, kind))
    assert found.shape == (40, 60, 1)
    assert np.abs(found[..., 0].astype(int) - grey).max() < 12


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 3), ("LA", 1)])
def test_transparent_pixels_become_white(mode, channels):
    found = decode.decode(encoded(half_transparent(mode), "PNG"))
    assert found.shape == (40, 60, channels)
    assert (found[:, 30:] == 255).all()
    assert (found[:, :30] != 255).any()


def test_palette_with_transparency():
    image = half_transparent("RGBA").quantize(32)
    found = decode.decode(encoded(image, "PNG"))
    assert found.shape == (40, 60, 3)
    assert (found[:, 35:] == 255).all()


def test_colour_marked_as_transparent():
    image = Image.fromarray(np.repeat(np.array([[[10, 20, 30]], [[200, 0, 0]]], "uint8"), 4, axis=1))
    found = decode.decode(encoded(image, "PNG", transparency=(10, 20, 30)))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[1, 0].tolist() == [200, 0, 0]


def test_cmyk_jpeg_looks_like_its_rgb():
    found = decode.decode(encoded(Image.fromarray(picture()).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(found.astype(int) - picture()).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_keep_their_range(kind):
    found = decode.decode(encoded(GREY16, kind))
    assert (found.min(), found.max()) == (0, 255)
    assert np.abs(found[..., 0] - GREY16 / 257).max() <= 0.5


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bit_colour(suffix):
    _, data = cv2.imencode(suffix, (picture()[..., ::-1].astype("uint16")) * 257)
    assert np.abs(decode.decode(data.tobytes()).astype(int) - picture()).max() <= 1


def test_bilevel_and_floats():
    bits = encoded(Image.fromarray(picture()[..., 0] > 100), "PNG")
    assert set(np.unique(decode.decode(bits))) == {0, 255}
    floats = encoded(np.linspace(0, 1, 100, dtype="float32").reshape(10, 10), "TIFF")
    assert (decode.decode(floats).min(), decode.decode(floats).max()) == (0, 255)


@pytest.mark.parametrize("size", [None, (10, 8), (4, 4)])  # decoded whole, and at a reduced size
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(kind, orientation, size):
    upright = np.zeros((80, 64, 3), "uint8")
    upright[:40, :32] = (255, 0, 0)
    upright[40:, 32:] = (0, 0, 255)
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # Image.Transpose that the tag reverses
    stored = Image.fromarray(upright)
    stored = stored if undo is None else stored.transpose(Image.Transpose(undo))
    data = encoded(stored, kind, exif=exif(orientation))
    found = decode.decode(data, size, "stretch")
    height, width = size or (80, 64)
    assert found.shape == (height, width, 3)
    assert np.abs(found[height // 8, width // 8].astype(int) - [255, 0, 0]).max() < 20
    assert np.abs(found[-1 - height // 8, -1 - width // 8].astype(int) - [0, 0, 255]).max() < 20
    header = decode.read_header(io.BytesIO(data))
    assert (header.width, header.height) == (64, 80)


def test_reduced_decoding_is_close_to_averaging():
    large = picture(512, 768)
    reduced = decode.decode(encoded(large, "JPEG", quality=95), (32, 48))
    assert np.abs(reduced.astype(int) - decode.resize(large, (32, 48))).mean() < 2


def test_shrinking_averages():
    stripes = np.tile(np.array([0, 255], "uint8"), (64, 32))[..., None]
    assert np.abs(decode.resize(stripes, (16, 16)).astype(int) - 127).max() <= 1


@pytest.mark.parametrize(("fit", "columns"), [("crop", 20), ("pad", 20), ("stretch", 20)])
def test_fits(fit, columns):
    image = np.full((20, 40, 1), 50, "uint8")
    image[:, 10:30] = 200
    image[8:12, 18:22] = 0
    found = decode.resize(image, (20, columns), fit)
    assert found.shape == (20, columns, 1)
    if fit == "crop":
        assert found[0, 0, 0] == 200  # the centre was cropped
    if fit == "pad":
        assert (found[:5] == 50).all()  # bars in the colour of the border
        assert (found[15:] == 50).all()
        assert found[10, 7, 0] == 200
    if fit == "stretch":
        assert (found[0, 0, 0], found[0, 10, 0]) == (50, 200)


@pytest.mark.parametrize("size", [(7, 7), (64, 48), (3, 100), (41, 61)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_output_has_the_requested_size(size, fit, channels):
    assert decode.decode(encoded(picture(), "PNG"), size, fit, channels).shape == (*size, channels)


def test_conversion_between_grey_and_colour():
    colour, grey = encoded(picture(), "PNG"), encoded(picture()[..., 0], "PNG")
    assert decode.decode(colour, channels=1).shape == (40, 60, 1)
    found = decode.decode(grey, channels=3)
    assert (found[..., 0] == found[..., 2]).all()


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_truncated_file_is_unusable(kind, share):
    data = encoded(picture(), kind)
    with pytest.raises(UnusableError):
        decode.decode(data[: int(share * len(data))])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "zero bytes"),
        (b"a shopping list", "not an image"),
        (bomb(), "bomb"),
        (encoded(np.zeros((1, 1), "uint8"), "PNG"), "1×1"),
        (encoded(np.full((9, 9, 3), 7, "uint8"), "PNG"), "blank"),
        (encoded(np.full((9, 9), 1e9, "float32"), "TIFF"), "values from"),
    ],
)
def test_reasons_of_unusable_files(data, reason, capfd):
    with pytest.raises(UnusableError, match=reason):
        decode.decode(data)
    assert capfd.readouterr() == ("", "")


def test_corrupted_bytes_raise_no_other_error(capfd):
    rng = np.random.default_rng(0)
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"):
        whole = encoded(picture(), kind)
        for _ in range(40):
            data = np.frombuffer(whole, np.uint8).copy()
            data[rng.integers(2, len(data), 8)] = rng.integers(0, 256, 8)
            try:
                assert decode.decode(data.tobytes(), (8, 8), channels=3).shape == (8, 8, 3)
            except UnusableError as error:
                assert str(error)


def test_unreadable_file(tmp_path, monkeypatch):
    with pytest.raises(UnusableError, match="cannot be read: No such file"):
        decode.read(tmp_path / "missing.png")

    def denied(path):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "secret.png").touch()
    monkeypatch.setattr("pathlib.Path.read_bytes", denied)  # because the tests may run as root, who can read everything
    with pytest.raises(UnusableError, match="cannot be read: Permission denied"):
        decode.read(tmp_path / "secret.png")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(UnusableError, match="is not a regular file"):
        decode.read(tmp_path / "pipe.png")


MEMORY = """
import contextlib, resource, sys, threading
from data_prep import decode

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def attempt(data):
    with contextlib.suppress(decode.UnusableError):  # the centre of the line is blank
        decode.decode(data, (28, 28))

data = open(sys.argv[1], "rb").read()
before = peak()
threads = [threading.Thread(target=attempt, args=[data]) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["long", "16 bits", "transparent"])
def test_no_image_takes_a_gigabyte(tmp_path, kind):
    """In two threads: a line of a million pixels, and the largest images that are read."""
    path = tmp_path / "image.png"
    side = 9400
    if kind == "long":
        Image.fromarray((np.arange(1_000_000) % 251).astype("uint8")[:, np.newaxis]).save(path)
    elif kind == "16 bits":
        Image.fromarray(np.tile((np.arange(side) * 6).astype("uint16"), (side, 1))).save(path, compress_level=1)
    else:
        ramp = (np.arange(side) % 251).astype("uint8")[:, np.newaxis, np.newaxis]
        Image.fromarray(np.tile(ramp, (1, side, 4))).save(path, compress_level=1)
    answer = subprocess.run(
        [sys.executable, "-c", MEMORY, path], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "Error" not in answer.stderr
    assert float(answer.stdout) < 1000


def test_a_long_image_keeps_its_centre():
    image = np.zeros((4, 400, 1), "uint8")
    image[:, 198:202] = np.arange(16).reshape(4, 4, 1)
    assert np.array_equal(decode.resize(image, (4, 4)), image[:, 198:202])
    assert decode.resize(image.repeat(3, axis=2), (8, 6)).shape == (8, 6, 3)
