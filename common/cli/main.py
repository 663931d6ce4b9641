"""The command line of a recipe: options, actions, and errors in one sentence."""

import contextlib
import dataclasses
import shlex
import sys
from pathlib import Path
from typing import Annotated, Literal

import keras
import tyro

from common.base.arguments import parse, refuse_ignored
from common.base.errors import InputError, exit_code, printable
from common.base.paths import run_folder, shown
from common.base.ranges import Range
from common.cli.arithmetic import arithmetic_action
from common.cli.directions import directions_action
from common.cli.evaluate import evaluate_action
from common.cli.export import export_action
from common.cli.features import features_action
from common.cli.invert import invert_action
from common.cli.play import play_action
from common.cli.sample import sample_action
from common.cli.truncate import truncate_action
from common.cli.walk import walk_action
from common.scoring.evaluator import evaluator_in_training
from common.scoring.extractors import ExtractorName, refuse_unknown
from common.training import devices
from common.training.run import Run, command_line

OF_ALL = {
    "sample": sample_action,
    "evaluate": evaluate_action,
    "export": export_action,
    "features": features_action,
    "play": play_action,
}
OF_LATENTS = {
    "walk": walk_action,
    "arithmetic": arithmetic_action,
    "directions": directions_action,
    "invert": invert_action,
    "truncate": truncate_action,
}
WITHOUT_LATENT_ACTIONS = dict.fromkeys(OF_LATENTS)  # among the actions of a recipe whose samples are no images
VALIDATION = 0.1  # of the training images, where epochs are scored


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """Options of every recipe: how and where to train."""

    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """folder that the run is written to and resumed from; by default runs/RECIPE in the project"""
    from_run: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """begin a new run with the weights of this one, of the same networks on other data; best with few images"""
    freeze_d: Annotated[int, Range(0)] = 0
    """keep the weights of the N lowest layers of the discriminator of --from-run (FreezeD)"""
    restart: bool = False
    """start over; an earlier run in the folder is moved aside, never deleted"""
    allow_changed_data: bool = False
    """continue although image files were added, removed or modified since the last start of the run"""
    evaluate_every: Annotated[int, Range(0)] = 0
    """score 5,000 samples every N epochs against held-out training images, and keep the best epoch; 0 is never"""
    patience: Annotated[int, Range(0)] = 0
    """stop after N of these evaluations without a better score; 0 is never"""
    extractor: ExtractorName = None
    """network whose features are compared; by default garments for Fashion-MNIST, digits for MNIST, else imagenet"""
    tensorboard: bool = False
    """also write logs for TensorBoard into the run folder"""
    backend: Literal["tensorflow", "jax", "torch"] = keras.backend.backend()
    """the framework to train with; installed if missing"""
    policy: Annotated[str, tyro.conf.arg(metavar="{float32,mixed_bfloat16}")] = "float32"
    """Keras dtype policy of the networks"""
    spread: devices.DeviceOptions = devices.DeviceOptions()
    """devices and machines that share each batch; see docs/scaling.md"""

    def check_given(self, given):
        if self.from_run and not (self.from_run / "checkpoint.npz").exists():
            raise InputError(f"--from-run expects the folder of a run, but {self.from_run} has no checkpoint.npz.")
        if self.freeze_d and not self.from_run:
            raise InputError("--freeze-d keeps weights of another run; name it with --from-run.")
        if self.evaluate_every:
            if self.extractor:
                refuse_unknown(self.extractor)
            return
        if self.patience:
            raise InputError("--patience needs scores to watch; add --evaluate-every 1, or another number of epochs.")
        refuse_ignored(given, "extractor", "without --evaluate-every, since no epoch is scored")


def main(train, config_class, package, actions=None, evaluator=evaluator_in_training):
    """Runs `train` or an action, as given on the command line. Called at the end of a recipe's `train.py`.

    An `InputError`, or an error of the system, ends the program with one sentence and exit code 2; Ctrl-C with 130.

    Args:
        train: function `(config, run)`.
        config_class: frozen dataclass with a default for every field, among them `length` or `epochs`.
        package: string, `__package__` of the recipe: its last part names the run folder.
        actions: dictionary from names to functions `(name, arguments)`, which extend or replace `OF_ALL` and
            `OF_LATENTS`; None removes an action. A recipe without `sample` has none of those on latents.
        evaluator: function from the config and the name of an extractor to the `Evaluator` of `--evaluate-every`; for
            samples that are no images it has its own `as_compared` and `__call__`.
    """
    name = package.split(".")[-1]
    actions = {**OF_ALL, **OF_LATENTS, **(actions or {})}
    without = () if actions["sample"] else OF_LATENTS
    actions = {action: function for action, function in actions.items() if function and action not in without}

    def run(arguments):
        action = arguments[0] if arguments and not arguments[0].startswith("-") else None
        if action is None:
            train_run(name, train, config_class, arguments, actions, evaluator)
        elif action in actions:
            actions[action](name, arguments[1:])
        else:
            raise InputError(
                f"There is no action {action!r} of {name}; there are {', '.join(actions)}, or none to train."
            )

    stopped = "Stopped. The finished epochs are stored: the same command continues after them."
    code = exit_code(run, sys.argv[1:], stopped=stopped)
    if code:
        devices.end(code)


