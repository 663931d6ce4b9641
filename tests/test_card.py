"""The model card of a run: what hubs read, what it says about data and scores, and that no text of the user is lost."""

import contextlib
import json

import keras
import numpy as np
import pytest
from PIL import Image

from common.launch.launcher import recipes
from common.scoring.evaluator import Protocol, Scores
from common.training import card
from common.training.run import Run, as_json
from common.training.trained_run import store_networks
from tests.conftest import call_recipe
from tests.tiny_recipes import TINY, build

pytestmark = pytest.mark.once

FACTS = {"command": "`./run_recipe.sh`", "seed": "0"}
BY_CLASS = {
    **{"confirmed of bag": 0.9, "real confirmed of bag": 0.95, "frechet of bag": 7.0},
    **{"confirmed of shirt": 0.4, "real confirmed of shirt": 0.8, "frechet of shirt": 9.0},
}


def scores(**values):
    protocol = Protocol("garments", "ab", "fashion_mnist", "test", 10, 10, "none", "[-1, 1]", 0, "raw")
    return Scores({"frechet": 5.5, "recall": 0.25, **values}, protocol)


def untrained(folder, name, **config):
    """Returns the folder of a run, as it would be after an epoch."""
    (folder / "samples").mkdir(parents=True)
    (folder / "samples" / "epoch_001.png").touch()
    store_networks(folder, build(name))
    stored = {**as_json(TINY[name].module.Config(**TINY[name].config)), **config}
    (folder / "config.json").write_text(json.dumps(stored))
    return folder


def text_of(folder):
    return (folder / "README.md").read_text("utf-8")


def front_matter(text):
    """Returns the lines between the first two rules, as hubs read them."""
    start, lines, rest = text.split("---\n", 2)
    assert start == ""
    assert rest.startswith("# Model card")
    return lines.splitlines()


def written(folder, name, found=None, **config):
    card.write(untrained(folder, name, **config), name, FACTS, found)
    return text_of(folder)


@pytest.mark.parametrize(
    ("name", "lines", "others"),
    [
        ("dcgan", ("license: mit", "- zalando-datasets/fashion_mnist", "- gan", "unconditional-image-gen"), ()),
        ("vae", ("unconditional-image-generation",), ("- gan",)),
        ("pix2pix", ("image-to-image", "license: unknown"), ("datasets:",)),
        ("style_transfer", ("image-to-image",), ()),
        ("text_to_image", ("text-to-image",), ("unconditional",)),
        ("mode_collapse", ("library_name: keras",), ("pipeline_tag", "datasets:")),
    ],
)
def test_what_hubs_read(tmp_path, name, lines, others):
    head = "\n".join(front_matter(written(tmp_path, name)))
    assert all(line in head for line in lines), head
    assert not any(line in head for line in others), head


def test_the_sections_of_a_card(tmp_path):
    text = written(tmp_path, "dcgan")
    sections = (
        "Model details",
        "Intended use",
        "Training data",
        "Measured results",
        "Limits and ethical considerations",
    )
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(sections)
    paper = next(recipe.paper for recipe in recipes() if recipe.name == "dcgan")
    digest = json.loads((tmp_path / "generator.json").read_text())["digest"]
    words = (paper, digest, "parameters", "Licence: MIT", "Xiao et al.", "**Out of scope:**", "docs/ethics.md")
    assert [word for word in words if word not in text] == []
    assert f"./run_recipe.sh dcgan evaluate --run-folder {tmp_path}\n" in text


def test_the_user_states_the_licence_of_own_files(tmp_path):
    untrained(tmp_path, "dcgan", data="/home/me/faces")
    (tmp_path / "data.json").write_text('{"data": {"files": 1200, "bytes": 1, "digest": ""}}')
    card.write(tmp_path, "dcgan", FACTS)
    text = text_of(tmp_path)
    assert "--data: 1,200 files" in text
    assert "**State here**" in text
    assert "license: unknown" in text
    assert "fashion_mnist" not in text
    assert "/home/me" not in text


def test_scores_are_written_into_the_card(tmp_path):
    assert "Not measured" in written(tmp_path, "dcgan")
    card.update_results(tmp_path, scores(**{"frechet of the mean": 8.0}))
    text = text_of(tmp_path)
    assert "Not measured" not in text
    assert "| Fréchet distance | 5.5 | lower is better |" in text
    assert "| frechet of the mean | 8 |  |" in text  # not a class: this generator has none
    assert "extractor garments, weights ab" in text
    card.write(tmp_path, "dcgan", FACTS)  # trained on: these scores are no longer those of the weights
    assert "5.5" not in text_of(tmp_path)
    assert "Not measured" in text_of(tmp_path)


