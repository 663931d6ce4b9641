"""The run folder: what is refused, what is stored, what stops a run."""

import contextlib
import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from common.base.errors import InputError
from common.base.files import sweep, whole
from common.base.pictures import Mark
from common.base.ranges import Count, Rate, Share, check_ranges
from common.losses import NonSaturating
from common.schedules import ConstantThenLinear
from common.scoring.evaluator import Protocol, Scores
from common.training import callbacks, run
from common.training.run import Run
from data_prep.batches import Batches
from tests.conftest import PROJECT, heeding_ctrl_c, values


@dataclasses.dataclass(frozen=True)
class Config:
    epochs: Count = 2
    seed: int = 0
    width: Share = 0.5  # not used
    rate: Rate = 1.0  # not used


def npy():
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


NPY = npy()


def as_images(gan):
    return np.tile(gan.sample(gan.latents.grid(0))[:, :, None, None], (1, 1, 2, 1))


@pytest.fixture
def train(small_gan, tmp_path):
    """Returns a function that trains the small GAN into a run folder."""

    def train(config=Config(), points=None, folder=tmp_path / "run", **kwargs):
        this = Run(folder, "small", config, **kwargs)
        points = np.zeros((16, 2), "float32") if points is None else points
        batches = Batches(points, 8, transform=lambda batch: batch)
        gan = small_gan(use_ema=True)
        start = this.resume(gan, batches, show=lambda batches: batches[0][:, :, None, None])  # points are not images
        gan.fit(
            batches,
            initial_epoch=start,
            epochs=config.epochs,
            shuffle=False,
            verbose=0,
            callbacks=this.callbacks(batches, draw=as_images),
        )
        this.finish()
        this.close()
        return gan

    return train


@pytest.mark.once
def test_files_of_the_run_folder(train, tmp_path):
    train(tensorboard=True)
    found = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*")}
    assert found > {
        *("config.json", "log.csv", "losses.png", "training.gif", "generator.keras", "checkpoint.npz", "README.md"),
        *("samples/epoch_001.png", "samples/epoch_002.png", "tensorboard"),
    }
    assert not [name for name in found if ".part-" in name]
    rows = callbacks.read_log(tmp_path / "run" / "log.csv")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert set(rows[0]) == {"epoch", "d_loss", "g_loss", "images/s", "seconds"}
    card = (tmp_path / "run" / "README.md").read_text("utf-8")
    assert all(word in card for word in ("samples/epoch_002.png", "seed | 0", keras.__version__, "d_loss"))


@pytest.mark.once
def test_grids_are_marked_as_made_by_a_network_and_plots_are_not(train, tmp_path):
    train()
    with Image.open(tmp_path / "run" / "samples" / "epoch_002.png") as grid:
        assert grid.text == Mark("small", 0, "epoch 2").texts()
    with Image.open(tmp_path / "run" / "losses.png") as plot:
        assert "Comment" not in plot.text


def test_a_resumed_run_equals_an_uninterrupted_one(train, tmp_path):
    one = train(Config(epochs=4), folder=tmp_path / "one")
    train(Config(epochs=2))
    two = train(Config(epochs=4))
    assert all(
        np.array_equal(a, b)
        for a, b in zip(values(one.trainable_variables), values(two.trainable_variables), strict=True)
    )
    log, other = (callbacks.read_log(tmp_path / name / "log.csv") for name in ("one", "run"))
    assert [(row["d_loss"], row["g_loss"]) for row in log] == [(row["d_loss"], row["g_loss"]) for row in other]


@pytest.mark.once
def test_a_longer_schedule_is_told(small_gan, tmp_path, capsys):
    """Continued past the end of a schedule, the learning rate rises again: the run says so, once."""

    def train(epochs, rate):
        gan = small_gan()
        gan.compile(NonSaturating(), keras.optimizers.Adam(rate), keras.optimizers.Adam(1e-2))
        this = Run(tmp_path / "run", "small", Config(epochs=epochs))
        batches = Batches(np.zeros((16, 2), "float32"), 8, transform=lambda batch: batch)
        this.fit(gan, batches, draw=as_images, show=lambda batches: as_images(gan))
        this.close()
        return capsys.readouterr().out

    def schedule(epochs):
        return ConstantThenLinear(1.0, 2 * epochs)

    assert "a schedule over" not in train(2, schedule(2))
    said = train(4, schedule(4))
    assert "a schedule over 2 epochs, and now follows one over 4: it goes on at 1." in said
    assert "a schedule over" not in train(4, schedule(4))


