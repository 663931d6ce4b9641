"""The command line of a recipe: options, actions, and errors as sentences."""

import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import keras
import numpy as np
import tyro

from common import devices, evaluate, pictures
from common.arguments import fail, parse
from common.errors import InputError
from common.files import writing_to
from common.gan import class_count_of, latent_dim_of
from common.gan import sample as draw
from common.latents import draw_latents
from common.options import Count, Range, Seed
from common.run import Run, command_line, default_folder, load_generator, shown
from data_prep.decode import SUFFIXES
from data_prep.images import class_number


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """Options of every recipe: how and where to train."""

    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """where the run is written, and continued from; by default runs/RECIPE in the project"""
    restart: bool = False
    """begin anew; an earlier run in the folder is moved aside, never deleted"""
    evaluate_every: Annotated[int, Range(0)] = 0
    """score 5,000 samples after every so many epochs: a curve in log.csv and losses.png; the best epoch is kept"""
    patience: Annotated[int, Range(0)] = 0
    """stop after so many of these scores without a better one; 0 is never"""
    extractor: evaluate.ExtractorName = None
    """whose features are compared then; by default garments for Fashion-MNIST, digits for MNIST, else inception"""
    tensorboard: bool = False
    """also write logs for TensorBoard into the run folder"""
    backend: Literal["tensorflow", "jax", "torch"] = keras.backend.backend()
    """the framework that computes; installed when missing"""
    policy: Annotated[str, tyro.conf.arg(metavar="{float32,mixed_bfloat16}")] = "float32"
    """the numbers that the networks compute in"""
    spread: devices.DeviceOptions = devices.DeviceOptions()
    """which devices share each batch: see docs/scaling.md"""


@dataclasses.dataclass(frozen=True)
class SampleOptions:
    """Options of the action sample."""

    count: Count = 64  # images to draw
    of_class: Annotated[str | None, tyro.conf.arg(name="class")] = None
    """of a conditional generator: the class to draw, by name or number; by default each in turn, one a row"""
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
        actions: dictionary from names to functions `(name, arguments)`, beside `sample` and `evaluate` or in their
            place; None in the place of a function takes an action away.
    """
    name = package.split(".")[-1]
    actions = {"sample": sample, "evaluate": evaluate.of_run, **(actions or {})}
    actions = {action: function for action, function in actions.items() if function}
    arguments = sys.argv[1:]
    try:
        action = arguments[0] if arguments and not arguments[0].startswith("-") else None
        if action is None:
            train_run(name, train, config_class, arguments, actions)
        elif action in actions:
            actions[action](name, arguments[1:])
        else:
            raise InputError(
                f"There is no action {action!r} of {name}; there are {', '.join(actions)}, or none to train."
            )
    except InputError as error:
        devices.end(fail(error))
    except KeyboardInterrupt:
        print("\nStopped. The finished epochs are stored: the same command continues after them.")
        devices.end(130)


def train_run(name, train, config_class, arguments, actions):
    options, config = parse(
        f"./run_recipe.sh {name}", description(), {"run": RunOptions, "recipe": config_class}, arguments
    )
    set_policy(options.policy)
    if options.backend != keras.backend.backend():
        raise InputError(f"Keras runs on {keras.backend.backend()} already; use ./run_recipe.sh {name} --backend …")
    if options.patience and not options.evaluate_every:
        raise InputError("--patience needs scores to watch; add --evaluate-every 1, or another number of epochs.")
    devices.join(options.spread)
    with devices.ending_together(), devices.own_folder(options.run_folder or default_folder(name)) as folder:
        count = devices.device_count(options.spread)
        run = Run(folder, name, config, options.restart, options.tensorboard)
        if run.is_finished:
            done = f"{shown(folder)} is finished: {run.finished_epochs} epochs."
            print(f"{done} Train on with --epochs, anew with --restart.")
            return
        run.patience = options.patience
        run.device_count = count
        if options.evaluate_every:
            # The extractor is loaded before `train` sets the seed: the weights that it draws first disturb nothing.
            run.evaluation = (options.evaluate_every, evaluate.evaluator_in_training(config, options.extractor))
        with devices.spread(count):
            train(config, run)
        run.finish()
        report(name, run, options.run_folder, actions)


def report(name, run, folder, actions):
    """Says what was made, and what to try next."""
    use = {
        "sample": f"Draw more:  ./run_recipe.sh {name} sample --count 64 --seed 3 --out grid.png",
        "apply": f"Use it:     ./run_recipe.sh {name} apply --input PICTURES --out FOLDER",
    }
    where = f" --run-folder {folder}" if folder else ""
    print(
        f"\nMade in {shown(run.folder)}: generator.keras, samples/, training.gif, losses.png, log.csv, README.md\n"
        f"{''.join(f'{line}{where}{chr(10)}' for action, line in use.items() if action in actions)}"
        f"Train on:   {train_on(2 * run.config.epochs)}\n"
        f"Your own:   ./run_recipe.sh new my_gan --from {name}"
    )
    if run.tensorboard:
        print(f"Curves:     {shown(Path(sys.executable).with_name('tensorboard'))} --logdir {shown(run.folder)}")


def train_on(epochs):
    """Returns the command of this run with more epochs: its other options have to be repeated."""
    kept = iter(shlex.split(command_line()))
    options = [
        option
        for option in kept
        if option != "--restart" and not option.startswith("--epochs=") and not (option == "--epochs" and next(kept))
    ]
    return shlex.join([*options, "--epochs", str(epochs)])


def description():
    return (sys.modules["__main__"].__doc__ or "").split("\n")[0]


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
    images = draw(generator, *latents_and_labels(generator, options, folder))
    with writing_to(out):
        (out.parent if is_grid else out).mkdir(parents=True, exist_ok=True)
        sheets = [pictures.grid(images)] if is_grid else [pictures.unscale(image) for image in images]
        for path, sheet in zip(files, sheets, strict=True):
            pictures.save_png(path, sheet)
    print(f"{options.count} samples in {shown(out)}")


def latents_and_labels(generator, options, folder):
    """Returns what `draw` needs besides the generator."""
    latents = draw_latents(options.count, latent_dim_of(generator), options.seed)
    classes = class_count_of(generator)
    if not classes:
        if options.of_class is not None:
            raise InputError("--class needs a conditional generator, such as that of cgan; this one knows no classes.")
        return (latents,)
    if options.of_class is None:
        rows = -(-options.count // classes)
        return latents, np.repeat(np.arange(classes, dtype="int32"), rows)[: options.count]
    number = class_number(options.of_class, evaluate.class_names_of(folder))
    return latents, np.full(options.count, number, "int32")


def refuse_existing(files):
    existing = [path for path in files if path.exists()]
    if existing:
        raise InputError(f"{existing[0]} exists already; choose another --out, or say --overwrite.")
