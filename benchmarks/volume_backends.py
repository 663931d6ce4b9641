"""Times training steps of image_to_3d on each backend, and prints a table of images per second.

    .venv/bin/python -m benchmarks.volume_backends [--rounds 3] [--steps 10]

A process for each backend and round, in turns, so that other load on the machine affects all alike; the first step of a
process, which compiles, is not counted. Medians are compared.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

BACKENDS = ("tensorflow", "jax", "torch")
WEIGHTS = (0.0, 0.01)  # of the adversarial term: without a discriminator, and the default
BATCH = 32


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    seconds = {(backend, weight): [] for backend in BACKENDS for weight in WEIGHTS}
    for _ in range(options.rounds):
        for (backend, weight), found in seconds.items():
            found.append(in_process(backend, weight, options.steps))
    print("| backend | without D, images/s | with D, images/s |\n|---|---|---|")
    for backend in BACKENDS:
        cells = [f"{BATCH / statistics.median(seconds[backend, weight]):.0f}" for weight in WEIGHTS]
        print(f"| {backend} | {' | '.join(cells)} |")


def in_process(backend, weight, steps):
    """Returns the median seconds of a training step in a process of its own."""
    code = f"from benchmarks.volume_backends import step; print(step({weight}, {steps}))"
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": backend}, capture_output=True, check=True)
    return float(answer.stdout.split()[-1])


def step(weight, steps):
    """Returns the median seconds of a training step at the recipe's defaults."""
    import common.launch.quiet  # noqa: F401 (before Keras)

    # isort: split
    import numpy as np

    from recipes.image_to_3d.train import Config, build

    config = Config(adversarial=weight)
    gan = build(config, (config.objects.size, config.objects.size, 1), config.objects.resolution, steps=1000)
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (BATCH, config.objects.size, config.objects.size, 1)).astype("float32")
    batch = images, rng.random((BATCH, *(config.objects.resolution,) * 3)) < 0.1
    gan.train_on_batch(batch)
    found = []
    for _ in range(steps):
        start = time.perf_counter()
        gan.train_on_batch(batch)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


if __name__ == "__main__":
    main()
