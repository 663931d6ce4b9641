"""Image classification with few labels: the discriminator of a GAN is the classifier.

    ./run_recipe.sh semi_supervised

Paper: Salimans et al., 2016, https://arxiv.org/abs/1606.03498
Minutes: 3
"""

import dataclasses
from functools import partial

import keras
from keras import layers, ops
from keras.optimizers.schedules import CosineDecay

from common.base.ranges import Count, Rate, Seed, Share, Weight, Width
from common.cli.main import main
from common.diff_augment import LittleDataOptions
from common.gan import GAN
from common.losses import NonSaturating
from common.networks import Discriminator, Generator
from common.training.length import Length

from . import actions, data


@dataclasses.dataclass(frozen=True)
class Config:
    images: data.LabelOptions = data.LabelOptions()  # the training images, and how many have a label
    little_data: LittleDataOptions = LittleDataOptions()  # what helps where there are few images
    length: Length = Length(steps=5_000)  # of the training
    batch_size: Count = 64  # unlabelled images in a step, and at most as many labelled ones
    learning_rate: Rate = 5e-4  # of both networks, at first; it decays to 0
    adversarial: Weight = 1.0  # weight of what unlabelled and fake images teach the classifier, against the labels
    input_noise: Weight = 0.6  # standard deviation of the noise on the classifier's images, in [-1, 1]
    noise: Weight = 0.5  # and on its hidden features
    units: Width = 500  # of a hidden layer
    latent_dim: Width = 100  # length of a latent vector
    ema: Share = 0.998  # momentum of the averaged weights of both networks
    seed: Seed = 0  # of weights, latents, the order of the data and the choice of the labelled images


# Networks ---------------------------------------------------------------------------------------------------------


class DenseGenerator(Generator):
    """Latents to images, by two hidden layers."""

    def network(self, latents, image_shape, units):
        x = latents
        for _ in range(2):
            x = layers.Dense(units, use_bias=False)(x)
            x = layers.Activation("softplus")(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.Dense(image_shape[0] * image_shape[1] * image_shape[2], activation="tanh")(x)
        return layers.Reshape(image_shape)(x)


class Classifier(Discriminator):
    """Images to a logit for each class, and to the features before them.

    Noise takes the place of dropout. It has a scale because the weights have one: each unit's have the length 1.
    """

    def network(self, images, class_count, units, input_noise, noise):
        x = layers.GaussianNoise(input_noise)(layers.Flatten()(images))
        for width in (2 * units, units, units // 2, units // 2):
            x = layers.GaussianNoise(noise)(unit_norm_dense(x, width))
        features = unit_norm_dense(x, units // 2)
        return [layers.Dense(class_count)(layers.GaussianNoise(noise)(features)), features]


def unit_norm_dense(x, units):
    """A layer with weight norm (Salimans and Kingma, 2016), whose scale stays 1, and ReLU."""
    length_1 = keras.constraints.UnitNorm(axis=0)
    initial = keras.initializers.RandomNormal(stddev=x.shape[-1] ** -0.5)
    return layers.ReLU()(layers.Dense(units, kernel_initializer=initial, kernel_constraint=length_1)(x))


# GAN --------------------------------------------------------------------------------------------------------------


class SemiSupervisedGAN(GAN):
    """A real image has one of the classes, a fake one has none. A batch is `((images, labels), unlabelled)`."""

    def fake(self, batch):
        _, unlabelled = batch
        return super().fake(unlabelled)

    def logits(self, judged):
        """log Σ exp of the class logits: real or fake, if fake is a further class whose logit is 0 (section 5)."""
        of_classes, _ = judged
        return ops.logsumexp(of_classes, axis=-1, keepdims=True)

    def discriminator_loss(self, real, fake):
        (images, labels), unlabelled = real
        of_classes, _ = self.judge(images)
        errors = ops.sparse_categorical_crossentropy(labels, of_classes, from_logits=True)
        return {**super().discriminator_loss(unlabelled, fake), "class": ops.mean(errors)}

    def generator_loss(self, real, fake):
        """Feature matching (section 3.1): the mean features of fake images shall be those of real ones."""
        _, unlabelled = real
        means = [ops.mean(self.judge(images)[1], axis=0) for images in (unlabelled, fake)]
        return {"features": ops.mean(ops.square(means[0] - means[1]))}


# Training ---------------------------------------------------------------------------------------------------------


def build(config, image_shape, class_count, steps):
    """Returns the compiled GAN for images of this shape, so many classes and so many training steps."""
    noise = {"input_noise": config.input_noise, "noise": config.noise}
    gan = SemiSupervisedGAN(
        DenseGenerator(config.latent_dim, image_shape=image_shape, units=config.units),
        Classifier(image_shape, class_count=class_count, units=config.units, **noise),
        seed=config.seed,
        augmentation=config.little_data.augmentation(),
    )
    rate = CosineDecay(config.learning_rate, steps)
    adam = partial(keras.optimizers.Adam, rate, beta_1=0.5, use_ema=True, ema_momentum=config.ema)
    gan.compile(
        loss=NonSaturating(),
        loss_weights={"d_adversarial": config.adversarial},
        generator_optimizer=adam(),
        discriminator_optimizer=adam(),
        steps_per_execution=8,
    )
    return gan


def train(config, run):
    """Trains a GAN as `config` says, resumes what `run` holds, and returns it."""
    run.set_random_seed()
    batches, class_count = data.load(config)
    _, image_shape = batches.sample_shape
    gan = build(config, image_shape, class_count, steps=run.plan(batches) * len(batches))
    run.fit(gan, batches)
    return gan


if __name__ == "__main__":
    main(train, Config, __package__, {"evaluate": actions.evaluate})
