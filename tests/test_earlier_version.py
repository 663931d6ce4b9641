"""What version 0.1.0 stored still opens: GANs saved by Keras, generators, run folders."""

import contextlib
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

import common.controls
import common.gan
import common.penalties
import recipes.pix2pix.train
import recipes.simgan.train
import recipes.style_transfer.train  # noqa: F401 (whose classes the files name)
from common.latents import latents_for
from common.sampling import draw_samples
from common.scoring.evaluator import Scores
from common.training import checkpoint
from tests.conftest import call_recipe
from tests.tiny_recipes import TINY

STORED = Path(__file__).parent / "version_0_1_0"
# The sum of the magnitudes of all trained weights, as version 0.1.0 read it from its own files.
WEIGHTS = {
    "gan": 158.86475381441414,
    "relativistic": 44.10764375794679,
    "cgan": 69.33781298215035,
    "pix2pix": 92.41907764790813,
    "simgan": 109.69345342088491,
    "style_transfer": 636.6394732120098,
}
RECIPES = ("cgan", "pix2pix", "simgan", "style_transfer")  # whose steps test_every_recipe.py takes on each backend
LOSS_WEIGHTS = {  # which version 0.1.0 stored as options
    "pix2pix": {"g_adversarial": 1.0, "g_distance": 100.0},
    "simgan": {"g_regularization": 2.0},
    "style_transfer": {"g_cycle": 10.0, "g_identity": 5.0},
}
of_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a run continues on its own backend")
SHAPES = {"gan": [(6, 6, 1)], "relativistic": [(2,)]}


def samples(name):
    rng = np.random.default_rng(0)
    batch = [rng.uniform(-1, 1, (4, *shape)).astype("float32") for shape in SHAPES.get(name, [(16, 16, 1)] * 2)]
    return [batch[0], np.array([0, 1, 0, 1], "int32")] if name == "cgan" else batch


@pytest.mark.parametrize(
    "name", ["gan", "relativistic", *(pytest.param(name, marks=pytest.mark.once) for name in RECIPES)]
)
@pytest.mark.filterwarnings("ignore:.*image pool starts empty:UserWarning")
def test_a_saved_gan_loads_and_trains_on(name):
    gan = keras.saving.load_model(STORED / f"{name}.keras")
    total = sum(float(np.abs(keras.ops.convert_to_numpy(v.value)).sum()) for v in gan.trainable_variables)
    assert total == pytest.approx(WEIGHTS[name], rel=1e-5)
    assert gan.loss_weights == LOSS_WEIGHTS.get(name, {})
    assert int(keras.ops.convert_to_numpy(gan.discriminator_optimizer.iterations)) == 2
    assert np.isfinite(gan.train_on_batch(*samples(name))).all()
    assert int(keras.ops.convert_to_numpy(gan.discriminator_optimizer.iterations)) == 3


def test_the_sizes_of_image_pools_are_kept():
    sizes = {"simgan": ("buffer", 8), "style_transfer": ("pool_a", 4)}
    for name, (pool, size) in sizes.items():
        with pytest.warns(UserWarning) if name == "style_transfer" else contextlib.nullcontext():
            gan = keras.saving.load_model(STORED / f"{name}.keras")
        assert gan.options["pool_size"] == getattr(gan, pool).size == size
    assert int(keras.ops.convert_to_numpy(keras.saving.load_model(STORED / "simgan.keras").buffer.count)) == 4


@pytest.mark.parametrize("name", ["vanilla", "dcgan"])
def test_a_generator_draws(name):
    generator = keras.saving.load_model(STORED / "run_folders" / name / "generator.keras")
    images = draw_samples(generator, latents_for(generator).fixed(4, seed=0))
    assert images.shape == (4, 28, 28, 1)
    assert np.isfinite(images).all()


@of_tensorflow
@pytest.mark.parametrize("name", ["vanilla", "dcgan"])
def test_a_checkpoint_is_restored(name):
    config = json.loads((STORED / "run_folders" / name / "config.json").read_text())
    module = TINY[name].module
    fields = {key: config[key] for key in ("units", "filters", "latent_dim") if key in config}
    if name == "dcgan":
        fields["controls"] = common.controls.ControlOptions(instance_noise=config["instance_noise"])
    gan = module.build(module.Config(**fields), (28, 28, 1))
    assert checkpoint.load(STORED / "run_folders" / name / "checkpoint.npz", gan) == 1
    with np.load(STORED / "run_folders" / name / "checkpoint.npz") as arrays:
        first = keras.ops.convert_to_numpy(checkpoint.variables(gan)[0].value)
        assert np.array_equal(first, arrays["0000"])


@pytest.mark.once
@pytest.mark.slow
@of_tensorflow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("vanilla", ("--units", 8)),
        ("dcgan", ("--filters", 2, "--hold-below", 0.5, "--warm-up", 1, "--instance-noise", 0.1)),
    ],
)
def test_a_run_continues(name, options, tmp_path):
    """With the options that it was begun with; one of them has another name now."""
    shutil.copytree(STORED / "run_folders" / name, tmp_path / "run")
    common = ("--classes", "bag", "--batch-size", 250, "--run-folder", tmp_path / "run")
    answer = call_recipe(name, *options, *common, "--epochs", 2)
    assert answer.returncode == 0, answer.stderr
    assert "Continuing" in answer.stdout
    assert json.loads((tmp_path / "run" / "config.json").read_text())["finished_epochs"] == 1  # pictures of one epoch


def test_scores_are_read():
    scores = Scores.read(STORED / "run_folders" / "dcgan" / "scores.json")
    assert scores.protocol.extractor == "garments"
    assert scores.values["frechet"] == pytest.approx(44.163, abs=1e-3)
