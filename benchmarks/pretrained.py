"""Trains the generators that come with the project at the defaults of their recipes, and puts them into pretrained/.

    .venv/bin/python -m benchmarks.pretrained [dcgan cgan r3gan text_to_image]

Of each: the generator, its directions in latent space if the recipe has that action, its scores and its model card. A
generator that is too large is stored in half precision, and scored as such. Runs are kept in runs/pretrained: finished
ones are not trained again, interrupted ones continue.
"""

import argparse
import json
import re
import shutil
import zipfile

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import keras

from benchmarks.results import PROJECT, run
from common.base.errors import InputError, exit_code
from common.base.files import whole
from common.saving import digest_of, open_network
from common.scoring.linear_directions import FILE
from common.training import pretrained
from common.training.trained_run import grids_of, read_config

RECIPES = ("dcgan", "cgan", "r3gan", "text_to_image")
WITHOUT_DIRECTIONS = ("text_to_image",)
KEPT = ("generator.keras", "generator.json", "config.json", "scores.json", FILE)
MOST_BYTES = 3_000_000  # of a generator in the repository


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    for name in parser.parse_args().recipes:
        folder = f"runs/pretrained/{name}"  # relative, since the card shows the command
        run(name, "--run-folder", folder)
        if (PROJECT / folder / pretrained.GENERATOR).stat().st_size > MOST_BYTES:
            halve(PROJECT / folder)
        run(name, "evaluate", "--run-folder", folder)
        if name not in WITHOUT_DIRECTIONS:
            run(name, "directions", "--run-folder", folder)
        publish(PROJECT / folder, pretrained.FOLDER / name)


def halve(folder):
    """Rounds the weights of a run's generator to half precision; compressed, they take about half the bytes.

    They stay float32 in the file, so that it is opened, and computes, as before.
    """
    path = folder / pretrained.GENERATOR
    network, facts = open_network(path), read_config(folder / "generator.json")
    for variable in network.weights:
        variable.assign(keras.ops.convert_to_numpy(variable).astype("float16").astype("float32"))
    with whole(path) as part:
        network.save(part)
        with zipfile.ZipFile(part) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    before, facts["digest"] = facts["digest"], digest_of(network)
    card = folder / "README.md"
    replaced = f"{before}…", f"{facts['digest']}…, rounded to half precision"
    card.write_text(card.read_text("utf-8").replace(*replaced), "utf-8")
    (folder / "generator.json").write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def publish(folder, target):
    """Copies what is needed of a run into the project."""
    size = (folder / "generator.keras").stat().st_size
    if size > MOST_BYTES:
        raise InputError(f"{folder / 'generator.keras'} has {size:,} bytes; at most {MOST_BYTES:,} can be committed.")
    target.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        if name != FILE or target.name not in WITHOUT_DIRECTIONS:
            shutil.copyfile(folder / name, target / name)
    last = grids_of(folder)[-1]
    shutil.copyfile(last, target / "samples.png")
    card = (folder / "README.md").read_text("utf-8").replace(f"samples/{last.name}", "samples.png")
    # The other pictures stay with the run.
    card = re.sub(r"!\[[^\]]*\]\((?!samples\.png)[^)]*\) ?", "", card)
    (target / "README.md").write_text(card, "utf-8")


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
