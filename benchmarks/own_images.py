"""Trains a recipe on folders of images that a user might have, scores it, and writes `docs/own-images.md`.

    .venv/bin/python -m benchmarks.own_images [--recipes projected_gan] [--data frogs=frogs.npz photos=photo_jpg@64 ...]

Two kinds of images are drawn (`benchmarks/drawn.py`). Nothing is tuned for a folder: only `--data` and, after an @,
`--size` are given. Runs are kept in runs/own_images; finished ones are not trained again, interrupted ones continue.
The pictures are those of the first recipe.
"""

import argparse
import sys
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import cv2
import numpy as np

from benchmarks import drawn
from benchmarks.results import PROJECT, replace, run
from common.base.errors import exit_code
from common.base.files import whole
from common.scoring.evaluator import Scores
from common.training.callbacks import read_log
from common.training.trained_run import grids_of, read_config

PAGE = PROJECT / "docs" / "own-images.md"
PICTURES = PROJECT / "docs" / "own_images"
DRAWN = {"creatures": 1333, "textures": 2000}
LARGEST = 300_000  # bytes of a picture of the documentation


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipes", nargs="+", default=["projected_gan"])
    parser.add_argument("--data", nargs="*", default=[], metavar="NAME=PATH[@SIZE]")
    parser.add_argument("--drawn", nargs="*", choices=DRAWN, default=list(DRAWN), help="kinds of drawn images")
    parser.add_argument("--steps", type=int, help="training steps; by default those of the recipe")
    parser.add_argument("--samples", type=int, default=2000, help="samples that are scored")
    parser.add_argument("--folder", type=Path, default=PROJECT / "runs" / "own_images")
    options = parser.parse_args()
    columns = ("folder", "recipe", "images", "steps", "minutes", "kernel distance × 1000", "precision", "recall")
    rows = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    given = dict(each.split("=", 1) for each in options.data)
    for name, data in {**drawn_images(options.drawn, options.folder), **given}.items():
        for recipe in options.recipes:
            folder = options.folder / f"{recipe}_{name}"
            train_and_score(recipe, str(data), folder, options)
            rows.append(f"| {name} | {recipe} | {' | '.join(cells(folder))} |")
        keep_picture(options.folder / f"{options.recipes[0]}_{name}", name)
    replace(PAGE, "\n".join(rows))


def train_and_score(recipe, data, folder, options):
    path, _, size = data.partition("@")
    chosen = [*(["--size", size] if size else []), *(["--steps", options.steps] if options.steps else [])]
    run(recipe, "--data", path, *chosen, "--run-folder", folder)
    run(recipe, "evaluate", "--samples", options.samples, "--run-folder", folder)


def drawn_images(kinds, folder):
    """Returns the files of the drawn images, a dictionary from their kinds to paths."""
    paths = {kind: folder / f"{kind}.npy" for kind in kinds}
    for kind, path in paths.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole(path) as part:
                np.save(part, drawn.draw(kind, DRAWN[kind]))
    return paths


def cells(folder):
    """Returns a row of the table: number of images, size, training steps, minutes and scores of a run."""
    config, scores = read_config(folder / "config.json"), Scores.read(folder / "scores.json")
    minutes = sum(row["seconds"] for row in read_log(folder / "log.csv")) / 60
    values = scores.values
    return [
        f"{scores.protocol.real_count:,}",
        f"{config['finished_epochs'] * config['steps_per_epoch']:,}",
        f"{minutes:.0f}",
        f"{1000 * values['kernel']:.0f}",
        f"{values['precision']:.2f}",
        f"{values['recall']:.2f}",
    ]


def keep_picture(folder, name):
    """Copies the last grid of a run into the documentation: as many of its eight rows as `LARGEST` bytes have."""
    PICTURES.mkdir(exist_ok=True)
    grid = cv2.imread(str(grids_of(folder)[-1]))
    for rows in range(8, 0, -1):
        _, png = cv2.imencode(".png", grid[: len(grid) * rows // 8], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        if len(png) < LARGEST:
            break
    (PICTURES / f"{name}.png").write_bytes(png)


if __name__ == "__main__":
    sys.exit(exit_code(main))
