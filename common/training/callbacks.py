"""Keras callbacks of a run: they monitor the training and write the run folder after each epoch."""

import csv
import math
import shutil
import signal
import threading
import time

import keras
import numpy as np

from common.averages import kind_of_weights
from common.base import pictures
from common.base.errors import InputError
from common.base.files import flush, whole
from common.base.paths import shown
from common.latents import latents_of
from common.scoring.evaluator import Scores, score_generator
from common.training import checkpoint, trained_run
from data_prep.skipped import write_skipped

KEPT = ("generator.json", "checkpoint.npz", "config.json", "scores.json")  # of the best epoch, beside its networks


class StopOnInterrupt(keras.callbacks.Callback):
    """Ends training on Ctrl-C, also if Keras swallows the exception while it waits for the logs of a step."""

    def on_train_begin(self, logs=None):
        self.is_interrupted = False
        self.before = signal.getsignal(signal.SIGINT)
        # Other threads may not set a handler, and background jobs of a shell ignore SIGINT.
        self.is_watching = threading.current_thread() is threading.main_thread() and callable(self.before)
        if self.is_watching:
            signal.signal(signal.SIGINT, self._remember)

    def _remember(self, number, frame):
        self.is_interrupted = True
        self.before(number, frame)

    def on_train_batch_end(self, batch, logs=None):
        if self.is_interrupted:
            raise KeyboardInterrupt

    def on_train_end(self, logs=None):
        if self.is_watching:
            signal.signal(signal.SIGINT, self.before)


class DataEpoch(keras.callbacks.Callback):
    """Sets the epoch of the data at the beginning of each epoch, since its order depends on it.

    The data cannot count epochs itself: before training on several devices, Keras reads an extra batch.

    Args:
        batches: `Batches` that `fit` gets.
    """

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch


class Throughput(keras.callbacks.Callback):
    """Adds `images/s` to the logs, for the progress bar and for all callbacks after this one.

    The first step of an epoch is not counted, because the first one of a `fit` includes compilation.

    Args:
        batch_size: integer, real samples per step.
    """

    def __init__(self, batch_size):
        super().__init__()
        self.batch_size = batch_size

    def on_epoch_begin(self, epoch, logs=None):
        self.start = self.first_step = None

    def on_train_batch_end(self, batch, logs=None):
        if self.start is None:
            self.start, self.first_step = time.perf_counter(), batch
        elif logs is not None:
            logs["images/s"] = self.rate = self._rate(batch)

    def _rate(self, batch):
        return (batch - self.first_step) * self.batch_size / (time.perf_counter() - self.start)

    def on_epoch_end(self, epoch, logs=None):
        logs["images/s"] = getattr(self, "rate", math.nan)


class Duration(keras.callbacks.Callback):
    """Says once, after a minute of training, how long all of it will take on this machine.

    Args:
        seconds: float, how long to measure.
    """

    def __init__(self, seconds=60.0):
        super().__init__()
        self.seconds = seconds
        self.start = None  # the time after the first steps, which include compilation
        self.steps, self.is_told = 0, False

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.last = epoch, -1

    def on_train_batch_end(self, batch, logs=None):
        now = time.monotonic()
        if self.start is None:
            self.start = now
        else:
            self.steps += batch - self.last
        self.last = batch
        if self.steps and not self.is_told and now - self.start >= self.seconds:
            self.is_told = True
            left = (self.params["epochs"] - self.epoch) * self.params["steps"] - batch - 1
            rate = self.steps / (now - self.start)
            end = time.strftime("%H:%M", time.localtime(time.time() + left / rate))
            print(f"\n{rate:.3g} steps/s: about {duration(left / rate)} more, until {end}.")


