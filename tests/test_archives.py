"""Untrusted archives: files stay inside the folder, and their size and number are limited."""

import io
import stat
import tarfile
import zipfile

import pytest

from common.base.errors import InputError
from data_prep import archives

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
