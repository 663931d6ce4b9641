"""The nightly run notices scores that left their bands, and the bands hold the figures that the pages state."""

import re

import pytest

from benchmarks import nightly, results
from common.evaluation import PRINTED
from tests.conftest import PROJECT

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("score", "problems"),
    [
        (5.0, []),
        (7.0, []),
        (7.01, ["frechet is 7.01, outside of 5 to 7"]),
        (float("nan"), ["frechet is nan, outside of 5 to 7"]),
    ],
)
def test_a_score_outside_of_its_band_is_noticed(score, problems):
    assert nightly.outside({"frechet": [5, 7]}, {"frechet": score}) == problems
    assert nightly.outside({"frechet": [5, 7]}, {}) == ["frechet is missing"]


def test_the_bands_hold_what_the_cards_state():
    for name, text in results.cards().items():
        stated = results.read_card(text)
        for score, (low, high) in nightly.BANDS[name].items():
            mean, deviation = stated[PRINTED[score][0]]
            assert low <= mean - 2 * deviation, (name, score)
            assert mean + 2 * deviation <= high, (name, score)


def test_every_recipe_that_is_scored_has_bands():
    """By `evaluate`, whose scores are files; mode_collapse and stacked_mnist count modes on their own pages."""
    pages = {path.parent.name for path in (PROJECT / "recipes").glob("*/README.md")}
    assert set(nightly.BANDS) == pages - {"mode_collapse", "stacked_mnist"}


def test_a_night(monkeypatch, tmp_path, capsys):
    """With recipes that only write scores: one as stated, one outside, one that fails."""
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
        "good: as stated",
        "bad: frechet is 9, outside of 5 to 7",
        "broken: training ended with exit code 2: Error: no data.",
    ]
    assert nightly.main(["good"]) == 0
    assert nightly.main(["better"]) == 2
    assert re.match("Error: there are no bands of better", capsys.readouterr().err)
