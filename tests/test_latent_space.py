"""The latent space of a generator: paths, arithmetic and directions, and a generator as a function of vectors."""

import keras
import numpy as np
import pytest
from keras import layers

from common.base.errors import InputError
from common.latent_space import (
    LatentSpace,
    arithmetic,
    first_kernel,
    lerp,
    orthogonal,
    path,
    principal_directions,
    sefa,
    slerp,
    truncated,
)
from common.latents import Latents
from common.networks import Generator
from common.sampling import draw_samples
from tests.test_latents import Bright, bright_gan
from tests.tiny_recipes import build

RNG = np.random.default_rng(0)
AXES = np.linalg.qr(RNG.normal(size=(5, 5)))[0].T  # orthogonal unit vectors
STRENGTHS = np.array([9.0, 5.0, 3.0, 2.0, 1.0])


def lengths(vectors):
    return np.linalg.norm(vectors, axis=-1)


# Paths ----------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_on_the_arc_vectors_keep_their_length():
    start, end = RNG.normal(size=(2, 100))
    end *= lengths(start) / lengths(end)
    shares = np.linspace(0, 1, 9)
    arc, line = slerp(start, end, shares), lerp(start, end, shares)
    assert lengths(arc) == pytest.approx(np.full(9, lengths(start)))
    assert lengths(line).min() < 0.8 * lengths(start)
    for points in (arc, line):
        assert points[[0, -1]] == pytest.approx(np.stack([start, end]))
    steps = lengths(np.diff(arc, axis=0))
    assert steps == pytest.approx(np.full(8, steps[0]))


@pytest.mark.once
def test_lengths_change_linearly_on_the_arc():
    arc = slerp(np.array([1.0, 0.0]), np.array([0.0, 3.0]), np.linspace(0, 1, 5))
    assert lengths(arc) == pytest.approx([1, 1.5, 2, 2.5, 3])


@pytest.mark.once
def test_without_one_arc_the_path_has_its_ends():
    start = RNG.normal(size=10).astype("float32")
    shares = np.linspace(0, 1, 5)
    for end in (start, -start, 2 * start, np.zeros(10, "float32")):
        points = slerp(start, end, shares)
        assert np.isfinite(points).all()
        assert points[[0, -1]] == pytest.approx(np.stack([start, end]), abs=1e-5)
    assert slerp(start, start, shares) == pytest.approx(np.tile(start, (5, 1)), abs=1e-5)


@pytest.mark.once
@pytest.mark.parametrize("between", [slerp, lerp])
def test_many_vectors_at_once_are_as_each_alone(between):
    starts, ends = RNG.normal(size=(2, 4, 10))
    shares = np.array([0.0, 0.3, 1.0])
    found = between(starts, ends, shares)
    assert found.shape == (3, 4, 10)
    for row in range(4):
        assert found[:, row] == pytest.approx(between(starts[row], ends[row], shares))


@pytest.mark.once
def test_a_path_passes_its_points():
    points = RNG.normal(size=(3, 2, 10))  # two walks
    found = path(points, steps=4)
    assert found.shape == (9, 2, 10)
    assert found[::4] == pytest.approx(points)
    closed = path(points, steps=4, closed=True)
    assert closed.shape == (12, 2, 10)
    assert closed[:8] == pytest.approx(found[:8])
    assert closed[8:] == pytest.approx(slerp(points[2], points[0], np.arange(4) / 4))  # and not the first point again
    assert path(points, steps=2, between=lerp)[1] == pytest.approx((points[0] + points[1]) / 2)


# Arithmetic, truncation -----------------------------------------------------------------------------------------------


@pytest.mark.once
def test_arithmetic_has_the_length_of_a_latent_vector():
    plus, minus, other = RNG.normal(size=(3, 3, 100))
    assert lengths(arithmetic(plus, minus, other)) == pytest.approx(10)


