"""projected_gan: frozen features, spectral norm, what a discriminator trains and what is saved of it."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from common import backend
from common.layers import SpectralConv2D
from recipes.projected_gan import features
from recipes.projected_gan.features import ImageNetFeatures, projections
from recipes.projected_gan.train import LATENT_DIM, Config, GatedGenerator, ProjectedDiscriminator, build
from tests.conftest import values

RNG = np.random.default_rng(0)


def tiny(shape=(16, 16, 1), **options):
    backend.set_random_seed(0)
    return build(Config(filters=2, projected=4, **options), shape)


def images(*shape):
    return RNG.uniform(-1, 1, shape).astype("float32")


# Features -------------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(
    ("shape", "seen"), [((28, 28, 1), 56), ((32, 48, 3), 64), ((64, 64, 3), 64), ((60, 90, 3), 60)]
)
def test_projections_of_images_of_any_size(shape, seen):
    maps = projections(keras.Input(shape), 4)
    assert [x.shape[1] for x in maps] == [-(-seen // 2**stage) for stage in (1, 2, 3, 4, 5)]
    assert [x.shape[-1] for x in maps] == [4, 4, 8, 16, 16]


@pytest.mark.once
def test_the_shapes_of_the_features_are_those_that_the_layer_says():
    found = ImageNetFeatures()(ops.convert_to_tensor(images(2, 40, 59, 3)))
    assert [tuple(x.shape) for x in found] == ImageNetFeatures().compute_output_shape((2, 40, 59, 3))


@pytest.mark.once
def test_each_map_has_seen_the_smaller_ones(monkeypatch):
    """The largest map alone sees few pixels at a place; mixed with the others, almost all of an image."""
    backend.set_random_seed(0)
    x = keras.Input((64, 64, 3))
    network = keras.Model(x, projections(x, 4)[0])
    image = images(1, 64, 64, 3)
    other = image.copy()
    other[:, 40:] *= -1
    first, second = (ops.convert_to_numpy(network(each))[0, 0, 0] for each in (image, other))
    assert not np.allclose(first, second, rtol=1e-3)


@pytest.mark.once
def test_all_maps_have_the_same_scale():
    """Or else the losses of the small maps, whose features are large, drown the others."""
    backend.set_random_seed(0)
    x = keras.Input((32, 32, 3))
    drawing = np.ones((2, 32, 32, 3), "float32")
    drawing[:, 8:24, 12:20] = (0.9, -0.8, 0.1)
    for found in keras.Model(x, projections(x, 4))(drawing):
        flat = ops.convert_to_numpy(found).reshape(2, -1)
        assert np.allclose(flat.mean(axis=1), 0, atol=1e-4)
        assert np.allclose(flat.std(axis=1), 1, atol=0.05)


# Spectral norm --------------------------------------------------------------------------------------------------------


def spectral(kernel):
    layer = SpectralConv2D(kernel.shape[-1], kernel.shape[:2], use_bias=False)
    layer.build((None, 8, 8, kernel.shape[2]))
    layer.kernel.assign(kernel)
    return layer


def test_spectral_norm_divides_by_the_largest_singular_value():
    kernel = images(3, 3, 4, 5)
    layer, x = spectral(kernel), ops.convert_to_tensor(images(2, 8, 8, 4))
    for _ in range(50):
        layer(x, training=True)
    norm = np.linalg.norm(kernel.reshape(-1, 5), ord=2)
    expected = ops.conv(x, ops.convert_to_tensor(kernel / norm), padding="valid")
    assert np.allclose(ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(expected), atol=1e-5)
    assert np.array_equal(layer.kernel.numpy(), kernel)


def test_the_gradient_runs_through_the_division():
    """The outputs do not depend on the size of the kernel, so no gradient points along the kernel."""
    layer, x = spectral(images(3, 3, 4, 5)), ops.convert_to_tensor(images(2, 8, 8, 4))
    for _ in range(50):
        layer(x, training=True)
    model = keras.Sequential([keras.Input((8, 8, 4)), layer, layers.Flatten(), layers.Dense(1)])
    before = layer.kernel.numpy()
    model.compile(keras.optimizers.SGD(1e-3), lambda y, predicted: ops.mean(predicted), jit_compile=False)
    model.train_on_batch(x, ops.zeros((2, 1)))
    step = layer.kernel.numpy() - before
    assert np.linalg.norm(step) > 1e-6
    assert abs((step * before).sum()) < 1e-2 * np.linalg.norm(step) * np.linalg.norm(before)


# Networks -------------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(("shape", "filters"), [((28, 28, 1), 1), ((32, 48, 3), 4), ((128, 128, 3), 4)])
def test_networks_for_images_of_any_size(shape, filters):
    assert GatedGenerator(LATENT_DIM, image_shape=shape, filters=2).output_shape == (None, *shape)
    discriminator = ProjectedDiscriminator(shape, filters=filters)
    assert len(discriminator.outputs) == 6
    assert all(min(output.shape[1:3]) == 1 for output in discriminator.outputs)


def test_a_step_trains_the_heads_and_keeps_their_vectors():
    gan = tiny()
    network = gan.discriminator
    kinds = {id(v): type(layer) for layer in network.layers for v in layer.trainable_variables}
    assert set(kinds.values()) == {SpectralConv2D, layers.BatchNormalization}
    assert {id(v) for v in gan.variables_of("discriminator")} == set(kinds)
    random = [v for layer in network.layers if type(layer) is layers.Conv2D for v in layer.variables]
    spectral = [layer for layer in network.layers if isinstance(layer, SpectralConv2D) and layer.filters > 1]
    changing = [v for layer in spectral for v in (layer.kernel, layer.vector)]
    before = values(random), values(changing)
    gan.train_on_batch(images(4, 16, 16, 1))
    assert all(np.array_equal(*pair) for pair in zip(values(random), before[0], strict=True))
    assert not any(np.array_equal(*pair) for pair in zip(values(changing), before[1], strict=True))


@pytest.mark.once
def test_a_saved_discriminator_has_no_weights_of_the_network_and_judges_as_before(tmp_path):
    gan = tiny()
    gan.train_on_batch(images(4, 16, 16, 1))
    assert not any(layer.variables for layer in gan.discriminator.layers if isinstance(layer, ImageNetFeatures))
    path = tmp_path / "gan.keras"
    gan.save(path)
    assert path.stat().st_size < 3e6
    loaded, x = keras.saving.load_model(path), images(2, 16, 16, 1)
    for ours, theirs in zip(gan.discriminator(x), loaded.discriminator(x), strict=True):
        assert np.allclose(ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs), atol=1e-5)


@pytest.mark.once
def test_the_network_is_shown_at_least_56_pixels_in_three_channels(monkeypatch):
    shown = []

    class Recorder(ImageNetFeatures):
        def compute_output_shape(self, shape):
            shown.append(shape)
            return super().compute_output_shape(shape)

    monkeypatch.setattr(features, "ImageNetFeatures", Recorder)
    projections(keras.Input((28, 28, 1)), 4)
    projections(keras.Input((20, 64, 3)), 4)
    assert set(shown) == {(None, 56, 56, 3), (None, 60, 192, 3)}