@pytest.mark.once
def test_is_finished(train, tmp_path):
    train()
    for epochs, finished in ((1, True), (2, True), (3, False)):
        again = Run(tmp_path / "run", "small", Config(epochs=epochs))
        assert again.is_finished == finished
        again.close()


@pytest.mark.once
def test_a_different_config_is_refused_with_the_field(train, tmp_path):
    train()
    with pytest.raises(InputError, match=r"width was 0\.5 and is 0\.25.*--restart") as caught:
        Run(tmp_path / "run", "small", Config(width=0.25))
    assert "epochs" not in str(caught.value)


@pytest.mark.once
def test_restart_moves_the_old_run_aside(train, tmp_path):
    for _ in range(3):
        train(restart=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run.old1", "run.old2"]
    assert (tmp_path / "run.old1" / "generator.keras").exists()


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.once
def test_a_folder_with_other_files_is_not_touched(tmp_path, restart):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="no run"):
        Run(tmp_path, "small", Config(), restart)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.once
def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written .*--run-folder"):
        Run(tmp_path / "file" / "run", "small", Config())


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.once
def test_a_folder_in_use_is_not_touched(train, tmp_path, restart):
    train()
    first = Run(tmp_path / "run", "small", Config())
    with pytest.raises(InputError, match="Another process"):
        Run(tmp_path / "run", "small", Config(), restart)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    first.close()


@pytest.mark.once
def test_damaged_config(train, tmp_path):
    train()
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json is damaged .*--restart"):
        Run(tmp_path / "run", "small", Config())
    train(restart=True)
    assert (tmp_path / "run.old1" / "config.json").read_text() == "{"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", b"[1]", r"config\.json is damaged"),
        ("config.json", b'{"finished_epochs": "two"}', r"config\.json is damaged \(its numbers of epochs"),
        ("log.csv", b"epoch,d_loss\n1,none\n", r"log\.csv is damaged .*move it away"),
        ("log.csv", b"epoch,d_loss\n1\n", r"log\.csv is damaged"),
        ("log.csv", b"d_loss\n1\n", r"log\.csv is damaged \(no column epoch\)"),
        ("log.csv", b"\xff\xfe", r"log\.csv is damaged"),
        ("checkpoint.npz", b"not a zip", r"checkpoint\.npz is damaged"),
        ("checkpoint.npz", NPY, r"checkpoint\.npz is damaged"),
        ("checkpoint.npz", None, r"another configuration \(width was 0\.5 and is 0\.25"),
    ],
)
@pytest.mark.once
def test_damaged_files_of_a_run_are_noticed_before_the_first_step(train, tmp_path, name, content, words):
    """And a run that has lost its checkpoint is not overwritten by one with other options."""
    train(Config(epochs=1))
    path = tmp_path / "run" / name
    path.write_bytes(content) if content is not None else path.unlink()
    left = {file: file.read_bytes() for file in (tmp_path / "run").rglob("*.*") if file.is_file()}
    with pytest.raises(InputError, match=words):
        train(Config(epochs=2, width=0.5 if content is not None else 0.25))
    assert {file: file.read_bytes() for file in left} == left


@pytest.mark.once
def test_a_run_goes_on_without_its_log_and_says_so(train, tmp_path, capsys):
    train(Config(epochs=2))
    assert "log.csv has" not in capsys.readouterr().out
    (tmp_path / "run" / "log.csv").unlink()
    train(Config(epochs=3))
    assert "log.csv has 0 of these epochs" in capsys.readouterr().out
    assert [row["epoch"] for row in callbacks.read_log(tmp_path / "run" / "log.csv")] == [3]


@pytest.mark.once
def test_other_files_among_the_samples_are_ignored(train, tmp_path):
    train(Config(epochs=1))
    for name in ("epoch_last.png", "epoch_001_copy.png", "notes.txt"):
        (tmp_path / "run" / "samples" / name).write_text("")
    train(Config(epochs=2))
    assert (tmp_path / "run" / "training.gif").exists()