@pytest.mark.once
def test_arithmetic_keeps_what_the_terms_do_not_share():
    """A and B have the same first part, B and C the same second part: what is left is A's second and C's first."""
    plus, minus, other = np.array([[1.0, 2.0, 0, 0], [1.0, 0, 2.0, 0], [0, 0, 2.0, 3.0]])[:, np.newaxis]
    expected = np.array([0, 2.0, 0, 3.0])
    assert arithmetic(plus, minus, other) == pytest.approx(expected * 2 / lengths(expected))
    many = [np.concatenate([term + 1, term - 1]) for term in (plus, minus, other)]  # whose means are these terms
    assert arithmetic(*many) == pytest.approx(arithmetic(plus, minus, other))


@pytest.mark.once
def test_truncated_latents_are_nearer_to_the_mean():
    vectors = RNG.normal(size=(4, 10))
    assert truncated(vectors, 1.0) == pytest.approx(vectors)
    assert lengths(truncated(vectors, 0.3)) == pytest.approx(0.3 * lengths(vectors))
    assert truncated(vectors, 0.0, mean=vectors[0]) == pytest.approx(np.tile(vectors[0], (4, 1)))
    assert truncated(vectors, 0.5, mean=2.0) == pytest.approx(1 + vectors / 2)


# Directions -----------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_orthogonal_to_one_and_to_several():
    vector, *others = RNG.normal(size=(4, 10))
    for known in (others[:1], others):
        found = orthogonal(vector, known)
        assert lengths(found) == pytest.approx(1)
        assert np.stack(known) @ found == pytest.approx(np.zeros(len(known)), abs=1e-9)
        assert found @ vector > 0
    assert orthogonal(AXES[0], [AXES[1]]) == pytest.approx(AXES[0])


@pytest.mark.once
def test_nothing_is_left_of_a_sum_of_the_others():
    with pytest.raises(InputError, match="Nothing is left of a direction without the others"):
        orthogonal(2 * AXES[0] - AXES[1], [AXES[1], AXES[0]])


def linear_generator(kernel):
    generator = keras.Sequential(
        [keras.Input((len(kernel),)), layers.Dense(kernel.shape[1]), layers.Reshape((2, -1, 1))]
    )
    generator.layers[0].set_weights([kernel, np.ones(kernel.shape[1])])
    return generator


def same_axes(found, axes):
    """Returns the cosines of the angles between axes, whose signs have no meaning."""
    return np.abs(np.sum(found * axes, axis=1))


def test_sefa_finds_the_singular_vectors_of_a_linear_generator():
    outputs = np.linalg.qr(RNG.normal(size=(8, 8)))[0][:5]
    generator = linear_generator(AXES.T @ np.diag(STRENGTHS) @ outputs)
    found = sefa(first_kernel(generator, 5), 3)
    assert found.shape == (3, 5)
    assert same_axes(found, AXES[:3]) == pytest.approx(np.ones(3), abs=1e-4)
    moved, start = (draw_samples(generator, vectors).reshape(3, -1) for vectors in (found, 0 * found))
    changes = lengths(moved - start)
    assert changes == pytest.approx(STRENGTHS[:3], abs=1e-3)


@pytest.mark.once
@pytest.mark.parametrize("units", [8, 600])  # fewer than samples, and more
def test_gan_space_finds_the_axes_of_a_linear_layer(units):
    outputs = np.linalg.qr(RNG.normal(size=(units, 5)))[0].T
    generator = linear_generator(AXES.T @ np.diag(STRENGTHS) @ outputs)
    vectors = Latents(5).fixed(400, seed=0)
    found = principal_directions(vectors, draw_samples(generator, vectors), 3)
    assert lengths(found) == pytest.approx(np.ones(3))
    assert same_axes(found, AXES[:3]) == pytest.approx(np.ones(3), abs=0.02)


@pytest.mark.once
@pytest.mark.parametrize("count", [60, 200])  # fewer than the 100 units, and more
def test_gan_space_is_the_same_by_either_matrix_of_products(count):
    """Both have the components of a singular value decomposition."""
    vectors = RNG.normal(size=(count, 5))
    activations = np.tanh(vectors @ (AXES.T * STRENGTHS) @ RNG.normal(size=(5, 100)))
    centred = activations - activations.mean(axis=0)
    left, _, _ = np.linalg.svd(centred, full_matrices=False)
    expected = left[:, :2].T @ (vectors - vectors.mean(axis=0))
    expected /= lengths(expected)[:, np.newaxis]
    found = principal_directions(vectors, activations, 2)
    assert same_axes(found, expected) == pytest.approx(np.ones(2), abs=1e-6)


