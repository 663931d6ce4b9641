"""What decays over a training."""

import numpy as np
import pytest

from common.controls import WarmUp
from common.schedules import CosineDecay
from data_prep.batches import Batches


def trained(gan, epochs, callbacks, first=0):
    """Trains a GAN on points, two steps an epoch, and returns the learning rates at the end of each epoch."""
    batches = Batches(np.zeros((16, 2), "float32"), 8, transform=lambda batch: batch)
    gan.fit(batches, initial_epoch=first, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)
    return [float(optimizer.learning_rate.numpy()) for optimizer in gan.optimizers.values()]


def test_the_learning_rates_decay_also_beside_a_control_that_freezes(small_gan):
    decay = CosineDecay(1e-3, epochs=4)
    for epoch in range(4):
        rates = trained(small_gan(), epoch + 1, [decay, WarmUp(3)], first=epoch)
        assert rates == pytest.approx([decay.rate_of(epoch)] * 2)
    assert decay.rate_of(0) == 1e-3
    assert decay.rate_of(3) < 2e-4


def test_the_decayed_rate_is_the_one_that_trains(small_gan):
    """Also on JAX, where the state of a running `fit` is outside the model."""
    gan = small_gan()
    before = [variable.numpy().copy() for variable in gan.trainable_variables]
    trained(gan, 1, [CosineDecay(1e-12, epochs=1)])
    for variable, value in zip(gan.trainable_variables, before, strict=True):
        assert np.allclose(variable.numpy(), value, atol=1e-8)
