"""Stores the whole state of a training run in one file, so that it continues as if it had never stopped."""

import re
import zipfile
import zlib

import numpy as np

from common import backend
from common.base.errors import InputError
from common.base.files import whole

SEED = "seed_generator_state"  # how the paths of states of random seeds end
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
    epoch, random_state, paths, stored = read(path, advice)
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


def load_weights(path, gan):
    """Begins with the networks of another run: assigns the weights of its checkpoint, not the state of its training.

    Raises:
        InputError: if the file is damaged or missing, or its networks are others.
    """
    _, _, paths, stored = read(path, "name the folder of another run")
    weights = {id(variable) for network in gan.networks.values() for variable in network.weights}
    own = [variable for variable in gan.variables if id(variable) in weights]
    kept = [(name, array) for name, array in zip(paths, stored, strict=True) if not name.endswith(SEED)]
    wanted = [described(variable.path, variable.shape) for variable in own]
    found = [described(name, array.shape) for name, array in kept]
    starts = [start for start in range(len(found)) if found[start : start + len(wanted)] == wanted]
    if not starts:
        pairs = zip([*found, "nothing"], [*wanted, "nothing"], strict=False)
        was, now = next((was, now) for was, now in pairs if was != now)
        raise InputError(
            f"The networks of {path} are others ({was}, here {now}); both runs need the same recipe, --size, channels "
            "and sizes of the networks."
        )
    for variable, (_, array) in zip(own, kept[starts[0] :], strict=False):
        variable.assign(array)


def described(path, shape):
    """Returns what a variable is, whatever number Keras gave to its layer.

    >>> described("conv2d_12/kernel", (3, 3, 8, 16))
    'conv2d/kernel of 3×3×8×16'
    """
    name = re.sub(r"_\d+(?=/)", "", path)
    return f"{name} of {'×'.join(map(str, shape))}"


def read(path, advice):
    """Returns what `save` wrote: the epoch, the random state, and the paths and the values of the variables.

    Args:
        path: path of the file.
        advice: string, how to go on without it.

    Raises:
        InputError: if it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        epoch = int(arrays.pop("epoch"))
        paths = arrays.pop("paths").tolist()
        random_state = arrays.pop("random_state")
        stored = [arrays[key] for key in sorted(arrays, key=int)]  # as numbers: "10000" comes after "9999"
    except DAMAGE as error:
        raise InputError(f"The checkpoint {path} is damaged ({error}); {advice}.") from error
    return epoch, random_state, paths, stored


def as_stored(variable):
    array = variable.numpy()
    return array.astype("float32") if array.dtype.name == "bfloat16" else array  # NumPy files do not support bfloat16
