"""A 3D model of the object in an image, by a volumetric GAN behind an encoder.

    ./run_recipe.sh image_to_3d

Paper: Wu et al., 2016, https://arxiv.org/abs/1610.07584
Minutes: 16
"""

import dataclasses
from functools import partial

import keras
from keras import layers

from common.base.ranges import Count, Rate, Seed, Weight, Width
from common.cli.main import main
from common.latents import Latents
from common.networks import Discriminator, Generator, Network
from common.schedules import ConstantThenLinear
from common.training.length import Length

from . import actions, data, measure
from .games import VAEGAN3D, Game, ImageTo3D, VolumeGAN


@dataclasses.dataclass(frozen=True)
class Config:
    objects: data.ObjectOptions = data.ObjectOptions()  # the objects and their images
    game: Game = Game()  # what is trained
    length: Length = Length(steps=3_000)  # of the training
    batch_size: Count = 32  # images in a step
    learning_rate: Rate = 1e-3  # of encoder and generator; decays linearly to 0 in the second half
    d_learning_rate: Rate = 2e-4  # of the discriminator
    adversarial: Weight = 0.01  # weight of the adversarial term beside the reconstruction; 0: no discriminator
    kl: Weight = 1e-3  # weight of the KL divergence in the loss of the encoder of --vae
    filters: Width = 16  # of the layer next to image and volume; doubled with every downsampling
    code_dim: Width = 200  # length of the code of an image, and of the latents where no code is beside them
    latent_dim: Width = 16  # length of the latents beside a code
    seed: Seed = 0  # of weights, latents and the order of the data

    def check_given(self, given):
        self.game.refuse_unused(given, self.adversarial)


# Networks ---------------------------------------------------------------------------------------------------------


class Encoder(Network):
    """Images to the code of an object; or, with two heads, to mean and logarithm of the variance of its latents."""

    def network(self, images, filters, code_dim, heads):
        x = images
        while x.shape[1] > 3:
            x = layers.Conv2D(filters, 4, strides=2, padding="same", use_bias=False)(x)
            x = layers.LeakyReLU(0.2)(layers.BatchNormalization(momentum=0.9)(x))
            filters *= 2
        outputs = [layers.Dense(code_dim, name=head)(layers.Flatten()(x)) for head in heads]
        return outputs if len(outputs) > 1 else outputs[0]


class VolumeGenerator(Generator):
    """Vectors to volumes, the probability that each voxel is occupied."""

    def network(self, vectors, resolution, filters):
        size, widths = 4, [filters * 2**level for level in range((resolution // 8).bit_length())]
        x = layers.Dense(size**3 * widths[-1], use_bias=False)(vectors)
        x = layers.Reshape((size, size, size, widths[-1]))(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        for width in reversed(widths[:-1]):
            x = layers.Conv3DTranspose(width, 4, strides=2, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        few = keras.initializers.Constant(-2.0)  # most voxels are empty
        return layers.Conv3DTranspose(1, 4, strides=2, padding="same", bias_initializer=few, activation="sigmoid")(x)


class VolumeDiscriminator(Discriminator):
    """Volumes, alone or each with an image, to one logit."""

    def network(self, samples, filters):
        volumes, *images = keras.tree.flatten(samples)
        features = [self.features(layers.Conv3D, volumes, filters)]
        features += [self.features(layers.Conv2D, image, filters) for image in images]
        if images:
            features.append(layers.Multiply()(features))  # so that what does not fit together shows
        x = layers.Concatenate()(features) if images else features[0]
        return layers.Dense(1)(layers.LeakyReLU(0.2)(layers.Dense(64)(x)))

    def features(self, convolution, x, filters, units=128):
        while x.shape[1] > 4:
            x = layers.LeakyReLU(0.2)(convolution(filters, 4, strides=2, padding="same")(x))
            filters *= 2
        return layers.LeakyReLU(0.2)(layers.Dense(units)(layers.Flatten()(x)))


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape, resolution, steps):
    """Returns the compiled GAN for images and volumes of these sizes and a training of so many steps."""
    game, size = config.game, {"filters": config.filters}
    images, volumes = keras.Input(image_shape, name="images"), keras.Input((*(resolution,) * 3, 1), name="volumes")
    vector_dim = config.code_dim + (config.latent_dim if game.is_conditional else 0)
    heads = ("mean", "log_variance") if game.vae else ("code",)
    encoder = Encoder(images, "encoder", code_dim=config.code_dim, heads=heads, **size)
    judged = (volumes, images) if game.is_conditional else volumes
    discriminator = None
    if config.adversarial or game.unconditional:  # smaller than the generator: it sees each volume several times
        discriminator = VolumeDiscriminator(judged, filters=max(1, config.filters // 2))
    gan = (VolumeGAN if game.unconditional else VAEGAN3D if game.vae else ImageTo3D)(
        VolumeGenerator(vector_dim, resolution=resolution, **size),
        discriminator,
        networks={} if game.unconditional else {"encoder": encoder},
        latents=Latents(config.latent_dim if game.is_conditional else config.code_dim),
        seed=config.seed,
    )
    loss, penalties = game.adversarial()
    adam = partial(keras.optimizers.Adam, ConstantThenLinear(config.learning_rate, steps), beta_1=0.5)
    gan.compile(
        loss=loss if discriminator else None,
        penalty=penalties,
        loss_weights=game.weights(config.adversarial, config.kl),
        generator_optimizer=adam(),
        discriminator_optimizer=keras.optimizers.Adam(config.d_learning_rate, beta_1=0.5),
        **({"encoder_optimizer": adam()} if game.vae else {}),
    )
    return gan


def train(config, run):
    """Trains a GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches = data.load(config)
    image_shape, (resolution, *_) = batches.sample_shape
    gan = build(config, image_shape, resolution, steps=run.plan(batches) * len(batches))
    run.fit(gan, batches, draw=measure.sheet(config), columns=measure.COLUMNS)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, actions.ACTIONS)
