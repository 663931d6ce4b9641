"""The command line of a recipe: options, actions, and errors as sentences."""

import dataclasses
import os
import sys
import zipfile
from pathlib import Path
from typing import Annotated, Literal

import keras
import tyro

from common import pictures
from common.arguments import fail, parse
from common.errors import InputError
from common.gan import sample as draw
from common.options import Count, Seed
from common.run import PROJECT, Run, draw_latents, shown
from data_prep.decode import SUFFIXES


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """Options of every recipe: how and where to train."""

    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """where the run is written, and continued from; by default runs/RECIPE in the project"""
    restart: bool = False
    """begin anew; an earlier run in the folder is moved aside, never deleted"""
    tensorboard: bool = False
    """also write logs for TensorBoard into the run folder"""
    backend: Literal["tensorflow", "jax", "torch"] = keras.backend.backend()
    """the framework that computes; installed when missing"""
    policy: Annotated[str, tyro.conf.arg(metavar="{float32,mixed_bfloat16}")] = "float32"
    """the numbers that the networks compute in"""


@dataclasses.dataclass(frozen=True)
class SampleOptions:
    """Options of the action sample."""

    count: Count = 64  # images to draw
    seed: Seed = 0  # of the latents
    out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """a .png for a grid, or a folder for one file an image (00000.png …); by default a grid in the run folder"""
    overwrite: bool = False
    """replace files of the same name"""
    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the run whose generator draws; by default runs/RECIPE in the project"""


def main(train, config_class, package, actions=None):
    """Runs `train`, or an action, as the command line says. The last lines of a recipe's `train.py` call it.

    An `InputError` ends the program with one sentence and exit code 2; Ctrl-C with exit code 130.

    Args:
        train: function `(config, run)`.
        config_class: frozen dataclass with a default for every field, among them `epochs`.
        package: string, `__package__` of the recipe: its last part names the run folder.
        actions: dictionary from names to functions `(name, arguments)`, beside `sample`.
    """
    name = package.split(".")[-1]
    actions = {"sample": sample, **(actions or {})}
    arguments = sys.argv[1:]
    try:
        action = arguments[0] if arguments and not arguments[0].startswith("-") else None
        if action is None:
            train_run(name, train, config_class, arguments)
        elif action in actions:
            actions[action](name, arguments[1:])
        else:
            raise InputError(
                f"There is no action {action!r} of {name}; there are {', '.join(actions)}, or none to train."
            )
    except InputError as error:
        sys.exit(fail(error))
    except KeyboardInterrupt:
        print("\nStopped. The finished epochs are stored: the same command continues after them.")
        sys.exit(130)


def train_run(name, train, config_class, arguments):
    options, config = parse(
        f"./run_recipe.sh {name}", description(), {"run": RunOptions, "recipe": config_class}, arguments
    )
    set_policy(options.policy)
    if options.backend != keras.backend.backend():
        raise InputError(f"Keras runs on {keras.backend.backend()} already; use ./run_recipe.sh {name} --backend …")
    folder = options.run_folder or default_folder(name)
    run = Run(folder, name, config, options.restart, options.tensorboard)
    if run.is_finished:
        print(
            f"{shown(folder)} is finished: {run.finished_epochs} epochs. Train on with --epochs, anew with --restart."
        )
        return
    train(config, run)
    run.finish()
    report(name, run, options.run_folder)


def report(name, run, folder):
    where = f" --run-folder {folder}" if folder else ""
    print(
        f"\nMade in {shown(run.folder)}: generator.keras, samples/, training.gif, losses.png, log.csv, README.md\n"
        f"Draw more:  ./run_recipe.sh {name} sample --count 64 --seed 3 --out grid.png{where}\n"
        f"Train on:   ./run_recipe.sh {name} --epochs {2 * run.config.epochs}{where}\n"
        f"Your own:   ./run_recipe.sh new my_gan --from {name}"
    )
    if run.tensorboard:
        print(f"Curves:     {shown(Path(sys.executable).with_name('tensorboard'))} --logdir {shown(run.folder)}")


def description():
    return (sys.modules["__main__"].__doc__ or "").split("\n")[0]


def default_folder(name):
    return Path(os.environ.get("GAN_COOKBOOK_RUNS", PROJECT / "runs")) / name


def set_policy(policy):
    if policy not in ("float32", "mixed_bfloat16"):
        raise InputError(
            f"--policy must be float32 or mixed_bfloat16, but is {policy!r}; "
            "float16 needs loss scaling, which a game of two losses does not have."
        )
    keras.config.set_dtype_policy(policy)


# Sampling -------------------------------------------------------------------------------------------------------


def sample(name, arguments):
    """Draws images from the generator of a run."""
    (options,) = parse(f"./run_recipe.sh {name} sample", sample.__doc__, {"sample": SampleOptions}, arguments)
    folder = options.run_folder or default_folder(name)
    generator = load_generator(folder / "generator.keras", name)
    out = options.out or folder / f"sample_{options.count}_seed_{options.seed}.png"
    is_grid = out.suffix.lower() == ".png"
    if out.suffix.lower() in SUFFIXES and not is_grid:
        raise InputError(f"--out expects a .png for a grid, or a folder, but is {out}; use {out.with_suffix('.png')}.")
    files = [out] if is_grid else [out / f"{index:05d}.png" for index in range(options.count)]
    if options.out and not options.overwrite:
        refuse_existing(files)
    images = draw(generator, draw_latents(options.count, generator.input_shape[-1], options.seed))
    try:
        (out.parent if is_grid else out).mkdir(parents=True, exist_ok=True)
        sheets = [pictures.grid(images)] if is_grid else [pictures.unscale(image) for image in images]
        for path, sheet in zip(files, sheets, strict=True):
            pictures.save_png(path, sheet)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); choose another --out.") from error
    print(f"{options.count} samples in {shown(out)}")


def refuse_existing(files):
    existing = [path for path in files if path.exists()]
    if existing:
        raise InputError(f"{existing[0]} exists already; choose another --out, or say --overwrite.")


def load_generator(path, name):
    """Returns the generator of a file, which is opened in Keras' safe mode: no code of the file runs."""
    if not path.exists():
        raise InputError(f"There is no {shown(path)} yet; train first: ./run_recipe.sh {name}")
    try:
        return keras.saving.load_model(path, compile=False)
    except (zipfile.BadZipFile, ValueError, OSError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{shown(path)} is damaged ({reason}); train one more epoch to write it anew, or begin anew with --restart."
        ) from error
