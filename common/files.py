"""Files that are whole or not there: written beside their place, then renamed into it."""

import contextlib
import os
from pathlib import Path


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


def flush(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
