"""What a generator is fed: one object for the training, and for the grids, samples and scores of its run."""

import dataclasses
import json
import re

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image

from common.base.errors import InputError
from common.base.ranges import Count
from common.cli.evaluate import evaluate_action
from common.cli.main import main
from common.cli.sample import sample_action
from common.gan import GAN
from common.latents import Latents, embedding_of, latents_for
from common.losses import NonSaturating
from common.networks import Discriminator, Generator
from common.scoring.evaluator import Protocol, Scores
from common.training import trained_run
from common.training.run import Run
from data_prep.batches import Batches
from data_prep.images import ImageOptions
from tests.conftest import SmallDiscriminator, SmallGenerator

SHAPE = (28, 28, 1)


class Bright(Latents):
    """Latents, and the brightness of the image."""

    def inputs(self, random, count):
        return random.normal(count, self.dim), random.uniform(count, 1)


class BrightGenerator(Generator):
    """Images of their brightness alone, so that it shows in what they were drawn from."""

    def network(self, inputs):
        latents, brightness = inputs
        noise = layers.Reshape(SHAPE)(layers.Dense(784, kernel_initializer="zeros")(latents))
        return layers.Add()([noise, layers.Reshape((1, 1, 1))(brightness)])


class Judge(Discriminator):
    def network(self, images):
        return layers.Dense(1)(layers.Flatten()(images))


def bright_gan(**kwargs):
    keras.utils.set_random_seed(0)
    generator = BrightGenerator((keras.Input((3,)), keras.Input((1,))))
    gan = GAN(generator, Judge(SHAPE), seed=0, **kwargs)
    gan.compile(NonSaturating(), keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    return gan


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()
    epochs: Count = 1
    seed: int = 3


def train(gan, folder, **kwargs):
    run = Run(folder, "bright", Config())
    try:
        run.fit(gan, Batches(np.zeros((8, *SHAPE), "uint8"), 4), **kwargs)
        run.finish()
    finally:
        run.close()


# Drawing --------------------------------------------------------------------------------------------------------------


def test_fixed_inputs_depend_on_the_seed_alone():
    latents = Latents(3)
    assert np.array_equal(latents.fixed(4, seed=1), latents.fixed(4, seed=1))
    assert not np.array_equal(latents.fixed(4, seed=1), latents.fixed(4, seed=2))
    assert np.array_equal(latents.fixed(9, seed=1)[:4], latents.fixed(4, seed=1))
    # As version 0.1.0 drew them: grids of runs that continue stay comparable.
    assert np.array_equal(latents.fixed(4, 0), np.random.default_rng(0).standard_normal((4, 3), dtype="float32"))


def test_inputs_of_a_training_step_are_new_ones():
    latents, seed = Latents(3, class_count=5), keras.random.SeedGenerator(0)
    (first, labels), (second, _) = (latents.draw(2000, seed) for _ in range(2))
    assert not np.allclose(first, second)
    assert float(ops.std(first)) == pytest.approx(1, abs=0.05)
    assert np.bincount(ops.convert_to_numpy(labels)).min() > 300
    _, chosen = latents.draw(4, seed, labels=ops.convert_to_tensor([4, 4, 0, 1]))
    assert ops.convert_to_numpy(chosen).tolist() == [4, 4, 0, 1]


def test_uniform_numbers():
    latents, seed = Bright(3), keras.random.SeedGenerator(0)
    for _, numbers in (latents.draw(2000, seed), latents.fixed(2000, seed=0)):
        numbers = ops.convert_to_numpy(numbers)
        assert -1 <= numbers.min() < -0.98
        assert 0.98 < numbers.max() < 1


def test_a_training_step_uses_the_latents_of_the_gan():
    gan = bright_gan(latents=Bright(3))
    images = ops.convert_to_numpy(ops.stop_gradient(gan.fake(np.zeros((50, *SHAPE), "float32"))))
    assert np.ptp(images[0]) == 0
    assert images.min() < -0.8
    assert images.max() > 0.8


# What a generator suggests --------------------------------------------------------------------------------------------


def test_an_embedding_of_something_else_is_no_class():
    class Tokens(Generator):
        """Of a quantized latent vector: the embedding does not take the labels."""

        def network(self, latents):
            tokens = layers.Discretization(bin_boundaries=[0.0])(latents)
            return layers.Dense(2)(layers.Flatten()(layers.Embedding(2, 3)(tokens)))

    generator = Tokens(4)
    assert embedding_of(generator) is None
    assert (latents_for(generator).dim, latents_for(generator).class_count) == (4, 0)


def test_a_generator_that_suggests_nothing_is_refused_before_the_first_step():
    gan = bright_gan()
    assert gan.latents is None
    with pytest.raises(ValueError, match=r"unknown what the generator is fed .*\(None, 3\).*pass `latents=`"):
        gan.train_on_batch(np.zeros((4, *SHAPE), "float32"))


# In a run -------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_everything_in_a_run_is_drawn_by_the_latents_of_the_gan(tmp_path, capsys):
    gan = bright_gan(latents=Bright(3))
    train(gan, tmp_path)
    _, numbers = Bright(3).fixed(64, seed=3)
    expected = np.rint((numbers[:, 0] + 1) * 127.5).reshape(8, 8)
    grid = np.asarray(Image.open(tmp_path / "samples" / "epoch_001.png"))
    side = grid.shape[0] // 8
    assert np.array_equal(grid[::side, ::side], expected)

    sample_action("bright", ["--run-folder", str(tmp_path), "--seed", "3", "--out", str(tmp_path / "drawn.png")])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "drawn.png")), grid)
    evaluate_action("bright", ["--run-folder", str(tmp_path), "--samples", "50", "--extractor", "garments"])
    assert "generator raw" in capsys.readouterr().out


