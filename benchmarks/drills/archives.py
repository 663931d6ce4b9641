"""Hostile archives, array files and folders: read, or refused with one sentence, and nothing is written elsewhere."""

import contextlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from benchmarks.drills import verdict
from benchmarks.drills.verdict import Verdict
from tests.files import encoded, picture, write_many

IMAGES = {f"{name}/{index}.png": encoded(picture(16, 16, index), "PNG") for name in "ab" for index in range(5)}
GOOD = IMAGES["a/0.png"]


def cases(count, rng):
    """Yields a `Verdict` for each archive, array file or folder: every special one, then damaged ones at random."""
    specials = [*ZIPS, *TARS, *ARRAYS, *TREES]
    chosen = [specials[number] for number in rng.permutation(len(specials))[: count if count < 100 else None]]
    if count < 100:
        chosen = chosen[: count // 2]
    with verdict.scratch() as room:
        for number in range(count):
            place = room / f"case{number}"
            place.mkdir()
            make = chosen[number] if number < len(chosen) else WHOLE[rng.integers(len(WHOLE))]
            path = make(place)
            what = make.__name__
            if number >= len(chosen):
                what += f", {damage(path, rng)}"
            yield Verdict(what, problem_with(path, room))
            verdict.remove(place)
            verdict.remove(room / "cache")


def problem_with(path, room):
    report = room / f"{path.parent.name}.html"
    answer = verdict.forked(verdict.command("data_prep", "report", path, "--out", report, cwd=room))
    written = verdict.escaped(room)
    return f"wrote {written[0]}" if written else verdict.problem_of(answer)


def damage(path, rng):
    """Damages a file at random; returns what was done."""
    whole = bytearray(path.read_bytes())
    place, how = int(rng.integers(len(whole))), int(rng.integers(5))
    if how == 0:
        whole = whole[:place]
    elif how == 1:
        whole[place] ^= 1 << int(rng.integers(8))
    elif how == 2:
        whole[place : place + 512] = bytes(len(whole[place : place + 512]))
    elif how == 3:
        whole[place : place + 16] = rng.bytes(len(whole[place : place + 16]))
    else:
        whole = whole[: len(whole) // 512 * 512 // 2]
    path.write_bytes(whole)
    return f"{('cut', 'flipped', 'zeroed', 'random', 'halved')[how]} at {place}"


# Whole ones, to be damaged ----------------------------------------------------------------------------------------


def zip_of(place, members=IMAGES, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(place / "data.zip", "w", compression) as archive:
        for name, content in dict(members).items():
            archive.writestr(name, content)
    return place / "data.zip"


def tar_of(place, members=None, mode="w", suffix=".tar"):
    path = place / f"data{suffix}"
    with tarfile.open(path, mode) as archive:
        for name, content in members or IMAGES.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def tar_gz(place):
    return tar_of(place, mode="w:gz", suffix=".tar.gz")


def npz(place):
    path = place / "data.npz"
    np.savez_compressed(path, images=np.zeros((20, 8, 8), "uint8"), labels=np.arange(20) % 2)
    return path


def npy(place):
    path = place / "data.npy"
    np.save(path, np.arange(20 * 64, dtype="uint8").reshape(20, 8, 8))
    return path


WHOLE = (zip_of, tar_of, tar_gz, npz, npy)

# Special ones -----------------------------------------------------------------------------------------------------


def zip_named(*names):
    def zip_with_odd_names(place):
        return zip_of(place, {**IMAGES, **dict.fromkeys(names, IMAGES["a/0.png"])})

    zip_with_odd_names.__name__ = f"a zip with {names[0]!r:.40}"
    return zip_with_odd_names


def zip_patched(what, old, new):
    """Returns a function that makes a zip and replaces bytes in it."""

    def patched(place):
        path = zip_of(place)
        path.write_bytes(path.read_bytes().replace(old, new))
        return path

    patched.__name__ = f"a zip with {what}"
    return patched


def zip_bomb(place):
    return zip_of(place, {"a/0.png": bytes(1 << 28)})


def zip_of_links(place):
    info = zipfile.ZipInfo("a/link")
    info.external_attr = 0o120777 << 16
    return zip_of(place, {**IMAGES, info: "/etc"})


def zip_of_nothing(place):
    return zip_of(place, {})


ZIPS = (
    *map(
        zip_named,
        [
            "../escaped.png",
            "/escaped.png",
            "a/../../escaped.png",
            "C:\\escaped.png",
            "a\\..\\..\\escaped.png",
            "a/\x1b[31m.png",
        ],
    ),
    *map(zip_named, ["\ud83d\ude00.png".encode("utf-16", "surrogatepass").decode("utf-16"), "a/" + "x" * 300 + ".png"]),
    *map(
        zip_named, ["a/0.png/inside.png", "/".join("d" * 1500) + "/x.png", "a/con\n.png", "a/. .png", "~/escaped.png"]
    ),
    zip_patched("undecodable names", b"a/1.png", b"a/\xff.png"),
    zip_patched("an unknown compression", b"\x08\x00\x00\x00\x21\x00", b"\x63\x00\x00\x00\x21\x00"),
    zip_patched("two equal names", b"a/1.png", b"a/2.png"),
    *(zip_bomb, zip_of_links, zip_of_nothing),
)


def tar_with(kind, name="a/odd", target="", **fields):
    """Returns a function that makes a tar with a member of a kind besides the images."""

    def tar_with_odd_member(place):
        info = tarfile.TarInfo(name)
        info.type = kind
        info.linkname = target
        for field, value in fields.items():
            setattr(info, field, value)
        return tar_of(place, [*IMAGES.items(), (info, b"")])

    tar_with_odd_member.__name__ = f"a tar with {name[:30]!r}, type {kind!r}, target {target!r}"
    return tar_with_odd_member


def tar_sparse(place):
    """A sparse member of the GNU format that claims to be of a terabyte."""
    info = tarfile.TarInfo("a/sparse.png")
    info.type = tarfile.GNUTYPE_SPARSE
    path = tar_of(place, [*IMAGES.items(), (info, b"")])
    whole = bytearray(path.read_bytes())
    start = whole.index(b"a/sparse.png")
    whole[start + 483 : start + 495] = b"77777777777\0"
    checksum = sum(whole[start : start + 148]) + 8 * 32 + sum(whole[start + 156 : start + 512])
    whole[start + 148 : start + 156] = b"%06o\0 " % checksum
    path.write_bytes(whole)
    return path


def tar_without_end(place):
    path = tar_of(place)
    path.write_bytes(path.read_bytes().rstrip(b"\0"))
    return path


def tar_long_name(place):
    return tar_of(place, [*IMAGES.items(), ("a/" + "x" * 5000 + ".png", IMAGES["a/0.png"])])


TARS = (
    *(tar_with(kind, target="/etc/passwd") for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)),
    *(tar_with(kind) for kind in (tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.CONTTYPE, b"Z")),
    tar_with(tarfile.SYMTYPE, "b", target=".."),
    *(
        tar_with(tarfile.REGTYPE, name)
        for name in ("../escaped.png", "/escaped.png", "a/\udcff.png", "a/\x1b[31m.png", "")
    ),
    tar_with(tarfile.DIRTYPE, "a/locked", mode=0),
    tar_with(tarfile.REGTYPE, "a/old.png", mtime=2**40),
    *(tar_sparse, tar_without_end, tar_long_name),
)


def npy_of(make):
    def array(place):
        np.save(place / "data.npy", make(), allow_pickle=True)
        return place / "data.npy"

    array.__name__ = "an array of " + str(make().dtype) + " " + str(make().shape)
    return array


def npz_as_npy(place):
    return npz(place).rename(place / "data.npy")


def npy_as_npz(place):
    return npy(place).rename(place / "data.npz")


def npz_of(**arrays):
    def arrays_of(place):
        np.savez(place / "data.npz", **arrays)
        return place / "data.npz"

    arrays_of.__name__ = f"a npz of {', '.join(f'{name} {np.shape(array)}' for name, array in arrays.items())}"
    return arrays_of


def npy_header(text):
    """Returns a function that writes an array file with a header of our own."""

    def header(place):
        content = text.encode() + b" " * (117 - len(text)) + b"\n"
        (place / "data.npy").write_bytes(
            b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(99)
        )
        return place / "data.npy"

    header.__name__ = f"an array with header {text[:60]}"
    return header


def idx(dimensions, sizes=(), kind=8):
    def idx_files(place):
        header = bytes([0, 0, kind, dimensions]) + b"".join(int(size).to_bytes(4, "big") for size in sizes)
        (place / "train-images-idx3-ubyte").write_bytes(header + bytes(64))
        (place / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 0]))
        return place

    idx_files.__name__ = f"IDX files of {dimensions} dimensions {sizes}, type {kind}"
    return idx_files


