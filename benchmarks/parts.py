"""Times the parts of one training step of the recipe dcgan on TensorFlow.

    .venv/bin/python -m benchmarks.parts [--batch-size 64] [--rounds 7]

Interleaved medians, as in `benchmarks.throughput`. The gradients of each network are timed with the generator's pass,
which the step takes once for both. For batch norm, the step is timed without it.
"""

import argparse
import functools
from unittest import mock

from benchmarks import throughput  # first, because it sets the backend

# isort: split
import keras
import numpy as np
import tensorflow as tf

from benchmarks.interleaved import interleaved
from common.gan import GAN
from common.losses import NonSaturating
from recipes.dcgan.train import Config


def parts_of_a_player(gan, player, batch):
    """Returns functions that compute the gradients of a player, with the pass of the generator, and that apply them."""
    variables = gan.variables_of(player)

    def gradients():
        forward = gan.forward_pass(batch)
        way = forward.detached_gradients if player == "discriminator" else forward.gradients
        return way(functools.partial(gan.objective, player), variables)

    compiled = tf.function(gradients)
    values = compiled()[-1]
    return {
        f"{player}: loss and gradients": lambda: float(compiled()[0]),
        f"{player}: optimizer": tf.function(lambda: gan.optimizers[player].apply(values, variables)),
    }


def parts(images, size):
    """Returns functions that run the whole step, and its parts."""
    gan = GAN(*throughput.networks(*size), seed=0)
    gan.compile(NonSaturating(), throughput.adam(), throughput.adam())
    batch = tf.constant(images)
    ways = {"the whole step": throughput.project(images, size)}
    ways["the generator's pass"] = tf.function(lambda: tf.reduce_sum(gan.fake(batch)))
    for player in gan.players:
        ways |= parts_of_a_player(gan, player, batch)
    with mock.patch.object(keras.layers.BatchNormalization, "call", lambda self, x, **kwargs: x):
        ways["the whole step without batch norm"] = throughput.project(images, size)
        ways["the whole step without batch norm"]()  # traced while batch norm is patched out
    return ways


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    images = np.random.default_rng(0).uniform(-1, 1, (options.batch_size, *throughput.SHAPE)).astype("float32")
    ways = parts(images, ("dcgan", Config().filters))
    medians = interleaved(ways, options.rounds, repeats=5)
    print("| part | ms | share |\n|---|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value * 1e3:.1f} | {value / medians['the whole step']:.0%} |")


if __name__ == "__main__":
    main()
