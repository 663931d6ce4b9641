"""Files that are whole or not there: written beside their place, then renamed into it."""

import contextlib
import os
from pathlib import Path

from common.errors import InputError


@contextlib.contextmanager
def whole(path):
    """Yields a path to write to; on success that file takes the place of `path`, on failure `path` stays as it was.

    The rename is atomic and the bytes are on the disk before it, so that neither `kill -9` nor a power cut leaves half
    a file. The name keeps its suffix, by which Keras and Pillow choose a format.

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
    """Turns what keeps a user's `--out` from being written into a sentence.

    Raises:
        InputError: if writing failed.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); choose another --out.") from error


def flush(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