ARRAYS = (
    *(npy_of(lambda value=value: value) for value in (np.zeros(0), np.zeros((3, 8)), np.array([{"a": 1}], object))),
    *(npy_of(lambda value=value: value) for value in (np.full((3, 8, 8), np.nan), np.zeros((2, 8, 8, 7), "uint8"))),
    *(npy_of(lambda value=value: value) for value in (np.full((3, 8, 8), "x"), np.zeros((0, 8, 8), "uint8"))),
    *(npy_of(lambda value=value: value) for value in (np.zeros((3, 8, 8), complex), np.zeros((3, 8, 8), "M8[s]"))),
    *(npy_of(lambda value=value: value) for value in (np.zeros((3, 0, 8), "uint8"), np.full((3, 8, 8), np.inf))),
    *(npz_as_npy, npy_as_npz),
    npz_of(images=np.zeros((3, 8, 8)), labels=np.zeros(2)),
    npz_of(images=np.zeros((3, 8, 8)), labels=np.array(["\x1b[31m", "b", "c"])),
    npz_of(images=np.zeros((3, 8, 8)), labels=np.array([np.nan, 1, 2])),
    npz_of(x_train=np.zeros((3, 8, 8)), x_test=np.zeros((3, 9, 9)), y_train=np.zeros(3), y_test=np.zeros(3)),
    npz_of(nothing=np.zeros(())),
    npz_of(),
    npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 9999, 9999), }"),
    npy_header("{'descr': '|O', 'fortran_order': False, 'shape': (3, 8, 8), }"),
    npy_header("{'descr': '|u1', 'fortran_order': False, 'shape': (-3, 8, 8), }"),
    npy_header("__import__('os').system('touch ../../escaped.png')"),
    npy_header("{"),
    *(idx(1, [4]), idx(255, [1] * 255), idx(0), idx(3, [2**31, 2**31, 2**31]), idx(3, [1, 8, 8]), idx(3, [0, 8, 8])),
    *(idx(3, [1, 8, 8], kind=99), idx(3, [5, 8, 8]), idx(3, [1, 8])),
)


