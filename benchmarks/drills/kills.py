"""Runs killed at a random write: resumed, they end with the bits of a run that nothing interrupted."""

import os
import shutil
import signal
import sys
from pathlib import Path

from benchmarks.drills import tiny_runs, verdict
from benchmarks.drills.verdict import Verdict

RECIPE = (
    "vanilla"  # of dense layers: convolutions on a busy CPU differ in the last bit, about once in some hundred times
)
EPOCHS = 3
WRITES = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")


def cases(count, rng):
    """Yields a `Verdict` for each moment at which a run is killed."""
    yield from interrupted(count, rng, lambda event: os.kill(os.getpid(), signal.SIGKILL), (-signal.SIGKILL,))


def interrupted(count, rng, strike, codes):
    """Yields a `Verdict` for each of `count` random writes of a run at which `strike(event)` is called.

    Args:
        count: integer.
        rng: NumPy generator.
        strike: function called before the chosen write and all later ones.
        codes: exit codes that are right for the interrupted run.
    """
    with verdict.scratch() as room:
        runs = tiny_runs.TinyRuns(room)
        whole = room / "whole"
        total = room / "writes.txt"
        answer = verdict.forked(training(runs, whole, lambda number, event: tell(total, number)), 120)
        if answer.code:
            raise RuntimeError(f"{RECIPE} does not train: {answer.errors}")
        expected = tiny_runs.state_of(whole)
        writes = int(total.read_text())
        moments = rng.choice(writes, min(count, writes), replace=False) + 1
        for moment in map(int, moments):
            folder = room / "broken"
            shutil.rmtree(folder, ignore_errors=True)
            answer = verdict.forked(training(runs, folder, from_write(moment, strike)), 120)
            problem = None if answer.code in codes else f"exit code {answer.code}: {answer.errors[-300:]}"
            if answer.code == 2:
                problem = problem or verdict.problem_of(answer)
            yield Verdict(f"write {moment} of {writes}", problem or resumed_problem(runs, folder, expected))


def resumed_problem(runs, folder, expected):
    """Returns what is wrong with an interrupted run after it was resumed, or None."""
    answer = verdict.forked(training(runs, folder, lambda number, event: None), 120)
    if answer.code:
        return f"not resumed: {answer.errors.strip()[-300:]}"
    leftovers = [path.name for path in folder.rglob(".*") if path.name != ".lock"]
    if leftovers:
        return f"left {leftovers[0]}"
    problem = tiny_runs.result_problem(folder, EPOCHS)
    differing = tiny_runs.difference(expected, tiny_runs.state_of(folder))
    return problem or (f"{differing} differs" if differing else None)


def training(runs, folder, on_write):
    """Returns a function that trains and calls `on_write(number, event)` before each write to the folder."""
    arguments = (*runs.options(RECIPE), *tiny_runs.SCORED, "--epochs", EPOCHS, "--run-folder", folder)
    run = verdict.recipe(RECIPE, *arguments, cwd=runs.room)
    number = [0]

    def hook(event, details):
        if event in WRITES and is_write(event, details) and is_below(details[0], folder):
            number[0] += 1
            on_write(number[0], event)

    def hooked():
        sys.addaudithook(hook)
        run()

    return hooked


def is_write(event, details):
    if event != "open":
        return True
    _, mode, flags = details
    return any(letter in mode for letter in "wax+") if mode else bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def is_below(path, folder):
    return isinstance(path, (str, bytes, os.PathLike)) and Path(os.fsdecode(path)).is_relative_to(folder)


def from_write(moment, strike):
    """Returns a function that calls `strike(event)` at the write with a number, and at all later ones."""
    return lambda number, event: strike(event) if number >= moment else None


def tell(path, number):
    path.write_text(str(number))