def test_stored_latents(tmp_path):
    gan = bright_gan(latents=Bright(3))
    trained_run.store_networks(tmp_path, gan)
    generator = keras.saving.load_model(tmp_path / "generator.keras")
    found = trained_run.load_latents(tmp_path, generator)
    assert type(found) is Bright
    assert found.dim == 3
    assert trained_run.weights_of(tmp_path) == "raw"
    path = tmp_path / "generator.json"
    stored = json.loads(path.read_text())
    for text, words in (
        (
            json.dumps({**stored, "latents": {**stored["latents"], "class": "nowhere>Other"}}),
            "Other of nowhere, which is",
        ),
        (
            json.dumps({**stored, "latents": {**stored["latents"], "class": "builtins>list"}}),
            "list of builtins, which is",
        ),
        (json.dumps({**stored, "latents": {}}), "is not fed latents"),
        (json.dumps({"latents": {"class": "tests.test_latents>Bright", "config": {"size": 1}}}), "is damaged"),
        ("{", "cannot be read"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=re.escape(words)):
            trained_run.load_latents(tmp_path, generator)


def test_stored_latents_import_no_module(tmp_path, monkeypatch):
    """Though the module is there, and has a Latents: a run folder of a stranger runs nothing."""
    (tmp_path / "strange.py").write_text(
        "from common.latents import Latents\nimport pathlib\npathlib.Path(__file__).with_suffix('.ran').touch()\n"
        "class Strange(Latents):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    generator = bright_gan(latents=Bright(3)).generator
    for name in ("strange>Strange", "strange.Strange", "Strange"):
        stored = {"latents": {"class": name, "module": "strange", "config": {"dim": 3}}, "weights": "raw"}
        (tmp_path / "generator.json").write_text(json.dumps(stored))
        with pytest.raises(InputError, match=r"Strange of .* which is not there"):
            trained_run.load_latents(tmp_path, generator)
    assert not (tmp_path / "strange.ran").exists()


class Unstorable(Bright):
    def __init__(self, dim, scale):
        super().__init__(dim)
        self.scale = scale


class WithArray(Bright):
    def get_config(self):
        return {"dim": np.arange(3)}


@pytest.mark.once
@pytest.mark.parametrize("latents", [Unstorable(3, scale=2.0), WithArray(3)])
def test_latents_that_cannot_be_stored_are_noticed_before_the_first_epoch(tmp_path, latents):
    with pytest.raises(ValueError, match=r"cannot be stored with a run .*get_config has to return"):
        train(bright_gan(latents=latents), tmp_path)
    assert not (tmp_path / "log.csv").exists()


@pytest.mark.once
@pytest.mark.parametrize(
    ("kwargs", "words"),
    [({}, "unknown what the generator is fed"), ({"latents": Latents(3)}, "expects 2")],
)
def test_what_cannot_draw_is_known_before_the_first_epoch(tmp_path, kwargs, words):
    with pytest.raises(ValueError, match=words):
        train(bright_gan(**kwargs), tmp_path)
    assert not (tmp_path / "log.csv").exists()


class Volumes(Generator):
    def network(self, latents):
        return layers.Reshape((4, 4, 4, 1))(layers.Dense(64, activation="tanh")(latents))


@pytest.mark.once
def test_samples_that_are_no_images_are_rendered(tmp_path):
    keras.utils.set_random_seed(0)
    gan = GAN(Volumes(4), Judge((4, 4, 4, 1)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam())

    def fit(folder, **kwargs):
        run = Run(folder, "volumes", Config())
        try:
            run.fit(gan, Batches(np.zeros((8, 4, 4, 4, 1), "uint8"), 4), **kwargs)
        finally:
            run.close()

    with pytest.raises(ValueError, match=r"Expected images .*got an array of shape \(64, 4, 4, 4, 1\).*pass `render`"):
        fit(tmp_path / "without")
    fit(tmp_path / "with", render=lambda volumes: volumes.max(axis=1), count=9)
    for name in ("data.png", "samples/epoch_001.png"):
        assert (tmp_path / "with" / name).exists()


class OfPoints:
    """Scores points by the distance of their mean to the origin: an evaluator for samples that are no images."""

    as_compared = staticmethod(lambda samples: samples)

    def __call__(self, count, draw, generator, wanted=None):
        points = draw(np.arange(count))
        protocol = Protocol("none", "", "points", "validation", 0, count, "none", "any", 0, generator)
        values = {"frechet": float(np.linalg.norm(points.mean(axis=0))), "precision": 1.0, "recall": 1.0}
        return Scores(values, protocol)


@dataclasses.dataclass(frozen=True)
class PointsConfig:
    epochs: Count = 2
    seed: int = 0


@pytest.mark.once
def test_a_run_that_ended_by_patience_is_finished(small_gan, tmp_path, monkeypatch, capsys):
    class Constant(OfPoints):
        as_compared = staticmethod(np.ones_like)

    def train(config, run):
        batches = Batches(np.zeros((16, 2), "float32"), 8)
        run.fit(small_gan(use_ema=True), batches, render=lambda points: np.zeros((1, 4, 4, 1)))

    options = ["--epochs", "9", "--evaluate-every", "1", "--patience", "2", "--run-folder", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", ["points", *options])
    for _ in range(2):
        main(train, PointsConfig, "recipes.points", evaluator=lambda config, extractor: Constant())
        assert len(list((tmp_path / "run" / "samples").iterdir())) == 3
    assert "is finished: 3 epochs" in capsys.readouterr().out


@pytest.mark.once
def test_a_recipe_brings_a_scorer_of_its_own(small_gan, tmp_path, monkeypatch):
    def train(config, run):
        run.fit(
            small_gan(use_ema=True),
            Batches(np.zeros((16, 2), "float32"), 8),
            render=lambda points: np.zeros((1, 4, 4, 1)),
        )

    monkeypatch.setattr("sys.argv", ["points", "--evaluate-every", "1", "--run-folder", str(tmp_path / "run")])
    main(train, PointsConfig, "recipes.points", evaluator=lambda config, extractor: OfPoints())
    scores = Scores.read(tmp_path / "run" / "best" / "scores.json")
    assert (scores.protocol.data, scores.protocol.generator) == ("points", "averaged")
    assert (tmp_path / "run" / "best" / "generator.keras").exists()


def test_weights_are_called_averaged_if_the_optimizer_averages(points, tmp_path):
    """Whatever the recipe's Config says about it."""
    gan = GAN(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(use_ema=True), keras.optimizers.Adam())
    gan.train_on_batch(points)
    trained_run.store_networks(tmp_path, gan)
    assert trained_run.weights_of(tmp_path) == "averaged"
