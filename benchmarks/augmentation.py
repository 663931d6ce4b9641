"""Trains the recipe augmentation on few images of each class, and compares classifiers with and without drawn images.

    .venv/bin/python -m benchmarks.augmentation [--images-per-class 10 50 100 200] [--seeds 5] [--data FOLDER]

A seed chooses the real images, the same for the GAN and for all classifiers. The tables show accuracies on held-out
images, and what they differ from that of the real images alone, mean ± standard deviation over the seeds. Runs are
kept; what is there is not computed again. The picture augmentation.png is written to the folder.
"""

import argparse
import sys
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from benchmarks.results import PROJECT, scored, spread
from common.base.errors import exit_code
from recipes.augmentation.actions import draw_accuracies
from recipes.augmentation.study import MIXTURES

CONFIRMED = "drawn ones of their class"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images-per-class", type=int, nargs="+", default=[10, 50, 100, 200])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--dataset", default="fashion_mnist")
    parser.add_argument("--data", type=Path, default=None, help="images of your own, classes as subfolders")
    parser.add_argument("--size", default=None, help="their size")
    parser.add_argument("--folder", type=Path, default=PROJECT / "runs" / "augmentation_study")
    compare(parser.parse_args())


def compare(options):
    given = [] if options.dataset == "fashion_mnist" else ["--dataset", options.dataset]
    given += ["--data", options.data] if options.data else []
    given += ["--size", options.size] if options.size else []
    studies = {count: [] for count in options.images_per_class}
    for seed in range(options.seeds):  # the outermost, so that the first seed of everything comes first
        for count, found in studies.items():
            folder = options.folder / f"{options.dataset}_{count}_seed_{seed}"
            options_of_run = ["--images-per-class", count, *given, "--seed", seed]
            scores = scored("augmentation", folder, options_of_run, "--samples", 2000).values
            found.append({name: scores[f"accuracy, {name}"] for name in MIXTURES} | {CONFIRMED: scores[CONFIRMED]})
    print(table(studies, {name: lambda each, name=name: each[name] for name in (*MIXTURES, CONFIRMED)}))
    others = [name for name in MIXTURES if name != "real"]
    print("\nDifference to the real images alone:\n")
    print(table(studies, {name: lambda each, name=name: each[name] - each["real"] for name in others}))
    draw_accuracies(options.folder / "augmentation.png", studies)


def table(studies, rows):
    """Returns a table in Markdown: a column for each number of images, a row for each function of accuracies."""
    lines = [
        f"| trained on | {' | '.join(f'{count} of each class' for count in studies)} |",
        "|---" * (1 + len(studies)) + "|",
    ]
    for name, value in rows.items():
        lines.append(
            f"| {name} | {' | '.join(spread([value(each) for each in found]) for found in studies.values())} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(exit_code(main))
