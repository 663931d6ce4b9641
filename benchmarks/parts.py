"""Times the parts of one training step of the recipe dcgan on TensorFlow.

    .venv/bin/python -m benchmarks.parts [--batch-size 64] [--rounds 7]

Interleaved medians, as in `benchmarks.throughput`. For batch norm, the step is timed without it.
"""

import argparse
from unittest import mock

from benchmarks import throughput  # first, because it sets the backend

# isort: split
import keras
import numpy as np
import tensorflow as tf

from common import backend
from common.gan import GAN
from common.losses import NonSaturating
from recipes.dcgan.train import Config


def parts_of_a_player(network, loss, optimizer):
    variables = network.trainable_variables
    gradients = tf.function(lambda: backend.value_and_gradients(loss, variables, []))
    _, values = gradients()
    apply = tf.function(lambda: optimizer.apply(values, variables))
    return {
        f"{network.name}: loss and gradients": lambda: float(gradients()[0]),
        f"{network.name}: optimizer": apply,
    }


def parts(images, size):
    """Returns functions that run the whole step, and its parts."""
    gan = GAN(*throughput.networks(*size), seed=0)
    gan.compile(NonSaturating(), throughput.adam(), throughput.adam())
    batch = tf.constant(images)
    ways = {"the whole step": throughput.project(images, size)}
    for network, loss, optimizer in (
        (gan.discriminator, gan.discriminator_loss, gan.discriminator_optimizer),
        (gan.generator, gan.generator_loss, gan.generator_optimizer),
    ):
        ways |= parts_of_a_player(network, lambda loss=loss: loss(batch), optimizer)
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
    medians = throughput.interleaved(ways, options.rounds, repeats=5)
    print("| part | ms | share |\n|---|---|---|")
    for name, value in medians.items():
        print(f"| {name} | {value * 1e3:.1f} | {value / medians['the whole step']:.0%} |")


if __name__ == "__main__":
    main()
