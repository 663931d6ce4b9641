"""Times one training step of the same GAN in several implementations, and prints a table of ratios.

    .venv/bin/python -m benchmarks.throughput [--recipe dcgan] [--width N] [--batch-size 64] [--rounds 7]

The networks are those of a recipe, at its default width unless another is given. Every variant trains them on the same
batch: an update of the discriminator, then one of the generator with new latents. The rounds are interleaved, so that
other load on the machine affects all variants alike. Medians are compared.

(a) this project on TensorFlow
(b) the older Keras approach: `train_on_batch` on the discriminator, then on a stacked model of both networks
(c) a `keras.Model` with a hand-written `GradientTape` in `train_step`
(d) plain PyTorch, eager, in its own layout (where it is installed)
"""

import argparse
import os
import platform

os.environ["KERAS_BACKEND"] = "tensorflow"

from common.launch import quiet  # noqa: F401, I001 (before Keras)
import keras
import numpy as np
import tensorflow as tf

from benchmarks.interleaved import interleaved
from common.gan import GAN
from common.losses import NonSaturating
from data_prep.batches import Batches
from recipes.dcgan import train as dcgan
from recipes.vanilla import train as vanilla

SHAPE, LATENT_DIM, RATE, BETA_1 = (28, 28, 1), 100, 2e-4, 0.5


def adam():
    return keras.optimizers.Adam(RATE, BETA_1)


def networks(recipe, width):
    keras.utils.set_random_seed(0)
    if recipe == "dcgan":
        return (
            dcgan.ConvolutionalGenerator(LATENT_DIM, image_shape=SHAPE, filters=width),
            dcgan.ConvolutionalDiscriminator(SHAPE, filters=width),
        )
    return (
        vanilla.DenseGenerator(LATENT_DIM, image_shape=SHAPE, units=width),
        vanilla.DenseDiscriminator(SHAPE, units=width),
    )


def project(images, size, policy="float32", **kwargs):
    """(a) this project."""
    keras.config.set_dtype_policy(policy)
    gan = GAN(*networks(*size), seed=0)
    keras.config.set_dtype_policy("float32")
    gan.compile(NonSaturating(), adam(), adam(), **kwargs)
    step, batch = tf.function(gan.update, jit_compile=gan.jit_compile), tf.constant(images)
    return lambda: float(step(batch)["g_loss"])


def older_keras(images, size):
    """(b) the older Keras approach. `trainable` is read when a train function is traced, so each call sets it first."""
    generator, discriminator = networks(*size)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    discriminator.compile(adam(), loss, jit_compile=False)
    stacked = keras.Sequential([generator, discriminator])
    stacked.compile(adam(), loss, jit_compile=False)
    ones, zeros = np.ones((len(images), 1)), np.zeros((len(images), 1))

    def step():
        latents = np.random.normal(size=(len(images), LATENT_DIM)).astype("float32")
        fake = generator(latents, training=True).numpy()
        discriminator.trainable = True
        discriminator.train_on_batch(images, ones)
        discriminator.train_on_batch(fake, zeros)
        discriminator.trainable = False
        return stacked.train_on_batch(np.random.normal(size=(len(images), LATENT_DIM)).astype("float32"), ones)

    return step


class HandWritten(keras.Model):
    """(c) a hand-written step, as in most tutorials."""

    def __init__(self, generator, discriminator):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.generator_optimizer, self.discriminator_optimizer = adam(), adam()
        self.entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        self.d_loss, self.g_loss = keras.metrics.Mean(name="d_loss"), keras.metrics.Mean(name="g_loss")

    def train_step(self, real):
        fake = self.generator(tf.random.normal((tf.shape(real)[0], LATENT_DIM)), training=True)
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(real, training=True)
            fake_logits = self.discriminator(fake, training=True)
            d_loss = self.entropy(tf.ones_like(real_logits), real_logits)
            d_loss += self.entropy(tf.zeros_like(fake_logits), fake_logits)
        gradients = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.discriminator_optimizer.apply(gradients, self.discriminator.trainable_weights)
        with tf.GradientTape() as tape:
            fake = self.generator(tf.random.normal((tf.shape(real)[0], LATENT_DIM)), training=True)
            logits = self.discriminator(fake, training=True)
            g_loss = self.entropy(tf.ones_like(logits), logits)
        gradients = tape.gradient(g_loss, self.generator.trainable_weights)
        self.generator_optimizer.apply(gradients, self.generator.trainable_weights)
        self.d_loss.update_state(d_loss)
        self.g_loss.update_state(g_loss)
        return {"d_loss": self.d_loss.result(), "g_loss": self.g_loss.result()}


def hand_written(images, size):
    step, batch = tf.function(HandWritten(*networks(*size)).train_step), tf.constant(images)
    return lambda: float(step(batch)["g_loss"])


def torch_networks(recipe, width):
    from torch import nn

    if recipe == "vanilla":
        return (
            nn.Sequential(
                *(nn.Linear(LATENT_DIM, width), nn.LeakyReLU(0.2)),
                *(nn.Linear(width, width), nn.LeakyReLU(0.2)),
                *(nn.Linear(width, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28))),
            ),
            nn.Sequential(
                *(nn.Flatten(), nn.Linear(784, width), nn.LeakyReLU(0.2), nn.Dropout(0.3)),
                *(nn.Linear(width, width), nn.LeakyReLU(0.2), nn.Dropout(0.3)),
                nn.Linear(width, 1),
            ),
        )
    wide = 2 * width
    return (
        nn.Sequential(
            *(nn.Linear(LATENT_DIM, wide * 49, bias=False), nn.Unflatten(1, (wide, 7, 7))),
            *(nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, width, 4, 2, 1, bias=False)),
            *(nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Tanh()),
        ),
        nn.Sequential(
            *(nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, wide, 4, 2, 1, bias=False)),
            *(nn.BatchNorm2d(wide), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(wide * 49, 1)),
        ),
    )


