"""Penalties on the discriminator's slope, added to its loss and differentiated with it.

A penalty is called as `penalty(judge, real, fake, seed)`, where `judge` gives the logits of samples. The slope is taken
with respect to every floating-point part of a sample; integers, such as labels, are conditions and have none. The norm
is one of each sample, over all its parts, never of the batch.
"""

import keras
from keras import ops

from common import backend
from common.losses import Configured


class Penalty(Configured):
    """Base of the penalties: a weight and a norm.

    Args:
        weight: float, what the penalty is multiplied with.
    """

    def __init__(self, weight):
        self.weight = weight

    def get_config(self):
        return {"weight": self.weight}

    def __call__(self, judge, real, fake, seed):
        """Returns the weighted penalty, a scalar.

        Args:
            judge: function from samples to logits.
            real, fake: samples of equal shapes `(batch, ...)`, or structures of them.
            seed: `keras.random.SeedGenerator` of whatever the penalty draws.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method __call__(self, judge, real, fake, seed).")


def squared_slopes(judge, samples):
    """Returns ‖∇D(x)‖² of each sample, shape `(batch,)`."""
    parts = keras.tree.flatten(samples)
    floating = [index for index, part in enumerate(parts) if is_float(part)]

    def judge_floating(values):
        merged = list(parts)
        for index, value in zip(floating, values, strict=True):
            merged[index] = value
        return judge(keras.tree.pack_sequence_as(samples, merged))

    slopes = backend.input_gradients(judge_floating, [parts[index] for index in floating])
    return sum(ops.sum(ops.square(slope), axis=tuple(range(1, len(slope.shape)))) for slope in slopes)


def is_float(tensor):
    return keras.backend.standardize_dtype(tensor.dtype).startswith(("float", "bfloat"))


class GradientPenalty(Penalty):
    """λ E(‖∇D(x̂)‖ - 1)², at points x̂ drawn uniformly from the lines between real and fake samples.

    Args:
        weight: float, λ.

    Reference: Gulrajani et al., 2017, https://arxiv.org/abs/1704.00028, equation 3 and algorithm 1.
    """

    def __init__(self, weight=10.0):
        super().__init__(weight)

    def __call__(self, judge, real, fake, seed):
        count = ops.shape(keras.tree.flatten(real)[0])[0]
        share = backend.draw_rows(keras.random.uniform, (count,), seed=seed)

        def mix(real, fake):
            if not is_float(real):
                return real
            shares = ops.reshape(ops.cast(share, real.dtype), (-1,) + (1,) * (len(real.shape) - 1))
            return shares * real + (1 - shares) * ops.cast(fake, real.dtype)

        # The slope of a square root is infinite at 0, where a dead critic puts it.
        norms = ops.sqrt(squared_slopes(judge, keras.tree.map_structure(mix, real, fake)) + 1e-12)
        return self.weight * ops.mean(ops.square(norms - 1))


class R1(Penalty):
    """γ/2 E‖∇D(x)‖² at real samples.

    Args:
        weight: float, γ.

    Reference: Mescheder et al., 2018, https://arxiv.org/abs/1801.04406, equation 9.
    """

    def __init__(self, weight=10.0):
        super().__init__(weight)

    def __call__(self, judge, real, fake, seed):
        return self.weight / 2 * ops.mean(squared_slopes(judge, real))


class R2(R1):
    """γ/2 E‖∇D(G(z))‖² at fake samples.

    Args:
        weight: float, γ.

    Reference: Mescheder et al., 2018, https://arxiv.org/abs/1801.04406, equation 10.
    """

    def __call__(self, judge, real, fake, seed):
        return super().__call__(judge, fake, fake, seed)
