"""Keras callbacks of a run: what is watched while a GAN trains, and what is written after each epoch."""

import csv
import math
import shutil
import signal
import threading
import time

import keras
import numpy as np

from common import checkpoint, pictures
from common.errors import InputError
from common.evaluation import Scores, of_generator
from common.files import whole
from data_prep.skipped import write_skipped


class StopOnInterrupt(keras.callbacks.Callback):
    """Lets Ctrl-C end the training by the next step: Keras drops what is raised while it waits for a step's logs."""

    def on_train_begin(self, logs=None):
        self.is_interrupted = False
        self.before = signal.getsignal(signal.SIGINT)
        # Elsewhere, and where it is ignored as in a shell's background, there is nothing to catch.
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
    """Tells the data which epoch begins, on which its order depends.

    Else it would count for itself, and wrongly: before a training on several devices Keras looks at a batch.

    Args:
        batches: `Batches` that `fit` gets.
    """

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch


class Throughput(keras.callbacks.Callback):
    """Adds `images/s` to the logs, and so to the progress bar and to every callback after this one.

    The first step of a `fit` compiles the game and is not counted.

    Args:
        batch_size: integer, real samples in a step.
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


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops the training when a loss or a weight is NaN or infinite, before anything of it is stored.

    Keras' `TerminateOnNaN` looks at `loss` alone, which a GAN does not log.

    Raises:
        InputError: names the loss and the step.
    """

    ADVICE = "lower the learning rate or bound the discriminator (a penalty), and begin anew with --restart"

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
    """Keeps `skipped.csv` true: in a folder too large to be decoded beforehand, damage shows when a batch comes to it.

    Args:
        folder: path of the run.
        batches: `Batches` that `fit` gets.

    Raises:
        InputError: if more of the files are damaged than may.
    """

    def __init__(self, folder, batches):
        super().__init__()
        self.path = folder / "skipped.csv"
        self.batches = batches
        self.told = None

    def on_train_begin(self, logs=None):
        self._write()

    def on_epoch_end(self, epoch, logs=None):
        if len(self.batches.skipped) > self.told:
            print(f"\n{len(self.batches.skipped) - self.told} more pictures skipped: see skipped.csv.")
            self._write()
            self.batches.refuse_many_skipped()

    def _write(self):
        skipped = self.batches.skipped
        if skipped:
            write_skipped(self.path, skipped)
        self.told = len(skipped)


class Samples(keras.callbacks.Callback):
    """Writes a grid of samples after every epoch.

    Args:
        folder: path, made when missing.
        draw: function from the GAN to images in [-1, 1], the same latents on every call.
        columns: integer or None, columns of the grid.
    """

    def __init__(self, folder, draw, columns=None):
        super().__init__()
        self.folder = folder
        self.draw = draw
        self.columns = columns

    def on_epoch_end(self, epoch, logs=None):
        self.folder.mkdir(exist_ok=True)
        sheet = pictures.grid(self.draw(self.model), self.columns)
        pictures.save_png(self.folder / f"epoch_{epoch + 1:03d}.png", sheet)


class Evaluate(keras.callbacks.Callback):
    """Adds scores of samples to the logs after every so many epochs.

    The samples are those of fixed latents, drawn without touching the random state of the game: the weights are the
    same with and without it.

    Args:
        folder: path of the run; gets `scores.json`, the last scores with their contract.
        every: integer, epochs.
        evaluator: `evaluation.Evaluator`.
        ema: momentum of the average that the samples come from, or 0.
        seed: integer, of the latents.
        count: integer, of samples.
    """

    NAMES = ("frechet", "precision", "recall")

    def __init__(self, folder, every, evaluator, ema, seed=0, count=5000):
        super().__init__()
        self.path = folder / "scores.json"
        self.every = every
        self.evaluator = evaluator
        self.ema = ema
        self.seed = seed
        self.count = count

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            gan = self.model
            scores = of_generator(self.evaluator, gan.generator, gan.sample, self.count, self.seed, self.ema)
            scores.write(self.path)
            logs.update({name: scores.values[name] for name in self.NAMES})


