"""Writes two collections for the recipe makeup: grey garments, and other garments with colours and patterns.

    .venv/bin/python -m benchmarks.garment_styles --out garments
    ./run_recipe.sh makeup --photos garments/plain --styled garments/styled --size 28 --run-folder runs/garments

They show that its networks know nothing of faces: a style is what one collection has and the other has not.
"""

import argparse
import sys
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import numpy as np

from common.base.errors import exit_code
from common.base.files import writing_to
from common.base.pictures import save_png
from data_prep import images
from recipes.text_to_image import garments

SHAPES = ("t-shirt", "pullover", "dress", "coat", "shirt")  # worn on the upper body, so that they are aligned


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--count", type=int, default=1500, help="images of each collection")
    options = parser.parse_args()
    loaded = images.load(images.ImageOptions(classes=SHAPES), "train")
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(loaded.images))[: 2 * options.count]
    plain, others = np.array_split(loaded.images[rows], 2)
    looks = garments.drawn_looks(np.zeros(len(others), int), rng)
    looks[:, 3] = 0  # black backgrounds, as the grey garments have
    found = {"plain": np.repeat(plain, 3, axis=-1), "styled": garments.drawn(others[..., 0], looks, rng)}
    with writing_to(options.out):
        for name, pictures in found.items():
            (options.out / name).mkdir(parents=True, exist_ok=True)
            for number, picture in enumerate(pictures):
                save_png(options.out / name / f"{number:04}.png", picture)
            print(f"{len(pictures)} images in {options.out / name}")


if __name__ == "__main__":
    sys.exit(exit_code(main))