def duration(seconds):
    """Returns a number of seconds in words.

    >>> duration(50), duration(700), duration(9000)
    ('1 minute', '12 minutes', '2.5 hours')
    """
    minutes = max(1, round(seconds / 60))
    if minutes >= 120:
        return f"{seconds / 3600:.1f} hours"
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops training when a loss or a weight is NaN or infinite, before the epoch is stored.

    Keras' `TerminateOnNaN` checks only `loss`, which a GAN does not log.

    Raises:
        InputError: with the loss and the step, or the weight and the epoch.
    """

    ADVICE = "lower the learning rate or regularize the discriminator with a penalty, and start over with --restart"

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        for name, value in (logs or {}).items():
            if not math.isfinite(value):
                raise InputError(
                    f"{name} became {value} by step {batch + 1} of epoch {self.epoch}, so training stopped; "
                    f"the checkpoint is that of epoch {self.epoch - 1}: {self.ADVICE}."
                )

    def on_epoch_end(self, epoch, logs=None):
        for variable in self.model.variables:
            if not np.all(np.isfinite(variable.numpy())):
                raise InputError(
                    f"The weights {variable.path} are no longer finite after epoch {epoch + 1}, so training stopped; "
                    f"the checkpoint is that of epoch {epoch}: {self.ADVICE}."
                )


class SkippedFiles(keras.callbacks.Callback):
    """Keeps `skipped.csv` up to date: in a folder too large to decode beforehand, damaged files are found in training.

    Args:
        folder: path of the run.
        batches: `Batches` that `fit` gets.

    Raises:
        InputError: if too many of the files are damaged.
    """

    def __init__(self, folder, batches):
        super().__init__()
        self.path = folder / "skipped.csv"
        self.batches = batches
        self.reported = None

    def on_train_begin(self, logs=None):
        self._write()
        if self.reported:
            print(f"{shown(self.path)} lists the files that were skipped.")

    def on_epoch_end(self, epoch, logs=None):
        if len(self.batches.skipped) > self.reported:
            print(f"\n{len(self.batches.skipped) - self.reported} more images skipped: see {shown(self.path)}.")
            self._write()
            self.batches.refuse_many_skipped()

    def _write(self):
        skipped = self.batches.skipped
        if skipped:
            write_skipped(self.path, skipped)
        self.reported = len(skipped)


class Samples(keras.callbacks.Callback):
    """Writes a grid of samples after every epoch.

    Args:
        folder: path, created if missing.
        draw: function from the GAN to images in [-1, 1], which uses the same latents on every call.
        columns: integer or None, columns of the grid.
        mark: function from the number of the epoch to the `Mark` of its grid, or None.
    """

    def __init__(self, folder, draw, columns=None, mark=lambda epoch: None):
        super().__init__()
        self.folder = folder
        self.draw = draw
        self.columns = columns
        self.mark = mark

    def on_epoch_end(self, epoch, logs=None):
        self.folder.mkdir(exist_ok=True)
        sheet = pictures.grid(self.draw(self.model), self.columns)
        pictures.save_png(self.folder / f"epoch_{epoch + 1:03d}.png", sheet, self.mark(epoch + 1))


class Evaluate(keras.callbacks.Callback):
    """Adds scores of samples to the logs every few epochs.

    The latents are fixed and do not use the random state of the training, so the weights are the same with and without
    this callback.

    Args:
        folder: path of the run; gets `scores.json`, the latest scores with their protocol.
        every: integer, epochs between two evaluations.
        evaluator: `Evaluator`.
        seed: integer, of the latents.
        count: integer, number of samples.
    """

    NAMES = ("frechet", "precision", "recall")

    def __init__(self, folder, every, evaluator, seed=0, count=5000):
        super().__init__()
        self.path = folder / "scores.json"
        self.every = every
        self.evaluator = evaluator
        self.seed = seed
        self.count = count

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            gan = self.model
            weights = kind_of_weights(gan)
            scores = score_generator(self.evaluator, latents_of(gan), gan.sample, self.count, self.seed, weights)
            scores.write(self.path)
            logs.update({name: scores.values[name] for name in self.NAMES})


class Best(keras.callbacks.Callback):
    """Keeps the epoch with the lowest Fréchet distance. Must come after `Checkpoint`.

    Args:
        folder: path of the run; gets the folder `best`: see `keep_best`.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        if "frechet" in logs and is_best(self.folder):
            keep_best(self.folder)


def is_best(folder):
    """Returns whether the latest scores of a run are better than those of its best epoch, if there is one."""
    if not (folder / "best" / "scores.json").exists():
        return True
    scores, best = (Scores.read(path / "scores.json") for path in (folder, folder / "best"))
    # Scores of different protocols, such as different extractors, cannot be compared.
    return scores.protocol != best.protocol or scores.values["frechet"] < best.values["frechet"]


def keep_best(folder):
    """Copies the files of the last finished epoch into the folder `best`, all of them or none.

    It is a run folder of its own, for `sample --run-folder runs/mine/best`.
    """
    best, part, old = (folder / name for name in ("best", ".part-best", ".old-best"))
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for path in (*folder.glob("*.keras"), *map(folder.joinpath, KEPT)):
        shutil.copyfile(path, part / path.name)
        flush(part / path.name)
    flush(part)
    if best.exists():
        best.rename(old)
    part.rename(best)
    flush(folder)
    shutil.rmtree(old, ignore_errors=True)


