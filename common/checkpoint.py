"""The whole state of a training run in one file, from which it continues as if it had never stopped."""

import zipfile

import numpy as np

from common import backend
from common.errors import InputError
from common.files import whole


def variables(gan):
    """Returns everything that training changes: networks, both optimizers, averages, states of random seeds.

    Keras' `save_weights` leaves the random seeds out, and a run resumed without them draws other noise. What a game
    keeps beyond this, such as a pool of old fakes, belongs into a variable of its model, and is then stored as well.
    """
    return [*gan.variables, *gan.optimizer.variables]


def save(path, gan, epoch):
    """Writes the state after `epoch` finished epochs, whole or not at all."""
    stored = {f"{index:04d}": as_stored(variable) for index, variable in enumerate(variables(gan))}
    paths = np.array([variable.path for variable in variables(gan)])
    with whole(path) as part:
        np.savez(part, epoch=epoch, paths=paths, random_state=backend.random_state(), **stored)


def load(path, gan):
    """Restores the state of `gan` and returns the number of finished epochs.

    Raises:
        InputError: if the file is damaged, or of other networks or optimizers.
    """
    advice = "choose another --run-folder, or begin anew with --restart"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        epoch = int(arrays.pop("epoch"))
        paths = arrays.pop("paths").tolist()
        random_state = arrays.pop("random_state")
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError) as error:
        raise InputError(f"The checkpoint {path} is damaged ({error}); {advice}.") from error
    expected = [tuple(variable.shape) for variable in variables(gan)]
    found = [arrays[key].shape for key in sorted(arrays)]
    if expected != found:
        pairs = zip(paths, found, expected, strict=False)
        different = next(
            (f"{name} has shape {was}, not {now}" for name, was, now in pairs if was != now), "their number"
        )
        raise InputError(f"The checkpoint {path} is of other networks ({different}); {advice}.")
    for variable, key in zip(variables(gan), sorted(arrays), strict=True):
        variable.assign(arrays[key])
    backend.set_random_state(random_state)
    return epoch


def as_stored(variable):
    array = variable.numpy()
    return array.astype("float32") if array.dtype.name == "bfloat16" else array  # NumPy's files know no bfloat16
