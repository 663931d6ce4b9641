"""The averaged weights of networks, and the moving averages of batch norm that belong to them."""

import contextlib
import zlib

import keras
import numpy as np
from keras import ops

from common import backend

BATCHES, BATCH_SIZE = 4, 128  # of samples from which the moving averages are estimated


class Estimates:
    """The moving averages of the batch norm of a GAN's generator, estimated for its averaged weights.

    While it trains they follow the raw weights, to which the averaged ones have no fixed relation.
    """

    def __init__(self):
        self.checksum = None  # of the weights for which they were estimated
        self.values = []

    def load(self, gan):
        """Assigns them to a GAN whose generator has its averaged weights, estimated anew if these are new."""
        norms = [layer for layer in gan.generator._flatten_layers() if is_batch_norm(layer)]
        moving = [variable for layer in norms for variable in (layer.moving_mean, layer.moving_variance)]
        if not norms:
            return
        checksum = checksum_of(gan.generator.trainable_variables)
        if self.checksum != checksum:
            estimate(gan, norms)
            self.checksum, self.values = checksum, [ops.convert_to_numpy(variable.value) for variable in moving]
        for variable, value in zip(moving, self.values, strict=True):
            variable.assign(value)


def checksum_of(variables):
    checksum = 0
    for variable in variables:
        checksum = zlib.crc32(np.ascontiguousarray(variable.numpy()).data, checksum)
    return checksum


def is_batch_norm(layer):
    return hasattr(layer, "moving_mean") and hasattr(layer, "momentum")


def estimate(gan, norms):
    """Sets moving averages to the means over some batches, by a momentum that makes each batch count equally."""
    momenta, random_state = [layer.momentum for layer in norms], backend.random_state()
    inputs = gan.latents.fixed(BATCHES * BATCH_SIZE, seed=0)
    try:
        for index in range(BATCHES):
            for layer in norms:
                layer.momentum = index / (index + 1)
            rows = slice(index * BATCH_SIZE, (index + 1) * BATCH_SIZE)
            gan.generator(keras.tree.map_structure(lambda array, rows=rows: array[rows], inputs), training=True)
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        backend.set_random_state(random_state)


@contextlib.contextmanager
def averaged(gan):
    """Within this context the networks of a compiled GAN have their averaged weights: see `GAN.averaged`."""
    players = [player for player, optimizer in gan.optimizers.items() if has_average(optimizer)]
    raw = [
        (variable, ops.copy(variable.value))
        for player in players
        for name in gan.players[player]
        for variable in gan.networks[name].variables
    ]
    for player in players:
        gan.optimizers[player].finalize_variable_values(gan.variables_of(player))
    try:
        if "generator" in players and gan.latents:
            gan.estimates.load(gan)
        yield gan
    finally:
        for variable, value in raw:
            variable.assign(value)


@contextlib.contextmanager
def rising_momentum(optimizer):
    """Within this context an optimizer averages with a momentum of min(m, (1 + t) / (10 + t)) at its t-th step.

    With the momentum m from the first step on, the average would consist of the initial weights for 1 / (1 - m) steps,
    and samples would look as if nothing had been learned.

    Args:
        optimizer: `keras.optimizers.Optimizer`, whose `ema_momentum` is m.
    """
    if not optimizer.use_ema:
        yield
        return
    momentum, steps = optimizer.ema_momentum, ops.cast(optimizer.iterations, "float32")
    optimizer.ema_momentum = ops.minimum(momentum, (1 + steps) / (10 + steps))
    try:
        yield
    finally:
        optimizer.ema_momentum = momentum


def kind_of_weights(gan):
    """Returns "averaged" or "raw": the weights of the generator within `averaged`."""
    return "averaged" if has_average(gan.generator_optimizer) else "raw"


def has_average(optimizer):
    """Returns whether an optimizer keeps an average of the weights and has taken the first step, where it begins."""
    return optimizer.use_ema and optimizer.iterations.numpy() > 0