def plain_torch(images, size):
    """(d) plain PyTorch."""
    import torch
    from torch import nn

    generator, discriminator = torch_networks(*size)
    optimizers = [torch.optim.Adam(net.parameters(), RATE, (BETA_1, 0.999)) for net in (generator, discriminator)]
    real, entropy = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(len(images), 1), torch.zeros(len(images), 1)

    def step():
        with torch.no_grad():
            fake = generator(torch.randn(len(images), LATENT_DIM))
        optimizers[1].zero_grad()
        (entropy(discriminator(real), ones) + entropy(discriminator(fake), zeros)).backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        discriminator.requires_grad_(False)
        loss = entropy(discriminator(generator(torch.randn(len(images), LATENT_DIM))), ones)
        loss.backward()
        discriminator.requires_grad_(True)
        optimizers[0].step()
        return loss.item()

    return step


def fit_and_loop(images, size, steps):
    """Returns functions for an epoch of `fit`, without printing, and for the same steps in a bare compiled loop."""
    gan = GAN(*networks(*size), seed=0)
    gan.compile(NonSaturating(), adam(), adam(), steps_per_execution=8)  # as in the recipes
    stored = np.random.default_rng(0).integers(0, 256, (len(images) * steps, *SHAPE), dtype="uint8")
    batches = Batches(stored, len(images))
    gan.make_train_function()
    step = tf.function(gan.update, jit_compile=gan.jit_compile)
    ready = [tf.constant(batches[index]) for index in range(steps)]

    def fit():
        gan.fit(batches, epochs=1, shuffle=False, verbose=0)

    def loop():
        for batch in ready:
            logs = step(batch)
        return float(logs["d_loss"])

    return fit, loop


def matrix_peak(size=2048):
    """Returns a function that computes one float32 matrix product, and its number of operations."""
    matrix = tf.random.normal((size, size))
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    return lambda: float(product()), 2 * size**3


def operations(recipe, width):
    """Returns the floating-point operations of the convolutions and dense layers per image in one training step.

    Of (b) to (d); (a) takes one forward pass of G less.
    """
    if recipe == "dcgan":
        wide = 2 * width
        generator = LATENT_DIM * wide * 49 + 196 * wide * width * 4 + 784 * width * 4
        discriminator = 196 * width * 16 + 49 * wide * width * 16 + wide * 49
    else:
        generator = LATENT_DIM * width + width * width + width * 784
        discriminator = 784 * width + width * width + width
    # Update of D: G forward; D forward and backward (twice the work) on real and fake. Update of G: both forward, D
    # backward to its input, G backward.
    return 2 * (generator + 2 * 3 * discriminator + generator + 2 * discriminator + 2 * generator)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", choices=("dcgan", "vanilla"), default="dcgan")
    parser.add_argument("--width", type=int, help="filters or units; by default those of the recipe")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    width = options.width or (dcgan.Config().filters if options.recipe == "dcgan" else vanilla.Config().units)
    count, size = options.batch_size, (options.recipe, width)
    images = np.random.default_rng(0).uniform(-1, 1, (count, *SHAPE)).astype("float32")
    peak, peak_operations = matrix_peak()
    ways = {
        "(a) this project": project(images, size),
        "(a) with mixed_bfloat16": project(images, size, "mixed_bfloat16"),
        "(a) with XLA": project(images, size, jit_compile=True),
        "(b) train_on_batch, stacked": older_keras(images, size),
        "(c) hand-written train_step": hand_written(images, size),
    }
    try:
        ways["(d) PyTorch, eager"] = plain_torch(images, size)
    except ImportError:
        print("PyTorch is not installed: (d) is skipped.")
    medians = interleaved({**ways, "peak": peak}, options.rounds, repeats=5)
    flops = peak_operations / medians.pop("peak")
    base = medians["(a) this project"]
    print(f"{os.cpu_count()} cores, {platform.machine()}; float32 matrix products: {flops / 1e9:.0f} GFLOP/s")
    print(f"{options.recipe} 28×28, width {width}, batches of {count}, medians of {options.rounds} rounds of 5 steps\n")
    print("| variant | ms per step | images/s | speed-up of (a) | share of the peak |\n|---|---|---|---|---|")
    for name, value in medians.items():
        share = operations(*size) * count / value / flops
        print(f"| {name} | {value * 1e3:.1f} | {count / value:.0f} | {value / base:.2f}× | {share:.0%} |")
    steps = 10_000 // count  # an epoch of the embedded data
    fit, loop = fit_and_loop(images, size, steps)
    epochs = interleaved({"fit": fit, "loop": loop}, options.rounds, repeats=1)
    ratio = epochs["fit"] / epochs["loop"]
    print(f"\nfit: {ratio:.3f} times a bare compiled loop of the same step, over an epoch of {steps} steps")


if __name__ == "__main__":
    main()
