"""mode_collapse: its data, plots and actions, and whether the default loss finds the modes."""

import numpy as np
import pytest

from recipes.mode_collapse import data
from recipes.mode_collapse.train import METHODS, Config
from tests.conftest import call_recipe

pytestmark = [pytest.mark.slow, pytest.mark.once]
BLUE, ORANGE = (0, 90, 200), (230, 110, 0)


@pytest.mark.parametrize(("name", "modes", "deviation"), [("ring", 8, 0.02), ("grid", 25, 0.05)])
def test_points_are_of_the_mixture(name, modes, deviation):
    batches = data.load(Config(mixture=name))
    centres, _ = data.mixture(name)
    points = batches.samples
    distances = np.linalg.norm(points[:, None] - centres, axis=-1)
    counts = np.bincount(distances.argmin(axis=1), minlength=modes)
    assert counts.min() > 0.95 * len(points) / modes
    offsets = points - centres[distances.argmin(axis=1)]
    assert offsets.std() == pytest.approx(deviation, rel=0.02)
    assert batches[0].dtype == np.float32
    assert batches[0].max() > 1.5  # not scaled as images are


def colours(sheet):
    return {tuple(row) for row in np.round((sheet + 1) * 127.5).astype(int).reshape(-1, 3).tolist()}


def test_the_plot_colours_points_by_quality():
    centres, deviation = data.mixture("grid")
    seen = {True: colours(data.picture(centres + 2.9 * deviation * np.array([1, 0]), "grid"))}
    seen[False] = colours(data.picture(centres + 3.1 * deviation * np.array([1, 0]), "grid"))
    assert [(BLUE in seen[good], ORANGE in seen[good]) for good in (True, False)] == [(True, False), (False, True)]
    assert BLUE not in colours(data.picture(np.full((1, 2), 1e6), "grid"))  # far outside the plot


def test_the_y_axis_points_up():
    sheet = data.picture(np.array([[0.0, 2.0]]), "ring")[0]
    rows, columns = np.nonzero((np.round((sheet + 1) * 127.5) == BLUE).all(axis=-1))
    assert rows.max() < data.SIDE / 3
    assert abs(columns.mean() - data.SIDE / 2) < 3


def test_samples_and_scores_of_a_run(tmp_path):
    folder = tmp_path / "run"
    answer = call_recipe("mode_collapse", "--units", 8, "--epochs", 1, "--mixture", "ring", "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    for name in ("points.csv", "points.png"):
        answer = call_recipe(
            *("mode_collapse", "sample", "--count", 50, "--out", tmp_path / name, "--run-folder", folder)
        )
        assert answer.returncode == 0, answer.stderr
    assert np.loadtxt(tmp_path / "points.csv", delimiter=",", skiprows=1).shape == (50, 2)
    answer = call_recipe("mode_collapse", "evaluate", "--run-folder", folder)
    assert "of 8 modes covered" in answer.stdout


def test_compare(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "STEPS", 2)
    folder = tmp_path / "all"
    command = ("mode_collapse", "compare", "--epochs", 1, "--seeds", 1, "--run-folder", folder)
    answer = call_recipe(*command)
    assert answer.returncode == 0, answer.stderr
    table = (folder / "comparison.md").read_text().splitlines()
    assert len(table) == 2 + 2 * len(METHODS)
    assert (folder / "grid.gif").stat().st_size > 1000
    before = (folder / "ring" / "relativistic" / "seed_0" / "generator.keras").stat().st_mtime_ns
    assert call_recipe(*command).returncode == 0  # finished runs are not trained again
    assert (folder / "ring" / "relativistic" / "seed_0" / "generator.keras").stat().st_mtime_ns == before
    assert (folder / "comparison.md").read_text().splitlines() == table


@pytest.mark.nightly
def test_the_default_loss_finds_the_ring(tmp_path):
    """After half of the training, at least 6 of 8 modes; a loss that does not learn covers none."""
    options = ("--mixture", "ring", "--epochs", 18, "--run-folder", tmp_path / "run")
    assert call_recipe("mode_collapse", *options).returncode == 0
    answer = call_recipe("mode_collapse", "evaluate", "--run-folder", tmp_path / "run")
    assert int(answer.stdout.split(": ")[-1].split()[0]) >= 6, answer.stdout