@pytest.mark.parametrize(("frechet", "is_scored"), [("5.5", True), ("nan", False)])
def test_only_scores_of_the_last_epoch_are_those_of_the_run(tmp_path, frechet, is_scored):
    untrained(tmp_path, "dcgan")
    (tmp_path / "log.csv").write_text(f"epoch,g_loss,frechet,seconds\n1,1,7.5,1\n2,1,{frechet},1\n")
    scores().write(tmp_path / "scores.json")
    Image.new("L", (8, 8)).save(tmp_path / "samples" / "epoch_001.png")
    config = TINY["dcgan"].module.Config(**TINY["dcgan"].config)
    identity = {"recipe": "dcgan", "backend": keras.backend.backend(), "policy": "float32"}
    (tmp_path / "config.json").write_text(json.dumps({**identity, **as_json(config), "epochs": 2}))
    with contextlib.closing(Run(tmp_path, "dcgan", config)) as run:
        run.evaluation = (1, None)
        run.finish()
    assert ("| Fréchet distance | 5.5 |" in text_of(tmp_path)) == is_scored


def test_scores_by_class_begin_with_the_worst(tmp_path):
    text = written(tmp_path, "cgan", scores(**BY_CLASS))
    table = text.partition("| class |")[2]
    columns = " samples of the class asked for | real images of it, found likewise | Fréchet distance |"
    assert table.splitlines()[0] == columns
    assert table.index("| shirt | 0.4 | 0.8 | 9 |") < table.index("| bag | 0.9 | 0.95 | 7 |")
    assert "confirmed of" not in text


def test_names_of_classes_break_no_table(tmp_path):
    name = f"a|b\n{card.RESULTS[1]}"
    text = written(tmp_path, "cgan", scores(**{f"kernel of {name}": 0.5}))
    assert text.count(card.RESULTS[1]) == 1
    assert r"| a\|b\n&lt;!-- end of results --> | 0.5 |" in text


def test_text_of_the_user_stays(tmp_path):
    written(tmp_path, "dcgan")
    path = tmp_path / "README.md"
    before = path.read_bytes().replace(b"## Training data\n", b"## Training data\r\n\r\nShoes of caf\xe9 guests.\r\n")
    path.write_bytes(b"My notes.\n" + before + b"The end.")
    card.update_results(tmp_path, scores())
    card.write(tmp_path, "dcgan", {**FACTS, "seed": "7"}, scores(recall=0.125))
    after = path.read_bytes()
    assert after.startswith(b"My notes.\n---\nlibrary_name")
    assert b"\r\n\r\nShoes of caf\xe9 guests.\r\n" in after
    assert after.endswith(b"The end.")
    assert "| seed | 7 |" in after.decode("latin-1")
    assert "| recall | 0.125 |" in after.decode("latin-1")


@pytest.mark.parametrize("text", ["mine alone", f"{card.RESULTS[1]} {card.RESULTS[0]}", f"{card.DETAILS[0]}"])
def test_a_card_without_its_marks_stays_as_it_is(tmp_path, capsys, text):
    untrained(tmp_path, "dcgan")
    (tmp_path / "README.md").write_text(text)
    card.update_results(tmp_path, scores())
    card.write(tmp_path, "dcgan", FACTS)
    assert text_of(tmp_path) == text
    assert capsys.readouterr().out.count("README.md stays as it is: it lacks <!--") == 2


def test_a_run_without_a_card_gets_none_from_its_scores(tmp_path):
    card.update_results(tmp_path, scores())
    assert not list(tmp_path.iterdir())


def test_bytes_of_file_names_in_the_command(tmp_path):
    untrained(tmp_path, "dcgan")
    for _ in range(2):  # written, and written anew
        card.write(tmp_path, "dcgan", {"command": "`--data da\udcffta`"})
        assert r"| command | `--data da\udcffta` |" in text_of(tmp_path)


def test_evaluate_completes_the_card_of_a_conditional_generator(tmp_path):
    options = ("--filters", 2, "--classes", "bag", "sneaker", "--batch-size", 1000, "--epochs", 1)
    assert call_recipe("cgan", *options, "--run-folder", tmp_path).returncode == 0
    assert "Of its classes only bag, sneaker." in text_of(tmp_path)
    answer = call_recipe("cgan", "evaluate", "--samples", 100, "--run-folder", tmp_path)
    assert answer.returncode == 0, answer.stderr
    stored = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert np.isfinite(stored["kernel of bag"])  # two of ten classes: not the classes of the extractor
    row = next(line for line in text_of(tmp_path).splitlines() if line.startswith("| bag |"))
    assert row == f"| bag | {stored['kernel of bag']:.4g} |"