@pytest.mark.once
def test_full_disk(train, monkeypatch):
    monkeypatch.setattr(run.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1e6}))
    with pytest.raises(InputError, match="1 MB are free"):
        train()


def test_nan_stops_and_keeps_the_last_checkpoint(train, tmp_path):
    train(Config(epochs=1))
    checkpoint = (tmp_path / "run" / "checkpoint.npz").read_bytes()
    points = np.zeros((16, 2), "float32")
    points[:] = np.nan
    with pytest.raises(InputError, match=r"d_loss became nan by step 1 of epoch 2.*that of epoch 1"):
        train(Config(epochs=3), points)
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == checkpoint


def test_weights_that_become_infinite_in_the_last_step_are_refused(small_gan):
    gan = small_gan()
    gan.generator.trainable_variables[0].assign(np.full(gan.generator.trainable_variables[0].shape, np.inf))
    watch = callbacks.StopOnNonFinite()
    watch.set_model(gan)
    with pytest.raises(InputError, match="no longer finite after epoch 3"):
        watch.on_epoch_end(2)


@pytest.mark.once
def test_a_failed_write_leaves_the_file_unchanged(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole(path) as part:
        part.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.once
def test_a_temporary_file_is_a_new_one(tmp_path):
    """A link under a name that can be foreseen would be written through."""
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".part-log.csv").symlink_to("mine")
    (tmp_path / "log.csv").symlink_to("mine")
    names = set()
    for _ in range(2):
        with whole(tmp_path / "log.csv") as part:
            part.write_text("new")
            names.add(part.name)
    assert len(names) == 2
    assert ((tmp_path / "mine").read_text(), (tmp_path / "log.csv").read_text()) == ("mine", "new")
    assert (tmp_path / "log.csv").stat().st_mode == (tmp_path / "mine").stat().st_mode


@pytest.mark.once
def test_a_pipe_or_a_folder_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(InputError, match="is not a file and cannot be replaced"), whole(tmp_path / name):
            pass
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.once
def test_unfinished_files_of_killed_processes_are_swept(tmp_path):
    """But none while another process writes to the folder, nor files of others."""
    code = "import os, sys, common.base.files as f\nwith f.whole(sys.argv[1]): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code, tmp_path / "log.csv"], cwd=PROJECT, check=False)
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".part-best").mkdir()
    (tmp_path / ".part-mine.csv").write_text("mine")
    with whole(tmp_path / "a.txt") as part:
        part.write_text("half")
        sweep(tmp_path)
        assert part.exists()
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".part-best", ".part-mine.csv", "a.txt"}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "--epochs must be at least 1 and below 10,000,000, but is 0"),
        ("width", 1.0, "--width must be at least 0 and below 1, but is 1"),
        ("rate", float("nan"), "--rate must be above 0, but is nan"),
        ("rate", 0.0, "--rate must be above 0"),
    ],
)
@pytest.mark.once
def test_ranges(field, value, message):
    with pytest.raises(InputError, match=message):
        check_ranges(dataclasses.replace(Config(), **{field: value}))


@pytest.mark.once
def test_config_is_json(train, tmp_path):
    train()
    stored = json.loads((tmp_path / "run" / "config.json").read_text())
    assert stored["width"] == 0.5
    assert stored["backend"] == keras.backend.backend()
    assert stored["finished_epochs"] == 2


@pytest.mark.once
def test_early_stopping_also_in_a_resumed_run(small_gan, tmp_path):
    """The score improves until the third evaluation; training ends after two more, and is then finished."""
    config = Config(epochs=9)
    distances = iter([5.0, 4.0, 3.0, 3.5, 3.0, 1.0])

    class Scripted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["frechet"] = next(distances)

    def train(epochs):
        this = Run(tmp_path / "run", "small", dataclasses.replace(config, epochs=epochs))
        this.patience = 2
        batches = Batches(np.zeros((16, 2), "float32"), 8, transform=lambda batch: batch)
        if not this.is_finished:
            this.fit(
                small_gan(),
                batches,
                draw=as_images,
                show=lambda batches: as_images(small_gan()),
                controls=[Scripted()],
            )
            this.finish()
        this.close()
        return this

    train(4)  # interrupted
    assert not Run(tmp_path / "other", "small", config).is_finished
    assert train(9).finished_epochs == 5
    again = train(9)
    assert again.is_finished
    assert again.finished_epochs == 5
    assert next(distances) == 1.0  # not evaluated