class Best(keras.callbacks.Callback):
    """Keeps the generator and the state of the epoch with the lowest Fréchet distance. Stands behind `Checkpoint`.

    Args:
        folder: path of the run; gets `best_generator.keras`, `best_checkpoint.npz` and `best_scores.json`.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        if "frechet" not in logs or not self._is_better(Scores.read(self.folder / "scores.json")):
            return
        for name in ("generator.keras", "checkpoint.npz", "scores.json"):
            with whole(self.folder / f"best_{name}") as part:
                shutil.copyfile(self.folder / name, part)

    def _is_better(self, scores):
        path = self.folder / "best_scores.json"
        if not path.exists():
            return True
        best = Scores.read(path)
        # Another contract, such as another extractor: the old number says nothing about the new one.
        return scores.contract != best.contract or scores.values["frechet"] < best.values["frechet"]


class StopWithoutProgress(keras.callbacks.Callback):
    """Ends the training when the Fréchet distance has not fallen for some evaluations. Stands behind `Log`.

    Args:
        folder: path of the run.
        patience: integer, evaluations without a new best one.

    Reference: Prechelt, 1998, *Early Stopping, But When?*: a stop on a score of data that was held out.
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
    """Tells from the rows of `log.csv` whether the last `patience` evaluations brought no new best score.

    It is asked of the file, not of a callback's memory, so that an interrupted run stops where a whole one does.

    >>> is_stalled([{"frechet": 9.0}, {"frechet": math.nan}, {"frechet": 9.5}, {"frechet": 9.2}], patience=2)
    True
    """
    scores = [row["frechet"] for row in rows if not math.isnan(row.get("frechet", math.nan))]
    return len(scores) > patience and min(scores[-patience:]) >= min(scores[:-patience])


class Log(keras.callbacks.Callback):
    """Keeps `log.csv`, a row an epoch, and the picture `losses.png` of it.

    Rows of epochs that an interrupted run wrote but did not finish are replaced.

    Args:
        folder: path of the run.
    """

    def __init__(self, folder):
        super().__init__()
        self.path = folder / "log.csv"
        self.picture = folder / "losses.png"

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        rows = [row for row in read_log(self.path) if row["epoch"] <= epoch]
        rows.append({"epoch": epoch + 1, **logs, "seconds": time.perf_counter() - self.start})
        with whole(self.path) as part, part.open("w", newline="", encoding="utf-8") as file:
            columns = dict.fromkeys(key for row in rows for key in row)  # an earlier part may have had others
            writer = csv.DictWriter(file, columns, restval="nan")
            writer.writeheader()
            writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in rows)
        pictures.save_losses(self.picture, rows)


def read_log(path):
    """Returns the rows of `log.csv` as dictionaries of floats; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


class TensorBoard(keras.callbacks.Callback):
    """Writes the logs of every epoch for TensorBoard, on any backend; Keras' own callback needs TensorFlow.

    Args:
        folder: path of the run; the logs go into its folder `tensorboard`.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder
        self.writer = None

    def on_epoch_end(self, epoch, logs=None):
        if self.writer is None:
            from tensorboardX import SummaryWriter  # only who asks for it pays for the import

            # What an interrupted run wrote of this epoch is superseded.
            self.writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=epoch + 1)
        for name, value in logs.items():
            self.writer.add_scalar(name, value, epoch + 1)
        self.writer.flush()

    def on_train_end(self, logs=None):
        if self.writer:
            self.writer.close()


class Checkpoint(keras.callbacks.Callback):
    """Stores the generator and the whole state after every epoch. Stands last: an epoch it has stored is finished.

    Args:
        folder: path of the run; gets `generator.keras`, with averaged weights, and `checkpoint.npz`.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch, logs=None):
        with self.model.averaged(), whole(self.folder / "generator.keras") as part:
            self.model.generator.save(part)
        checkpoint.save(self.folder / "checkpoint.npz", self.model, epoch + 1)
