"""What changes over the training: the values follow half a cosine from their first to their last one.

They depend on the number of updates alone, which a checkpoint contains, so that a resumed run continues them exactly.
"""

import keras


def cosine(start, end, steps):
    """Returns a Keras schedule from `start` to `end`, where it stays after so many steps.

    >>> [round(float(cosine(0.9, 0.99, 100)(step)), 3) for step in (0, 50, 100, 120)]
    [0.9, 0.945, 0.99, 0.99]
    """
    return keras.optimizers.schedules.CosineDecay(start, steps, alpha=end / start)


@keras.saving.register_keras_serializable(package="r3gan")
class ScheduledAdam(keras.optimizers.Adam):
    """Adam whose `beta_2`, the momentum of the squared gradients, may follow a schedule as well as its learning rate.

    Its arguments are those of `keras.optimizers.Adam`.
    """

    @property
    def beta_2(self):
        return self._beta_2(self.iterations) if callable(self._beta_2) else self._beta_2

    @beta_2.setter
    def beta_2(self, value):
        self._beta_2 = value

    def get_config(self):
        return {**super().get_config(), "beta_2": keras.saving.serialize_keras_object(self._beta_2)}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
