"""Trains a recipe at its defaults with several seeds, scores it, and writes the result card into its README.

    .venv/bin/python -m benchmarks.results dcgan --seeds 3

Runs are kept in runs/results/RECIPE/seed_N: finished ones are not trained again, interrupted ones continue. The table
in the project's README is regenerated from the cards of all recipes.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from common.base.errors import InputError, exit_code
from common.base.paths import PROJECT
from common.cli import evaluate
from common.launch.launcher import recipes
from common.scoring.evaluator import PRINTED, Scores, refuse_other_protocol
from common.training.trained_run import grids_of, read_config
from data_prep import images

BEGIN, END = "<!-- results -->", "<!-- end of results -->"
COLUMNS = ("frechet", "precision", "recall", "modes")  # of the table that compares recipes
# Scores whose names begin like this are not on a card: they describe one evaluation, or are the parts of a row.
LEFT_OUT = ("kernel_std", "label_entropy", "confirmed of ", "real confirmed of ")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", choices=[recipe.name for recipe in recipes()])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=PROJECT / "runs" / "results")
    options = parser.parse_args()
    folders = [options.folder / options.recipe / f"seed_{seed}" for seed in range(options.seeds)]
    for seed, folder in enumerate(folders):
        run(options.recipe, "--seed", seed, "--run-folder", folder)
        run(options.recipe, "evaluate", "--run-folder", folder)
    page = PROJECT / "recipes" / options.recipe / "README.md"
    replace(page, card(options.recipe, folders))
    shutil.copyfile(grids_of(folders[0])[-1], page.with_name("samples.png"))
    replace(PROJECT / "README.md", table(cards(), training_images()))


def run(*arguments):
    answer = subprocess.run([str(PROJECT / "run_recipe.sh"), *map(str, arguments)], check=False, cwd=PROJECT)
    if answer.returncode:
        raise InputError(f"run_recipe.sh {' '.join(map(str, arguments))} ended with exit code {answer.returncode}.")


def scored(recipe, folder, options, *evaluate):
    """Returns the `Scores` in the folder of a run; if there are none, it is trained and evaluated first.

    Args:
        recipe: string.
        folder: path.
        options: list, of the training.
        *evaluate: options of the action evaluate.
    """
    if not (folder / "scores.json").exists():
        run(recipe, *options, "--run-folder", folder)
        run(recipe, "evaluate", *evaluate, "--run-folder", folder)
    return Scores.read(folder / "scores.json")


# Cards ----------------------------------------------------------------------------------------------------------------


def card(name, folders):
    """Returns the result card, in Markdown, of finished and evaluated runs that differ only in their seed.

    Raises:
        InputError: if their scores were computed under different protocols.
    """
    scores = [Scores.read(folder / "scores.json") for folder in folders]
    for other in scores[1:]:
        refuse_other_protocol(scores[0], other)
    config = read_config(folders[0] / "config.json")
    steps = config["finished_epochs"] * config["steps_per_epoch"]
    rows = {
        label(key): [each.values[key] for each in scores] for key in scores[0].values if not key.startswith(LEFT_OUT)
    }
    seeds = f"{len(folders)} seeds, mean ± standard deviation" if len(folders) > 1 else "one seed"
    facts = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", (folders[0] / "README.md").read_text("utf-8"), re.MULTILINE))
    protocol = scores[0].protocol
    return "\n".join(
        [
            f"`.venv/bin/python -m benchmarks.results {name} --seeds {len(folders)}`: {steps:,} training steps a seed. "
            f"{facts['backend']}; {facts['versions']}; {facts['machine']}.",
            "",
            f"| {protocol.fake_count:,} samples | {seeds} |",
            "|---|---|",
            *(f"| {text} | {spread(values)} |" for text, values in rows.items()),
            "",
            f"Compared with {protocol.real_count:,} images ({protocol.data}, {protocol.split}); features of "
            f"`{protocol.extractor}` (weights {protocol.weights}); {protocol.generator} weights of G.",
        ]
    )


def label(key):
    return PRINTED[key][0] if key in PRINTED else key.replace("frechet", "Fréchet distance")


def spread(values):
    """Formats the mean of some values, with their standard deviation if there are several.

    >>> spread([5.84]), spread([0.8, 0.82, 0.84]), spread([10.0, 10.0])
    ('5.84', '0.820 ± 0.020', '10')
    """
    if len(set(values)) == 1 and values[0] == int(values[0]):  # a count, for example of classes
        return f"{values[0]:.0f}"
    digits = 1 if abs(statistics.mean(values)) >= 10 else 2 if abs(statistics.mean(values)) >= 1 else 3
    text = f"{statistics.mean(values):.{digits}f}"
    return f"{text} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else text


def read_card(text):
    """Returns the rows of a card as a dictionary from their first cells to `(mean, standard deviation)`.

    >>> read_card("| recall | 0.820 ± 0.020 |")
    {'recall': (0.82, 0.02)}
    """
    rows = re.findall(r"^\| (.+?) \| (-?[\d.]+)(?: ± ([\d.]+))? \|$", text, re.MULTILINE)
    return {name: (float(mean), float(deviation or 0)) for name, mean, deviation in rows}


def cards():
    """Returns the cards in the READMEs of the recipes, a dictionary from names to texts."""
    pages = {recipe.name: PROJECT / "recipes" / recipe.name / "README.md" for recipe in recipes()}
    texts = {name: page.read_text("utf-8") for name, page in pages.items() if page.exists()}
    return {name: held(text) for name, text in texts.items() if BEGIN in text and read_card(held(text))}


# The table that compares recipes --------------------------------------------------------------------------------------


def table(texts, bound):
    """Returns the table that compares the cards, in Markdown.

    Args:
        texts: dictionary from names of recipes to cards.
        bound: dictionary of the scores of the training images themselves.
    """
    columns = [label(key) for key in COLUMNS]
    lines = [f"| recipe | {' | '.join(columns)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, text in texts.items():
        rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.MULTILINE))
        lines.append(f"| {name} | {' | '.join(map(rows.get, columns))} |")
    return "\n".join([*lines, f"| the training images | {' | '.join(spread([bound[key]]) for key in COLUMNS)} |"])


def training_images():
    """Returns the scores of the embedded training images, a bound for generators trained on them."""
    options = images.ImageOptions()
    real = images.load(options).images
    return evaluate.evaluator_of(options)(len(real), lambda rows: real[rows], "none").values


def held(text):
    """Returns the text between the marks of a page."""
    return text.partition(BEGIN)[2].partition(END)[0].strip("\n")


def replace(page, text):
    """Replaces the text between the marks of a page.

    Raises:
        InputError: if the page does not have the marks.
    """
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"{page} needs the lines {BEGIN} and {END} around the results.")
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(exit_code(main))
