"""Recipes as a user runs them: through run_recipe.sh, copied, interrupted, sampled from."""

import csv
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

from common.launcher import recipes
from tests.conftest import PROJECT, heeding_ctrl_c, run_recipe

BACKEND = keras.backend.backend()
# Options that make a recipe quick. A new recipe needs a line here.
QUICK = {
    "vanilla": ["--units", 16, "--classes", "bag", "--batch-size", 250],
    "dcgan": ["--filters", 4, "--classes", "bag", "--batch-size", 250],
    "wgan": ["--filters", 4, "--classes", "bag", "--batch-size", 50],
    "cgan": ["--filters", 4, "--classes", "bag", "sneaker", "--batch-size", 500],
    "mode_collapse": ["--units", 8, "--batch-size", 32],
    "stacked_mnist": ["--filters", 2, "--classes", "bag", "sneaker", "--batch-size", 1600],
    "pix2pix": ["--filters", 2, "--batch-size", 500],
    "simgan": ["--count", 500, "--filters", 2, "--batch-size", 250, "--pretraining", 1, 1],
    "style_transfer": ["--filters", 2, "--blocks", 1, "--batch-size", 250],
}
TRANSLATORS = {"pix2pix", "style_transfer", "simgan"}  # have `apply` in the place of `sample`
MADE = {"config.json", "log.csv", "data.png", "samples", "training.gif", "losses.png", "generator.keras", "README.md"}


