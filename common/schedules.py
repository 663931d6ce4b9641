"""Learning rate schedules."""

import keras
from keras import ops


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
