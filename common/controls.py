"""Controls of the game that the literature teaches: small pieces, each of use alone, all of use together.

Losses around a loss, a layer before the discriminator, callbacks that hold a player. A recipe whose `Config` has
`ControlOptions` as a field offers them all on its command line.
"""

import dataclasses
from typing import Annotated

import keras
from keras import layers, ops

from common import backend
from common.errors import InputError
from common.losses import Loss
from common.options import Range, Share, Weight


@dataclasses.dataclass(frozen=True)
class ControlOptions:
    """The options by which a user steers the game. With the defaults nothing is added to it."""

    warm_up: Annotated[int, Range(0)] = 0
    """rounds at the beginning in which the discriminator learns alone"""
    hold_below: Weight = 0.0
    """hold the discriminator while its loss is below this: it is then too strong to learn from"""
    label_smoothing: Annotated[float, Range(0, 0.5)] = 0.0
    """the probability with which the discriminator shall doubt what is real"""
    label_noise: Annotated[float, Range(0, 0.5)] = 0.0
    """the share of pairs of a real and a fake picture that the discriminator is told the wrong way round"""
    instance_noise: Weight = 0.0
    """standard deviation of noise on all that the discriminator sees; falls to 0 until the last epoch"""
    dropout: Share = 0.0
    """the share of its features that the discriminator forgets in each step"""

    def around(self, loss):
        """Returns the `Loss` with what the options ask for around it."""
        loss = LabelSmoothing(loss, self.label_smoothing) if self.label_smoothing else loss
        return LabelNoise(loss, self.label_noise) if self.label_noise else loss

    def before(self, samples):
        """Returns the symbolic samples as the discriminator is to see them."""
        return InstanceNoise(self.instance_noise)(samples) if self.instance_noise else samples

    def after(self, features):
        """Returns the symbolic features of a hidden layer of the discriminator as the next layer is to see them."""
        return layers.Dropout(self.dropout)(features) if self.dropout else features

    def callbacks(self, epochs):
        """Returns the callbacks for a training of so many epochs."""
        return [
            *([WarmUp(self.warm_up)] if self.warm_up else []),
            *([HoldDiscriminator(self.hold_below)] if self.hold_below else []),
            *([NoiseDecay(epochs)] if self.instance_noise else []),
        ]


# Losses around a loss ---------------------------------------------------------------------------------------------


class Around(Loss):
    """Base of a loss that changes what another one tells the discriminator; the generator's stays.

    Args:
        loss: a `Loss` of the form E a(D(x)) + E b(D(G(z))), such as `NonSaturating` or `LeastSquares`.
        share: float, how much of it is changed.

    Raises:
        ValueError: if the loss compares samples pair by pair: no label of its own belongs to a sample then.
    """

    def __init__(self, loss, share):
        if loss.relativistic:
            raise ValueError(
                f"{type(self).__name__} expects a loss that judges each sample alone, such as NonSaturating(), but got "
                f"{type(loss).__name__}, which compares samples; leave the control out."
            )
        self.loss = loss
        self.share = share

    def generator(self, fake):
        return self.loss.generator(fake)

    def get_config(self):
        return {"loss": self.loss, "share": self.share}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


class LabelSmoothing(Around):
    """The target of real samples is 1 - s instead of 1; that of fake ones stays 0, hence one-sided.

    With a the loss of a sample called real and b that of one called fake, the discriminator minimizes
    E (1 - s) a(D(x)) + s b(D(x)) + b(D(G(z))). With cross-entropy the best logit of a sample that is surely real is
    log((1 - s) / s) instead of ∞. The value is that of the formula up to a constant, which is 0 for cross-entropy.

    Args:
        loss: see `Around`.
        share: float, s.

    Reference: Salimans et al., 2016, https://arxiv.org/abs/1606.03498, section 3.4.
    """

    def discriminator(self, real, fake):
        loss = self.loss.discriminator
        nothing = ops.zeros_like(real)
        # The difference of both labels: b(real) - a(real), the terms of `nothing` being constant.
        return loss(real, fake) + self.share * (loss(nothing, real) - loss(real, nothing))