class Killed(BaseException):
    """In the place of a signal that ends the process."""


@pytest.mark.parametrize("moment", range(12))
@pytest.mark.once
def test_the_best_epoch_survives_whatever_interrupts_its_keeping(tmp_path, monkeypatch, moment):
    """Killed before any of the writes, or before the first one: resumed, the folder holds one whole epoch, the best."""

    def finish_epoch(epoch, frechet):
        for name in ("generator.keras", "generator.json", "checkpoint.npz", "config.json"):
            (tmp_path / name).write_text(f"{name} of {epoch}")
        Scores({"frechet": frechet}, PROTOCOL).write(tmp_path / "scores.json")
        rows = [f"{epoch},{frechet}" for epoch, frechet in enumerate(DISTANCES[:epoch], 1)]
        (tmp_path / "log.csv").write_text("epoch,frechet\n" + "\n".join(rows) + "\n")

    def killing(function, calls=[0]):  # noqa: B006 (shared by all)
        def called(*args, **kwargs):
            if calls[0] == moment:
                raise Killed
            calls[0] += 1
            return function(*args, **kwargs)

        return called

    finish_epoch(1, DISTANCES[0])
    callbacks.keep_best(tmp_path)
    finish_epoch(2, DISTANCES[1])
    with monkeypatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr(callbacks.shutil, "copyfile", killing(callbacks.shutil.copyfile))
        patched.setattr(callbacks, "flush", killing(callbacks.flush))
        patched.setattr(Path, "rename", killing(Path.rename))
        callbacks.keep_best(tmp_path)
    callbacks.repair_best(tmp_path, epoch=2)
    kept = {path.name: path.read_text() for path in (tmp_path / "best").iterdir()}
    assert json.loads(kept.pop("scores.json"))["scores"]["frechet"] == DISTANCES[1]
    assert set(kept.values()) == {f"{name} of 2" for name in kept}
    assert not list(tmp_path.glob(".*-best"))


DISTANCES = (8.0, 5.0)
PROTOCOL = Protocol("none", "", "points", "validation", 9, 9, "none", "any", 0, "raw")


@pytest.mark.once
def test_scores_of_an_unfinished_epoch_or_of_evaluate_are_not_kept(tmp_path):
    for name in ("generator.keras", *callbacks.KEPT):
        (tmp_path / name).write_text("")
    (tmp_path / "log.csv").write_text("epoch,frechet\n1,8.0\n")
    Scores({"frechet": 3.0}, PROTOCOL).write(tmp_path / "scores.json")
    callbacks.repair_best(tmp_path, epoch=1)
    assert not (tmp_path / "best").exists()


@dataclasses.dataclass(frozen=True)
class LaterConfig(Config):
    smoothing: Share = 0.0  # an option added later


@pytest.mark.once
def test_a_run_continues_after_its_recipe_gained_an_option(train, tmp_path):
    train(Config(epochs=1))
    train(LaterConfig(epochs=2))
    assert json.loads((tmp_path / "run" / "config.json").read_text())["finished_epochs"] == 2
    with pytest.raises(InputError, match=r"smoothing was 0\.0 and is 0\.1"):
        train(LaterConfig(epochs=3, smoothing=0.1))


class Swallow(keras.callbacks.Callback):
    """Swallows an interrupt, as Keras does while it waits for the logs of a step."""

    steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        if self.steps == 2:
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)


def test_an_interrupt_that_keras_swallows_ends_training(small_gan, points):
    swallow = Swallow()
    with heeding_ctrl_c(), pytest.raises(KeyboardInterrupt):
        small_gan().fit(points, batch_size=8, epochs=9, verbose=0, callbacks=[swallow, callbacks.StopOnInterrupt()])
    assert swallow.steps == 2


def test_the_handler_of_interrupts_is_restored(small_gan, points):
    with heeding_ctrl_c():
        small_gan().fit(points, batch_size=8, verbose=0, callbacks=[callbacks.StopOnInterrupt()])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
