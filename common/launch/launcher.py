"""What `run_recipe.sh` does before a recipe runs: the table of recipes, new recipes, the environment, the backend.

Imports only the standard library, so that the table appears at once.
"""

import ast
import difflib
import os
import re
import shlex
import shutil
import sys
from typing import NamedTuple

from common.base.errors import InputError, exit_code
from common.base.paths import PROJECT
from common.launch import container, environment

RECIPES = PROJECT / "recipes"
# Each builds on those before it.
ORDER = [
    "vanilla",
    "dcgan",
    "wgan",
    "cgan",
    "r3gan",
    "projected_gan",
    "vae",
    "vae_gan",
    "semi_supervised",
    "augmentation",
    "mode_collapse",
    "stacked_mnist",
    "pix2pix",
    "style_transfer",
    "simgan",
    "image_to_3d",
    "text_to_image",
    "makeup",
]
COMMANDS = ("evaluate", "compare")  # of common/cli/evaluate.py
BACKENDS = ("tensorflow", "jax", "torch")


class Recipe(NamedTuple):
    """Facts about a recipe, from the docstring of its `train.py`."""

    name: str
    sentence: str
    paper: str
    minutes: str


def describe(name):
    error = broken_at(RECIPES / name / "train.py")
    if error:
        return Recipe(name, f"broken: {error}", "", "")
    docstring = ast.get_docstring(ast.parse((RECIPES / name / "train.py").read_text("utf-8"))) or ""
    facts = dict(re.findall(r"^(Paper|Minutes): (.+)$", docstring, re.MULTILINE))
    return Recipe(name, docstring.split("\n")[0], facts.get("Paper", ""), facts.get("Minutes", ""))


def broken_at(path):
    """Returns the place and the kind of a syntax error in a file, as text; None if there is none."""
    try:
        ast.parse(path.read_text("utf-8"))
    except SyntaxError as error:
        return f"line {error.lineno} of {path.name}: {error.msg}"
    except (ValueError, OSError, RecursionError, MemoryError) as error:  # of the parser; among them: not UTF-8
        return f"{path.name} cannot be read: {error}"
    return None


def recipes():
    """Returns the recipes: first those of `ORDER`, then all others by name."""
    names = sorted(path.parent.name for path in RECIPES.glob("*/train.py"))
    known = [name for name in ORDER if name in names]
    return [describe(name) for name in known + [name for name in names if name not in ORDER]]


def table():
    """Returns the table of recipes as text: sentence, minutes on two cores and paper of each."""
    lines = [("RECIPE", "WHAT IT DOES", "MINUTES")]
    for recipe in recipes():
        lines += [(recipe.name, recipe.sentence, recipe.minutes), ("", recipe.paper, "")]
    names, sentences, _ = zip(*lines, strict=True)
    width, wide = max(map(len, names)), max(map(len, sentences))
    commands = [
        ("RECIPE", "train it, or continue an interrupted run"),
        ("RECIPE --help", "all options"),
        ("RECIPE sample --help", "samples of a trained generator"),
        ("RECIPE evaluate --help", "scores of a trained generator"),
        ("RECIPE walk --help", "its latent space: also directions, invert, arithmetic, truncate"),
        ("RECIPE play --help", "a page in the browser to play with it"),
        ("pix2pix apply --help", "translate images of any size"),
        ("evaluate FOLDER FOLDER", "scores of images against images"),
        ("compare RUN RUN", "the scores of two runs side by side"),
        ("new NAME --from RECIPE", "copy a recipe as the start of your own"),
        ("RECIPE --docker …", "run in a container, with the GPU if there is one"),
    ]
    return "\n".join(
        [
            "Usage: ./run_recipe.sh RECIPE [ACTION] [OPTIONS]          (minutes on two cores)\n",
            *(f"{name:{width}}  {sentence:{wide}}  {minutes}".rstrip() for name, sentence, minutes in lines),
            "",
            *(f"./run_recipe.sh {command:24}  {what}" for command, what in commands),
        ]
    )


def nearest(word, words):
    found = difflib.get_close_matches(word, words, 1, cutoff=0.4)
    return f"; did you mean {found[0]}?" if found else f"; there are {', '.join(words)}."


def launch(arguments):
    """Replaces this process by a recipe in the environment."""
    engine, arguments = container.engine_of(arguments)
    name, *rest = arguments
    names = [recipe.name for recipe in recipes()]
    if name not in [*names, *COMMANDS]:
        raise InputError(f"There is no recipe {name!r}{nearest(name, [*names, *COMMANDS, 'new'])}")
    refuse_broken(name)
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
    module = ["common.cli.evaluate", name] if name in COMMANDS else [f"recipes.{name}.train"]
    os.execv(python, [python, "-P", "-m", *module, *rest])


def refuse_broken(name):
    """Raises an `InputError` if a file of a recipe has a syntax error."""
    for path in sorted((RECIPES / name).glob("*.py")):
        error = broken_at(path)
        if error:
            raise InputError(f"The recipe {name} cannot run: {error}; correct {path.relative_to(PROJECT)}.")


def chosen_backend(arguments):
    """Returns the backend of `--backend`, by default that of KERAS_BACKEND, by default TensorFlow."""
    value = os.environ.get("KERAS_BACKEND") or BACKENDS[0]
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
        f"  1. recipes/{name}/data.py             the training data\n"
        f"  2. recipes/{name}/train.py, Networks  the generator and the discriminator\n"
        f"  3. recipes/{name}/train.py, Config and Training  hyperparameters, loss, optimizers"
    )


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(table())
    elif arguments[0] == "new":
        new(arguments[1:])
    else:
        launch(arguments)


if __name__ == "__main__":
    sys.exit(exit_code(main, sys.argv[1:]))
