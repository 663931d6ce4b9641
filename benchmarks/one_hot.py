"""cgan on the combinations of words, one class each, beside text_to_image, which reads them.

    .venv/bin/python -m benchmarks.one_hot [--seeds 1] [--steps 9360]

Of the 544 combinations of garment, colour, pattern and background that the training of text_to_image shows, each is a
class. Scored are the held-out looks of seen combinations, as in `text_to_image evaluate`; of an unseen one there is no
class to ask for. Images and runs are kept in runs/one_hot; an interrupted run continues.
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
from common.latents import FixedDraws
from common.sampling import draw_samples
from common.scoring import extractors
from common.scoring.evaluator import Evaluator
from common.training.trained_run import load_generator, load_latents, weights_of
from recipes.text_to_image import garments, measure


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=9360)
    parser.add_argument("--folder", type=Path, default=PROJECT / "runs" / "one_hot")
    options = parser.parse_args()
    data = combination_file(options.folder / "combinations.npz")
    print("| seed | garment | colour | pattern | all three, seen | Fréchet distance |\n|---|---|---|---|---|---|")
    for seed in range(options.seeds):
        folder = options.folder / f"cgan_{options.steps}_{seed}"
        run("cgan", "--data", data, "--steps", options.steps, "--seed", seed, "--run-folder", folder)
        right, frechet = scores(folder)
        words = " | ".join(f"{share:.3f}" for share in right.mean(axis=0))
        print(f"| {seed} | {words} | {right.all(axis=1).mean():.3f} | {frechet:.2f} |", flush=True)


def numbers_of(looks):
    """Returns the numbers of combinations, of all there are, an integer array `(count,)`."""
    return np.ravel_multi_index(looks.T, garments.COUNTS)


def combination_file(path):
    """Returns the path of the training images of text_to_image with their classes; it is written if it is missing."""
    if not path.exists():
        captioned, looks = garments.load("train")
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            np.savez_compressed(part, images=captioned.images, labels=classes_of(looks))
    return path


def classes_of(looks):
    """Returns the classes of looks of seen combinations, an integer array `(count,)`: their places among these."""
    _, shown = garments.load("train")
    seen = np.unique(numbers_of(shown))
    found = np.searchsorted(seen, numbers_of(looks))
    if not np.array_equal(seen[np.minimum(found, len(seen) - 1)], numbers_of(looks)):
        raise ValueError("There are unseen combinations among the looks.")
    return found


def scores(folder):
    """Returns which words are right, a bool array `(count, 3)`, and the Fréchet distance to the real images."""
    generator = load_generator(folder / "generator.keras", "cgan")
    held_out, looks = garments.load("test")
    rows = np.flatnonzero(~garments.are_unseen(looks))
    latents = FixedDraws(0).normal(len(rows), load_latents(folder, generator).dim)
    drawn = unscale(draw_samples(generator, (latents, classes_of(looks[rows]).astype("int32"))))
    evaluator = Evaluator(extractors.load("garments"), held_out.images[rows], "garments in colour", "test")
    found = evaluator(len(drawn), lambda some: drawn[some], weights_of(folder))
    return measure.right_words(drawn, looks[rows], measure.pattern_judge()), found.values["frechet"]


if __name__ == "__main__":
    sys.exit(exit_code(main))
