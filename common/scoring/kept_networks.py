"""Networks that judge samples, trained when they are first needed and then kept in the user's cache.

Two trainings do not end with the same weights, since threads add in any order, and the scores of two judges cannot be
compared.
"""

import contextlib
import hashlib

import keras
import numpy as np

from common.base.files import whole
from common.base.paths import downloads
from common.saving import open_network


def load(kind, digest, train):
    """Returns a network of the cache; it is trained if it is not there, or damaged.

    Args:
        kind: string, the folder in the cache.
        digest: string, of all that the network is made of: see `digest_of`.
        train: function without arguments that returns the trained network.
    """
    path = downloads() / kind / f"{digest}.keras"
    if stored := opened(path):
        return stored
    network = train()
    if stored := opened(path):  # by another program in the meantime
        return stored
    with contextlib.suppress(OSError):  # without a cache it is trained anew next time
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            network.save(part)
    return network


def opened(path):
    """Returns the network in a file, or None if it is missing or damaged."""
    with contextlib.suppress(Exception):  # damaged bytes raise various ones
        return open_network(path)


def digest_of(facts, *arrays):
    """Returns a digest of what a network is made of: its numbers, in a tuple, and the data that it is trained on."""
    digest = hashlib.sha256(repr((facts, keras.__version__, [array.shape for array in arrays])).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:16]