class LabelNoise(Around):
    """The discriminator is told some pairs of a real and a fake sample the wrong way round, others in every step.

    Args:
        loss: see `Around`.
        share: float, the probability for a pair.

    Reference: Chintala et al., 2016, *How to Train a GAN?*, a talk: "occasionally flip the labels".
    """

    def discriminator(self, real, fake):
        shape = (ops.shape(real)[0],) + (1,) * (len(real.shape) - 1)
        is_swapped = backend.draw_rows(keras.random.uniform, shape, seed=self.seed_generator) < self.share
        return self.loss.discriminator(ops.where(is_swapped, fake, real), ops.where(is_swapped, real, fake))


# A layer before the discriminator ---------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="common.controls")
class InstanceNoise(layers.Layer):
    """Adds normal noise while training, so that real and fake samples overlap and no discriminator is perfect.

    Args:
        deviation: float, the standard deviation; `NoiseDecay` lets it fall.

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
    """Lets the noise of every `InstanceNoise` fall on a line, from its deviation to 0 after the last epoch.

    Args:
        epochs: integer.
    """

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch, logs=None):
        for layer in self.model.discriminator.layers:
            if isinstance(layer, InstanceNoise):
                layer.deviation.assign(layer.initial * max(0, 1 - epoch / self.epochs))


# Callbacks that hold a player -------------------------------------------------------------------------------------


class Hold(keras.callbacks.Callback):
    """Base of callbacks that hold a player: it goes on to be differentiated, with a learning rate of 0.

    At the end of an epoch the player is free, so that a checkpoint has its true learning rate. The optimizer needs a
    number as its learning rate, not a schedule.

    Attributes:
        player: "generator" or "discriminator".
    """

    player = None

    def is_held(self, done, logs):
        """Tells whether to hold the player. Override it.

        Args:
            done: integer, rounds played since the training began.
            logs: dictionary of the logs of the last look, empty at the beginning of an epoch.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method is_held(self, done, logs).")

    def on_epoch_begin(self, epoch, logs=None):
        self.optimizer = getattr(self.model, f"{self.player}_optimizer")
        if isinstance(self.optimizer.get_config()["learning_rate"], dict):
            raise InputError(
                f"{type(self).__name__} needs a number as its learning rate of the {self.player}, but got a schedule, "
                "which it cannot set to 0 for a while; pass a number, or leave the control out."
            )
        self.rate = float(self.optimizer.learning_rate)
        self.before = epoch * (self.params["steps"] or 0)
        self.held_rounds, self.last, self.holds = 0, -1, False
        self._set(self.is_held(self.before, {}))

    def on_train_batch_end(self, batch, logs=None):
        self.held_rounds += (batch - self.last) * self.holds
        self.last = batch
        self._set(self.is_held(self.before + batch + 1, logs or {}))

    def on_epoch_end(self, epoch, logs=None):
        self._set(False)
        logs[f"{self.player} held"] = self.held_rounds / (self.last + 1)  # the share of rounds

    def _set(self, holds):
        if holds != self.holds:
            backend.fetch_state(self.model)
            self.optimizer.learning_rate = 0.0 if holds else self.rate
        self.holds = holds


class WarmUp(Hold):
    """Lets the discriminator learn alone at the beginning, so that the generator's first gradients mean something.

    Args:
        rounds: integer; the game is looked at every `steps_per_execution` rounds.

    Reference: Shrivastava et al., 2017, https://arxiv.org/abs/1612.07828, who train the discriminator alone first.
    """

    player = "generator"

    def __init__(self, rounds):
        super().__init__()
        self.rounds = rounds

    def is_held(self, done, logs):
        return done < self.rounds


class HoldDiscriminator(Hold):
    """Holds the discriminator while it is too strong, until the generator has caught up.

    Args:
        below: float, the loss of the discriminator under which it waits. A fair draw of cross-entropy is at 1.386.

    Reference: Goodfellow, 2016, https://arxiv.org/abs/1701.00160, section 4.4, doubts that balancing helps; measure it.
    """

    player = "discriminator"

    def __init__(self, below):
        super().__init__()
        self.below = below

    def on_epoch_begin(self, epoch, logs=None):
        self.rounds, self.sum = 0, 0.0
        super().on_epoch_begin(epoch, logs)

    def is_held(self, done, logs):
        if not logs:
            return False
        # Keras logs the mean of the epoch so far; what counts is that of the rounds since the last look.
        rounds, total = done - self.before, logs["d_loss"] * (done - self.before)
        recent = (total - self.sum) / (rounds - self.rounds)
        self.rounds, self.sum = rounds, total
        return recent < self.below
