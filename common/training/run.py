"""The folder of a run: its configuration, the files that training writes, and how a stopped run continues."""

import dataclasses
import fcntl
import json
import math
import os
import platform
import shlex
import shutil
import sys
from pathlib import Path

import keras
import numpy as np

from common import backend
from common.base import pictures
from common.base.errors import InputError
from common.base.files import sweep, write_json
from common.base.paths import move_aside, shown
from common.base.renamed import renamed
from common.latents import GRID_COUNT, latents_of
from common.networks import freeze_lower
from common.scoring.evaluator import Scores
from common.training import callbacks, card, checkpoint, data_record, devices, trained_run
from common.training.length import Length
from common.training.trained_run import grids_of

SPARE_BYTES = 50e6  # for sample grids, plots and logs
CONTINUED_FROM = ("config.json", "checkpoint.npz", "log.csv", "scores.json")


class Run:
    """One training run and its folder.

    A recipe's `train` calls `set_random_seed` and `fit`; the command line does the rest.

    Args:
        folder: path, created if missing.
        name: string, the recipe.
        config: frozen dataclass with a field `length`, a `Length`, or `epochs`, and, optionally, `seed`.
        restart: bool, whether to move an earlier run in this folder aside.
        tensorboard: bool, whether to write logs for TensorBoard.
        from_run: path or None, the folder of another run, with whose weights a new one begins.
        freeze_d: integer, lower layers of the discriminator that keep these weights.

    Raises:
        InputError: if the folder cannot be written, or contains other files or a run with another configuration.
    """

    def __init__(self, folder, name, config, restart=False, tensorboard=False, from_run=None, freeze_d=0):
        self.folder = Path(folder)
        self.name = name
        self.config = config
        self.length = getattr(config, "length", None) or Length(epochs=config.epochs)
        self.checkpoint = self.folder / "checkpoint.npz"
        self.tensorboard = tensorboard
        self.evaluation = None  # `(every, evaluator)` of `callbacks.Evaluate` to score while training
        self.patience = 0  # evaluations without a better score after which training ends; 0 for never
        self.device_count = 1  # devices of this host that share each batch
        self.freeze_d = freeze_d
        self.sample_count = 0  # training samples, as far as `plan` knows them
        self.data = {}  # the record of the training data, for `data.json`
        self.identity = {
            "recipe": name,
            "backend": keras.backend.backend(),
            "policy": keras.config.dtype_policy().name,
            **as_json(config),
            **({"from_run": str(from_run.resolve())} if from_run else {}),
            **({"freeze_d": freeze_d} if freeze_d else {}),
        }
        self._refuse_files_of_others()
        self._make_and_lock()
        if restart and (self.folder / "config.json").exists():
            self._move_aside()
        devices.refuse_differing("its options or its versions", self._shared_identity())
        devices.copy_from_first(self.folder, CONTINUED_FROM)
        self._read()
        for folder in (self.folder, self.folder / "samples"):
            sweep(folder)

    # Opening ----------------------------------------------------------------------------------------------------

    def _refuse_files_of_others(self):
        has_files = self.folder.is_dir() and any(not item.name.startswith(".") for item in self.folder.iterdir())
        if has_files and not (self.folder / "config.json").exists():
            raise InputError(
                f"{self.folder} contains files but no run (no config.json), and is not overwritten; "
                "choose another --run-folder."
            )

    def _make_and_lock(self):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise InputError(
                f"The run folder {self.folder} cannot be written ({error.strerror}); choose another with --run-folder."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                f"Another process is training in {self.folder}; wait for it, or choose another --run-folder."
            ) from error

    def _move_aside(self):
        """Renames the folder, and creates a new one."""
        move_aside(self.folder)
        self._lock.close()
        self._make_and_lock()

    def _read(self):
        path = self.folder / "config.json"
        try:
            stored = renamed(json.loads(path.read_text("utf-8"))) if path.exists() else {}
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}); start over with --restart.") from error
        self.finished_epochs = stored.pop("finished_epochs", 0)
        self.planned_epochs = stored.pop("epochs", self.length.epochs or 0)
        self.steps_per_epoch = stored.pop("steps_per_epoch", 0)
        if not all(isinstance(n, int) for n in (self.finished_epochs, self.planned_epochs, self.steps_per_epoch)):
            raise InputError(f"{path} is damaged (its numbers of epochs are none); start over with --restart.")
        log = callbacks.read_log(self.folder / "log.csv")  # what is damaged is to be known before the first step
        if log or not self.is_new:
            self._refuse_other_config(stored)

    def _refuse_other_config(self, stored):
        if stored.get("recipe", self.name) != self.name:
            raise InputError(
                f"{self.folder} contains a run of the recipe {stored['recipe']}; start over with --restart (moves the "
                "old run aside), or choose another --run-folder."
            )
        before = {**as_json(type(self.config)()), **stored}  # options added since then had their defaults
        differing = [
            f"{key} was {before.get(key)!r} and is {self.identity.get(key)!r}"
            for key in {**before, **self.identity}
            if key not in ("steps", "epochs", "allow_skipped") and before.get(key) != self.identity.get(key)
        ]
        if differing:
            held_out = ""
            if before.get("validation") != self.identity.get("validation"):
                held_out = " (validation is the share of images that --evaluate-every holds out, or --validation)"
            raise InputError(
                f"{self.folder} contains a run with another configuration ({'; '.join(differing)}): repeat its options "
                f"to continue it{held_out}, start over with --restart (moves the old run aside), or choose another "
                "--run-folder."
            )

    def _store(self):
        lengths = {
            "epochs": self.epochs,
            "steps_per_epoch": self.steps_per_epoch,
            "finished_epochs": self.finished_epochs,
        }
        write_json(self.folder / "config.json", {**self.identity, **lengths})

    def close(self):
        """Unlocks the folder for other processes, and for other runs of this process."""
        self._lock.close()

    @property
    def is_new(self):
        """Whether no epoch is stored yet, so that work before the first epoch, such as pre-training, is still to do."""
        return not self.checkpoint.exists()

    @property
    def is_finished(self):
        return 0 < self.epochs <= self.finished_epochs or self._is_stalled()

    def _is_stalled(self):
        return bool(self.patience) and callbacks.is_stalled(callbacks.read_log(self.folder / "log.csv"), self.patience)

    @property
    def epochs(self):
        """The number of epochs of the whole run; that of an earlier start, or 0, until `plan` knows it."""
        known = self.length.epochs or self.steps_per_epoch
        return self.length.epochs_of(self.steps_per_epoch) if known else self.planned_epochs

    def plan(self, batches):
        """Sets how many training steps an epoch of the batches takes, and returns the number of epochs of the run.

        A run that continues keeps its steps per epoch.

        Args:
            batches: `Batches` that `fit` gets.
        """
        self.sample_count = batches.count
        if self.is_new:
            self.steps_per_epoch = self.length.steps_per_epoch(batches.steps_per_pass)
        self.steps_per_epoch = self.steps_per_epoch or batches.steps_per_pass  # of a run of an earlier version
        batches.set_steps_per_epoch(self.steps_per_epoch)
        return self.epochs

    def record_data(self, allow_changed=False):
        """Records the files that the run is trained with; to be called before they are read.

        Args:
            allow_changed: bool, whether the run may continue with other files than it was last started with.

        Raises:
            InputError: if it may not, and they are others.
        """
        self.data = data_record.record_of(self.config)
        if not (self.is_new or allow_changed):
            data_record.refuse_changed(self.folder / "data.json", self.data)

    def set_random_seed(self):
        """Seeds the initial weights, and all other draws without a seed of their own, with the config's `seed`."""
        backend.set_random_seed(self.config.seed)

    # While training ---------------------------------------------------------------------------------------------

    def fit(self, gan, batches, *, render=None, count=GRID_COUNT, draw=None, columns=None, show=None, controls=()):
        """Calls `gan.fit` from the epoch after the last finished one, and writes into the run folder.

        - Before training: `config.json`; `data.json`, if the data is the user's; `data.png`; and `skipped.csv` if files
          were skipped (updated during training).
        - After every epoch: `samples/epoch_*.png`, `losses.png`, `log.csv`, `checkpoint.npz`, `generator.keras` and
          `generator.json`, what it is fed.
        - With `--evaluate-every`: `scores.json`, and the folder `best` with the files of the best epoch.
        - With `--tensorboard`: `tensorboard/`.

        After training, `finish` writes `training.gif` and `README.md`.

        Args:
            gan: a compiled `GAN`.
            batches: `Batches`. They are shuffled by seed and epoch, so Keras must not shuffle. Each host takes its part
                of every batch.
            render: function from samples that are no images, such as points, to images in [-1, 1]; for the grid of an
                epoch and for `data.png`.
            count: integer, samples in the grid, if it has not one row per class, and in `data.png`.
            draw: function from the GAN to the images of the grid; by default the samples of fixed latents.
            show: function from the batches to the images of `data.png`; by default the first samples.
            columns, controls: see `callbacks`.

        Raises:
            InputError: if a batch cannot be divided equally among the devices, or the hosts have different data.
        """
        epochs = self.plan(batches)
        render = render or (lambda samples: samples)
        seed = getattr(self.config, "seed", 0)
        draw = draw or (lambda gan: render(gan.sample(latents_of(gan).grid(seed, count))))
        show = show or (lambda batches: render(first_images(batches, count)))
        pictures.grid(draw(gan), columns)  # what is wrong with these is to be known before the first epoch
        trained_run.facts_of(gan)
        devices.refuse_uneven(batches, gan, self.device_count)
        devices.refuse_differing("its data", batches.sizes)
        batches.shard = backend.hosts()
        first = self.resume(gan, batches, show)
        if first:
            self._tell_of_schedules(gan)
        self._tell_of_length(batches)
        return gan.fit(
            batches,
            initial_epoch=first,
            epochs=epochs,
            shuffle=False,
            callbacks=self.callbacks(batches, draw, columns, controls),
            verbose=self.verbose,
        )

    def resume(self, gan, batches, show):
        """Starts the run, or restores its last finished epoch; returns the number of finished epochs.

        Writes `config.json`, `data.json`, and `data.png`, the training data after preprocessing.

        Args:
            gan: a compiled `GAN`, whose state is restored.
            batches: `Batches` that `fit` gets.
            show: function from the batches to images in [-1, 1] for `data.png`.
        """
        refuse_full_disk(self.folder, gan)
        epoch = self._load_state(gan)
        self._store()  # only now, so that a failed start leaves no run behind
        if self.data:
            write_json(self.folder / "data.json", self.data)
        pictures.save_png(self.folder / "data.png", pictures.grid(show(batches)))
        if not epoch:
            return 0
        if self.evaluation:
            callbacks.repair_best(self.folder, epoch)
        print(f"Continuing {shown(self.folder)} after epoch {epoch}.")
        logged = sum(row["epoch"] <= epoch for row in callbacks.read_log(self.folder / "log.csv"))
        if logged < epoch:
            print(f"log.csv has {logged} of these epochs; the curves and the minutes of the run lack the others.")
        return epoch

    def _load_state(self, gan):
        if self.freeze_d:
            freeze_discriminators(gan, self.freeze_d)
        if not self.is_new:
            return checkpoint.load(self.checkpoint, gan)
        if "from_run" in self.identity:
            checkpoint.load_weights(Path(self.identity["from_run"]) / "checkpoint.npz", gan)
        return 0

    def _tell_of_length(self, batches):
        steps = self.steps_per_epoch
        passes = steps / batches.steps_per_pass
        passes = f"{passes:.0f}" if passes >= 10 else f"{passes:.2g}"
        print(
            f"{self.epochs * steps:,} training steps: {self.epochs} epoch{'s' if self.epochs > 1 else ''} of {steps}, "
            f"about {passes} pass{'' if passes == '1' else 'es'} each."
        )

    def _tell_of_schedules(self, gan):
        """Says that a longer run has other learning rates, if they follow a schedule over all epochs."""
        rates = [optimizer.learning_rate for optimizer in gan.optimizers.values() if has_schedule(optimizer)]
        if rates and self.planned_epochs != self.epochs:
            print(
                f"The learning rate followed a schedule over {self.planned_epochs} epochs, and now follows one over "
                f"{self.epochs}: it goes on at {float(rates[0]):.2g}. The result differs from a run of "
                f"{self.epochs} epochs from the beginning; for that choose another --run-folder."
            )

    def callbacks(self, batches, draw, columns=None, controls=()):
        """Returns the Keras callbacks that write the run folder.

        Args:
            batches: `Batches` that `fit` gets.
            draw: function from the GAN to images in [-1, 1] for the grid of an epoch.
            columns: integer or None, columns of the grid.
            controls: callbacks that change the training, such as those of `controls`.
        """
        return [
            callbacks.StopOnInterrupt(),
            callbacks.DataEpoch(batches),
            callbacks.Throughput(batches.batch_size),
            callbacks.Duration(),
            callbacks.StopOnNonFinite(),
            callbacks.SkippedFiles(self.folder, batches),
            callbacks.Samples(self.folder / "samples", draw, columns, self._mark),
            *self._evaluate(),
            *controls,
            callbacks.Log(self.folder),
            *([callbacks.StopWithoutProgress(self.folder, self.patience)] if self.patience else []),
            *([callbacks.TensorBoard(self.folder)] if self.tensorboard else []),
            callbacks.Checkpoint(self.folder),
            *([callbacks.Best(self.folder)] if self.evaluation else []),
        ]

    def _mark(self, epoch):
        return pictures.Mark(self.name, getattr(self.config, "seed", 0), f"epoch {epoch}")

    def _evaluate(self):
        if not self.evaluation:
            return []
        every, evaluator = self.evaluation
        return [callbacks.Evaluate(self.folder, every, evaluator, getattr(self.config, "seed", 0))]

    def _shared_identity(self):
        """Returns what must be equal on all hosts of a run; paths may differ."""
        versions = {"keras": keras.__version__, "framework": backend.version}
        return {**self.identity, **as_json(self.config, shown_path=lambda path: None), **versions}

    @property
    def verbose(self):
        """1, a progress bar, in a terminal; 2, a line per epoch, in a file."""
        return 1 if sys.stdout.isatty() else 2

    # Finishing --------------------------------------------------------------------------------------------------

    def finish(self):
        """Writes `training.gif` and the model card `README.md`, and marks the run as finished."""
        grids = grids_of(self.folder)
        pictures.save_gif(self.folder / "training.gif", grids)
        card.write(self.folder, self.name, self._facts(), self._scores())
        self.finished_epochs = len(grids)
        self._store()

    def _devices(self):
        count = self.device_count * backend.hosts()[1]
        return backend.device() if count == 1 else f"{count} × {backend.device()}"

    def _facts(self):
        """Returns the rows of the table in the model card, a dictionary of texts."""
        rows = callbacks.read_log(self.folder / "log.csv")
        return {
            "command": f"`{command_line()}`",
            "seed": f"{getattr(self.config, 'seed', 'none')}",
            "backend": f"{keras.backend.backend()} {backend.version}, Keras {keras.__version__}, "
            f"policy {self.identity['policy']}",
            "versions": f"Python {platform.python_version()}, NumPy {np.__version__}",
            "machine": f"{self._devices()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
            "training samples": f"{self.sample_count:,}",
            "epochs": f"{len(rows)}",
            "minutes of training": f"{sum(row['seconds'] for row in rows) / 60:.1f}",
            "final losses": ", ".join(f"{name} {x:.4f}" for name, x in rows[-1].items() if name.endswith("loss")),
        }

    def _scores(self):
        """Returns the scores of the last epoch, if it was scored; what else `scores.json` has is of other weights."""
        *_, last = callbacks.read_log(self.folder / "log.csv")
        is_scored = self.evaluation and not math.isnan(last.get("frechet", math.nan))
        return Scores.read(self.folder / "scores.json") if is_scored else None


