"""Stores the whole state of a training run in one file, so that it continues as if it had never stopped."""

import zipfile
import zlib

import numpy as np

from common import backend
from common.base.errors import InputError
from common.base.files import whole

# What NumPy raises for files that `save` did not write, or not to the end.
DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, TypeError, AttributeError, KeyError, EOFError, OSError)


def variables(gan):
    """Returns everything that training changes: networks, optimizers, averages, states of random seeds.

    Keras' `save_weights` omits the random seeds, without which a resumed run would draw different noise. Further state,
    such as an image pool, belongs in a variable of the GAN and is then stored as well.
    """
    return [*gan.variables, *gan.optimizer.variables]


def save(path, gan, epoch):
    """Writes the state after `epoch` finished epochs, atomically."""
    stored = {f"{index:04d}": as_stored(variable) for index, variable in enumerate(variables(gan))}
    paths = np.array([variable.path for variable in variables(gan)])
    with whole(path) as part:
        np.savez(part, epoch=epoch, paths=paths, random_state=backend.random_state(), **stored)


def load(path, gan):
    """Restores the state of `gan` and returns the number of finished epochs.

    Raises:
        InputError: if the file is damaged, or belongs to other networks or optimizers.
    """
    advice = "choose another --run-folder, or start over with --restart"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        epoch = int(arrays.pop("epoch"))
        paths = arrays.pop("paths").tolist()
        random_state = arrays.pop("random_state")
        stored = [arrays[key] for key in sorted(arrays, key=int)]  # as numbers: "10000" comes after "9999"
    except DAMAGE as error:
        raise InputError(f"The checkpoint {path} is damaged ({error}); {advice}.") from error
    expected = [tuple(variable.shape) for variable in variables(gan)]
    found = [array.shape for array in stored]
    if expected != found:
        pairs = zip(paths, found, expected, strict=False)
        different = next(
            (f"{name} has shape {was}, not {now}" for name, was, now in pairs if was != now), "their number"
        )
        raise InputError(f"The checkpoint {path} belongs to other networks ({different}); {advice}.")
    for variable, array in zip(variables(gan), stored, strict=True):
        variable.assign(array)
    backend.set_random_state(random_state)
    return epoch


def as_stored(variable):
    array = variable.numpy()
    return array.astype("float32") if array.dtype.name == "bfloat16" else array  # NumPy files do not support bfloat16
