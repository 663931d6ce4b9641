"""Losses of both networks on logits, against values in closed form."""

import math

import keras
import numpy as np
import pytest

from common import losses

REAL, FAKE = np.array([[2.0], [0.0]], "float32"), np.array([[-1.0], [3.0]], "float32")


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def mean(*terms):
    return sum(terms) / len(terms)


CROSS_ENTROPY = mean(-math.log(sigmoid(2)), -math.log(sigmoid(0))) + mean(
    -math.log(1 - sigmoid(-1)), -math.log(1 - sigmoid(3))
)
EXPECTED = {
    losses.Minimax: (CROSS_ENTROPY, mean(math.log(1 - sigmoid(-1)), math.log(1 - sigmoid(3)))),
    losses.NonSaturating: (CROSS_ENTROPY, mean(-math.log(sigmoid(-1)), -math.log(sigmoid(3)))),
    losses.LeastSquares: ((mean(1, 1) + mean(1, 9)) / 2, mean(4, 4) / 2),
    losses.Wasserstein: (mean(-1, 3) - mean(2, 0), -mean(-1, 3)),
    losses.Hinge: (mean(0, 1) + mean(0, 4), -mean(-1, 3)),
    losses.RelativisticPairing: (
        mean(-math.log(sigmoid(2 - -1)), -math.log(sigmoid(0 - 3))),
        mean(-math.log(sigmoid(-1 - 2)), -math.log(sigmoid(3 - 0))),
    ),
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_losses_of_both_networks(kind):
    loss = kind()
    discriminator, generator = EXPECTED[kind]
    assert float(loss.discriminator(REAL, FAKE)) == pytest.approx(discriminator, rel=1e-6)
    arguments = (FAKE, REAL) if loss.relativistic else (FAKE,)
    assert float(loss.generator(*arguments)) == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize("kind", [losses.Minimax, losses.NonSaturating, losses.RelativisticPairing])
def test_finite_for_large_logits(kind):
    huge = np.array([[1e4], [-1e4]], "float32")
    assert np.isfinite(float(kind().discriminator(huge, -huge)))
    assert np.isfinite(float(kind().generator(*[huge, -huge][: 1 + kind.relativistic])))


@pytest.mark.parametrize("kind", EXPECTED)
def test_survives_serialization(kind):
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(kind()))
    assert type(restored) is kind


def test_a_loss_without_a_method_names_it():
    with pytest.raises(NotImplementedError, match=r"Loss needs a method generator"):
        losses.Loss().generator(FAKE)
