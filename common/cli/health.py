"""Prints which framework computes on which device, in one line: `python -m common.cli.health`. Exit code 1 if none."""

import sys

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import keras

from common import backend
from common.launch import environment


def main():
    """Multiplies two matrices, which fails if the framework cannot use its GPU."""
    square = keras.ops.matmul(keras.ops.ones((64, 64)), keras.ops.ones((64, 64)))
    if float(keras.ops.convert_to_numpy(square).sum()) != 64**3:
        print(f"{keras.backend.backend()} computes wrong products here.", file=sys.stderr)
        return 1
    found, gpu = backend.device(), environment.gpu()
    unused = f"; the GPU, {gpu}, is not used" if gpu and found == "CPU" else ""
    print(f"{keras.backend.backend()} {backend.version}, Keras {keras.__version__}: computes on the {found}{unused}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
