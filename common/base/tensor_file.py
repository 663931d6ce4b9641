"""Reads the tensors of a file that PyTorch saved (in its format before version 1.6), without PyTorch.

Such a file is a pickle, and whoever opens it as one runs whatever code it names. Here it may name a dictionary, the
function that makes a tensor and two types of numbers, each replaced by its namesake below; all else is refused.
"""

import collections
import io
import pickle
from typing import NamedTuple

import numpy as np


class View(NamedTuple):
    """A tensor before its numbers are read: which of those of a storage it has, in elements."""

    storage: tuple  # key, type and count of numbers
    offset: int
    shape: tuple
    strides: tuple


def rebuild_tensor(storage, offset, shape, strides, requires_grad, hooks):
    return View(storage, offset, shape, strides)


PERMITTED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class RestrictedUnpickler(pickle.Unpickler):
    """Opens a pickle that names nothing but what is `PERMITTED`."""

    def find_class(self, module, name):
        if (module, name) not in PERMITTED:
            raise pickle.UnpicklingError(f"A file of tensors names {module}.{name}, which is not opened.")
        return PERMITTED[module, name]

    def persistent_load(self, reference):
        _, dtype, key, _, count, _ = reference
        return key, dtype, count


def read_tensors(data):
    """Returns the tensors in the bytes of a file, a dictionary from names to arrays in the order of the file.

    Raises:
        pickle.UnpicklingError: if the file names anything but tensors. If it is damaged, other errors, too: check its
            digest first.
    """
    file = io.BytesIO(data)
    _magic, _version, _system, views, keys = (RestrictedUnpickler(file).load() for _ in range(5))
    types = {view.storage[0]: view.storage[1] for view in views.values()}
    storages = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        storages[key] = np.frombuffer(file.read(count * types[key].itemsize), types[key])
    return {name: array_of(view, storages) for name, view in views.items()}


def array_of(view, storages):
    key, dtype, _ = view.storage
    strides = [stride * dtype.itemsize for stride in view.strides]
    return np.ndarray(view.shape, dtype, storages[key], view.offset * dtype.itemsize, strides)  # checks the bounds
