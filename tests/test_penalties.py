"""Penalties on critics with known gradients."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from common.losses import Wasserstein
from common.networks import Discriminator
from common.penalties import R1, R2, GradientPenalty, Lazy
from tests.conftest import equal, values

WEIGHTS = np.array([[3.0], [4.0]], "float32")  # of norm 5
RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(size=(2, 6, 2)).astype("float32")


def linear(x):
    return ops.matmul(x, WEIGHTS)


def quadratic(x):
    """Has the gradient x, which differs between samples."""
    return ops.sum(ops.square(x), axis=-1, keepdims=True) / 2


def penalize(penalty, judge, real=REAL, fake=FAKE):
    real, fake = keras.tree.map_structure(ops.convert_to_tensor, (real, fake))
    return float(ops.convert_to_numpy(ops.stop_gradient(penalty(judge, real, fake, keras.random.SeedGenerator(0)))))


def test_linear_critic():
    assert penalize(GradientPenalty(10), linear) == pytest.approx(10 * (5 - 1) ** 2, rel=1e-5)
    assert penalize(R1(3), linear) == pytest.approx(3 / 2 * 25, rel=1e-6)
    assert penalize(R2(3), linear) == pytest.approx(3 / 2 * 25, rel=1e-6)


def test_a_weight_may_follow_a_schedule():
    schedule = keras.optimizers.schedules.PolynomialDecay(4.0, 10, 0.0)
    for penalty, full in ((R1(schedule), 4 / 2 * 25), (GradientPenalty(schedule), 4 * 16)):
        for updates in (0, 5, 10):
            penalty.iterations = keras.Variable(updates, dtype="int32", trainable=False)
            assert penalize(penalty, linear) == pytest.approx(full * (1 - updates / 10), rel=1e-5)
        (loaded,) = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object([penalty]))
        assert loaded.weight.get_config() == schedule.get_config()


def test_gans_that_are_given_the_same_penalty_count_their_own_updates(small_gan):
    shared = Lazy(R1(keras.optimizers.schedules.PolynomialDecay(4.0, 10, 0.0)), every=2)
    first, second = small_gan(penalty=shared), small_gan(penalty=shared)
    first.discriminator_optimizer.iterations.assign(5)
    weights = [float(ops.convert_to_numpy(gan.penalties[0].penalty.present_weight)) for gan in (first, second)]
    assert weights == pytest.approx([2.0, 4.0])


def test_norm_is_per_sample():
    assert penalize(R1(1), quadratic) == pytest.approx(np.mean(np.sum(REAL**2, axis=1)) / 2, rel=1e-5)
    assert penalize(R2(1), quadratic) == pytest.approx(np.mean(np.sum(FAKE**2, axis=1)) / 2, rel=1e-5)
    # Any interpolation between equal points gives the same point.
    norms = np.linalg.norm(REAL, axis=1)
    assert penalize(GradientPenalty(1), quadratic, REAL, REAL) == pytest.approx(np.mean((norms - 1) ** 2), rel=1e-4)


def test_interpolation_is_uniform_with_one_factor_per_sample():
    # At s·(1, 1) the gradient norm is s√2, and E(s√2 - 1)² = 2/3 - √2 + 1 for a uniform s in [0, 1].
    zeros, ones = np.zeros((20000, 2), "float32"), np.ones((20000, 2), "float32")
    assert penalize(GradientPenalty(1), quadratic, ones, zeros) == pytest.approx(5 / 3 - 2**0.5, abs=0.01)


def test_penalty_of_a_constant_critic_is_finite():
    def constant(x):
        return ops.sum(x * 0, axis=-1, keepdims=True)

    assert penalize(GradientPenalty(10), constant) == pytest.approx(10, rel=1e-4)


def test_all_float_parts_are_penalized_and_labels_are_not():
    labels = np.zeros((6,), "int32")

    def judge(samples):
        image, label = samples
        return linear(image) * ops.cast(ops.reshape(label, (-1, 1)) + 1, "float32")

    assert penalize(R1(2), judge, (REAL, labels), (FAKE, labels)) == pytest.approx(25, rel=1e-6)
    assert penalize(GradientPenalty(1), judge, (REAL, labels), (FAKE, labels)) == pytest.approx(16, rel=1e-5)
    both = penalize(R1(2), lambda pair: linear(pair[0]) + linear(pair[1]), (REAL, FAKE), (FAKE, REAL))
    assert both == pytest.approx(50, rel=1e-6)


class NormalizedDiscriminator(Discriminator):
    def network(self, samples):
        x = layers.BatchNormalization()(layers.Dense(8)(samples))
        return layers.Dense(1)(layers.Dropout(0.2)(layers.LeakyReLU(0.2)(x)))


@pytest.mark.parametrize("penalty", [GradientPenalty(), R1(), [R1(), R2()]])
def test_trains_with_stateful_layers(small_gan, points, penalty):
    gan = small_gan(Wasserstein(), discriminator=NormalizedDiscriminator((2,)), penalty=penalty)
    before = values(gan.discriminator.variables)
    history = gan.fit(points, batch_size=16, epochs=2, verbose=0).history
    assert np.all(np.isfinite(history["d_loss"]))
    assert not equal(before, values(gan.discriminator.variables))


def test_penalty_is_differentiated(small_gan, points):
    """A penalty with a large weight must pull the critic's gradient norm to 1."""
    gan = small_gan(Wasserstein(), discriminator=LinearDiscriminator((2,)), penalty=GradientPenalty(100.0))
    gan.discriminator.layers[-1].kernel.assign(WEIGHTS / 2)
    gan.fit(points, batch_size=16, epochs=60, verbose=0)
    norm = np.linalg.norm(ops.convert_to_numpy(gan.discriminator.layers[-1].kernel.value))
    assert abs(norm - 1) < 0.5


class LinearDiscriminator(Discriminator):
    def network(self, samples):
        return layers.Dense(1)(samples)
