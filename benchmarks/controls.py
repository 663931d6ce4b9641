"""Trains dcgan with each training control alone, scores it, and prints a table.

    .venv/bin/python -m benchmarks.controls [--epochs 20] [--seeds 1]

Runs are kept in runs/controls; finished ones are not trained again.
"""

import argparse
import sys
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from benchmarks.results import PROJECT, run, spread
from common.base.errors import exit_code
from common.scoring.evaluator import Scores
from common.training.callbacks import read_log

CONTROLS = {
    "none": [],
    "warm-up": ["--warm-up", "100"],
    "freeze the discriminator": ["--freeze-below", "1.0"],
    "label smoothing": ["--label-smoothing", "0.1"],
    "label noise": ["--label-noise", "0.05"],
    "instance noise": ["--instance-noise", "0.1"],
    "dropout": ["--dropout", "0.3"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=PROJECT / "runs" / "controls")
    options = parser.parse_args()
    rows = [
        "| control | option | Fréchet distance | precision | recall | d_loss at the end |",
        "|---|---|---|---|---|---|",
    ]
    for name, arguments in CONTROLS.items():
        folders = [options.folder / name.replace(" ", "_") / f"seed_{seed}" for seed in range(options.seeds)]
        for seed, folder in enumerate(folders):
            run("dcgan", *arguments, "--epochs", options.epochs, "--seed", seed, "--run-folder", folder)
            run("dcgan", "evaluate", "--run-folder", folder)
        rows.append(f"| {name} | {' '.join(arguments)} | {' | '.join(cells(folders))} |")
    print("\n".join(rows))


def cells(folders):
    scores = [Scores.read(folder / "scores.json").values for folder in folders]
    losses = [read_log(folder / "log.csv")[-1]["d_loss"] for folder in folders]
    return [*(spread([each[key] for each in scores]) for key in ("frechet", "precision", "recall")), spread(losses)]


if __name__ == "__main__":
    sys.exit(exit_code(main))
