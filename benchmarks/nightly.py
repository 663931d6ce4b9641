"""Trains recipes at their defaults, scores them, and fails when a score is outside its band in bands.toml.

benchmarks/nightly.sh [RECIPE ...]
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from common.base.paths import PROJECT

BANDS = tomllib.loads((PROJECT / "benchmarks" / "bands.toml").read_text("utf-8"))


def outside(bands, scores):
    """Returns a message for each score that is missing or outside its band.

    Args:
        bands: dictionary from names of scores to `[lowest, highest]`.
        scores: dictionary from names of scores to numbers.

    >>> outside({"frechet": [5, 7], "recall": [0.7, 0.9]}, {"frechet": 8.25, "recall": 0.8})
    ['frechet is 8.25, outside 5 to 7']
    """
    problems = []
    for name, (low, high) in bands.items():
        if name not in scores:
            problems.append(f"{name} is missing")
        elif not low <= scores[name] <= high:  # true for NaN as well
            problems.append(f"{name} is {scores[name]:.4g}, outside {low:g} to {high:g}")
    return problems


def scored(recipe, folder):
    """Trains and scores a recipe at its defaults; returns its scores, or a message if a command failed."""
    for action in ([], ["evaluate"]):
        command = [PROJECT / "run_recipe.sh", recipe, *action, "--run-folder", folder]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
            return f"{' '.join(action) or 'training'} ended with exit code {answer.returncode}: {last}"
    return json.loads((folder / "scores.json").read_text("utf-8"))["scores"]


def main(wanted):
    unknown = set(wanted) - set(BANDS)
    if unknown:
        print(
            f"Error: no bands for {', '.join(sorted(unknown))}; choose from {', '.join(BANDS)}.",
            file=sys.stderr,
        )
        return 2
    failed = 0
    for recipe in wanted or BANDS:
        with tempfile.TemporaryDirectory() as folder:
            scores = scored(recipe, Path(folder) / recipe)
        problems = [scores] if isinstance(scores, str) else outside(BANDS[recipe], scores)
        failed += bool(problems)
        print(f"{recipe}: {'; '.join(problems) or 'within the bands'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
