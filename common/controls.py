"""Ways to stabilize training that the literature teaches: each can be used alone or with the others.

Losses that wrap a loss, a layer in front of the discriminator, callbacks that freeze a network. A recipe whose `Config`
has `ControlOptions` as a field offers them all on its command line.
"""

import dataclasses
from typing import Annotated

import keras
import tyro
from keras import layers, ops

from common import backend
from common.base.errors import InputError
from common.base.ranges import Range, Share, Weight
from common.losses import Loss


@dataclasses.dataclass(frozen=True)
class ControlOptions:
    """Options that stabilize the training; the defaults change nothing."""

    warm_up: Annotated[int, Range(0)] = 0
    """training steps at the beginning in which only the discriminator is updated"""
    freeze_below: Annotated[Weight, tyro.conf.arg(aliases=["--hold-below"])] = 0.0
    """freeze the discriminator while its loss is below this: it is then too strong to learn from"""
    label_smoothing: Annotated[float, Range(0, 0.5)] = 0.0
    """one-sided label smoothing: the target of real images is 1 minus this"""
    label_noise: Annotated[float, Range(0, 0.5)] = 0.0
    """the probability with which the labels of a real and a fake image are flipped"""
    instance_noise: Weight = 0.0
    """standard deviation of noise on the discriminator's input; decays linearly to 0 by the last epoch"""
    dropout: Share = 0.0
    """dropout rate of the discriminator's features"""

    def wrap_loss(self, loss):
        """Returns the `Loss` with label smoothing and label noise, as far as the options ask for them."""
        loss = LabelSmoothing(loss, self.label_smoothing) if self.label_smoothing else loss
        return LabelNoise(loss, self.label_noise) if self.label_noise else loss

    def add_instance_noise(self, samples):
        """Returns the symbolic samples with the noise that the options ask for."""
        return InstanceNoise(self.instance_noise)(samples) if self.instance_noise else samples

    def add_dropout(self, features):
        """Returns the symbolic features of a hidden layer with the dropout that the options ask for."""
        return layers.Dropout(self.dropout)(features) if self.dropout else features

    def callbacks(self, epochs):
        """Returns the callbacks that the options ask for, for a training of so many epochs."""
        return [
            *([WarmUp(self.warm_up)] if self.warm_up else []),
            *([FreezeDiscriminator(self.freeze_below)] if self.freeze_below else []),
            *([NoiseDecay(epochs)] if self.instance_noise else []),
        ]


# Losses that wrap a loss -------------------------------------------------------------------------------------------


class LossWrapper(Loss):
    """Base of a loss that changes the discriminator's labels in another loss; the generator's loss stays the same.

    Args:
        loss: a `Loss` of the form E a(D(x)) + E b(D(G(z))), such as `NonSaturating` or `LeastSquares`.
        share: float, how much is changed.

    Raises:
        ValueError: if the loss compares real and fake samples in pairs: then a single sample has no label.
    """

    def __init__(self, loss, share):
        if loss.relativistic:
            raise ValueError(
                f"{type(self).__name__} expects a loss that judges each sample alone, such as NonSaturating(), but got "
                f"{type(loss).__name__}, which compares samples; leave the control out."
            )
        self.loss = loss
        self.share = share

    @property
    def boundary(self):
        return self.loss.boundary

    @property
    def seed_generator(self):
        return self.loss.seed_generator

    @seed_generator.setter
    def seed_generator(self, value):
        self.loss.seed_generator = value  # down to the innermost loss

    def generator(self, fake):
        return self.loss.generator(fake)

    def get_config(self):
        return {"loss": self.loss, "share": self.share}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


class LabelSmoothing(LossWrapper):
    """One-sided label smoothing: the target of real samples is 1 - s instead of 1; that of fake samples stays 0.

    With a the loss for the label real and b the loss for the label fake, the discriminator minimizes
    E (1 - s) a(D(x)) + s b(D(x)) + b(D(G(z))). With cross-entropy the optimal logit of a real sample is then at most
    log((1 - s) / s) instead of ∞. The value is that of the formula up to a constant, which is 0 for cross-entropy.

    Args:
        loss: see `LossWrapper`.
        share: float, s.

    Reference: Salimans et al., 2016, https://arxiv.org/abs/1606.03498, section 3.4.
    """

    def discriminator(self, real, fake):
        loss = self.loss.discriminator
        nothing = ops.zeros_like(real)
        # The difference of both labels: b(real) - a(real), the terms of `nothing` being constant.
        return loss(real, fake) + self.share * (loss(nothing, real) - loss(real, nothing))


class LabelNoise(LossWrapper):
    """Flips the labels of some pairs of a real and a fake sample, other pairs in every step.

    Args:
        loss: see `LossWrapper`.
        share: float, the probability that a pair is flipped.

    Reference: Chintala et al., 2016, *How to Train a GAN?*, a talk: "occasionally flip the labels".
    """

    def discriminator(self, real, fake):
        shape = (ops.shape(real)[0],) + (1,) * (len(real.shape) - 1)
        is_flipped = backend.draw_rows(keras.random.uniform, shape, seed=self.seed_generator) < self.share
        return self.loss.discriminator(ops.where(is_flipped, fake, real), ops.where(is_flipped, real, fake))


