"""Untrusted archives: files stay inside the folder, and their size and number are limited."""

import contextlib
import fcntl
import io
import random
import stat
import tarfile
import zipfile

import pytest

from common.base.errors import InputError
from data_prep import archives, datasets

pytestmark = pytest.mark.once


def zipped(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def tarred(path, *members):
    with tarfile.open(path, "w:gz") as file:
        for member, data in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def link(name, target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def symlink_in_a_zip(name):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize("make", [zipped, tarred])
def test_files_are_extracted(tmp_path, make):
    archive = make(tmp_path / "a.bin", ("top/a.txt", b"one"), ("top/deep/b.txt", b"two"))
    archives.extract(archive, tmp_path / "out")
    assert (tmp_path / "out" / "top" / "deep" / "b.txt").read_bytes() == b"two"
    assert archives.inner(tmp_path / "out") == tmp_path / "out" / "top"


def refused(archive, tmp_path, message):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message):
        archives.extract(archive, tmp_path / "inside" / "out")
    left = [path for path in tmp_path.rglob("*") if path not in before and path != tmp_path / "inside"]
    assert left == []


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("name", ["../evil.txt", "a/../../evil.txt", "/tmp/evil.txt", "..\\evil.txt", "C:\\evil.txt"])
def test_paths_outside_the_folder(tmp_path, make, name):
    archive = make(tmp_path / "a.bin", ("good.txt", b"good"), (name, b"evil"))
    refused(archive, tmp_path, "leads out of its folder; it is not extracted")


@pytest.mark.parametrize(
    "member",
    [
        link("a", "/etc/passwd"),
        link("a", "../../other"),
        link("a", "/etc/passwd", tarfile.LNKTYPE),
        link("a", "", tarfile.FIFOTYPE),
        link("a", "", tarfile.CHRTYPE),
    ],
    ids=["link", "link up", "hard link", "pipe", "device"],
)
def test_links_and_devices_of_a_tar(tmp_path, member):
    refused(tarred(tmp_path / "a.tar", (member, b"")), tmp_path, "holds a link or a device")


def test_links_of_a_zip(tmp_path):
    refused(zipped(tmp_path / "a.zip", (symlink_in_a_zip("a"), "/etc/passwd")), tmp_path, "holds a link or a device")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_decompression_bomb(tmp_path, make, monkeypatch):
    monkeypatch.setattr(archives, "SPARE_BYTES", 1e6)
    refused(make(tmp_path / "a.bin", ("zeros", bytes(40_000_000))), tmp_path, r"unpacks to more than .* MB")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_too_many_files(tmp_path, make, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 10)
    archive = make(tmp_path / "a.bin", *((f"{index}.txt", b"x") for index in range(11)))
    refused(archive, tmp_path, "holds more than 10 files")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_duplicate_names_overwrite_nothing(tmp_path, make):
    refused(make(tmp_path / "a.bin", ("a", b"1"), ("./a", b"2")), tmp_path, "cannot be extracted")


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_damaged_archives(tmp_path, make, share):
    archive = make(tmp_path / "a.zip", *((f"{index}.txt", bytes(range(256)) * 40) for index in range(20)))
    data = archive.read_bytes()
    archive.write_bytes(data[: int(share * len(data))])
    refused(archive, tmp_path, "is not a complete archive|cannot be extracted")


def plain_tar(path, count=20):
    """Returns a tar of one block of data a member, so that a header is at every other 512 bytes."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as file:
        for index in range(count):
            info = tarfile.TarInfo(f"{index}.txt")
            info.size = 512
            file.addfile(info, io.BytesIO(bytes([1 + index]) * 512))
    return path


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[: 5 * 1024] + b"x" * 100 + data[5 * 1024 + 100 :], "bad header"),
        (lambda data: data[: 5 * 1024] + bytes(512) + data[5 * 1024 + 512 :], "zeroed header"),
        (lambda data: data[: 5 * 1024], "no end marker"),
        (lambda data: data[: 5 * 1024 + 100], "no end marker"),
        (lambda data: data[: 20 * 1024], "no end marker"),
    ],
    ids=["damaged header", "zeroed header", "cut between members", "cut in a header", "without end marker"],
)
def test_a_damaged_tar_loses_no_file_in_silence(tmp_path, damage, words):
    archive = plain_tar(tmp_path / "a.tar")
    archives.extract(archive, tmp_path / "whole")
    assert len(list((tmp_path / "whole").iterdir())) == 20
    archive.write_bytes(damage(archive.read_bytes()))
    refused(archive, tmp_path, f"is not a complete archive .*{words}")


def test_a_tar_with_a_huge_name_takes_no_memory(tmp_path):
    """Its header says three gigabytes, of which the first would be read."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 3_000_000_000
    archive = tmp_path / "a.tar"
    with archive.open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(3_000_001_024)  # sparse on the disk
    refused(archive, tmp_path, "is not a complete archive .*a header of 3,000 MB")


def test_encrypted_archive(tmp_path):
    archive = zipped(tmp_path / "a.zip", ("a", b"secret"))
    data = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1  # the encryption flag
    archive.write_bytes(data)
    refused(archive, tmp_path, "is not a complete archive .*(encrypted|password)")


def test_a_name_that_cannot_be_decoded(tmp_path):
    """It says that it is UTF-8, in the directory of the zip or only before the file."""
    archive = zipped(tmp_path / "a.zip", ("x.png", b"data"))
    for name, start in ((6, 30), (8, 46)):
        data = bytearray(archive.read_bytes())
        place = data.index(b"PK\x03\x04" if name == 6 else b"PK\x01\x02")
        data[place + name + 1] |= 8
        data[place + start] = 0xFF
        (tmp_path / "b.zip").write_bytes(data)
        refused(tmp_path / "b.zip", tmp_path, "holds a name that cannot be decoded .*; pack it again")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"GNU.sparse.size": "9", "GNU.sparse.numblocks": "0"},
        {"GNU.sparse.size": "9", "GNU.sparse.map": "0,1"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"},
    ],
    ids=["GNU", "0.0", "0.1", "1.0"],
)
def test_sparse_files_of_a_tar(tmp_path, headers):
    """Some list their holes before their data, as many as they like, and the list would be read into the memory."""
    info = tarfile.TarInfo("a.png")
    data = b"1000000\n" + b"0\n" * 2_000_000
    info.size = len(data)
    info.type = tarfile.REGTYPE if headers else tarfile.GNUTYPE_SPARSE
    info.pax_headers = headers
    archive = tmp_path / "a.tar"
    with archive.open("wb") as file:
        file.write(info.tobuf(tarfile.PAX_FORMAT if headers else tarfile.GNU_FORMAT))
        file.write(data + bytes(-len(data) % 512 + 1024))
    refused(archive, tmp_path, r"holds a sparse file, 'a\.png'; pack it again without --sparse")


