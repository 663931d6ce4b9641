"""Compares image_to_3d with and without its adversarial term, and with baselines, over seeds.

    .venv/bin/python -m benchmarks.image_to_3d [--adversarial 0 0.01 0.05] [--seeds 3] [--data MODELS]

Prints two tables in Markdown: the scores of the runs, and those of the answers that need no network; and draws what
depends on the adversarial weight. Runs are kept; what is there is not computed again.
"""

import argparse
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import numpy as np
from matplotlib.figure import Figure

from benchmarks.results import PROJECT, scored, spread
from common.base.errors import exit_code
from common.base.pictures import save_figure
from common.scoring.evaluator import refuse_other_protocol

COLUMNS = (
    *("iou", "chamfer", "f-score", "volume", "one piece", "loose voxels"),
    *("frechet", "precision", "recall", "kind right"),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--adversarial", type=float, nargs="+", default=[0.0, 0.01, 0.05])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--data", type=Path, default=None, help="3D models of your own, or an .npz of volumes")
    parser.add_argument("--folder", type=Path, default=PROJECT / "runs" / "image_to_3d_weights")
    options = parser.parse_args()
    weights, seeds = options.adversarial, range(options.seeds)
    stored = {(weight, seed): scores_of(weight, seed, options) for seed in seeds for weight in weights}
    for other in stored.values():  # those of a run that is there already may be by another judge
        refuse_other_protocol(stored[weights[0], 0], other)
    scores = {key: each.values for key, each in stored.items()}
    of_weight = {weight: [scores[weight, seed] for seed in seeds] for weight in weights}
    first = scores[weights[0], 0]
    print(table({f"weight {weight:g}": found for weight, found in of_weight.items()}))
    names = [key.removeprefix("f-score of ") for key in first if key.startswith("f-score of ")]
    print(table({name: [baseline(first, name)] for name in names}))
    draw(options.folder / "weights.png", of_weight)


def scores_of(weight, seed, options):
    """Returns the `Scores` of a run, which is trained and evaluated first."""
    folder = options.folder / f"weight_{weight:g}_seed_{seed}"
    given = {"--data": options.data, "--steps": options.steps}
    further = [text for name, value in given.items() if value for text in (name, value)]
    return scored("image_to_3d", folder, ["--adversarial", weight, "--seed", seed, *further])


def baseline(scores, name):
    """Returns the scores of a baseline among those of a run."""
    ending = f" of {name}"
    return {key.removesuffix(ending): value for key, value in scores.items() if key.endswith(ending)}


def table(rows):
    """Returns a table in Markdown.

    Args:
        rows: dictionary from names to lists of the scores of all seeds.
    """
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, found in rows.items():
        cells = [spread([scores[column] for scores in found]) if column in found[0] else "" for column in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def draw(path, of_weight):
    """Draws overlap and the share of answers in one piece against the weight, mean and standard deviation."""
    figure = Figure(figsize=(7, 3), layout="constrained")
    shown = {"iou": "intersection over union", "one piece": "share of answers in one piece"}
    places = range(len(of_weight))  # weights from 0 on have no logarithm
    for axes, (key, label) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        values = [[scores[key] for scores in found] for found in of_weight.values()]
        axes.errorbar(
            places, np.mean(values, axis=1), np.std(values, axis=1, ddof=int(len(values[0]) > 1)), fmt="o-", capsize=4
        )
        axes.set(xlabel="weight of the adversarial term", ylabel=label)
        axes.set_xticks(places, [f"{weight:g}" for weight in of_weight])
    save_figure(path, figure)


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
