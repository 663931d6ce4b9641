"""Prints how sharp the samples of runs are: the variance of the Laplacian, as a multiple of that of held-out images.

    .venv/bin/python -m benchmarks.sharpness runs/dcgan runs/vae runs/vae_gan

1 is as sharp as the images. Noise and checkerboards count, too, so that it says nothing without a look at the samples.
"""

import argparse
import sys
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from common.base.errors import exit_code
from common.base.pictures import unscale
from common.sampling import draw_samples
from common.scoring.reconstructions import mean_sharpness
from common.training.trained_run import load_latents, open_run, read_config
from data_prep import images


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs of one data set")
    parser.add_argument("--samples", type=int, default=2000)
    options = parser.parse_args()
    for folder in options.runs:
        print(f"{folder}: {sharpness(folder, options.samples):.2f}")


def sharpness(folder, count):
    """Returns the sharpness of samples of a run as a multiple of that of its held-out images."""
    _, generator, of_data = open_run(read_config(folder / "config.json")["recipe"], folder, images.ImageOptions)
    samples = draw_samples(generator, load_latents(folder, generator).fixed(count, seed=0))
    return mean_sharpness(unscale(samples)) / mean_sharpness(images.load(of_data, "test").images[:])


if __name__ == "__main__":
    sys.exit(exit_code(main))
