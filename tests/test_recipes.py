"""Recipes as a user runs them: trained, resumed, sampled from, copied, interrupted."""

import csv
import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import cv2
import keras
import numpy as np
import pytest

from common.launch.launcher import recipes
from common.training import callbacks
from tests.conftest import PROJECT, call_recipe, heeding_ctrl_c, is_one_sentence, run_recipe, tried_again
from tests.tiny_recipes import SHORT_EPOCHS, TINY, TRANSLATORS, WITHOUT_DISCRIMINATOR
from tests.tiny_recipes import options as tiny_options

BACKEND = keras.backend.backend()
MADE = {"config.json", "log.csv", "data.png", "samples", "training.gif", "losses.png", "generator.keras", "README.md"}


@pytest.mark.once
def test_every_recipe_is_tested():
    assert {recipe.name for recipe in recipes() if recipe.name in TINY} == set(TINY)
    assert set(TINY) >= {path.parent.name for path in (PROJECT / "recipes").glob("*/README.md")}


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The options of each recipe by which an epoch has two steps."""
    with pytest.MonkeyPatch.context() as patch:
        for name, (constant, value) in SHORT_EPOCHS.items():
            patch.setattr(f"recipes.{name}.data.{constant}", value)
        yield tiny_options(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, quick):
    """The folder of a dcgan trained for an epoch."""
    folder = tmp_path_factory.mktemp("runs") / "dcgan"
    answer = call_recipe("dcgan", *quick["dcgan"], "--epochs", 1, "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
@tried_again
def test_recipe_trains_and_resumes(quick, monkeypatch, tmp_path, name):
    """Two epochs of two steps end with the bits of a run that has the files of the first epoch and continues."""
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    arguments = (name, *quick[name], "--epochs", 2, "--run-folder")
    with monkeypatch.context() as patch:
        patch.setattr(callbacks, "Checkpoint", functools.partial(CopiedAfterTheFirst, resumed))
        answer = call_recipe(*arguments, whole)
    assert answer.returncode == 0, answer.stderr
    assert "Continuing" not in answer.stdout
    answer = call_recipe(*arguments, resumed)
    assert answer.returncode == 0, answer.stderr
    assert "Continuing" in answer.stdout
    assert_same_state(resumed, whole)

    for folder in (whole, resumed):
        assert {path.name for path in folder.iterdir()} >= MADE
    with (resumed / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = {"d_loss", "g_loss"} if name not in WITHOUT_DISCRIMINATOR else {"g_loss"}
    assert np.isfinite([float(row[loss]) for row in rows for loss in losses]).all()
    assert cv2.imread(str(resumed / "samples" / "epoch_002.png")).std() > 0
    # The last lines say what to try next.
    assert f"./run_recipe.sh {name} {'apply' if name in TRANSLATORS else 'sample'}" in answer.stdout
    assert f"./run_recipe.sh {name} " in (resumed / "README.md").read_text("utf-8")


class CopiedAfterTheFirst(callbacks.Checkpoint):
    """Copies the run folder when the first epoch is stored, as it would be left by a process killed then."""

    def __init__(self, copy, folder):
        super().__init__(folder)
        self.copy = copy

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if epoch == 0:
            shutil.copytree(self.folder, self.copy)


def assert_same_state(first, second):
    """Asserts that the checkpoints, generators and grids of two runs have the same bits."""
    with np.load(first / "checkpoint.npz") as a, np.load(second / "checkpoint.npz") as b:
        assert a.files == b.files
        assert all(np.array_equal(a[key], b[key]) for key in a.files if key != "paths")
    assert weights(first / "generator.keras") == weights(second / "generator.keras")
    for grid in sorted((first / "samples").iterdir()):
        assert grid.read_bytes() == (second / "samples" / grid.name).read_bytes()


def weights(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("model.weights.h5")


@pytest.fixture
def copied_project(tmp_path):
    """A copy of the project, in a path with spaces."""
    project = tmp_path / "a project with spaces"
    ignored = shutil.ignore_patterns(".venv", ".git", "runs", "__pycache__", ".*cache", "*.lock")
    shutil.copytree(PROJECT, project, ignore=ignored)
    return project


@pytest.mark.slow
@pytest.mark.once
def test_copy_runs_without_an_edit(copied_project, tmp_path):
    """By the script, from another folder."""
    answer = run_recipe("new", "my_gan", "--from", "dcgan", project=copied_project, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert [line[2] for line in answer.stdout.splitlines() if line.startswith("  ")] == ["1", "2", "3"]
    answer = run_recipe("my_gan", *tiny_options(tmp_path)["dcgan"], "--epochs", 1, project=copied_project, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert {path.name for path in (copied_project / "runs" / "my_gan").iterdir()} >= MADE
    assert "my_gan" in run_recipe(project=copied_project).stdout


@pytest.mark.slow
@pytest.mark.once
def test_copies_of_all_recipes_run_without_an_edit(copied_project, tmp_path):
    """On one backend, since the code is that of the recipe: on PyTorch, where it is there, which compiles nothing."""
    backend = "torch" if importlib.util.find_spec("torch") else BACKEND
    command = [sys.executable, "-m", "tests.copied_recipes", tmp_path / "runs"]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    (tmp_path / "runs").mkdir()
    answer = subprocess.run(command, cwd=copied_project, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    for name in TINY:
        assert {path.name for path in (tmp_path / "runs" / name).iterdir()} >= MADE


@pytest.mark.once
@pytest.mark.slow
def test_sample(trained, tmp_path):
    common = ["dcgan", "sample", "--run-folder", trained]
    for seed, out in ((3, "grid.png"), (3, "again.png"), (4, "other.png")):
        answer = call_recipe(*common, "--count", 9, "--seed", seed, "--out", out, cwd=tmp_path)
        assert answer.returncode == 0, answer.stderr
    grid, again, other = (cv2.imread(str(tmp_path / name)) for name in ("grid.png", "again.png", "other.png"))
    # PyTorch's kernels, with and without oneDNN, differ by the last bit of a float, which may be that of a level.
    assert np.abs(grid.astype(int) - again).max() <= (1 if BACKEND == "torch" else 0)
    assert np.abs(grid.astype(int) - other).max() > 1
    answer = call_recipe(*common, "--count", 3, "--out", "many", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    files = sorted((tmp_path / "many").iterdir())
    assert [path.name for path in files] == ["00000.png", "00001.png", "00002.png"]
    assert cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED).shape == (28, 28)
    assert is_one_sentence(call_recipe(*common, "--out", "grid.jpg", cwd=tmp_path), "use grid.png")
    assert call_recipe(*common, "--count", 1, "--out", "one", cwd=tmp_path).returncode == 0
    assert cv2.imread(str(tmp_path / "one" / "00000.png")).shape[:2] == (28, 28)
    before = (tmp_path / "grid.png").read_bytes()
    answer = call_recipe(*common, "--out", "grid.png", cwd=tmp_path)
    assert is_one_sentence(answer, "exists already")
    assert (tmp_path / "grid.png").read_bytes() == before


@pytest.mark.once
@pytest.mark.slow
def test_damaged_generator(trained, tmp_path):
    data = (trained / "generator.keras").read_bytes()
    (tmp_path / "generator.keras").write_bytes(data[: len(data) // 2])
    assert is_one_sentence(call_recipe("dcgan", "sample", "--run-folder", tmp_path), "generator.keras is damaged")


@pytest.mark.slow
def test_an_error_is_a_sentence_on_every_backend(tmp_path):
    """Also where TensorFlow is installed beside another backend, and would greet if something imported it."""
    answer = run_recipe("dcgan", "--run-folder", tmp_path / "run", "--batch-size", 20000)
    assert is_one_sentence(answer, "larger than the data of 10000 samples")


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "--epochs must be at least 1"),
        (["--policy", "mixed_float16"], "mixed_bfloat16"),
        (["--data", "/missing"], "--data expects a folder"),
        (["--classes", "hat"], "There is no class 'hat'"),
        (["--run-folder", "/dev/null/run"], "cannot be written"),
        (["--filters", "100000000"], "--filters must be at least 1 and below 20,000, but is 100000000"),
        (["--size", "99999"], "--size must be at most 4096 pixels, but is 99999"),
        (["sample", "--count", "1000000000"], "--count must be at least 1 and below 10,000,000, but is 1000000000"),
        (["--label-noise", "nan"], "--label-noise must be at least 0 and below 0.5, but is nan"),
        (["--label-smoothing", "7"], "--label-smoothing must be at least 0 and below 0.5, but is 7.0"),
        (["--warm-up", "-5"], "--warm-up must be at least 0, but is -5"),
        (["--dropout", "1"], "--dropout must be at least 0 and below 1, but is 1.0"),
        (["--validation", "1"], "--validation must be at least 0 and below 1, but is 1.0"),
        (["--data", ""], "--data has an empty value; give it one, or leave it out"),
        (["--run-folder="], "--run-folder has an empty value"),
        (["sample", "--out", ""], "--out has an empty value"),
        (["--epoch", "3"], "--epoch, 3; did you mean --epochs?"),
        (["--epochs", "many"], "--epochs expects a whole number, but is 'many'"),
        (["--dataset", "cifar"], "invalid choice 'cifar'"),
        (["smaple"], "There is no action 'smaple' of dcgan; there are sample"),
    ],
)
def test_errors_are_sentences(tmp_path, arguments, words):
    where = [] if arguments[0] in ("smaple", "sample") else ["--run-folder", tmp_path / "run"]
    assert is_one_sentence(call_recipe("dcgan", *where, *arguments), words)
    assert not (tmp_path / "run" / "config.json").exists()  # a start that failed is no run


@pytest.mark.slow
@pytest.mark.once
def test_help_shows_every_option_with_its_default():
    answer = run_recipe("dcgan", "--help")
    assert answer.returncode == 0
    text = " ".join(answer.stdout.replace("│", " ").split())
    for words in ("--epochs INT", "(default: 64)", "--learning-rate", "--classes", "--run-folder", "--tensorboard"):
        assert words in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dcgan" if BACKEND == "tensorflow" else "vanilla"])
def test_interrupted_at_any_moment_it_ends_with_the_same_bits(tmp_path, name):
    """Ctrl-C, then kill -9 while an epoch is being written, then kill -9 in the middle of the next one."""
    options = ["--batch-size", 250, "--classes", "bag", "shirt", "--epochs", 4]
    options += ["--filters", 4] if name == "dcgan" else ["--units", 16]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert run_recipe(name, *options, "--run-folder", whole).returncode == 0

    interrupt = start(name, *options, "--run-folder", broken)
    wait_for(lambda: (broken / "checkpoint.npz").exists(), interrupt)
    interrupt.send_signal(signal.SIGINT)
    output, errors = interrupt.communicate(timeout=60)
    assert interrupt.returncode == 130, errors
    assert "the same command continues" in output
    assert "Traceback" not in errors

    for moment in (lambda: list(broken.glob(".part-*")), lambda: (broken / "samples" / "epoch_003.png").exists()):
        killed = start(name, *options, "--run-folder", broken)
        wait_for(moment, killed)
        killed.kill()
        killed.communicate()

    answer = run_recipe(name, *options, "--run-folder", broken)
    assert answer.returncode == 0, answer.stderr
    assert "Continuing" in answer.stdout
    assert_same_state(whole, broken)
    assert not list(broken.glob(".part-*"))

    finished = call_recipe(name, *options, "--run-folder", broken)
    assert finished.returncode == 0
    assert "is finished: 4 epochs" in finished.stdout


def start(*arguments):
    environment = {**os.environ, "GAN_COOKBOOK_VENV": sys.prefix, "KERAS_BACKEND": BACKEND}
    with heeding_ctrl_c():
        return subprocess.Popen(
            [PROJECT / "run_recipe.sh", *map(str, arguments)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def wait_for(moment, process, seconds=240):
    deadline = time.monotonic() + seconds
    while not moment():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.0005)