@pytest.mark.parametrize("make", [zipped, tarred])
def test_folders_within_each_other(tmp_path, make):
    archive = make(tmp_path / "a.bin", ("d/" * 1500 + "a.png", b"x"))
    refused(archive, tmp_path, "holds more than 100 folders within each other")
    deep = make(tmp_path / "b.bin", ("d/" * 99 + "a.png", b"x"))
    archives.extract(deep, tmp_path / "deep")
    assert (archives.inner(tmp_path / "deep") / "a.png").read_bytes() == b"x"


def in_pax_format(path):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:
        info = tarfile.TarInfo("ü")
        info.size, info.pax_headers = 4, {"size": "4", "GNU.sparse.size": "x"}
        file.addfile(info, io.BytesIO(b"data"))
    return path


def test_changed_bytes_are_errors_of_one_kind(tmp_path):
    makers = (lambda path: zipped(path, ("a", b"data"), ("b", b"more")), plain_tar, in_pax_format)
    originals = [make(tmp_path / f"{number}.bin").read_bytes() for number, make in enumerate(makers)]
    for seed in range(150):
        rng = random.Random(seed)
        data = bytearray(originals[seed % 3])
        for _ in range(rng.randrange(4)):
            data[rng.randrange(min(len(data), 2000))] = rng.randrange(256)
        (tmp_path / "a.bin").write_bytes(data)
        with contextlib.suppress(InputError):
            archives.extract(tmp_path / "a.bin", tmp_path / f"{seed}")


def test_what_killed_extractions_left_is_removed(tmp_path):
    """But not what another process is working on."""
    for name in (".part-my-old.zip-0123-ab_cd12", ".part-busy.zip-ab_cd123"):
        (tmp_path / "cache" / name).mkdir(parents=True)
        (tmp_path / "cache" / name / "a.png").write_bytes(b"half")
    (tmp_path / "cache" / ".part-data.bin").write_bytes(b"a download to be resumed")
    with (tmp_path / "cache" / ".busy.zip.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for _ in range(2):
            datasets.extracted(zipped(tmp_path / "a.zip", ("a.txt", b"one")), tmp_path / "cache" / "a")
    left = {path.name for path in (tmp_path / "cache").iterdir() if not path.name.endswith(".lock")}
    assert left == {"a", ".part-busy.zip-ab_cd123", ".part-data.bin"}
