"""The same training steps, from the same weights and latents, give the same losses on every backend."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from common.gan import GAN
from common.losses import NonSaturating
from common.networks import Discriminator, Generator
from common.penalties import R1

STEPS, BATCH, LATENT_DIM = 3, 8, 4
# Made by this test on TensorFlow 2.21 and compared on JAX 0.10 and PyTorch 2.13: d_loss and g_loss of each step.
GOLDEN = {
    "plain": [(2.1528983, 0.4103941), (1.5806496, 0.6232073), (1.5546122, 0.7268686)],
    "R1": [(1.7246231, 0.6107472), (1.5387322, 0.6611662), (1.5724611, 0.6822719)],
}


class ImageGenerator(Generator):
    def network(self, latents):
        x = layers.Dense(4 * 4 * 3, use_bias=False)(latents)
        x = layers.Reshape((4, 4, 3))(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        return layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh")(x)


class ImageDiscriminator(Discriminator):
    def network(self, images, batch_norm):
        x = layers.Conv2D(3, 4, strides=2, padding="same")(images)
        x = layers.BatchNormalization()(x) if batch_norm else x
        x = layers.LeakyReLU(0.2)(x)
        return layers.Dense(1)(layers.Flatten()(x))


class FixedLatents(GAN):
    """Reads latents from a table, one row per draw, instead of drawing them."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.table = np.random.default_rng(5).normal(size=(STEPS, BATCH, LATENT_DIM)).astype("float32")
        self.draws = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="draws")

    def draw(self, count):
        latents = ops.take(ops.convert_to_tensor(self.table), self.draws.value, axis=0)
        self.draws.assign_add(1)
        return latents


def losses(penalty):
    rng = np.random.default_rng(7)
    # TensorFlow's batch norm has another second derivative, which a penalty needs: see CONTRIBUTING.
    discriminator = ImageDiscriminator((8, 8, 1), batch_norm=penalty is None)
    gan = FixedLatents(ImageGenerator(LATENT_DIM), discriminator)
    for variable in gan.trainable_variables:
        if len(variable.shape) > 1:
            variable.assign(rng.normal(size=variable.shape, scale=0.2))
    gan.compile(
        NonSaturating(),
        keras.optimizers.Adam(1e-2, 0.5, use_ema=True),
        keras.optimizers.Adam(1e-2, 0.5),
        penalty=penalty,
    )
    real = np.tanh(rng.normal(size=(STEPS * BATCH, 8, 8, 1))).astype("float32")
    steps = [gan.fit(real[i : i + BATCH], batch_size=BATCH, verbose=0).history for i in range(0, len(real), BATCH)]
    return [(history["d_loss"][0], history["g_loss"][0]) for history in steps]


@pytest.mark.parametrize(("name", "penalty"), [("plain", None), ("R1", R1(1.0))])
def test_golden_losses(name, penalty):
    found = losses(penalty)
    print(name, [(round(d, 7), round(g, 7)) for d, g in found])
    assert np.allclose(found, GOLDEN[name], rtol=1e-5)
