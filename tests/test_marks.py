"""PNG files of what a generator makes say so in their metadata, and which generator it was."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from common.base import pictures
from common.base.pictures import Mark
from common.saving import digest_of, open_network
from common.training.run import as_json
from common.training.trained_run import store_networks
from tests.conftest import call_recipe
from tests.files import picture, write
from tests.tiny_recipes import TINY, build

pytestmark = [pytest.mark.once, pytest.mark.xdist_group("marks")]

ACTIONS = {
    "dcgan sample": ("--count", 4, "--out", "OUT/grid.png"),
    "wgan sample": ("--count", 2, "--out", "OUT"),
    "vae sample": ("--count", 4, "--out", "OUT/grid.png"),
    "mode_collapse sample": ("--count", 4, "--out", "OUT/points.png"),
    "cgan export": ("--count", 1, "--out", "OUT"),
    "cgan walk": ("--count", 1, "--from", "bag", "--to", "coat"),
    "wgan walk": ("--count", 2, "--places", 2),
    "vae arithmetic": ("--from", 3, "--minus", 5, 8, "--plus", 21),
    "dcgan directions": ("--of", "brightness", "--samples", 100),
    "dcgan truncate": ("--samples", 20, "--shares", 0.5),
    "pix2pix apply": ("--input", "IMAGE", "--out", "OUT"),
    "style_transfer apply": ("--input", "IMAGE", "--out", "OUT"),
    "makeup apply": ("--source", "IMAGE", "--reference", "IMAGE", "--out", "OUT"),
    "makeup remove": ("--source", "IMAGE", "--out", "OUT"),
    "image_to_3d apply": ("--input", "IMAGE", "--out", "OUT", "--formats", "gif"),
    "text_to_image sample": ("--text", "a red bag", "--out", "OUT/sheet.png"),
    "text_to_image walk": ("--text", "a red bag", "a blue dress", "--count", 1, "--steps", 2),
    "simgan export": ("--count", 2, "--out", "OUT"),
}
WITHOUT_SEED = {"makeup"}  # recipes whose generator draws nothing
THREE = {"classes": ["bag", "coat", "dress"]}  # as many as the tiny conditional generators have


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folders of runs that were not trained."""
    runs = tmp_path_factory.mktemp("runs")
    for name in {command.split()[0] for command in ACTIONS}:
        tiny = TINY[name]
        (runs / name).mkdir()
        store_networks(runs / name, build(name))
        config = as_json(tiny.module.Config(**tiny.config))
        (runs / name / "config.json").write_text(json.dumps({**config, **(THREE if name == "cgan" else {})}))
    image = np.full((16, 16, 3), 255, "uint8")
    image[4:12, 4:12] = picture(8, 8)  # an object before white
    write(runs / "image.png", image)
    return runs


def read(folder):
    """Returns the pixels and the texts of the PNG files of a folder."""
    found = {}
    for path in sorted(folder.rglob("*.png")):
        with Image.open(path) as image:
            found[path.relative_to(folder)] = np.asarray(image), image.text
    return found


@pytest.mark.parametrize("command", ACTIONS)
def test_actions_mark_what_they_write(runs, tmp_path, command):
    name, action = command.split()
    seed = None if name in WITHOUT_SEED else 3
    made = {}
    for number, more in enumerate([(), ("--no-mark",)]):
        folder, out = tmp_path / str(number), tmp_path / str(number) / "out"
        shutil.copytree(runs / name, folder)
        names = {"OUT": str(out), "IMAGE": str(runs / "image.png")}
        arguments = [
            names[argument] if argument in names else str(argument).replace("OUT/", f"{out}/")
            for argument in ACTIONS[command]
        ]
        arguments += [] if seed is None else ["--seed", seed]
        answer = call_recipe(name, action, *arguments, *more, "--run-folder", folder)
        assert answer.returncode == 0, answer.stderr
        made[number] = read(folder)
    made[0] = {path: found for path, found in made[0].items() if "_curve" not in path.stem}  # a plot
    assert made[0]
    weights = digest_of(open_network(runs / name / "generator.keras"))
    for path, (pixels, texts) in made[0].items():
        assert texts == Mark(name, seed, weights).texts()
        others, none = made[1][path]
        assert np.array_equal(pixels, others)
        assert not none


def test_the_mark_names_the_recipe_of_the_run(runs, tmp_path):
    folder = shutil.copytree(runs / "wgan", tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "recipe": "wgan"}))
    answer = call_recipe("dcgan", "sample", "--count", 1, "--run-folder", folder, "--out", tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    ((_, texts),) = read(tmp_path / "out").values()
    assert json.loads(texts["Comment"])["recipe"] == "wgan"


def test_a_mark_can_be_read_by_programs(tmp_path):
    image = np.arange(48, dtype="uint8").reshape(4, 4, 3)
    pictures.save_png(tmp_path / "marked.png", image, Mark("dcgan", 0, "epoch 2"))
    pictures.save_png(tmp_path / "plain.png", image)
    with Image.open(tmp_path / "marked.png") as marked, Image.open(tmp_path / "plain.png") as plain:
        assert np.array_equal(np.asarray(marked), np.asarray(plain))
        assert marked.text["Software"] == "GAN cookbook, recipe dcgan"
        assert json.loads(marked.text["Comment"]) == {
            "generated": True,
            "recipe": "dcgan",
            "seed": 0,
            "weights": "epoch 2",
        }
        assert not plain.text
