"""Safe extraction of untrusted archives: nothing is written outside the folder, and the size is limited."""

import lzma
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from common.base.errors import InputError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
MAX_FILES = 5_000_000
MAX_BYTES = 200e9
MAX_RATIO = 200  # extracted bytes per byte of the archive; images hardly compress
SPARE_BYTES = 100e6  # allowed in addition, whatever the ratio
MAX_HEADER = 1_000_000  # bytes of a long name or of other facts about a member of a tar
MAX_DEPTH = 100  # folders within each other
# What Python's readers raise about damaged files: found by changing random bytes of good ones.
DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, ValueError, RuntimeError, ArithmeticError, LookupError),
)


def is_archive(path):
    return Path(path).name.lower().endswith(SUFFIXES)


def extract(archive, folder):
    """Extracts a zip or tar into a folder, which appears only when all files are complete.

    Args:
        archive: path.
        folder: path; must not exist.

    Raises:
        InputError: if the archive is damaged, has a link, a device, a sparse file, an absolute path or one with `..`,
            or is larger than an archive of images can be. Then nothing is left behind.
    """
    archive, folder = Path(archive), Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=part_name(folder), dir=folder.parent))
    try:
        with opened(archive) as members:
            write(archive, members, part)
        part.chmod(0o755)
        part.rename(folder)
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{archive} holds a name that cannot be decoded ({error.reason}); pack it again.") from error
    except DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1]  # of several ways to read it the last one
        raise InputError(f"{archive} is not a complete archive ({reason}); fetch it again.") from error
    except OSError as error:
        raise InputError(f"{archive} cannot be extracted into {folder} ({error.strerror or error}).") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


class StrictTarInfo(tarfile.TarInfo):
    """A member of a tar whose damaged headers are errors: Python takes one for the end of the archive."""

    HEADERS = (
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    )

    @classmethod
    def fromtarfile(cls, tar):
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # a block of zeros
            while block := tar.fileobj.read(1 << 20):
                if block.strip(b"\0"):
                    raise tarfile.ReadError("data after its end marker, or a zeroed header") from None
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"a bad header, or no end marker: {error}") from error

    @classmethod
    def frombuf(cls, *args):
        member = super().frombuf(*args)
        if member.type in cls.HEADERS and member.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {member.size / 1e6:,.0f} MB")
        return member

    # The two formats of sparse files whose list of holes may have any length; Python reads it with the header.

    def _proc_sparse(self, tar):
        raise sparse(tar.name, self)

    def _proc_gnusparse_10(self, following, headers, tar):
        raise sparse(tar.name, following)


def sparse(archive, member):
    return InputError(f"{archive} holds a sparse file, {member.name!r}; pack it again without --sparse.")


class opened:  # noqa: N801 (reads as a verb)
    """Yields `(name, file)` for every regular file of a zip or tar; `file` is opened by calling it."""

    def __init__(self, archive):
        self.archive = archive
        if zipfile.is_zipfile(archive):
            self.file = zipfile.ZipFile(archive)
        else:
            self.file = tarfile.open(archive, tarinfo=StrictTarInfo)  # noqa: SIM115

    def __enter__(self):
        return self.of_zip() if isinstance(self.file, zipfile.ZipFile) else self.of_tar()

    def __exit__(self, *error):
        self.file.close()

    def of_zip(self):
        for member in self.file.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise InputError(f"{self.archive} holds a link or a device, {member.filename!r}; it is not extracted.")
            if not member.is_dir():
                yield member.filename, lambda member=member: self.file.open(member)

    def of_tar(self):
        for member in self.file:
            if not (member.isreg() or member.isdir()):
                raise InputError(f"{self.archive} holds a link or a device, {member.name!r}; it is not extracted.")
            if member.issparse():
                raise sparse(self.archive, member)
            if member.isreg():
                yield member.name, lambda member=member: self.file.extractfile(member)


def write(archive, members, folder):
    limit = min(MAX_BYTES, SPARE_BYTES + MAX_RATIO * archive.stat().st_size)
    total = 0
    for number, (name, file) in enumerate(members, 1):
        target = folder / safe(name, archive)
        if number > MAX_FILES:
            raise InputError(f"{archive} holds more than {MAX_FILES:,} files; it is not extracted.")
        target.parent.mkdir(parents=True, exist_ok=True)
        with file() as source, target.open("xb") as out:  # "x" refuses duplicate names
            while block := source.read(1 << 20):
                total += len(block)  # counted, because the size in the header may be wrong
                if total > limit:
                    raise InputError(f"{archive} unpacks to more than {limit / 1e6:,.0f} MB; it is not extracted.")
                out.write(block)


def safe(name, archive):
    """Returns the path of a member, relative and without `..`."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in (path.parts or ("",))[0] or "\0" in name:
        raise InputError(f"{archive} holds the path {name!r}, which leads out of its folder; it is not extracted.")
    if len(path.parts) > MAX_DEPTH:
        raise InputError(f"{archive} holds more than {MAX_DEPTH} folders within each other; it is not extracted.")
    return path


def inner(folder):
    """Returns the folder, or its only subfolder: most archives have a single top-level folder."""
    folder = Path(folder)
    items = [item for item in folder.iterdir() if not item.name.startswith((".", "__MACOSX"))]
    return inner(items[0]) if len(items) == 1 and items[0].is_dir() else folder


def part_name(folder):
    """Returns the first part of the name under which a folder is extracted; a random one follows."""
    return f".part-{folder.name}-"


def folder_name(part):
    """Returns the name of the folder that was to be extracted.

    >>> folder_name(Path(part_name(Path("my-photos.zip")) + "a8fg_d1"))
    'my-photos.zip'
    """
    return part.name.removeprefix(".part-").rpartition("-")[0]
