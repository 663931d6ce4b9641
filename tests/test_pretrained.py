"""The generators that come with the project: their scores are those of their cards, and what they need is there."""

import json
import re
import shutil

import numpy as np
import pytest

from benchmarks.pretrained import RECIPES, WITHOUT_DIRECTIONS, halve
from common.saving import digest_of
from common.scoring import linear_directions
from common.scoring.evaluator import Scores
from common.scoring.linear_directions import MONOTONE
from common.training import pretrained
from common.training.trained_run import load_generator, open_space
from tests.conftest import PROJECT, call_recipe, values

pytestmark = pytest.mark.once
NAMES = pretrained.names()


def test_all_are_there():
    assert set(NAMES) == set(RECIPES)


@pytest.mark.parametrize("name", NAMES)
def test_files_are_small_and_complete(name):
    folder = pretrained.FOLDER / name
    assert (folder / "generator.keras").stat().st_size <= 3_000_000
    text = (folder / "README.md").read_text("utf-8")
    for linked in re.findall(r"\]\(([^)h][^)]*)\)", text):
        assert (folder / linked).is_file(), linked
    assert load_generator(folder / "generator.keras", name).count_params() > 0
    assert str(PROJECT) not in text


def test_halved_it_is_the_same_generator_in_fewer_bytes(tmp_path):
    folder = shutil.copytree(pretrained.FOLDER / "dcgan", tmp_path / "run")
    path, before = folder / "generator.keras", load_generator(folder / "generator.keras", "dcgan")
    halve(folder)
    after = load_generator(path, "dcgan")
    assert path.stat().st_size < 0.65 * (pretrained.FOLDER / "dcgan" / "generator.keras").stat().st_size
    for old, new in zip(values(before.weights), values(after.weights), strict=True):
        assert np.array_equal(new, old.astype("float16"))
    stored = json.loads((folder / "generator.json").read_text())
    assert stored["digest"] == digest_of(after) != digest_of(before)
    assert stored["digest"] in (folder / "README.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_the_card(name, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_COOKBOOK_RUNS", str(tmp_path))
    assert call_recipe(name, "evaluate", "--pretrained").returncode == 0
    stored, found = (
        Scores.read(folder / "scores.json") for folder in (pretrained.FOLDER / name, tmp_path / f"{name}_pretrained")
    )
    assert found.protocol == stored.protocol
    card = (pretrained.FOLDER / name / "README.md").read_text("utf-8")
    for key in ("frechet", "precision", "recall"):
        assert found.values[key] == pytest.approx(stored.values[key], rel=0.01)
        assert f"{stored.values[key]:.4g}" in card


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in WITHOUT_DIRECTIONS])
def test_directions_are_named_and_measured(name):
    folder = pretrained.FOLDER / name
    found = linear_directions.load(folder, open_space(name, folder).generator, name)
    steady = [each for each in found.values() if each.accuracy and each.rank_correlation >= MONOTONE]
    assert len(steady) >= 3