def repair_best(folder, epoch):
    """Completes what an interrupted `keep_best` has left undone, or not begun, after so many finished epochs."""
    best, part, old = (folder / name for name in ("best", ".part-best", ".old-best"))
    shutil.rmtree(part, ignore_errors=True)
    if old.exists() and not best.exists():
        old.rename(best)
    shutil.rmtree(old, ignore_errors=True)
    scored = [row.get("frechet", math.nan) for row in read_log(folder / "log.csv") if row["epoch"] == epoch]
    if not scored or math.isnan(scored[0]) or not (folder / "scores.json").exists():
        return
    latest = Scores.read(folder / "scores.json").values.get("frechet", math.nan)
    # The scores may be of the next epoch, which was not finished, or of the action evaluate.
    if f"{latest:.6g}" == f"{scored[0]:.6g}" and is_best(folder):
        keep_best(folder)


class StopWithoutProgress(keras.callbacks.Callback):
    """Ends training when the Fréchet distance has not improved for some evaluations. Must come after `Log`.

    Args:
        folder: path of the run.
        patience: integer, evaluations without a new best score.

    Reference: Prechelt, 1998, *Early Stopping, But When?*, which stops by a score on held-out data.
    """

    def __init__(self, folder, patience):
        super().__init__()
        self.path = folder / "log.csv"
        self.patience = patience

    def on_epoch_end(self, epoch, logs=None):
        if is_stalled(read_log(self.path), self.patience):
            print(f"\nStopping: {self.patience} evaluations without a better Fréchet distance.")
            self.model.stop_training = True


def is_stalled(rows, patience):
    """Returns whether the last `patience` evaluations in the rows of `log.csv` brought no new best score.

    It depends on the file alone, so that a resumed run stops at the same epoch as an uninterrupted one.

    >>> is_stalled([{"frechet": 9.0}, {"frechet": math.nan}, {"frechet": 9.5}, {"frechet": 9.2}], patience=2)
    True
    """
    scores = [row["frechet"] for row in rows if not math.isnan(row.get("frechet", math.nan))]
    return len(scores) > patience and min(scores[-patience:]) >= min(scores[:-patience])


class Log(keras.callbacks.Callback):
    """Writes `log.csv`, one row per epoch, and its plot `losses.png`.

    Rows of epochs that an interrupted run did not finish are replaced.

    Args:
        folder: path of the run.
    """

    def __init__(self, folder):
        super().__init__()
        self.path = folder / "log.csv"
        self.plot = folder / "losses.png"

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        rows = [row for row in read_log(self.path) if row["epoch"] <= epoch]
        rows.append({"epoch": epoch + 1, **logs, "seconds": time.perf_counter() - self.start})
        with whole(self.path) as part, part.open("w", newline="", encoding="utf-8") as file:
            columns = dict.fromkeys(key for row in rows for key in row)  # earlier rows may have other columns
            writer = csv.DictWriter(file, columns, restval="nan")
            writer.writeheader()
            writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in rows)
        pictures.save_losses(self.plot, rows)


def read_log(path):
    """Returns the rows of `log.csv` as dictionaries of floats; an empty list if there is no file.

    Raises:
        InputError: if it is damaged.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
        if any("epoch" not in row for row in rows):
            raise ValueError("no column epoch")
    except (ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}); move it away, and training goes on without it.") from error
    return rows


class TensorBoard(keras.callbacks.Callback):
    """Writes the logs of every epoch for TensorBoard, on any backend. Keras' own callback needs TensorFlow.

    Args:
        folder: path of the run; the logs go into its subfolder `tensorboard`.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.writer = None

    def on_epoch_end(self, epoch, logs=None):
        if self.writer is None:
            from tensorboardX import SummaryWriter  # imported only if needed

            # Discards what an interrupted run wrote for this epoch.
            self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=epoch + 1)
        for name, value in logs.items():
            self.writer.add_scalar(name, value, epoch + 1)
        self.writer.flush()

    def on_train_end(self, logs=None):
        if self.writer:
            self.writer.close()


class Checkpoint(keras.callbacks.Callback):
    """Stores the generator and the whole state after every epoch. An epoch is finished then: only `Best` may follow.

    Args:
        folder: path of the run; gets `checkpoint.npz`, `generator.keras` and what else `store_networks` writes.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        trained_run.store_networks(self.folder, self.model)
        checkpoint.save(self.folder / "checkpoint.npz", self.model, epoch + 1)
