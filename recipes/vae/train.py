"""Image generation by an encoder and a decoder, without a discriminator.

    ./run_recipe.sh vae

Paper: Kingma and Welling, 2013, https://arxiv.org/abs/1312.6114
Minutes: 5
"""

import dataclasses
import math
from typing import Annotated

import keras
from keras import layers, ops
from keras.optimizers.schedules import CosineDecay, PolynomialDecay

from common.base.ranges import Count, Range, Rate, Seed, Width
from common.cli.main import main
from common.gan import GAN, count_of
from common.losses import kl_divergence
from common.networks import Generator, Network, downsample, upsample
from common.training.length import Length
from data_prep.images import ImageOptions

from . import actions, data


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # the training images
    length: Length = Length(steps=9_360)  # of the training
    batch_size: Count = 64  # images in a step
    learning_rate: Rate = 1e-3  # of both networks at the beginning; decays to 0
    sigma: Rate = 0.5  # standard deviation of a pixel around its reconstruction, of values in [-1, 1]
    beta: Rate = 1.0  # weight of the KL divergence; 1 is the bound on the likelihood
    warm_up: Annotated[int, Range(0)] = 0  # training steps in which this weight rises from 0
    filters: Width = 32  # of the layer next to the image; doubled with every downsampling
    latent_dim: Width = 32  # length of a latent vector; with 2 the grids show the whole latent space
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class Encoder(Network):
    """Images to the mean and the logarithm of the variance of their latents: q(z|x), a normal distribution."""

    def network(self, images, filters, latent_dim):
        features = downsample(images, filters)
        return [layers.Dense(latent_dim, name=name)(features) for name in ("mean", "log_variance")]


class Decoder(Generator):
    """Latents to images, as the generator of dcgan; an image is the mean of p(x|z)."""

    def network(self, latents, image_shape, filters):
        return upsample(latents, image_shape, filters)


# GAN --------------------------------------------------------------------------------------------------------------


class VAE(GAN):
    """No game: both networks minimize the same loss, the negative of a bound on the log-likelihood.

    What stands for a fake sample is `(images, mean, log_variance)`: the reconstructions of a batch, and where its
    images are in latent space. Its option is `sigma`.
    """

    players = {"generator": ("encoder", "generator")}

    def fake(self, batch):
        mean, log_variance = self.networks["encoder"](batch, training=True)
        noise = self.draw(count_of(batch))
        latents = mean + ops.exp(log_variance / 2) * noise  # the reparametrization, section 2.4
        return self.generator(latents, training=True), mean, log_variance

    def generator_loss(self, real, fake):
        images, mean, log_variance = fake
        return {
            "reconstruction": ops.mean(negative_log_likelihood(real, images, self.options["sigma"])),
            "kl": kl_divergence(mean, log_variance),
        }


def negative_log_likelihood(real, images, sigma):
    """Returns -log p(x|z) of each image, in nats, shape `(batch,)`: pixels are normal around those of `images`."""
    squares = ops.square(ops.cast(real, "float32") - ops.cast(images, "float32"))
    return ops.sum(squares / (2 * sigma**2) + math.log(sigma * math.sqrt(2 * math.pi)), axis=(1, 2, 3))


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape, steps):
    """Returns the compiled VAE for images of this shape and so many training steps."""
    vae = VAE(
        Decoder(config.latent_dim, image_shape=image_shape, filters=config.filters),
        discriminator=None,
        networks={
            "encoder": Encoder(
                keras.Input(image_shape, name="images"), "encoder", filters=config.filters, latent_dim=config.latent_dim
            )
        },
        seed=config.seed,
        options={"sigma": config.sigma},
    )
    beta = PolynomialDecay(0.0, config.warm_up, config.beta) if config.warm_up else config.beta  # linear
    vae.compile(
        loss_weights={"g_kl": beta},
        generator_optimizer=keras.optimizers.Adam(CosineDecay(config.learning_rate, steps)),
        steps_per_execution=8,
    )
    return vae


def train(config, run):
    """Trains a VAE as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    vae = build(config, batches.sample_shape, steps=run.plan(batches) * len(batches))
    run.fit(vae, batches, draw=actions.manifold if config.latent_dim == 2 else None)
    return vae


if __name__ == "__main__":
    main(train, Config, __package__, {"evaluate": actions.evaluate})
