"""Atomic writes: a file is written under a temporary name, then renamed."""

import contextlib
import fcntl
import json
import os
import secrets
from pathlib import Path

from common.base.errors import InputError

PARTS = f".part-{16 * '[0-9a-f]'}*"  # what `whole` calls unfinished files


@contextlib.contextmanager
def whole(path):
    """Yields a temporary path to write to; on success that file replaces `path`, on failure `path` stays unchanged.

    The data is on the disk before the atomic rename, so neither `kill -9` nor a power cut leaves an incomplete file.
    The temporary file is new and its name random, so that nobody can put a link in its place beforehand; the name keeps
    the suffix, by which Keras and Pillow choose a format. A symbolic link at `path` is replaced, not followed.

    Raises:
        InputError: if `path` is a folder, a pipe or a device.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with whole(folder / "log.csv") as part:
    ...     _ = part.write_text("epoch\\n")
    >>> [path.name for path in folder.iterdir()]
    ['log.csv']
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a file and cannot be replaced by one; choose another name.")
    part = path.with_name(f".part-{secrets.token_hex(8)}{path.suffix}")
    try:
        with locked(path.parent, fcntl.LOCK_SH):
            part.open("xb").close()
            yield part
            flush(part)
            part.replace(path)
        flush(path.parent)
    except OSError as error:
        if error.filename == str(part):
            error.filename = str(path)  # which says more
        raise
    finally:
        with contextlib.suppress(OSError):  # of which the error before it says more
            part.unlink()


def write_json(path, value, indent=2):
    """Writes a value as a JSON file, as `whole` does."""
    with whole(path) as part:
        part.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8")


def sweep(folder, pattern=PARTS):
    """Removes the unfinished files that killed processes left in a folder.

    Its writers hold a shared lock of the folder, which the system frees when their process ends, however it ends.
    Unlike the age of a file or the number of a process, this holds on slow disks and across containers, too.
    """
    parts = list(folder.glob(pattern))
    with contextlib.suppress(OSError), contextlib.ExitStack() as locks:
        for parent in {part.parent for part in parts}:
            locks.enter_context(locked(parent, fcntl.LOCK_EX | fcntl.LOCK_NB, required=True))
        for part in parts:
            part.unlink()


@contextlib.contextmanager
def locked(folder, how, required=False):
    """Holds a lock of a folder; where its file system has none, an `OSError` if it is required."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.nullcontext() if required else contextlib.suppress(OSError):
            fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def open_itself(path, mode):
    """Opens a file as `open` does, but fails where it is a symbolic link, instead of opening what that points to."""
    return open(path, mode, opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW, 0o666))


@contextlib.contextmanager
def writing_to(out):
    """Turns an error while writing to a user's `--out` into an `InputError`.

    Raises:
        InputError: if writing failed.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); choose another --out.") from error


@contextlib.contextmanager
def creating(out):
    """Makes the folder of a user's `--out`, then as `writing_to`."""
    with writing_to(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        yield


def refuse_existing(files):
    """Raises an `InputError` if one of the files to be written already exists."""
    existing = [path for path in files if path.exists()]
    if existing:
        raise InputError(f"{existing[0]} exists already; choose another --out, or add --overwrite.")


def update_with_status(digest, root, names):
    """Adds names, sizes and times of files to a digest, and returns their bytes; by these a change of one is noticed.

    Args:
        digest: object of `hashlib`.
        root: path of their folder.
        names: strings, relative to it.
    """
    total = 0
    for name in names:
        with contextlib.suppress(FileNotFoundError):  # another program has just removed it
            status = (root / name).stat()
            total += status.st_size
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return total


def flush(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
