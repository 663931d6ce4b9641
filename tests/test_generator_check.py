"""A generator that is not that of the run in whose folder it is, or draws what is no image, is noticed."""

import json
import shutil

import keras
import numpy as np
import pytest

from common.base.errors import InputError
from common.sampling import draw_samples, finite
from common.training.generator_check import fits, refuse_other_inputs
from common.training.run import as_json
from common.training.trained_run import store_networks
from tests.conftest import call_recipe, is_one_sentence
from tests.files import picture, write
from tests.tiny_recipes import TINY, build

pytestmark = [pytest.mark.once, pytest.mark.xdist_group("generator_check")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of runs of every recipe, not trained."""
    runs = tmp_path_factory.mktemp("runs")
    for name, tiny in TINY.items():
        (runs / name).mkdir()
        store_networks(runs / name, build(name))
        (runs / name / "config.json").write_text(json.dumps(as_json(tiny.module.Config(**tiny.config))))
    write(runs / "image.png", picture(16, 16))
    shutil.copytree(runs / "cgan", runs / "stranger")
    config = json.loads((runs / "stranger" / "config.json").read_text())
    (runs / "stranger" / "config.json").write_text(json.dumps({"recipe": "cgan", **config}))
    return runs


@pytest.mark.parametrize(
    "command",
    [
        "semi_supervised evaluate",
        "augmentation evaluate",
        "vae evaluate",
        "vae_gan apply --input image.png --out out",
        "pix2pix evaluate",
        "style_transfer evaluate",
        "simgan export --out out",
        "makeup evaluate",
        "text_to_image evaluate",
        "text_to_image sample --text dress",
        "text_to_image walk --text dress shirt",
        "image_to_3d evaluate",
        "image_to_3d sample",
        "image_to_3d apply --input image.png --out out",
    ],
)
def test_what_only_a_recipe_can_do_is_refused_for_runs_of_others(runs, command):
    name, *action = command.split()
    answer = call_recipe(name, *action, "--run-folder", runs / "stranger", cwd=runs)
    assert is_one_sentence(
        answer, "stranger is of the recipe cgan; use ./run_recipe.sh cgan, or name another --run-folder"
    )


@pytest.mark.parametrize(
    ("command", "other", "words"),
    [
        ("dcgan sample", "pix2pix", "it takes (any, any, 1), but is fed (4)"),
        ("dcgan sample", "cgan", "it takes (4) and (), but is fed (4)"),
        ("dcgan evaluate", "cgan", "it takes (4) and (), but is fed (4)"),
        ("dcgan evaluate", "style_transfer", "it takes (any, any, 1) and (any, any, 1), but is fed (4)"),
        ("cgan sample", "vanilla", "it takes (4), but is fed (4) and ()"),
        ("cgan walk", "vanilla", "it takes (4), but is fed (4) and ()"),
        ("mode_collapse sample", "dcgan", "it makes (16, 16, 1), not points of the plane"),
        ("mode_collapse evaluate", "simgan", "not points of the plane"),
        ("stacked_mnist evaluate", "dcgan", "its images have 1 channel(s), not 3"),
        ("pix2pix apply", "dcgan", "it takes (4), not images"),
        ("pix2pix apply", "style_transfer", "it takes (any, any, 1) and (any, any, 1), not images"),
        ("pix2pix evaluate", "dcgan", "it takes (4), not images"),
        ("simgan apply", "vanilla", "it takes (4), not images"),
        ("simgan evaluate", "dcgan", "it takes (4), not images"),
        ("simgan export", "dcgan", "it takes (4), not images"),
        ("style_transfer apply", "pix2pix", "it does not translate in both directions"),
        ("style_transfer evaluate", "dcgan", "it does not translate in both directions"),
    ],
)
def test_the_generator_of_another_recipe(runs, tmp_path, command, other, words):
    name, action = command.split()
    folder = tmp_path / "run"
    shutil.copytree(runs / name, folder)
    shutil.copyfile(runs / other / "generator.keras", folder / "generator.keras")
    out = ("--out", tmp_path / "out")
    needed = {"apply": ("--input", runs / "image.png", *out), "export": out}
    answer = call_recipe(name, action, *needed.get(action, ()), "--run-folder", folder)
    assert is_one_sentence(answer, "The generator is not that of this recipe with the options of this run: ")
    assert words in answer.stderr
    assert not (tmp_path / "out").exists()


def test_the_generator_of_a_run_with_other_classes(runs, tmp_path):
    shutil.copytree(runs / "cgan", tmp_path / "run")
    path = tmp_path / "run" / "generator.json"
    stored = json.loads(path.read_text())
    stored["latents"]["config"]["class_count"] = 7
    path.write_text(json.dumps(stored))
    answer = call_recipe("cgan", "sample", "--run-folder", tmp_path / "run")
    assert is_one_sentence(answer, "it has 3 classes, and the run 7")


def test_inputs_fit_as_keras_takes_them():
    assert fits((1,), ())
    assert fits((), (1,))
    assert not fits((None, None, 3), (28, 28, 1))
    labels = keras.Input((1,), dtype="int32")
    network = keras.Model(labels, keras.layers.Flatten()(keras.layers.Embedding(3, 2)(labels)))
    assert draw_samples(network, np.array([0, 1, 2, 0, 1])).shape == (5, 2)
    with pytest.raises(InputError, match=r"it takes \(1\), but is fed \(2\)"):
        refuse_other_inputs(network, np.zeros((4, 2)))


# Samples that are not finite ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    ["dcgan sample", "dcgan evaluate", "cgan walk", "dcgan invert", "dcgan directions", "mode_collapse evaluate"],
)
def test_a_generator_that_draws_nan(runs, tmp_path, command):
    name, action = command.split()
    folder = tmp_path / "run"
    shutil.copytree(runs / name, folder)
    spoil(folder / "generator.keras")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "size": "16"}))  # as the generator's
    answer = call_recipe(name, action, "--run-folder", folder)
    assert is_one_sentence(answer, "The network's samples are not finite (NaN or infinite)")
    assert not (folder / "scores.json").exists()
    assert not list(folder.glob("*.png"))


def test_a_translator_that_draws_nan(runs, tmp_path):
    shutil.copytree(runs / "simgan", tmp_path / "run")
    spoil(tmp_path / "run" / "generator.keras")
    where = ("--input", runs / "image.png", "--out", tmp_path / "out", "--run-folder", tmp_path / "run")
    assert is_one_sentence(call_recipe("simgan", "apply", *where), "The network's samples are not finite")
    assert not (tmp_path / "out").exists()


def spoil(path):
    generator = keras.saving.load_model(path, compile=False)
    generator.weights[0].assign(np.full(generator.weights[0].shape, np.nan))
    generator.save(path)


def test_finite_samples_are_returned():
    samples = np.zeros((2, 3))
    assert finite(samples) is samples
    with pytest.raises(InputError, match="not finite"):
        finite(np.array([np.inf]))
