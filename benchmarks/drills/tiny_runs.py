"""Tiny data and finished tiny runs of every recipe, made when a drill first asks for them."""

import csv
import functools
import math
import shutil

import numpy as np

from benchmarks.drills import verdict
from tests import tiny_recipes

SCORED = ("--evaluate-every", 1, "--extractor", "garments")


class TinyRuns:
    """Makes tiny runs in a folder; `options(name)` are those of the training, as a flat tuple."""

    def __init__(self, room):
        self.room = room
        (room / "data").mkdir()
        self._options = tiny_recipes.options(room / "data")
        (room / "text.txt").write_text("a shopping list\n")

    def options(self, name):
        return self._options[name]

    @functools.cache  # noqa: B019 (as long as the drill)
    def run(self, name, *more):
        """Returns the folder of a run of two epochs with more options, which must not be changed: see `copy`.

        Raises:
            RuntimeError: if the training failed: then no drill can say anything.
        """
        folder = self.room / "runs" / f"{name}-{len(more)}"
        arguments = (*self.options(name), "--epochs", 2, *more, "--run-folder", folder)
        answer = verdict.forked(verdict.recipe(name, *arguments, cwd=self.room), seconds=120)
        if answer.code:
            raise RuntimeError(f"{name} does not train: {answer.errors}")
        return folder

    def copy(self, folder):
        """Returns a copy of a run, the only one: the last copy is removed."""
        place = self.room / "copy"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(folder, place)
        return place


def result_problem(folder, epochs):
    """Returns what is wrong with a finished run of some epochs, or None."""
    missing = [name for name in ("generator.keras", "checkpoint.npz", "README.md") if not (folder / name).is_file()]
    if missing:
        return f"{missing[0]} is missing"
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != epochs:
        return f"{len(rows)} epochs in log.csv instead of {epochs}"
    losses = [float(row[name]) for row in rows for name in row if name.endswith("_loss")]  # a VAE has only g_loss
    if not losses:
        return "no loss in log.csv"
    return None if all(map(math.isfinite, losses)) else "a loss is not finite"


def state_of(folder):
    """Returns what a run has computed as a dictionary from names to arrays: weights, losses, scores."""
    state = {}
    for place in ("checkpoint.npz", "best/checkpoint.npz"):
        if (folder / place).exists():
            with np.load(folder / place) as stored:
                state |= {f"{place} {name}": stored[name] for name in stored.files}
    with (folder / "log.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            state |= {f"{name} of epoch {row['epoch']}": value for name, value in row.items() if name not in TIMES}
    for path in sorted(folder.glob("samples/*.png")) + sorted(folder.glob("best/*.csv")):
        state[path.name] = path.read_bytes()
    for name in ("scores.json", "best/scores.json"):
        if (folder / name).exists():
            state[name] = (folder / name).read_text()
    return state


TIMES = ("seconds", "images/s", "images_per_second")


def difference(state, other):
    """Returns the first name in which two states differ, or None."""
    for name in {**state, **other}:
        if name not in state or name not in other or not np.array_equal(state[name], other[name]):
            return name
    return None
