"""What `run_recipe.sh` does before a recipe runs: the table of recipes, new recipes, the environment, the backend.

Runs on the standard library alone, so that the table appears at once.
"""

import ast
import difflib
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from common import container, environment
from common.errors import InputError

PROJECT = Path(__file__).parent.parent
RECIPES = PROJECT / "recipes"
# Each adds to those before.
ORDER = ["vanilla", "dcgan", "wgan", "cgan", "mode_collapse", "stacked_mnist", "pix2pix", "style_transfer", "simgan"]
COMMANDS = ("evaluate", "compare")  # of common/evaluate.py
BACKENDS = ("tensorflow", "jax", "torch")


class Recipe(NamedTuple):
    """What the docstring of a recipe's `train.py` says of it."""

    name: str
    sentence: str
    paper: str
    minutes: str


def describe(name):
    docstring = ast.get_docstring(ast.parse((RECIPES / name / "train.py").read_text("utf-8"))) or ""
    facts = dict(re.findall(r"^(Paper|Minutes): (.+)$", docstring, re.MULTILINE))
    return Recipe(name, docstring.split("\n")[0], facts.get("Paper", ""), facts.get("Minutes", ""))


def recipes():
    """Returns the recipes, in the order in which they build on each other, then by name."""
    names = sorted(path.parent.name for path in RECIPES.glob("*/train.py"))
    known = [name for name in ORDER if name in names]
    return [describe(name) for name in known + [name for name in names if name not in ORDER]]


def table():
    rows = [Recipe("RECIPE", "WHAT IT DOES", "PAPER", "MINUTES ON TWO CORES"), *recipes()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row.minutes]) for row in rows
    ]
    return "\n".join(
        [
            "Usage: ./run_recipe.sh RECIPE [ACTION] [OPTIONS]",
            "",
            *lines,
            "",
            "./run_recipe.sh RECIPE --help         every option",
            "./run_recipe.sh RECIPE sample --help  draw from a trained generator",
            "./run_recipe.sh RECIPE evaluate --help  score a trained generator",
            "./run_recipe.sh pix2pix apply --help  translate pictures of any size",
            "./run_recipe.sh evaluate FOLDER FOLDER  score images against images",
            "./run_recipe.sh compare RUN RUN       scores of two runs side by side",
            "./run_recipe.sh new NAME --from RECIPE  copy a recipe as the start of your own",
            "./run_recipe.sh RECIPE --docker …     the same in a container, with the GPU if there is one",
        ]
    )


def nearest(word, words):
    found = difflib.get_close_matches(word, words, 1, cutoff=0.4)
    return f"; did you mean {found[0]}?" if found else f"; there are {', '.join(words)}."


def launch(arguments):
    """Runs a recipe in the environment, in place of this process."""
    engine, arguments = container.engine_of(arguments)
    name, *rest = arguments
    names = [recipe.name for recipe in recipes()]
    if name not in [*names, *COMMANDS]:
        raise InputError(f"There is no recipe {name!r}{nearest(name, [*names, *COMMANDS, 'new'])}")
    backend = chosen_backend(rest)
    if engine:
        container.launch(engine, arguments, backend)
    environment.ensure([environment.group_of(backend), *(["tensorboard"] if "--tensorboard" in rest else [])])
    if not {"-h", "--help"} & set(rest):
        device = environment.gpu()
        print(f"Running on {backend} on {device if device else 'the CPU: no NVIDIA GPU found'}.", flush=True)
    os.environ.update(
        KERAS_BACKEND=backend,
        PYTHONPATH=str(PROJECT),
        PYTHONUNBUFFERED="1",
        GAN_COOKBOOK_COMMAND=shlex.join(["./run_recipe.sh", *arguments]),
    )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    python = str(environment.PYTHON)
    module = ["common.evaluate", name] if name in COMMANDS else [f"recipes.{name}.train"]
    os.execv(python, [python, "-P", "-m", *module, *rest])


def chosen_backend(arguments):
    """Returns the backend of `--backend`, else of KERAS_BACKEND, else TensorFlow."""
    value = os.environ.get("KERAS_BACKEND", BACKENDS[0])
    for index, argument in enumerate(arguments):
        if argument.startswith("--backend="):
            value = argument.partition("=")[2]
        elif argument == "--backend":
            value = arguments[index + 1] if index + 1 < len(arguments) else ""
    if value not in BACKENDS:
        raise InputError(f"--backend must be tensorflow, jax or torch, but is {value!r}.")
    return value


def new(arguments):
    """Copies a recipe under another name."""
    if len(arguments) != 3 or arguments[1] != "--from":
        raise InputError("Expected: ./run_recipe.sh new NAME --from RECIPE")
    name, _, source = arguments
    names = [recipe.name for recipe in recipes()]
    if source not in names:
        raise InputError(f"There is no recipe {source!r}{nearest(source, names)}")
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in (*COMMANDS, "new"):
        raise InputError(f"A recipe's name has lower-case letters, digits and _, such as my_gan, but is {name!r}.")
    target = RECIPES / name
    if target.exists():
        raise InputError(f"{target.relative_to(PROJECT)} exists already; choose another name.")
    shutil.copytree(RECIPES / source, target, ignore=lambda _, files: [f for f in files if not f.endswith(".py")])
    train = target / "train.py"
    train.write_text(train.read_text("utf-8").replace(f"run_recipe.sh {source}", f"run_recipe.sh {name}"), "utf-8")
    print(
        f"Made recipes/{name} from {source}; it runs as it is: ./run_recipe.sh {name}\n"
        "Three places to change:\n"
        f"  1. recipes/{name}/data.py             what it learns from\n"
        f"  2. recipes/{name}/train.py, Networks  what the two players are\n"
        f"  3. recipes/{name}/train.py, Config and Training  how they are trained: numbers, loss, optimizers"
    )


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(table())
    elif arguments[0] == "new":
        new(arguments[1:])
    else:
        launch(arguments)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
