"""Latents of images by gradient descent: they are found, and the generator stays as it is."""

import keras
import numpy as np
import pytest

from common import backend
from common.base.pictures import scale, unscale
from common.latent_space import LatentSpace
from common.latents import Latents
from common.scoring import inversion
from common.scoring.inversion import inverted
from tests.conftest import equal, values
from tests.test_features import Bars
from tests.tiny_recipes import build


@pytest.fixture(autouse=True)
def few_candidates(monkeypatch):
    monkeypatch.setattr(inversion, "CANDIDATES", 40)


def errors(images, targets):
    return np.mean((images - scale(targets)) ** 2, axis=(1, 2, 3))


def error_of_best_start(space, targets):
    drawn = space.images(space.vectors(inversion.CANDIDATES, seed=0))
    return np.array([errors(drawn, target[np.newaxis]).min() for target in targets])


def test_samples_of_a_generator_are_found_again():
    space = LatentSpace(Bars(latent_dim=4), Latents(4))
    wanted = space.vectors(5, seed=7)
    targets = unscale(space.images(wanted))
    found, classes = inverted(space, targets, steps=80, starts=2)
    assert (found.shape, classes) == ((5, 4), None)
    after = errors(space.images(found), targets)
    assert after.max() < 2e-3
    assert after.mean() < error_of_best_start(space, targets).mean() / 20
    again, _ = inverted(space, targets, steps=80, starts=2)
    assert np.allclose(again, found, atol=1e-3)


@pytest.mark.once
def test_the_best_of_all_starts_is_kept():
    """From no step at all: the nearest of the random latents."""
    space = LatentSpace(Bars(latent_dim=4), Latents(4))
    targets = unscale(space.images(space.vectors(3, seed=7)))
    for starts in (1, 4):
        found, _ = inverted(space, targets, steps=1, starts=starts, learning_rate=1e-9)
        assert errors(space.images(found), targets) == pytest.approx(error_of_best_start(space, targets), abs=1e-5)


@pytest.mark.once
def test_more_images_than_are_inverted_together(monkeypatch):
    space = LatentSpace(Bars(latent_dim=4), Latents(4))
    targets = unscale(space.images(space.vectors(3, seed=7)))
    together, _ = inverted(space, targets, steps=60)
    monkeypatch.setattr(inversion, "AT_ONCE", 2)
    apart, _ = inverted(space, targets, steps=60)
    assert space.images(apart) == pytest.approx(space.images(together), abs=0.02)


@pytest.mark.once
def test_the_answer_of_an_encoder_is_one_more_start():
    space = LatentSpace(Bars(latent_dim=4), Latents(4))
    targets = unscale(space.images(space.vectors(3, seed=7)))
    images = keras.Input((16, 16, 1))
    bars = keras.layers.Reshape((4,))(keras.layers.AveragePooling2D((4, 16))(images))
    encoder = keras.Model(images, keras.layers.Lambda(lambda x: keras.ops.arctanh(0.999 * x))(bars))
    found, _ = inverted(space, targets, steps=1, encoder=encoder, learning_rate=1e-9)
    assert (errors(space.images(found), targets) < error_of_best_start(space, targets) / 10).all()


def with_averages(generator):
    """Gives the batch norms other averages than those at the beginning, as a training does."""
    rng = np.random.default_rng(0)
    for layer in generator.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(size=layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, size=layer.moving_variance.shape))
    return generator


def test_the_generator_stays_as_it_is():
    backend.set_random_seed(0)
    gan = build("dcgan")
    space = LatentSpace(with_averages(gan.generator), gan.latents)
    before, trainable = values(gan.generator.variables), len(gan.generator.trainable_variables)
    targets = unscale(space.images(space.vectors(3, seed=7)))
    found, _ = inverted(space, targets, steps=5, starts=2)
    assert np.isfinite(found).all()
    assert equal(values(gan.generator.variables), before)
    assert gan.generator.trainable
    assert len(gan.generator.trainable_variables) == trainable > 0


def test_images_of_a_class_are_found_in_a_class():
    backend.set_random_seed(0)
    gan = build("cgan")
    embedding = next(layer for layer in gan.generator.layers if isinstance(layer, keras.layers.Embedding))
    embedding.embeddings.assign(20 * np.random.default_rng(0).normal(size=embedding.embeddings.shape))
    space = LatentSpace(with_averages(gan.generator), gan.latents)
    wanted = np.array([0, 1, 2, 2], "int32")
    targets = unscale(space.images(space.vectors(4, seed=7), wanted))
    found, classes = inverted(space, targets, steps=150, starts=1, prior=0.0)
    assert classes.tolist() == wanted.tolist()
    after = errors(space.images(found, classes), targets)
    assert after.mean() < error_of_best_start(space, targets).mean() / 2


@pytest.mark.once
def test_latents_stay_near_those_of_the_training():
    """Of an image that no latents draw, the longest latents would be nearest."""
    space = LatentSpace(Bars(latent_dim=4), Latents(4))
    white = np.full((1, 16, 16, 1), 255, "uint8")
    far, near = (inverted(space, white, steps=150, prior=prior)[0] for prior in (0.0, 0.1))
    assert np.linalg.norm(near) < 0.9 * np.linalg.norm(far)
