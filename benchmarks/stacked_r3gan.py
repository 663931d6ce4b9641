"""Trains r3gan on Stacked MNIST, and counts its modes by the protocol of the recipe stacked_mnist.

    .venv/bin/python -m benchmarks.stacked_r3gan --data FOLDER_OF_MNIST [--steps 9360] [--seed 0]

The stacked images, 25,600 of them, and the run are kept in runs/stacked_mnist; an interrupted run continues.
"""

import argparse
import sys
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import numpy as np

from benchmarks.results import PROJECT, run
from common.base.errors import exit_code
from common.base.files import whole
from common.base.pictures import unscale
from common.sampling import draw_samples
from common.training.trained_run import open_generator
from data_prep import images
from recipes.stacked_mnist import data, modes

TRIPLES = 25_600
SAMPLES = 26_000  # of the protocol


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of MNIST's files; by default the data set mnist")
    parser.add_argument("--steps", type=int, default=9360)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=PROJECT / "runs" / "stacked_mnist")
    options = parser.parse_args()
    planes = data.grey(images.load(images.ImageOptions(dataset="mnist", data=options.data)))
    folder = options.folder / f"r3gan_{options.steps}_{options.seed}"
    stacked = stacked_file(planes, options.folder / "images.npy")
    run("r3gan", "--data", stacked, "--steps", options.steps, "--seed", options.seed, "--run-folder", folder)
    found = count_modes("r3gan", folder, planes)
    print(f"r3gan, {options.steps:,} steps, seed {options.seed}: {found['modes']:.0f} modes, KL {found['kl']:.3f}")


def stacked_file(planes, path):
    """Returns the path of an array of stacked images, which is written if it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        triples = np.random.default_rng(0).integers(len(planes.images), size=(TRIPLES, 3))
        with whole(path) as part:
            np.save(part, data.Stacked(planes.images, triples)[np.arange(TRIPLES)])
    return path


def count_modes(name, folder, planes):
    """Returns the number of modes among the samples of a run, and their divergence from the data, a dictionary."""
    generator, latents = open_generator(name, folder)
    samples = draw_samples(generator, latents.fixed(SAMPLES, seed=0))
    return modes.scores(unscale(samples), planes.labels, modes.classifier_of(planes.class_names))


if __name__ == "__main__":
    sys.exit(exit_code(main))