def train_run(name, train, config_class, arguments, actions, evaluator):
    options, config = parse(
        f"./run_recipe.sh {name}", description(), {"run": RunOptions, "recipe": config_class}, arguments
    )
    set_policy(options.policy)
    if options.backend != keras.backend.backend():
        raise InputError(f"Keras runs on {keras.backend.backend()} already; use ./run_recipe.sh {name} --backend …")
    if options.evaluate_every:
        config = holding_out(config)
    devices.join(options.spread)
    with devices.ending_together(), devices.own_folder(options.run_folder or run_folder(name)) as folder:
        count = devices.device_count(options.spread)
        with contextlib.closing(
            Run(folder, name, config, options.restart, options.tensorboard, options.from_run, options.freeze_d)
        ) as run:
            run.patience = options.patience
            if run.is_finished:
                count = run.finished_epochs
                done = f"{shown(folder)} is finished: {count} epoch{'s' if count > 1 else ''}."
                print(f"{done} Train longer with {longer(run)[0]}, or start over with --restart.")
                return
            run.device_count = count
            run.record_data(options.allow_changed_data)
            if options.evaluate_every:
                # Loaded before `train` sets the seed, so that building it does not shift the random numbers.
                run.evaluation = (options.evaluate_every, evaluator(config, options.extractor))
                if hasattr(config, "images"):
                    print(f"Epochs are scored against {config.images.validation:.0%} of the training images, held out.")
            with devices.spread(count):
                train(config, run)
            run.finish()
            report(name, run, options.run_folder, actions)


def holding_out(config):
    """Returns a configuration that holds out images to select an epoch by, 0.1 of them unless it says how many."""
    if not hasattr(config, "images") or config.images.validation:
        return config
    return dataclasses.replace(config, images=dataclasses.replace(config.images, validation=VALIDATION))


def report(name, run, folder, actions):
    """Prints what was written, and what to do next."""
    where = f" --run-folder {printable(shlex.quote(str(folder)))}" if folder else ""
    print(f"\nMade in {shown(run.folder)}: generator.keras, samples/, training.gif, losses.png, log.csv, README.md")
    if "sample" in actions:
        print(f"Draw more:  ./run_recipe.sh {name} sample --count 64 --seed 3 --out grid.png{where}")
    if "apply" in actions:
        example = getattr(actions["apply"], "example", "--input IMAGES --out FOLDER")
        print(f"Use it:     ./run_recipe.sh {name} apply {example}{where}")
    print(f"Train more: {printable(train_on(*longer(run)))}")
    print(f"Your own:   ./run_recipe.sh new my_gan --from {name}")
    if run.tensorboard:
        print(f"Curves:     {shown(Path(sys.executable).with_name('tensorboard'))} --logdir {shown(run.folder)}")


def longer(run):
    """Returns the option, and its value, by which a run trains for twice as long."""
    if run.length.epochs:
        return "--epochs", 2 * run.epochs
    return "--steps", 2 * max(run.length.steps, run.epochs * run.steps_per_epoch)  # an epoch may be longer than --steps


def train_on(option, length):
    """Returns the command that trains this run for longer, with all of its other options."""
    options = shlex.split(command_line())
    for name in ("--steps", "--epochs"):
        if name in options:
            place = options.index(name)
            del options[place : place + 2]
    once = ("--restart", "--allow-changed-data")
    options = [each for each in options if each not in once and not each.startswith(("--steps=", "--epochs="))]
    return shlex.join([*options, option, str(length)])


def description():
    return (sys.modules["__main__"].__doc__ or "").split("\n")[0]


def set_policy(policy):
    if policy not in ("float32", "mixed_bfloat16"):
        raise InputError(
            f"--policy must be float32 or mixed_bfloat16, but is {policy!r}; "
            "float16 needs loss scaling, which Keras does not offer for two losses."
        )
    keras.config.set_dtype_policy(policy)
