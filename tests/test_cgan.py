"""cgan: both networks receive the label, and samples have the requested classes."""

import keras
import numpy as np
import pytest

from common import backend
from common.cli.sample import SampleOptions, sheet_of, wanted_labels
from common.latent_space import LatentSpace
from common.latents import Latents, embedding_of
from common.losses import NonSaturating
from common.penalties import R1
from common.sampling import draw_samples
from common.training import trained_run
from recipes.cgan.train import Config, build
from tests.conftest import values


def tiny(condition="projection", **options):
    backend.set_random_seed(0)
    config = Config(filters=2, latent_dim=5, embedding_dim=4, condition=condition, learning_rate=1e-2, **options)
    return build(config, (28, 28, 1), class_count=3)


@pytest.fixture
def real():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (12, 28, 28, 1)).astype("float32"), np.arange(12, dtype="int32") % 3


@pytest.mark.once
@pytest.mark.parametrize("condition", ["projection", "concatenation"])
def test_the_logit_depends_on_the_class(condition, real):
    gan = tiny(condition)
    images, labels = real
    logits = keras.ops.convert_to_numpy(gan.judge(real))
    others = keras.ops.convert_to_numpy(gan.judge((images, (labels + 1) % 3)))
    assert logits.shape == (12, 1)
    assert np.abs(logits - others).min() > 1e-6


def test_spectral_norm_bounds_the_convolutions(real):
    gan = tiny(spectral_norm=True)
    gan.train_on_batch(*real)
    found = {type(layer).__name__: layer for layer in gan.discriminator.layers}
    assert "SpectralConv2D" in found
    assert not {"Conv2D", "BatchNormalization"} & set(found)
    layer = found["SpectralConv2D"]
    layer.kernel.assign(100 * layer.kernel)
    before = keras.ops.convert_to_numpy(gan.judge(real))
    layer.kernel.assign(100 * layer.kernel)
    after = keras.ops.convert_to_numpy(gan.judge(real))  # and another step of power iteration
    assert np.allclose(after, before, rtol=0.1, atol=1e-3)


@pytest.mark.once
def test_fakes_have_the_labels_of_the_real_images(real):
    fakes, labels = tiny().fake(keras.tree.map_structure(keras.ops.convert_to_tensor, real))
    assert tuple(fakes.shape) == (12, 28, 28, 1)
    assert np.array_equal(keras.ops.convert_to_numpy(labels), real[1])


@pytest.mark.parametrize("penalty", [None, R1(1.0)])
def test_a_step_updates_the_embeddings_of_the_labels(real, penalty):
    gan = tiny()
    gan.compile(NonSaturating(), keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2), penalty)
    embeddings = [embedding_of(network).embeddings for network in (gan.generator, gan.discriminator)]
    before = values(embeddings)
    assert np.isfinite(gan.train_on_batch(*real)).all()
    assert not any(np.array_equal(a, b) for a, b in zip(before, values(embeddings), strict=True))


@pytest.mark.once
def test_samples_of_requested_classes(tmp_path, real):
    gan = tiny()
    gan.train_on_batch(*real)  # before it there are no averaged weights
    assert (gan.latents.dim, gan.latents.class_count) == (5, 3)
    latents, labels = gan.latents.fixed(6, seed=0)
    assert labels.tolist() == [0, 1, 2, 0, 1, 2]
    in_turn = gan.sample((latents, labels))
    others = gan.latents.fixed(6, seed=0, labels=np.zeros(6, "int32"))
    assert np.array_equal(others[0], latents)
    assert not np.allclose(in_turn, gan.sample(others))
    trained_run.store_networks(tmp_path, gan)
    loaded = keras.saving.load_model(tmp_path / "generator.keras")
    assert np.allclose(draw_samples(loaded, (latents, labels)), in_turn, atol=1e-6)


@pytest.mark.once
def test_the_grid_has_a_row_per_class_and_a_column_per_latent_vector():
    latents, labels = Latents(4, class_count=3).grid(seed=0)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert np.array_equal(latents, np.tile(Latents(4).fixed(3, seed=0), (3, 1)))


@pytest.mark.once
@pytest.mark.parametrize("count", [64, 30, 11])
def test_sample_shows_one_row_per_class(count):
    labels = wanted_labels(Latents(4, class_count=10), SampleOptions(count=count), None)
    counts = np.bincount(labels, minlength=10)
    assert (counts.sum(), counts.max() - counts.min()) == (count, 1 if count % 10 else 0)
    sheet = sheet_of((labels[:, None, None, None] / 10 - 0.9) * np.ones((1, 2, 2, 1)), labels)
    side = sheet.shape[0] // 10
    for label, row in enumerate(sheet[::side, ::side, 0]):
        level = round((label / 10 + 0.1) * 127.5)
        assert row.tolist() == pytest.approx([level] * counts[label] + [255] * (counts.max() - counts[label]), abs=1)


@pytest.mark.once
def test_sample_of_few_or_of_one_class_is_a_plain_grid():
    latents = Latents(4, class_count=10)
    labels = wanted_labels(latents, SampleOptions(count=4), None)
    assert labels.tolist() == [0, 1, 2, 3]
    images = np.zeros((4, 2, 2, 1))
    assert sheet_of(images, labels).shape == sheet_of(images, None).shape == sheet_of(images, np.zeros(4)).shape


@pytest.mark.once
def test_mixtures_of_classes_are_the_classes_at_their_ends():
    gan = tiny()
    space = LatentSpace(gan.generator, gan.latents)
    vectors = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    found = space.images(vectors, np.eye(3))
    assert np.allclose(found, draw_samples(gan.generator, (vectors, np.arange(3, dtype="int32"))), atol=1e-5)
    between = space.images(vectors[:1], np.array([[0.5, 0.5, 0.0]]))
    assert not np.allclose(between, found[:1], atol=1e-5)
