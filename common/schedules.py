"""Learning rate schedules: of an optimizer, step by step, or as a callback, epoch by epoch."""

import math

import keras
from keras import ops

from common import backend


@keras.saving.register_keras_serializable(package="common.schedules")
class ConstantThenLinear(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate is constant for the first half of the steps, then decays linearly to 0.

    Args:
        rate: float.
        steps: integer, of the optimizer in the whole training.

    Reference: Zhu et al., 2017, https://arxiv.org/abs/1703.10593, section 4.

    >>> schedule = ConstantThenLinear(1.0, 100)
    >>> [float(schedule(step)) for step in (0, 50, 75, 100, 120)]
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """

    def __init__(self, rate, steps):
        self.rate = rate
        self.steps = steps

    def __call__(self, step):
        left = 2 * (1 - ops.cast(step, "float32") / self.steps)
        return self.rate * ops.clip(left, 0.0, 1.0)

    def get_config(self):
        return {"rate": self.rate, "steps": self.steps}


class CosineDecay(keras.callbacks.Callback):
    """Lets the learning rates of all players decay along half a cosine, anew at the beginning of each epoch.

    Unlike a schedule of the optimizer it leaves the learning rate a number, which `controls.Freeze` needs: pass it
    before those. It depends on the epoch alone, so a resumed run continues it exactly.

    Args:
        rate: float, the learning rate of the first epoch.
        epochs: integer, of the whole training.
        end: float, the share of the rate that would be left after the last epoch.

    Reference: Loshchilov and Hutter, 2017, https://arxiv.org/abs/1608.03983, equation 5, without restarts.

    >>> decay = CosineDecay(1.0, epochs=4, end=0.0)
    >>> [round(decay.rate_of(epoch), 2) for epoch in range(5)]
    [1.0, 0.85, 0.5, 0.15, 0.0]
    """

    def __init__(self, rate, epochs, end=0.02):
        super().__init__()
        self.rate = rate
        self.epochs = epochs
        self.end = end

    def rate_of(self, epoch):
        """Returns the learning rate of an epoch, which is counted from 0."""
        left = (1 + math.cos(math.pi * min(epoch / self.epochs, 1))) / 2
        return self.rate * (self.end + (1 - self.end) * left)

    def on_epoch_begin(self, epoch, logs=None):
        backend.fetch_state(self.model)
        for optimizer in self.model.optimizers.values():
            optimizer.learning_rate = self.rate_of(epoch)