def deep(place):
    """Images 1,500 folders below."""
    write_many(place / "images", 5)
    with contextlib.chdir(place / "images"):
        for _ in range(1500):
            Path("dd").mkdir()
            os.chdir("dd")
        Path("x.png").write_bytes(GOOD)
    return place / "images"


def tree(what, *files):
    """Returns a function that makes a folder of images and odd files: pairs of a name in bytes and its content."""

    def folder(place):
        write_many(place / "images", 30)
        for name, content in files:
            path = place / "images" / os.fsdecode(name)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return place / "images"

    folder.__name__ = f"a folder with {what}"
    return folder


def with_special(what, make):
    def special(place):
        write_many(place / "images", 30)
        with contextlib.suppress(OSError):
            make(place / "images")
        return place / "images"

    special.__name__ = f"a folder with {what}"
    return special


TREES = (
    deep,
    tree("a name of invalid UTF-8", (b"\xff\xfe.png", GOOD), (b"broken \xff.png", b"no image")),
    tree("control characters in names", (b"a\x1b[31m\n.png", GOOD), (b"b\x07\r.png", b"no image")),
    tree("classes of invalid UTF-8", (b"\xff/0.png", GOOD), (b"b/0.png", GOOD)),
    tree("odd names", (b"-rf.png", GOOD), (b"$(touch escaped.png).png", GOOD), (b" .png", GOOD), (b"a.PNG.png", GOOD)),
    tree("empty files", *((f"{number}.png".encode(), b"") for number in range(9))),
    tree("only text", *((f"{number}.txt".encode(), b"text") for number in range(9))),
    with_special("a pipe", lambda root: os.mkfifo(root / "pipe.png")),
    with_special("a device", lambda root: os.mknod(root / "zero.png", 0o20666, os.makedev(1, 5))),
    with_special("a link to itself", lambda root: (root / "self.png").symlink_to("self.png")),
    with_special("a link to its parent", lambda root: (root / "up").symlink_to("..")),
    with_special("a link to a device", lambda root: (root / "zero.png").symlink_to("/dev/zero")),
    with_special("a folder named as an image", lambda root: (root / "folder.png").mkdir()),
)
