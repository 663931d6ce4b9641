"""Adversarial losses: what each network minimizes, written on logits.

A `Loss` is two one-liners. `discriminator(real, fake)` and `generator(fake)` take the logits that the discriminator
gave and return a scalar, the mean over all logits. softplus(x) = log(1 + exp(x)) is the cross-entropy of a logit
without labels: -log sigmoid(x) = softplus(-x) and -log(1 - sigmoid(x)) = softplus(x).
"""

import keras
from keras import ops
from keras.ops import mean, relu, softplus, square


def kl_divergence(mean, log_variance):
    """Returns KL(q ‖ N(0, I)) of normal distributions q, in nats: the mean over a batch, a scalar in float32.

    Args:
        mean, log_variance: tensors `(batch, latent_dim)`; the dimensions are independent, so their divergences add up.

    Reference: Kingma and Welling, 2013, https://arxiv.org/abs/1312.6114, appendix B.
    """
    mean, log_variance = ops.cast(mean, "float32"), ops.cast(log_variance, "float32")
    return ops.mean(ops.sum(ops.square(mean) + ops.exp(log_variance) - log_variance - 1, axis=1)) / 2


def l1_distance(first, second):
    """Returns the mean absolute difference of two tensors, a scalar in float32 whatever the networks compute in."""
    return mean(ops.abs(ops.cast(first, "float32") - ops.cast(second, "float32")))


def squared_distance(first, second):
    """Returns the mean squared difference of two tensors, a scalar in float32 whatever the networks compute in."""
    return mean(square(ops.cast(first, "float32") - ops.cast(second, "float32")))


def over_heads(loss, *heads):
    """Returns the sum of a loss over the heads of a discriminator; its arguments are lists with one entry per head."""
    return sum(loss(*logits) for logits in zip(*heads, strict=True))


class Serializable:
    """An object that a `.keras` file can store: its class is registered, and it has a config."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(package=cls.__module__)(cls)

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class Loss(Serializable):
    """What the two networks minimize. Override both methods; add `get_config` if the constructor has arguments.

    `D` stands for the logits of the discriminator; all expectations are means over a batch.

    Attributes:
        relativistic: whether `generator` compares with real samples. If so it is called as `generator(fake, real)`.
        boundary: float, the logit of a sample that is as likely real as fake; None if only differences of logits count.
        seed_generator: `keras.random.SeedGenerator` for a loss that draws random numbers; `GAN.compile` sets it.

    Example:

    >>> class Wasserstein2(Loss):
    ...     def discriminator(self, real, fake):
    ...         return mean(fake) - mean(real)
    ...     def generator(self, fake):
    ...         return -mean(fake)
    """

    relativistic = False
    boundary = 0.0
    seed_generator = None

    def discriminator(self, real, fake):
        """Returns the discriminator's loss, a scalar, for the logits of real and of fake samples."""
        raise NotImplementedError(f"{type(self).__name__} needs a method discriminator(self, real, fake).")

    def generator(self, fake):
        """Returns the generator's loss, a scalar, for the logits of fake samples."""
        raise NotImplementedError(f"{type(self).__name__} needs a method generator(self, fake).")


class Minimax(Loss):
    """The minimax loss of the value function; it saturates: G's gradient vanishes where D rejects its samples.

    Discriminator: -E log σ(D(x)) - E log(1 - σ(D(G(z)))). Generator: E log(1 - σ(D(G(z)))). At equilibrium the losses
    are 2 log 2 = 1.386 and -log 2 = -0.693.

    Reference: Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661, equation 1.
    """

    def discriminator(self, real, fake):
        return mean(softplus(-real)) + mean(softplus(fake))

    def generator(self, fake):
        return -mean(softplus(fake))


class NonSaturating(Minimax):
    """The usual loss: the generator maximizes log σ(D(G(z))), whose gradient does not vanish where D rejects it.

    Discriminator: as `Minimax`. Generator: -E log σ(D(G(z))). At equilibrium the losses are 1.386 and 0.693.

    Reference: Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661, end of section 3.
    """

    def generator(self, fake):
        return mean(softplus(-fake))


class LeastSquares(Loss):
    """Least squares: the logits are regressed to 1 (real) and 0 (fake), so that overconfident ones cost as well.

    Discriminator: ½ E(D(x) - 1)² + ½ E D(G(z))². Generator: ½ E(D(G(z)) - 1)². At equilibrium, with logits of ½, the
    losses are 0.25 and 0.125.

    Reference: Mao et al., 2017, https://arxiv.org/abs/1611.04076, equation 9.
    """

    boundary = 0.5

    def discriminator(self, real, fake):
        return (mean(square(real - 1)) + mean(square(fake))) / 2

    def generator(self, fake):
        return mean(square(fake - 1)) / 2


class Wasserstein(Loss):
    """The critic's estimate of the Wasserstein-1 distance; needs a Lipschitz critic (a gradient penalty, clipping).

    Discriminator: E D(G(z)) - E D(x), the negative of the distance. Generator: -E D(G(z)).

    Reference: Arjovsky et al., 2017, https://arxiv.org/abs/1701.07875, algorithm 1.
    """

    boundary = None

    def discriminator(self, real, fake):
        return mean(fake) - mean(real)

    def generator(self, fake):
        return -mean(fake)


class Hinge(Loss):
    """The hinge loss: the discriminator's margin is 1, the generator's loss is that of Wasserstein.

    Discriminator: E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))). Generator: -E D(G(z)).

    Reference: Lim and Ye, 2017, https://arxiv.org/abs/1705.02894; Miyato et al., 2018,
    https://arxiv.org/abs/1802.05957, equations 16 and 17.
    """

    def discriminator(self, real, fake):
        return mean(relu(1 - real)) + mean(relu(1 + fake))

    def generator(self, fake):
        return -mean(fake)


class RelativisticPairing(Loss):
    """Relativistic pairing: each fake is compared with one real sample; its landscape has no mode-dropping minima.

    Discriminator: E log(1 + exp(D(G(z)) - D(x))). Generator: the same with the roles exchanged. At equilibrium both
    losses are log 2 = 0.693. Meant to be used with both `R1` and `R2`.

    Reference: Jolicoeur-Martineau, 2018, https://arxiv.org/abs/1807.00734; Huang et al., 2024 (R3GAN),
    https://arxiv.org/abs/2501.05441, equation 2.
    """

    relativistic = True
    boundary = None

    def discriminator(self, real, fake):
        return mean(softplus(fake - real))

    def generator(self, fake, real):
        return mean(softplus(real - fake))