def freeze_discriminators(gan, count):
    """Freezes the lowest `count` layers of each discriminator of a GAN, or raises an `InputError`."""
    judges = gan.turns[0]
    if not judges:
        raise InputError("--freeze-d freezes layers of a discriminator, but this model has none; leave it out.")
    if any(gan.optimizers[player].use_ema for player in judges):  # Keras pairs averages and weights by their order
        raise InputError("--freeze-d cannot freeze a discriminator whose weights are averaged; leave it out.")
    for name in (name for player in judges for name in gan.players[player]):
        freeze_lower(gan.networks[name], count)


def has_schedule(optimizer):
    return isinstance(optimizer.get_config()["learning_rate"], dict)


def first_images(batches, count):
    """Returns the first samples of a run; if a sample has several parts, the first part."""
    return keras.tree.flatten(batches.first(min(count, batches.count)))[0]


def first_side_by_side(batches):
    """Returns the first samples for `data.png`, the parts of each side by side; all parts must be images."""
    return pictures.side_by_side(*keras.tree.flatten(batches.first(min(30, batches.count))))


def as_json(config, shown_path=lambda path: str(path.resolve())):
    """Returns a dataclass as a JSON-compatible dictionary, nested dataclasses merged in, paths absolute."""
    flat = {}
    for name, value in dataclasses.asdict(config).items():
        flat.update(value if isinstance(value, dict) else {name: value})
    return json.loads(json.dumps(flat, default=shown_path))


def refuse_full_disk(folder, gan):
    # While new files are written, two checkpoints and two generators are on the disk.
    needed = 2.5 * sum(4 * np.prod(variable.shape) for variable in checkpoint.variables(gan)) + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"The run needs about {needed / 1e6:.0f} MB in {folder}, and {free / 1e6:.0f} MB are free; "
            "make room, or choose another --run-folder."
        )


def command_line():
    """Returns the command of this run as the user typed it."""
    return os.environ.get("GAN_COOKBOOK_COMMAND") or shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
