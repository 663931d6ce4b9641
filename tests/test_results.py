"""Result cards match the runs, and the table matches the cards."""

import json

import pytest

from benchmarks import results
from common.base.errors import InputError
from tests.conftest import PROJECT

pytestmark = pytest.mark.once
PROTOCOL = {
    **{"extractor": "garments", "weights": "ab12", "data": "fashion_mnist", "split": "test", "real_count": 2000},
    **{"fake_count": 10000, "resizer": "none", "values": "[-1, 1]", "seed": 0, "generator": "averaged"},
}


def run_folder(folder, frechet, **protocol):
    folder.mkdir(parents=True)
    values = {
        "frechet": frechet,
        "kernel_std": 1.0,
        "recall": 0.5,
        "frechet of bag": 2 * frechet,
        "confirmed of bag": 0.9,
        "real confirmed of bag": 0.9,
    }
    (folder / "scores.json").write_text(json.dumps({"scores": values, "protocol": {**PROTOCOL, **protocol}}))
    (folder / "config.json").write_text('{"finished_epochs": 2, "steps_per_epoch": 600}')
    (folder / "README.md").write_text("| backend | tf 2 |\n| versions | Python 3 |\n| machine | CPU, 2 cores |\n")
    return folder


def test_card_has_mean_and_deviation_over_seeds(tmp_path):
    folders = [run_folder(tmp_path / str(number), number) for number in (4.0, 6.0)]
    text = results.card("dcgan", folders)
    assert results.read_card(text) == {
        "Fréchet distance": (5.0, 1.41),
        "recall": (0.5, 0.0),
        "Fréchet distance of bag": (10.0, 2.8),
    }
    assert "2 seeds, mean ± standard deviation" in text
    for words in (
        "benchmarks.results dcgan --seeds 2`: 1,200 training steps a seed. tf 2; Python 3; CPU, 2 cores.",
        "2,000 images",
    ):
        assert words in text


def test_scores_of_different_protocols_are_not_averaged(tmp_path):
    folders = [run_folder(tmp_path / "a", 1.0), run_folder(tmp_path / "b", 1.0, fake_count=500)]
    with pytest.raises(InputError, match="fake_count is 10000 and 500"):
        results.card("dcgan", folders)


def test_only_text_between_the_marks_is_replaced(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{results.BEGIN}\nold\n{results.END}\nafter\n")
    results.replace(page, "new")
    assert page.read_text() == f"before\n{results.BEGIN}\nnew\n{results.END}\nafter\n"
    assert results.held(page.read_text()) == "new"
    page.write_text("no marks")
    with pytest.raises(InputError, match="needs the lines"):
        results.replace(page, "new")
    assert page.read_text() == "no marks"


def test_table_in_the_readme_matches_the_cards():
    stated = results.held((PROJECT / "README.md").read_text("utf-8"))
    bound = dict(zip(results.COLUMNS, (1.0,) * len(results.COLUMNS), strict=True))
    generated = results.table(results.cards(), bound)
    assert stated.splitlines()[:-1] == generated.splitlines()[:-1]  # the last row is measured, not copied
    assert len(stated.splitlines()) > 3
