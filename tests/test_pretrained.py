"""The generators that come with the project: their scores are those of their cards, and what they need is there."""

import re

import pytest

from common.scoring import linear_directions
from common.scoring.evaluator import Scores
from common.scoring.linear_directions import MONOTONE
from common.training import pretrained
from common.training.trained_run import load_generator, open_space
from tests.conftest import PROJECT, call_recipe

pytestmark = pytest.mark.once
NAMES = pretrained.names()


def test_there_are_some():
    assert {"dcgan", "cgan", "r3gan"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_files_are_small_and_complete(name):
    folder = pretrained.FOLDER / name
    assert (folder / "generator.keras").stat().st_size <= 3_000_000
    text = (folder / "README.md").read_text("utf-8")
    for linked in re.findall(r"\]\(([^)h][^)]*)\)", text):
        assert (folder / linked).is_file(), linked
    assert load_generator(folder / "generator.keras", name).count_params() > 0
    assert str(PROJECT) not in text


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


@pytest.mark.parametrize("name", NAMES)
def test_directions_are_named_and_measured(name):
    folder = pretrained.FOLDER / name
    found = linear_directions.load(folder, open_space(name, folder).generator, name)
    steady = [each for each in found.values() if each.accuracy and each.rank_correlation >= MONOTONE]
    assert len(steady) >= 3
