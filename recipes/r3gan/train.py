"""Image generation with relativistic pairing, R1, R2 and no norm.

    ./run_recipe.sh r3gan

Paper: Huang et al., 2024, https://arxiv.org/abs/2501.05441
Minutes: 15
"""

import dataclasses
import math

import keras
from keras import layers
from keras.initializers import RandomNormal

from common.base.ranges import Count, Rate, Seed, Share, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN, ConditionalGAN
from common.losses import RelativisticPairing
from common.networks import Discriminator, Generator, num_downsamplings
from common.penalties import R1, R2, Lazy
from common.training.length import Length
from data_prep.images import ImageOptions

from . import data
from .blocks import normal, pointwise, residual_blocks
from .schedules import ScheduledAdam, cosine

LATENT_DIM = 64  # length of a latent vector, and of an embedded label


@dataclasses.dataclass(frozen=True)
class Config:
    images: ImageOptions = ImageOptions()  # the training images
    labels: bool = False  # whether both networks receive the class of an image
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=9_360)  # of the training
    batch_size: Count = 64  # images in a step
    learning_rate: Rate = 1e-3  # of both networks at the beginning; a tenth of it at the end
    gamma: Rate = 1.0  # weight of R1 and of R2 at the beginning; a tenth of it at the end
    filters: Width = 32  # of D next to the image; doubled with every downsampling, and for G
    blocks: Count = 1  # residual blocks of each size
    ema: Share = 0.998  # momentum of the generator's averaged weights
    seed: Seed = 0  # of weights, latents and the order of the data


# Networks ---------------------------------------------------------------------------------------------------------
# Comments at line ends give the sizes for images of 28×28 pixels; larger images pass the loops more often.


class ResidualGenerator(Generator):
    """Latents, with a label or without, to images: residual blocks at each size, bilinear upsampling between them."""

    def network(self, inputs, image_shape, filters, blocks, class_count=0):
        height, width, channels = image_shape
        levels = num_downsamplings(height, width)
        widths = [max(1, filters // 2), *(filters * 2 ** (level + 1) for level in range(levels))]  # from the image down
        small = (height // 2**levels, width // 2**levels, widths[-1])
        x = inputs
        if class_count:  # a label of the size of the latents would drown them, and all samples of a class be alike
            x = layers.Concatenate()([inputs[0], embed(inputs[1], class_count, class_count**-0.5)])
        x = layers.Dense(math.prod(small), use_bias=False, kernel_initializer=normal(x.shape[-1]))(x)
        x = layers.Reshape(small)(x)  # 7×7
        x = residual_blocks(x, blocks, len(widths) * blocks)
        for width in reversed(widths[:-1]):  # 14×14, 28×28
            x = layers.UpSampling2D(2, interpolation="bilinear")(pointwise(x, width))
            x = residual_blocks(x, blocks, len(widths) * blocks)
        return layers.Activation("tanh")(pointwise(x, channels, use_bias=True))


class ResidualDiscriminator(Discriminator):
    """Images, with a label or without, to one logit: as the generator, of half its width, in reverse order."""

    def network(self, inputs, filters, blocks, class_count=0):
        images = inputs[0] if class_count else inputs
        levels = num_downsamplings(*images.shape[1:3])
        scaled = normal(16 * images.shape[-1])
        x = layers.Conv2D(filters, 4, 2, "same", use_bias=False, kernel_initializer=scaled)(images)  # 14×14
        for level in range(levels):
            if level:  # 7×7
                x = pointwise(layers.AveragePooling2D(2)(x), 2 * x.shape[-1])  # bilinear downsampling by 2
            x = residual_blocks(x, blocks, levels * blocks)
        size = x.shape[1:3]
        x = layers.DepthwiseConv2D(size, use_bias=False, depthwise_initializer=normal(size[0] * size[1]))(x)  # 1×1
        x = layers.Flatten()(x)
        features = layers.Dense(LATENT_DIM if class_count else 1, use_bias=False, kernel_initializer=normal(x.shape[1]))
        if not class_count:
            return features(x)
        return layers.Dot(axes=1)([features(x), embed(inputs[1], class_count, LATENT_DIM**-0.5)])  # the projection


def embed(labels, class_count, deviation):
    return layers.Embedding(class_count, LATENT_DIM, embeddings_initializer=RandomNormal(stddev=deviation))(labels)


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape, class_count, steps):
    """Returns the compiled GAN for images of this shape, so many classes (0: no labels) and training steps."""
    latents, samples = keras.Input((LATENT_DIM,), name="latents"), keras.Input(image_shape, name="images")
    label = keras.Input((), name="labels", dtype="int32")
    size = {"filters": config.filters, "blocks": config.blocks, "class_count": class_count}
    gan = (ConditionalGAN if class_count else GAN)(
        ResidualGenerator((latents, label) if class_count else latents, image_shape=image_shape, **size),
        ResidualDiscriminator((samples, label) if class_count else samples, **size),
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
    )
    rate = cosine(config.learning_rate, config.learning_rate / 10, steps)
    beta_2, gamma = cosine(0.9, 0.99, steps), cosine(config.gamma, config.gamma / 10, steps)
    gan.compile(
        loss=RelativisticPairing(),
        generator_optimizer=ScheduledAdam(rate, beta_1=0.0, beta_2=beta_2, use_ema=True, ema_momentum=config.ema),
        discriminator_optimizer=ScheduledAdam(rate, beta_1=0.0, beta_2=beta_2),
        penalty=[Lazy(R1(gamma), every=4), Lazy(R2(gamma), every=4)],
        steps_per_execution=8,
    )
    return gan


def train(config, run):
    """Trains a GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches, class_count = data.load(config)
    image_shape = batches.sample_shape[0] if config.labels else batches.sample_shape
    gan = build(config, image_shape, class_count, steps=run.plan(batches) * len(batches))
    run.fit(gan, batches)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__)
