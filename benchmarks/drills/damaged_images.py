"""Folders of damaged images: each image is used or skipped and listed, and none takes much time or memory."""

import re
import shutil
import struct
import zlib

from benchmarks.drills import verdict
from benchmarks.drills.verdict import Verdict
from tests.files import encoded, picture

FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif", "GIF": ".gif"}
IN_A_FOLDER = 100


def cases(count, rng):
    """Yields a `Verdict` for each image; a folder of them is read by one command, beside a good one."""
    with verdict.scratch() as room:
        for start in range(0, count, IN_A_FOLDER):
            folder = room / "images"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            number = min(IN_A_FOLDER, count - start)
            for index in range(number):
                kind = str(rng.choice(list(FORMATS)))
                content = damaged(kind, rng)
                (folder / f"{index:03d}{FORMATS[kind]}").write_bytes(content)
            (folder / "good.png").write_bytes(encoded(picture(), "PNG"))
            command = verdict.command("data_prep", "report", folder, "--out", room / f"{start}.html", cwd=room)
            answer = verdict.forked(command, 3 * verdict.SECONDS)
            problem = verdict.problem_of(answer, wanted=(0,)) or uncounted(answer, number + 1)
            yield from (Verdict(f"image {start + index}", problem) for index in range(number))


def damaged(kind, rng):
    """Returns the bytes of a small image with a random damage."""
    size = rng.integers(2, 80, 2)
    whole = bytearray(encoded(picture(*map(int, size), seed=int(rng.integers(1000))), kind))
    how = rng.integers(6)
    place = int(rng.integers(len(whole)))
    if how == 0:
        return bytes(whole[:place])
    if how == 1:
        whole[place] ^= 1 << int(rng.integers(8))
    if how == 2:
        whole[place : place + 64] = bytes(len(whole[place : place + 64]))
    if how == 3:
        whole[place : place + 64] = rng.bytes(len(whole[place : place + 64]))
    if how == 4:
        whole[place:place] = rng.bytes(int(rng.integers(1, 64)))
    if how == 5 and kind == "PNG":  # another size in the header, with a checksum that fits
        return with_size(whole, *map(int, 2.0 ** rng.uniform(0, 31, 2)))
    return bytes(whole)


def with_size(whole, width, height):
    header = struct.pack(">II", width, height) + bytes(whole[24:29])
    whole[16:29] = header
    whole[29:33] = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return bytes(whole)


def uncounted(answer, number):
    """Returns a problem if the report does not account for every image."""
    used = re.search(r"(\d+) images in", answer.output)
    unused = re.search(r"(\d+) more cannot be used", answer.output)
    counted = sum(int(found[1]) for found in (used, unused) if found)
    return None if counted == number else f"{counted} of {number} images are accounted for"
