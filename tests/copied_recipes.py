"""Copies every recipe and trains the copies for an epoch, in one process: framework and tests are loaded once.

    python -m tests.copied_recipes FOLDER

To be run in a copy of the project, to which the recipes are added; `FOLDER` gets the data and the runs. Prints what
failed; the exit code is the number of those.
"""

import importlib
import sys
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from common.launch import launcher
from tests.conftest import call_recipe
from tests.tiny_recipes import SHORT_EPOCHS, options


def main(folder):
    (folder / "data").mkdir()
    failed = 0
    for name, tiny in options(folder / "data").items():
        launcher.new([f"my_{name}", "--from", name])
        if name in SHORT_EPOCHS:
            setattr(importlib.import_module(f"recipes.my_{name}.data"), *SHORT_EPOCHS[name])
        answer = call_recipe(f"my_{name}", *tiny, "--epochs", 1, "--run-folder", folder / name)
        if answer.returncode:
            failed += 1
            print(f"{name}: {answer.stderr}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
