"""Times training steps of recipes on each backend, and prints a table of images per second.

    .venv/bin/python -m benchmarks.backends [--rounds 3] [--steps 10] [--only image_to_3d]

A process for each row, backend and round, in turns, so that other load on the machine affects all alike; the first step
of a process, which compiles, is not counted. Medians are compared. On a CPU there is a further column: JAX with the
convolutions of Keras, which the project replaces there (`common/base/strided_convolutions.py`). In 3D a step of those
takes a minute, so it is left out.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from unittest import mock

import numpy as np

BACKENDS = ("tensorflow", "jax", "torch")
ORIGINAL = "jax, layers of Keras"
TRAININGS = {  # the compiled GAN and a batch of noise, for each row
    "dcgan, 28 pixels": lambda: images((28, 28, 1)),
    "dcgan, 64 pixels in colour": lambda: images((64, 64, 3)),
    "image_to_3d, without D": lambda: objects(adversarial=0.0),
    "image_to_3d, with D": lambda: objects(),
}
STEPS_OF_A_MINUTE = {(row, ORIGINAL) for row in TRAININGS if row.startswith("image_to_3d")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--only", default="", help="what the names of rows begin with")
    options = parser.parse_args()
    rows, columns = [row for row in TRAININGS if row.startswith(options.only)], (*BACKENDS, ORIGINAL)
    rates = {(row, way): [] for row in rows for way in columns if (row, way) not in STEPS_OF_A_MINUTE}
    for _ in range(options.rounds):
        for (row, way), found in rates.items():
            found.append(in_process(row, way, options.steps))
    print(f"| images/s | {' | '.join(columns)} |\n{'|---' * (len(columns) + 1)}|")
    for row in rows:
        cells = [f"{statistics.median(rates[row, way]):.0f}" if (row, way) in rates else "" for way in columns]
        print(f"| {row} | {' | '.join(cells)} |")


def in_process(row, way, steps):
    """Returns the images per second of a row in a process of its own."""
    code = f"from benchmarks.backends import images_per_second; print(images_per_second({row!r}, {way!r}, {steps}))"
    environment = {**os.environ, "KERAS_BACKEND": way.split(",")[0]}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True)
    return float(answer.stdout.split()[-1])


def images_per_second(row, way, steps):
    """Returns the images per second of training at a recipe's defaults, by the median of so many steps."""
    import common.launch.quiet  # noqa: F401 (before Keras)

    # isort: split
    import keras

    from common.base import strided_convolutions

    gan, batch = TRAININGS[row]()
    if way == ORIGINAL:
        mock.patch.object(strided_convolutions, "fits", return_value=False).start()
    gan.train_on_batch(batch)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        gan.train_on_batch(batch)
        seconds.append(time.perf_counter() - start)
    return len(keras.tree.flatten(batch)[0]) / statistics.median(seconds)


def images(shape):
    """Returns dcgan for images of this shape, and a batch of noise."""
    from recipes.dcgan.train import Config, build

    config = Config()
    batch = np.random.default_rng(0).uniform(-1, 1, (config.batch_size, *shape)).astype("float32")
    return build(config, shape), batch


def objects(**options):
    """Returns image_to_3d, and a batch of noise."""
    from recipes.image_to_3d.train import Config, build

    config, rng = Config(**options), np.random.default_rng(0)
    shape, resolution = (config.objects.size, config.objects.size, 1), config.objects.resolution
    noise = rng.uniform(-1, 1, (config.batch_size, *shape)).astype("float32")
    volumes = rng.random((config.batch_size, *(resolution,) * 3)) < 0.1
    return build(config, shape, resolution, steps=1000), (noise, volumes)


if __name__ == "__main__":
    main()