class Convolutional(Generator):
    def network(self, latents):
        return layers.Conv2DTranspose(1, 4)(layers.Reshape((1, 1, 4))(latents))


@pytest.mark.once
@pytest.mark.parametrize("units", [3, 600])
def test_gan_space_has_no_directions_that_a_layer_does_not_have(units):
    vectors = np.random.default_rng(0).normal(size=(100, 5)).astype("float32")
    one = vectors[:, :1] * np.ones(units)  # the layer sees one of five dimensions
    (found,) = principal_directions(vectors, one, 3)
    assert abs(found[0]) > 0.95
    with pytest.raises(InputError, match="makes the same of all"):
        principal_directions(vectors, np.ones((100, units)), 3)


@pytest.mark.once
def test_the_first_kernel_is_that_of_the_latents():
    generator = build("cgan").generator
    kernel = first_kernel(generator, 4)
    dense = next(layer for layer in generator.layers if isinstance(layer, layers.Dense))
    assert dense.kernel.shape[0] == 4 + 3  # latents, and the embedded label
    assert np.array_equal(kernel, keras.ops.convert_to_numpy(dense.kernel)[:4])
    vectors = Latents(4).fixed(2, seed=0)
    labels = np.zeros(2, "int32")
    first = keras.Model(generator.inputs, dense.output)
    moved = draw_samples(first, (vectors + 1, labels)) - draw_samples(first, (vectors, labels))
    assert moved == pytest.approx(np.tile(kernel.sum(axis=0), (2, 1)), abs=1e-5)


@pytest.mark.once
def test_a_convolution_first_has_no_kernel_of_the_latents():
    with pytest.raises(InputError, match="SeFa factorizes a fully connected first layer"):
        first_kernel(Convolutional(4), 4)


# A generator as a function of vectors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vanilla", "cgan"])
def test_images_are_those_of_the_action_sample(name):
    gan = build(name)
    space = LatentSpace(gan.generator, gan.latents)
    assert (space.dim, space.class_count) == (4, gan.latents.class_count)
    expected = draw_samples(gan.generator, gan.latents.fixed(7, seed=3))
    assert np.array_equal(space.images(space.vectors(7, seed=3)), expected)


def test_a_mixture_is_between_its_classes():
    gan = build("cgan")
    space = LatentSpace(gan.generator, gan.latents)
    vectors = space.vectors(3, seed=0)
    ends = space.images(vectors, np.array([2, 0, 1]))
    assert space.images(vectors, np.eye(3)[[2, 0, 1]]) == pytest.approx(ends, abs=1e-5)
    near = space.images(vectors, np.full((3, 3), 0.01) + 0.97 * np.eye(3)[[2, 0, 1]])
    assert 0 < np.abs(near - ends).max() < np.abs(space.images(vectors, np.array([0, 1, 2])) - ends).max()


@pytest.mark.once
def test_only_one_latent_vector_is_walked_in():
    gan = bright_gan(latents=Bright(3))
    with pytest.raises(InputError, match=r"fed arrays of shape \(3,\) and \(1,\); use sample"):
        LatentSpace(gan.generator, gan.latents)


class MaskedGenerator(Generator):
    """Its classes are no embedding."""

    def network(self, inputs):
        latents, label = inputs
        bright = layers.Reshape((1,))(layers.CategoryEncoding(3, output_mode="one_hot")(label)[:, 0])
        return layers.Reshape((2, 2, 1))(layers.Dense(4)(layers.Concatenate()([latents, bright])))


@pytest.mark.once
def test_between_classes_without_an_embedding_there_is_no_walk():
    generator = MaskedGenerator((keras.Input((4,)), keras.Input((), dtype="int32")))
    space = LatentSpace(generator, Latents(4, class_count=3))
    assert space.images(space.vectors(2, seed=0), np.array([0, 2])).shape == (2, 2, 2, 1)
    with pytest.raises(InputError, match="only walk where their labels are embedded"):
        space.images(space.vectors(2, seed=0), np.eye(3)[:2])
