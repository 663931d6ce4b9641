"""Atomic writes: a file is written under a temporary name, then renamed."""

import contextlib
import os
from pathlib import Path

from common.base.errors import InputError


@contextlib.contextmanager
def whole(path):
    """Yields a temporary path to write to; on success that file replaces `path`, on failure `path` stays unchanged.

    The data is on the disk before the atomic rename, so neither `kill -9` nor a power cut leaves an incomplete file.
    The temporary name keeps the suffix, by which Keras and Pillow choose a format.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with whole(folder / "log.csv") as part:
    ...     _ = part.write_text("epoch\\n")
    >>> [path.name for path in folder.iterdir()]
    ['log.csv']
    """
    path = Path(path)
    part = path.with_name(f".part-{path.name}")
    try:
        yield part
        flush(part)
        part.replace(path)
        flush(path.parent)
    finally:
        part.unlink(missing_ok=True)


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


def refuse_existing(files):
    """Raises an `InputError` if one of the files to be written already exists."""
    existing = [path for path in files if path.exists()]
    if existing:
        raise InputError(f"{existing[0]} exists already; choose another --out, or add --overwrite.")


def flush(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