def test_every_recipe_is_tested():
    assert {recipe.name for recipe in recipes() if recipe.name in QUICK} == set(QUICK)
    assert set(QUICK) >= {path.parent.name for path in (PROJECT / "recipes").glob("*/README.md")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns a function that trains a recipe for a moment, once, and gives its folder."""
    folders = {}

    def train(name):
        if name not in folders:
            folder = tmp_path_factory.mktemp("runs") / name
            answer = run_recipe(name, *QUICK[name], "--epochs", 1, "--run-folder", folder)
            assert answer.returncode == 0, answer.stderr
            folders[name] = folder, answer.stdout
        return folders[name]

    return train


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_recipe_trains(trained, name):
    folder, output = trained(name)
    assert {path.name for path in folder.iterdir()} >= MADE
    with (folder / "log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert np.isfinite([float(row["d_loss"]), float(row["g_loss"])]).all()
    assert cv2.imread(str(folder / "samples" / "epoch_001.png")).std() > 0
    assert f"./run_recipe.sh {name} --epochs 1" not in output  # the last lines say what to try next
    assert f"./run_recipe.sh {name} {'apply' if name in TRANSLATORS else 'sample'}" in output
    assert f"./run_recipe.sh {name} " in (folder / "README.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("name", QUICK)
def test_copy_runs_without_an_edit(tmp_path, name):
    """In a path with spaces, called from another folder. On one backend: the code is that of the recipe itself."""
    project = tmp_path / "a project with spaces"
    ignored = shutil.ignore_patterns(".venv", ".git", "runs", "__pycache__", ".*cache", "*.lock")
    shutil.copytree(PROJECT, project, ignore=ignored)
    answer = run_recipe("new", "my_gan", "--from", name, project=project, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert [line[2] for line in answer.stdout.splitlines() if line.startswith("  ")] == ["1", "2", "3"]
    answer = run_recipe("my_gan", *QUICK[name], "--epochs", 1, project=project, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert {path.name for path in (project / "runs" / "my_gan").iterdir()} >= MADE
    assert "my_gan" in run_recipe(project=project).stdout


@pytest.mark.slow
def test_sample(trained, tmp_path):
    folder, _ = trained("dcgan")
    common = ["dcgan", "sample", "--run-folder", folder]
    for seed, out in ((3, "grid.png"), (3, "again.png"), (4, "other.png")):
        answer = run_recipe(*common, "--count", 9, "--seed", seed, "--out", out, cwd=tmp_path)
        assert answer.returncode == 0, answer.stderr
    grid, again, other = (cv2.imread(str(tmp_path / name)) for name in ("grid.png", "again.png", "other.png"))
    # A pixel of this generator lies a hundred-thousandth of a level from the edge of two, and PyTorch's kernels, with
    # and without oneDNN, differ by as much: the last bit of a float. Twice the same seed then is once another level.
    assert np.abs(grid.astype(int) - again).max() <= (1 if BACKEND == "torch" else 0)
    assert np.abs(grid.astype(int) - other).max() > 1
    answer = run_recipe(*common, "--count", 3, "--out", "many", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    files = sorted((tmp_path / "many").iterdir())
    assert [path.name for path in files] == ["00000.png", "00001.png", "00002.png"]
    assert cv2.imread(str(files[0]), cv2.IMREAD_UNCHANGED).shape == (28, 28)
    assert is_one_sentence(run_recipe(*common, "--out", "grid.jpg", cwd=tmp_path), "use grid.png")
    assert run_recipe(*common, "--count", 1, "--out", "one", cwd=tmp_path).returncode == 0
    assert cv2.imread(str(tmp_path / "one" / "00000.png")).shape[:2] == (28, 28)
    before = (tmp_path / "grid.png").read_bytes()
    answer = run_recipe(*common, "--out", "grid.png", cwd=tmp_path)
    assert is_one_sentence(answer, "exists already")
    assert (tmp_path / "grid.png").read_bytes() == before


@pytest.mark.slow
def test_damaged_generator(trained, tmp_path):
    folder, _ = trained("dcgan")
    data = (folder / "generator.keras").read_bytes()
    (tmp_path / "generator.keras").write_bytes(data[: len(data) // 2])
    assert is_one_sentence(run_recipe("dcgan", "sample", "--run-folder", tmp_path), "generator.keras is damaged")


def is_one_sentence(answer, words):
    """Tells whether a command failed as it should: exit code 2, one line with the words, no traceback."""
    lines = answer.stderr.strip().splitlines()
    assert (answer.returncode, len(lines)) == (2, 1), answer.stderr
    assert lines[0].startswith("Error: ")
    assert words in lines[0], lines[0]
    return True


@pytest.mark.slow
def test_an_error_is_a_sentence_on_every_backend(tmp_path):
    """Also where TensorFlow is installed beside another backend, and would greet if something imported it."""
    answer = run_recipe("dcgan", "--run-folder", tmp_path / "run", "--batch-size", 20000)
    assert is_one_sentence(answer, "larger than the data of 10000 samples")


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "--epochs must be at least 1"),
        (["--policy", "mixed_float16"], "mixed_bfloat16"),
        (["--data", "/missing"], "--data expects a folder"),
        (["--classes", "hat"], "There is no class 'hat'"),
        (["--run-folder", "/dev/null/run"], "cannot be written"),
        (["--epoch", "3"], "--epoch, 3; did you mean --epochs?"),
        (["--epochs", "many"], "Error parsing --epochs"),
        (["--dataset", "cifar"], "invalid choice 'cifar'"),
    ],
)
def test_errors_are_sentences(tmp_path, arguments, words):
    assert is_one_sentence(run_recipe("dcgan", "--run-folder", tmp_path / "run", *arguments), words)
    assert not (tmp_path / "run" / "config.json").exists()  # a start that failed is no run


@pytest.mark.slow
@pytest.mark.once
def test_unknown_action():
    assert is_one_sentence(run_recipe("dcgan", "smaple"), "There is no action 'smaple' of dcgan; there are sample")


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
    options = [*QUICK[name], "--classes", "bag", "shirt", "--epochs", 4]
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
    with np.load(whole / "checkpoint.npz") as first, np.load(broken / "checkpoint.npz") as second:
        assert first.files == second.files
        assert all(np.array_equal(first[key], second[key]) for key in first.files if key != "paths")
    assert weights(whole / "generator.keras") == weights(broken / "generator.keras")
    for epoch in range(1, 5):
        picture = f"samples/epoch_{epoch:03d}.png"
        assert (whole / picture).read_bytes() == (broken / picture).read_bytes()
    assert not list(broken.glob(".part-*"))

    finished = run_recipe(name, *options, "--run-folder", broken)
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


def weights(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("model.weights.h5")
