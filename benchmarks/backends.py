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

BACKENDS = ("tensorflow", "jax", "torch")
ORIGINAL = "jax, layers of Keras"
ROWS = ("dcgan, 28 pixels", "dcgan, 64 pixels in colour", "image_to_3d, without D", "image_to_3d, with D")
STEPS_OF_A_MINUTE = {(row, ORIGINAL) for row in ROWS if row.startswith("image_to_3d")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--only", default="", help="what the names of rows begin with")
    options = parser.parse_args()
    rows, columns = [row for row in ROWS if row.startswith(options.only)], (*BACKENDS, ORIGINAL)
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
    from common.base import strided_convolutions

    gan, batch, count = objects(row) if row.startswith("image_to_3d") else images(row)
    if way == ORIGINAL:
        mock.patch.object(strided_convolutions, "fits", return_value=False).start()
    gan.train_on_batch(batch)
    seconds = []
    for _ in range(steps):
        start = time.perf_counter()
        gan.train_on_batch(batch)
        seconds.append(time.perf_counter() - start)
    return count / statistics.median(seconds)


def images(row):
    """Returns dcgan, a batch of noise, and the number of its images."""
    import numpy as np

    from recipes.dcgan.train import Config, build

    config, shape = Config(), (64, 64, 3) if "64" in row else (28, 28, 1)
    batch = np.random.default_rng(0).uniform(-1, 1, (config.batch_size, *shape)).astype("float32")
    return build(config, shape), batch, config.batch_size


def objects(row):
    """Returns image_to_3d, a batch of noise, and the number of its images."""
    import numpy as np

    from recipes.image_to_3d.train import Config, build

    config = Config(adversarial=0.0 if "without" in row else Config.adversarial)
    size, resolution, count = config.objects.size, config.objects.resolution, config.batch_size
    rng = np.random.default_rng(0)
    pictures = rng.uniform(-1, 1, (count, size, size, 1)).astype("float32")
    gan = build(config, (size, size, 1), resolution, steps=1000)
    return gan, (pictures, rng.random((count, *(resolution,) * 3)) < 0.1), count


if __name__ == "__main__":
    main()
