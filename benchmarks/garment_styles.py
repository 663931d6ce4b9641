"""Writes two collections for the recipe makeup: grey garments, and other garments with colours and patterns.

    .venv/bin/python -m benchmarks.garment_styles --out garments
    ./run_recipe.sh makeup --photos garments/plain --styled garments/styled --size 28 --run-folder runs/garments
    ./run_recipe.sh makeup apply --run-folder runs/garments --out made \
        --source garments/test/plain --reference garments/test/styled

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
HELD_OUT = 8  # of each collection: rows and columns of a matrix


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--count", type=int, default=1500, help="images of each collection")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with writing_to(options.out):
        write(options.out, *collections("train", options.count, rng))
        write(options.out / "test", *collections("test", HELD_OUT, rng))


def collections(part, count, rng):
    """Returns grey garments, and as many others in colours, each an array `(count, height, width, 3)`."""
    loaded = images.load(images.ImageOptions(classes=SHAPES), part)
    rows = rng.permutation(len(loaded.images))[: 2 * count]
    plain, others = np.array_split(loaded.images[rows], 2)
    looks = garments.drawn_looks(np.zeros(len(others), int), rng)
    looks[:, 3] = 0  # black backgrounds, as the grey garments have
    return np.repeat(plain, 3, axis=-1), garments.drawn(others[..., 0], looks, rng)


def write(folder, plain, styled):
    for name, pictures in (("plain", plain), ("styled", styled)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pictures):
            save_png(folder / name / f"{number:04}.png", picture)
        print(f"{len(pictures)} images in {folder / name}")


if __name__ == "__main__":
    sys.exit(exit_code(main))
