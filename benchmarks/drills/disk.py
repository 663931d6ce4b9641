"""The disk is full from a random write on: the run ends with one sentence, and continues when there is room again."""

import errno
import os

from benchmarks.drills import kills


def full(event):
    if event in ("open", "os.mkdir", "os.rename", "os.link", "os.symlink"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def cases(count, rng):
    """Yields a `Verdict` for each moment at which the disk becomes full."""
    yield from kills.interrupted(count, rng, full, (2,))
