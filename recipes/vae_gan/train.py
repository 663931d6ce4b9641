"""Image generation by a VAE that compares images as a discriminator does.

    ./run_recipe.sh vae_gan

Paper: Larsen et al., 2016, https://arxiv.org/abs/1512.09300
Minutes: 11
"""

import dataclasses
from functools import partial

import keras
from keras import layers, ops

from common.base.ranges import Count, Rate, Seed, Share, Weight, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN, count_of
from common.losses import NonSaturating, kl_divergence
from common.networks import Discriminator, Generator, Network, downsample, upsample
from common.training.length import Length
from data_prep.images import ImageOptions

from . import actions, data


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # the training images
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=9_360)  # of the training
    batch_size: Count = 64  # images in a step
    learning_rate: Rate = 5e-4  # of all networks
    gamma: Weight = 0.01  # weight of the reconstruction in the decoder's loss, against the adversarial term
    beta: Weight = 1.0  # weight of the KL divergence in the encoder's loss, against the reconstruction
    filters: Width = 32  # of the layer next to the image; doubled with every downsampling
    latent_dim: Width = 64  # length of a latent vector
    ema: Share = 0.998  # momentum of the averaged weights of encoder and decoder
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------


class Encoder(Network):
    """Images to the mean and the logarithm of the variance of their latents: q(z|x), a normal distribution."""

    def network(self, images, filters, latent_dim):
        features = downsample(images, filters)
        return [layers.Dense(latent_dim, name=name)(features) for name in ("mean", "log_variance")]


class Decoder(Generator):
    """Latents to images, as the generator of dcgan."""

    def network(self, latents, image_shape, filters):
        return upsample(latents, image_shape, filters)


class FeatureDiscriminator(Discriminator):
    """Images to one logit and to the features before it, as the discriminator of dcgan."""

    def network(self, images, filters):
        features = downsample(images, filters)
        return [layers.Dense(1)(features), features]


# GAN --------------------------------------------------------------------------------------------------------------


class VAEGAN(GAN):
    """A fake sample is `(images, mean, log_variance)`: the reconstructions of a batch and as many images of latents
    that are drawn, one after the other; and where the images of the batch are in latent space.

    The encoder gets no adversarial term, and the discriminator no reconstruction (algorithm 1).
    """

    players = {"discriminator": ("discriminator",), "generator": ("generator",), "encoder": ("encoder",)}

    def real(self, batch):
        return ops.concatenate([batch, batch])  # one for each fake image

    def fake(self, batch):
        mean, log_variance = self.networks["encoder"](batch, training=True)
        encoded = mean + ops.exp(log_variance / 2) * self.draw(count_of(batch))
        latents = ops.concatenate([encoded, self.draw(count_of(batch))])
        return self.generator(latents, training=True), mean, log_variance

    def logits(self, judged):
        return judged[0]

    def discriminator_loss(self, real, fake):
        return super().discriminator_loss(real, fake[0])

    def generator_loss(self, real, fake):
        judged, distance = self.compare(real, fake[0])
        return {**self.adversarial_generator_loss(real, fake[0], judged), "reconstruction": distance}

    def encoder_loss(self, real, fake):
        images, mean, log_variance = fake
        return {"kl": kl_divergence(mean, log_variance), "reconstruction": self.compare(real, images)[1]}

    def compare(self, real, images):
        """Returns what D says of all fake images, in one batch, and -log p(D's features of x | z) of those that are
        reconstructions, in nats and without its constant: each feature is normal with variance 1."""
        if self.augmentation is not None:  # one draw for a pair: two would be most of its distance
            real, images = self.augmentation((real, images), seed=self.seed_generator)
        outputs = [self.discriminator(x, training=True) for x in (real[: count_of(real) // 2], images)]
        (_, features), judged = keras.tree.map_structure(lambda x: ops.cast(x, "float32"), outputs)
        return judged, ops.mean(ops.sum(ops.square(features - judged[1][: count_of(features)]), axis=1)) / 2


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape):
    """Returns the compiled VAE-GAN for images of this shape."""
    size = {"filters": config.filters, "latent_dim": config.latent_dim}
    gan = VAEGAN(
        Decoder(config.latent_dim, image_shape=image_shape, filters=config.filters),
        FeatureDiscriminator(image_shape, filters=config.filters),
        networks={"encoder": Encoder(keras.Input(image_shape, name="images"), "encoder", **size)},
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
    )
    adam = partial(keras.optimizers.Adam, config.learning_rate, beta_1=0.5)
    averaged = partial(adam, use_ema=True, ema_momentum=config.ema)
    gan.compile(
        loss=NonSaturating(),
        loss_weights={"g_reconstruction": config.gamma, "encoder_kl": config.beta},
        generator_optimizer=averaged(),
        discriminator_optimizer=adam(),
        encoder_optimizer=averaged(),
        steps_per_execution=8,
    )
    return gan


def train(config, run):
    """Trains a VAE-GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    gan = build(config, batches.sample_shape)
    run.fit(gan, batches)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, {"apply": actions.reconstruct_or_edit, "evaluate": actions.evaluate})
