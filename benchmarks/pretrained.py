"""Trains the generators that come with the project at the defaults of their recipes, and puts them into pretrained/.

    .venv/bin/python -m benchmarks.pretrained [dcgan cgan r3gan]

Of each: the generator, its directions in latent space, its scores and its model card. Runs are kept in
runs/pretrained: finished ones are not trained again, interrupted ones continue.
"""

import argparse
import re
import shutil

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from benchmarks.results import PROJECT, run
from common.base.errors import InputError, exit_code
from common.scoring.linear_directions import FILE
from common.training import pretrained
from common.training.trained_run import grids_of

RECIPES = ("dcgan", "cgan", "r3gan")
KEPT = ("generator.keras", "generator.json", "config.json", "scores.json", FILE)
MOST_BYTES = 3_000_000  # of a generator in the repository


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    for name in parser.parse_args().recipes:
        folder = f"runs/pretrained/{name}"  # relative, since the card shows the command
        run(name, "--run-folder", folder)
        run(name, "evaluate", "--run-folder", folder)
        run(name, "directions", "--run-folder", folder)
        publish(PROJECT / folder, pretrained.FOLDER / name)


def publish(folder, target):
    """Copies what is needed of a run into the project."""
    size = (folder / "generator.keras").stat().st_size
    if size > MOST_BYTES:
        raise InputError(f"{folder / 'generator.keras'} has {size:,} bytes; at most {MOST_BYTES:,} can be committed.")
    target.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        shutil.copyfile(folder / name, target / name)
    last = grids_of(folder)[-1]
    shutil.copyfile(last, target / "samples.png")
    card = (folder / "README.md").read_text("utf-8").replace(f"samples/{last.name}", "samples.png")
    # The other pictures stay with the run.
    card = re.sub(r"!\[[^\]]*\]\((?!samples\.png)[^)]*\) ?", "", card)
    (target / "README.md").write_text(card, "utf-8")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