# A layer before the discriminator ---------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="common.controls")
class InstanceNoise(layers.Layer):
    """Adds normal noise in training, so that the distributions of real and fake samples overlap.

    Args:
        deviation: float, the standard deviation; `NoiseDecay` lets it decay.

    Reference: Sønderby et al., 2017, https://arxiv.org/abs/1610.04490, on instance noise.
    """

    def __init__(self, deviation, **kwargs):
        super().__init__(**kwargs)
        self.initial = deviation
        self.deviation = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(deviation), trainable=False, name="deviation"
        )
        self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def call(self, samples, training=False):
        if not training:
            return samples
        shape = ops.shape(samples)
        noise = backend.draw_rows(keras.random.normal, shape, dtype=samples.dtype, seed=self.seed_generator)
        return samples + ops.cast(self.deviation, samples.dtype) * noise

    def get_config(self):
        return {**super().get_config(), "deviation": self.initial}


class NoiseDecay(keras.callbacks.Callback):
    """Lets the noise of every `InstanceNoise` decay linearly to 0 after the last epoch.

    Args:
        epochs: integer.
    """

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        for layer in self.model.discriminator._flatten_layers():
            if isinstance(layer, InstanceNoise):
                layer.deviation.assign(layer.initial * max(0, 1 - epoch / self.epochs))


# Callbacks that freeze a network -------------------------------------------------------------------------------------


class Freeze(keras.callbacks.Callback):
    """Base of callbacks that freeze a network for a while: its gradients are computed, its learning rate is 0.

    At the end of an epoch it is unfrozen, so that a checkpoint has the true learning rate. The optimizer needs a number
    as its learning rate, not a schedule.

    Attributes:
        network: "generator" or "discriminator".
    """

    network = None

    def is_frozen(self, step, logs):
        """Returns whether to freeze the network. Override it.

        Args:
            step: integer, training steps since the training began.
            logs: dictionary of the last logs, empty at the beginning of an epoch.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method is_frozen(self, step, logs).")

    def on_epoch_begin(self, epoch, logs=None):
        self.optimizer = getattr(self.model, f"{self.network}_optimizer")
        if isinstance(self.optimizer.get_config()["learning_rate"], dict):
            raise InputError(
                f"{type(self).__name__} needs a number as the learning rate of the {self.network}, but got a schedule, "
                "which it cannot set to 0 for a while; pass a number, or leave the control out."
            )
        self.rate = float(self.optimizer.learning_rate)
        self.first_step = epoch * (self.params["steps"] or 0)
        self.frozen_steps, self.last, self.freezes = 0, -1, False
        self._set(self.is_frozen(self.first_step, {}))

    def on_train_batch_end(self, batch, logs=None):
        self.frozen_steps += (batch - self.last) * self.freezes
        self.last = batch
        self._set(self.is_frozen(self.first_step + batch + 1, logs or {}))

    def on_epoch_end(self, epoch, logs=None):
        self._set(False)
        logs[f"{self.network} frozen"] = self.frozen_steps / (self.last + 1)  # the share of steps

    def _set(self, freezes):
        if freezes != self.freezes:
            backend.fetch_state(self.model)
            self.optimizer.learning_rate = 0.0 if freezes else self.rate
        self.freezes = freezes


class WarmUp(Freeze):
    """Freezes the generator at the beginning, so that its first gradients come from a trained discriminator.

    Args:
        steps: integer, checked every `steps_per_execution` training steps.

    Reference: Shrivastava et al., 2017, https://arxiv.org/abs/1612.07828, who train the discriminator alone first.
    """

    network = "generator"

    def __init__(self, steps):
        super().__init__()
        self.steps = steps

    def is_frozen(self, step, logs):
        return step < self.steps


class FreezeDiscriminator(Freeze):
    """Freezes the discriminator while it is too strong, until the generator has caught up.

    Args:
        below: float, the discriminator's loss below which it is frozen. At equilibrium cross-entropy is 1.386.

    Reference: Goodfellow, 2016, https://arxiv.org/abs/1701.00160, section 4.4, doubts that balancing helps; measure it.
    """

    network = "discriminator"

    def __init__(self, below):
        super().__init__()
        self.below = below

    def on_epoch_begin(self, epoch, logs=None):
        self.steps, self.sum = 0, 0.0
        super().on_epoch_begin(epoch, logs)

    def is_frozen(self, step, logs):
        if not logs:
            return False
        # Keras logs the mean of the epoch so far; what counts is the mean since the last call.
        steps, total = step - self.first_step, logs["d_loss"] * (step - self.first_step)
        recent = (total - self.sum) / (steps - self.steps)
        self.steps, self.sum = steps, total
        return recent < self.below
