"""Scores on the command line: of a run, while training, of two folders, of two runs side by side."""

import csv
import json
import math
import shlex
import shutil

import numpy as np
import pytest

from common.base import pictures
from data_prep import images
from data_prep.images import ImageOptions
from tests.conftest import call_recipe, is_one_sentence
from tests.test_recipes import weights

pytestmark = pytest.mark.slow
QUICK = ("--units", 16, "--batch-size", 500, "--epochs", 3)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on the same images; the second one is scored every second epoch."""
    folder = tmp_path_factory.mktemp("evaluate")
    for name, options in (("plain", ("--validation", 0.1)), ("scored", ("--evaluate-every", 2))):
        answer = call_recipe("vanilla", *QUICK, *options, "--run-folder", folder / name)
        assert answer.returncode == 0, answer.stderr
    return folder


@pytest.mark.xdist_group("evaluate")
def test_evaluation_while_training_changes_no_weight(runs):
    with np.load(runs / "plain" / "checkpoint.npz") as first, np.load(runs / "scored" / "checkpoint.npz") as second:
        assert first.files == second.files
        assert all(np.array_equal(first[key], second[key]) for key in first.files if key != "paths")
    assert weights(runs / "plain" / "generator.keras") == weights(runs / "scored" / "generator.keras")


@pytest.mark.xdist_group("evaluate")
def test_scores_while_training_are_logged_and_the_best_epoch_is_kept(runs):
    with (runs / "scored" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [math.isnan(float(row["frechet"])) for row in rows] == [True, False, True]
    best = json.loads((runs / "scored" / "best" / "scores.json").read_text())
    assert best["scores"]["frechet"] == pytest.approx(float(rows[1]["frechet"]), rel=1e-4)
    assert best["protocol"]["fake_count"] == 5000
    assert (best["protocol"]["split"], best["protocol"]["real_count"]) == (
        "validation",
        1000,
    )  # of 10,000 to train with
    with np.load(runs / "scored" / "best" / "checkpoint.npz") as file:
        assert file["epoch"] == 2
    answer = call_recipe("vanilla", "sample", "--run-folder", runs / "scored" / "best")
    assert answer.returncode == 0, answer.stderr


@pytest.mark.once
@pytest.mark.xdist_group("evaluate")
def test_evaluate_a_run(runs, tmp_path):
    shutil.copytree(runs / "plain", tmp_path / "a")
    command = ("vanilla", "evaluate", "--samples", 600, "--run-folder")
    first = call_recipe(*command, tmp_path / "a")
    assert first.returncode == 0, first.stderr
    for words in ("Fréchet distance", "precision", "recall", "classes covered", "extractor garments", "split test"):
        assert words in first.stdout, words
    stored = json.loads((tmp_path / "a" / "scores.json").read_text())
    assert stored["protocol"]["generator"] == "averaged"
    assert (stored["protocol"]["real_count"], stored["protocol"]["fake_count"]) == (2000, 600)
    assert call_recipe(*command, tmp_path / "a").stdout == first.stdout  # reproducible
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert call_recipe("compare", tmp_path / "a", tmp_path / "b").stdout.count("precision") == 1
    assert call_recipe(*command, tmp_path / "b", "--samples", 500).returncode == 0
    other = runs / "other"  # another momentum, but the same protocol
    assert call_recipe("vanilla", *QUICK, "--ema", 0.9, "--run-folder", other).returncode == 0
    assert call_recipe(*command, other).returncode == 0
    assert call_recipe("compare", tmp_path / "a", other).returncode == 0
    answer = call_recipe("compare", tmp_path / "a", tmp_path / "b")
    assert is_one_sentence(answer, "cannot be compared: fake_count is 600 and 500")


@pytest.mark.once
@pytest.mark.xdist_group("evaluate")
def test_validation_images_to_evaluate_with(runs, tmp_path):
    shutil.copytree(runs / "plain", tmp_path / "run")
    command = ("vanilla", "evaluate", "--split", "validation", "--samples", 50, "--run-folder", tmp_path / "run")
    assert "split validation, real_count 1000" in call_recipe(*command).stdout
    path = tmp_path / "run" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "validation": 0.0}))
    assert is_one_sentence(call_recipe(*command), "held out no images for validation; use --split test")


@pytest.mark.once
def test_too_few_images_to_score_are_noticed_before_the_first_epoch(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((30, 28, 28), "uint8"))
    options = ("--data", tmp_path / "images.npy", "--extractor", "garments", "--evaluate-every", 1, "--batch-size", 8)
    answer = call_recipe("vanilla", *options, "--units", 8, "--run-folder", tmp_path / "run")
    assert is_one_sentence(answer, "of the validation images there are 3; hold out more with --validation")
    assert not (tmp_path / "run" / "log.csv").exists()


@pytest.mark.once
def test_evaluate_two_folders(tmp_path):
    test = images.load(ImageOptions(), "test").images
    for name, part in (("real", test[:150]), ("same", test[150:300]), ("negative", 255 - test[:150])):
        (tmp_path / name).mkdir()
        for index, image in enumerate(part):
            pictures.save_png(tmp_path / name / f"{index}.png", image)
        damaged = tmp_path / name / "7.png"  # replaced by the next file, on both sides
        damaged.write_bytes(damaged.read_bytes()[:-40])
    found = {}
    for name in ("same", "negative"):
        answer = call_recipe("evaluate", "real", name, "--extractor", "garments", cwd=tmp_path)
        assert answer.returncode == 0, answer.stderr
        assert "1 of 150 images skipped" in answer.stdout
        line = next(line for line in answer.stdout.splitlines() if "Fréchet" in line)
        found[name] = float(line.split()[2])
    assert 0 < found["same"] < found["negative"] / 3


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("vanilla", "evaluate", "--run-folder", "missing"), "There is no missing/generator.keras yet; train first"),
        (("evaluate", "a"), "Expected: ./run_recipe.sh evaluate FOLDER_OF_REAL FOLDER_OF_FAKE"),
        (("evaluate", "a", "b", "--extractor", "garments"), "a is not a folder"),
        (("evaluate", "a", "b", "--extractor", "garment"), "There is no extractor 'garment'"),
        (("compare", "a"), "Expected: ./run_recipe.sh compare RUN_FOLDER RUN_FOLDER"),
        (("compare", "a", "b"), "There is no a yet; make it with the action evaluate"),
        (("dcgan", "--evaluate-every", "-1"), "--evaluate-every must be at least 0"),
        (("dcgan", "--patience", "3"), "--patience needs scores to watch; add --evaluate-every"),
        (("mode_collapse", "--evaluate-every", "1"), "has a measure of its own"),
        (("mode_collapse", "sample", "--out", "points.txt"), "--out expects a .png for a picture or a .csv"),
        (("mode_collapse", "--mixture", "rings"), "invalid choice 'rings'"),
        (("stacked_mnist", "--channels", "3"), "add --channels 1"),
    ],
)
def test_errors_are_sentences(tmp_path, arguments, words):
    assert is_one_sentence(call_recipe(*arguments, cwd=tmp_path), words)


@pytest.mark.once
def test_sampling_a_class_of_a_conditional_generator(tmp_path):
    options = ("--filters", 2, "--classes", "bag", "sneaker", "--batch-size", 1000, "--epochs", 1)
    folder = tmp_path / "run"
    assert call_recipe("cgan", *options, "--run-folder", folder).returncode == 0
    for name in ("sneaker", "0"):  # the classes of the run, in the order of the data
        out = tmp_path / f"{name}.png"
        answer = call_recipe("cgan", "sample", "--class", name, "--count", 4, "--out", out, "--run-folder", folder)
        assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "sneaker.png").read_bytes() == (tmp_path / "0.png").read_bytes()
    answer = call_recipe("cgan", "sample", "--class", "sneeker", "--run-folder", folder)
    assert is_one_sentence(answer, "did you mean sneaker?")
    answer = call_recipe("cgan", "walk", "--from", "bag", "--to", "sneaker", "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    assert (folder / "walk.png").exists() and (folder / "walk.gif").exists()


@pytest.mark.once
@pytest.mark.xdist_group("evaluate")
def test_an_unconditional_generator_has_no_classes(runs):
    answer = call_recipe("vanilla", "sample", "--class", "bag", "--run-folder", runs / "plain")
    assert is_one_sentence(answer, "--class needs a conditional generator")


@pytest.mark.once
def test_the_printed_command_trains_for_more_epochs(tmp_path):
    """The other options must be repeated, or the run would be refused as a different one."""
    folder = tmp_path / "a run"
    answer = call_recipe("vanilla", *QUICK, "--classes", "bag", "shirt", "--restart", "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    (line,) = [line for line in answer.stdout.splitlines() if line.startswith("Train more:")]
    program, *arguments = shlex.split(line.removeprefix("Train more:"))
    assert program == "./run_recipe.sh"
    assert "--restart" not in arguments
    assert arguments[-2:] == ["--epochs", "6"]
    answer = call_recipe(*arguments)
    assert answer.returncode == 0, answer.stderr
    assert "after epoch 3" in answer.stdout
