"""Penalties on the gradient of the discriminator with respect to its input, added to its loss.

A penalty is called as `penalty(judge, real, fake, seed)`, where `judge` gives the logits of samples; if a discriminator
has several heads, once for each. The gradient is taken with respect to every floating-point part of a sample; integers,
such as labels, are conditions and have none. The norm is taken per sample, over all its parts, never over the batch.

Of a map of logits, D(x) is the mean, as in the losses: a weight means the same for a map of any size. (A sum would make
R1 of a map of n logits n² times as strong.)
"""

import copy

import keras
from keras import ops

from common import backend
from common.losses import Serializable


class Penalty(Serializable):
    """Base of the penalties: a weight and a norm.

    Args:
        weight: float, what the penalty is multiplied with; or a schedule of Keras, a function of the number of updates,
            such as `keras.optimizers.schedules.CosineDecay(10.0, steps)`.

    Attributes:
        name: string, the name of this term in the logs, after `d_`.
        iterations: variable, the number of updates of the discriminator; `GAN.compile` sets it.
    """

    name = "penalty"
    iterations = None

    def __init__(self, weight):
        self.weight = weight

    @property
    def present_weight(self):
        """The weight in this update."""
        return self.weight(self.iterations) if callable(self.weight) else self.weight

    def get_config(self):
        return {"weight": keras.saving.serialize_keras_object(self.weight)}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))

    def __call__(self, judge, real, fake, seed):
        """Returns the weighted penalty, a scalar.

        Args:
            judge: function from samples to logits.
            real, fake: samples of equal shapes `(batch, ...)`, or structures of them.
            seed: `keras.random.SeedGenerator` of whatever the penalty draws.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method __call__(self, judge, real, fake, seed).")


def squared_gradient_norms(judge, samples):
    """Returns ‖∇D(x)‖² of each sample, shape `(batch,)`."""
    parts = keras.tree.flatten(samples)
    floating = [index for index, part in enumerate(parts) if is_float(part)]

    def judge_floating(values):
        merged = list(parts)
        for index, value in zip(floating, values, strict=True):
            merged[index] = value
        logits = judge(keras.tree.pack_sequence_as(samples, merged))
        return ops.mean(ops.reshape(logits, (ops.shape(logits)[0], -1)), axis=1)

    gradients = backend.input_gradients(judge_floating, [parts[index] for index in floating])
    return sum(ops.sum(ops.square(part), axis=tuple(range(1, len(part.shape)))) for part in gradients)


def is_float(tensor):
    return tensor is not None and keras.backend.standardize_dtype(tensor.dtype).startswith(("float", "bfloat"))


class GradientPenalty(Penalty):
    """λ E(‖∇D(x̂)‖ - 1)², at x̂ drawn uniformly from straight lines between pairs of real and fake samples.

    Args:
        weight: float or schedule, λ.

    Reference: Gulrajani et al., 2017, https://arxiv.org/abs/1704.00028, equation 3 and algorithm 1.
    """

    name = "gp"

    def __init__(self, weight=10.0):
        super().__init__(weight)

    def __call__(self, judge, real, fake, seed):
        count = ops.shape(keras.tree.flatten(real)[0])[0]
        epsilon = backend.draw_rows(keras.random.uniform, (count,), seed=seed)

        def mix(real, fake):
            if not is_float(real):
                return real
            mixing = ops.reshape(ops.cast(epsilon, real.dtype), (-1,) + (1,) * (len(real.shape) - 1))
            return mixing * real + (1 - mixing) * ops.cast(fake, real.dtype)

        # The derivative of a square root is infinite at 0, the gradient norm of a dead critic.
        norms = ops.sqrt(squared_gradient_norms(judge, keras.tree.map_structure(mix, real, fake)) + 1e-12)
        return self.present_weight * ops.mean(ops.square(norms - 1))


class R1(Penalty):
    """γ/2 E‖∇D(x)‖² at real samples.

    Args:
        weight: float or schedule, γ.

    Reference: Mescheder et al., 2018, https://arxiv.org/abs/1801.04406, equation 9.
    """

    name = "r1"

    def __init__(self, weight=10.0):
        super().__init__(weight)

    def __call__(self, judge, real, fake, seed):
        return self.present_weight / 2 * ops.mean(squared_gradient_norms(judge, real))


class R2(R1):
    """γ/2 E‖∇D(G(z))‖² at fake samples.

    Args:
        weight: float or schedule, γ.

    Reference: Mescheder et al., 2018, https://arxiv.org/abs/1801.04406, equation 10.
    """

    name = "r2"

    def __call__(self, judge, real, fake, seed):
        return super().__call__(judge, fake, fake, seed)


class Lazy(Penalty):
    """A penalty that is computed only in every k-th update of the discriminator, with k times its weight.

    Its mean over the updates, which is what the logs of an epoch show, stays the same, and most of its cost is saved.

    Args:
        penalty: a `Penalty`.
        every: integer, k.

    Reference: Karras et al., 2020, https://arxiv.org/abs/1912.04958, section 3.1 and appendix B. There the penalty has
    steps of its own, for which the settings of Adam are changed as well; here it is a term of the loss.
    """

    def __init__(self, penalty, every=16):
        self.penalty = penalty
        self.every = every
        self.name = penalty.name

    def get_config(self):
        return {"penalty": keras.saving.serialize_keras_object(self.penalty), "every": self.every}

    @property
    def iterations(self):
        return self.penalty.iterations

    @iterations.setter
    def iterations(self, value):
        self.penalty = copy.copy(self.penalty)  # another GAN may have been given the same one
        self.penalty.iterations = value

    def __call__(self, judge, real, fake, seed):
        return lazily(self.every, self.iterations, lambda: self.penalty(judge, real, fake, seed))


def lazily(every, iterations, term):
    """Returns `every` times `term()`, a scalar, in every such update, else 0.

    Args:
        every: integer.
        iterations: variable that counts the updates, such as `gan.generator_optimizer.iterations`.
        term: function without arguments; it may change state.
    """
    return every * backend.every(every, iterations, lambda: ops.cast(term(), "float32"))
