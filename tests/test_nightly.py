"""The nightly run detects scores outside their bands, and the bands contain the scores in the recipes' READMEs."""

import re

import pytest

from benchmarks import nightly, results
from common.scoring.evaluator import PRINTED
from tests.conftest import PROJECT

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("score", "problems"),
    [
        (5.0, []),
        (7.0, []),
        (7.01, ["frechet is 7.01, outside 5 to 7"]),
        (float("nan"), ["frechet is nan, outside 5 to 7"]),
    ],
)
def test_a_score_outside_its_band_is_reported(score, problems):
    assert nightly.outside({"frechet": [5, 7]}, {"frechet": score}) == problems
    assert nightly.outside({"frechet": [5, 7]}, {}) == ["frechet is missing"]


def test_bands_contain_the_scores_on_the_cards():
    for name, text in results.cards().items():
        stated = results.read_card(text)
        for score, (low, high) in nightly.BANDS[name].items():
            label, _ = PRINTED.get(score, (score, ""))  # a score that only this recipe has is its own label
            mean, deviation = stated[label]
            assert low <= mean - 2 * deviation, (name, score)
            assert mean + 2 * deviation <= high, (name, score)


def test_every_scored_recipe_has_bands():
    """Except mode_collapse and stacked_mnist, which count modes and have no scores from `evaluate`."""
    pages = {path.parent.name for path in (PROJECT / "recipes").glob("*/README.md")}
    assert set(nightly.BANDS) == pages - {"mode_collapse", "stacked_mnist"}


def test_nightly_run(monkeypatch, tmp_path, capsys):
    """With fake recipes that only write scores: one within its band, one outside, one that fails."""
    script = tmp_path / "run_recipe.sh"
    script.write_text(
        "#!/usr/bin/env bash\n"
        'folder="${*: -1}"; mkdir -p "$folder"\n'
        '[ "$1" = broken ] && { echo "Error: no data." >&2; exit 2; }\n'
        'echo "{\\"scores\\": {\\"frechet\\": $([ "$1" = good ] && echo 6 || echo 9)}}" > "$folder/scores.json"\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(nightly, "PROJECT", tmp_path)
    monkeypatch.setattr(nightly, "BANDS", {name: {"frechet": [5, 7]} for name in ("good", "bad", "broken")})
    assert nightly.main([]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "good: within the bands",
        "bad: frechet is 9, outside 5 to 7",
        "broken: training ended with exit code 2: Error: no data.",
    ]
    assert nightly.main(["good"]) == 0
    assert nightly.main(["better"]) == 2
    assert re.match("Error: no bands for better", capsys.readouterr().err)
