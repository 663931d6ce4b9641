"""Seven GANs of the literature on the templates, as small as they get, each with its data and how it is compiled."""

import keras
import numpy as np
from keras import layers, ops
from keras.optimizers import Adam

from common import backend
from common.gan import GAN, count_of
from common.latents import Latents
from common.losses import Hinge, NonSaturating, RelativisticPairing
from common.networks import Discriminator, Generator, Network
from common.penalties import R1, R2, GradientPenalty, Lazy, lazily

SHAPE, CLASSES = (6, 6, 1), 3


class Painter(Generator):
    def network(self, inputs):
        x = layers.Concatenate()(inputs) if isinstance(inputs, (list, tuple)) else inputs
        x = layers.BatchNormalization()(layers.Dense(16, activation="relu")(x))
        return layers.Reshape(SHAPE)(layers.Dense(36, activation="tanh")(x))


class Judge(Discriminator):
    def network(self, images, units=(1,)):  # of its heads: by default one logit
        x = layers.LeakyReLU(0.2)(layers.Dense(16)(layers.Flatten()(images)))
        outputs = [layers.Dense(count)(x) for count in units]
        return outputs if len(units) > 1 else outputs[0]


# ACGAN ----------------------------------------------------------------------------------------------------------------


class ClassPainter(Generator):
    def network(self, inputs):
        latents, labels = inputs
        x = layers.Concatenate()([latents, layers.Embedding(CLASSES, 4)(labels)])
        return layers.Reshape(SHAPE)(layers.Dense(36, activation="tanh")(x))


class ACGAN(GAN):
    """The discriminator also names the class, from which both networks learn (Odena et al., 2017, arXiv:1610.09585)."""

    def fake(self, batch):
        latents, labels = self.draw(count_of(batch))
        return self.generator((latents, labels), training=True), labels

    def judge(self, samples):
        return super().judge(samples[0])

    def logits(self, judged):
        return judged[0]

    def discriminator_loss(self, real, fake):
        judged = self.judge(real), self.judge(fake)
        terms = self.adversarial_discriminator_loss(real, fake, judged)
        return {**terms, "class": class_error(real, judged[0]) + class_error(fake, judged[1])}

    def generator_loss(self, real, fake):
        judged = self.judge(fake)
        return {**self.adversarial_generator_loss(real, fake, judged), "class": class_error(fake, judged)}


def class_error(samples, judged):
    return ops.mean(ops.sparse_categorical_crossentropy(samples[1], judged[1], from_logits=True))


def acgan():
    inputs = keras.Input((4,)), keras.Input((), dtype="int32")
    gan = ACGAN(ClassPainter(inputs), Judge(SHAPE, units=(1, CLASSES)), seed=0)
    gan.compile(NonSaturating(), Adam(1e-3, use_ema=True), Adam(1e-3), penalty=R1(0.1))
    return gan


# InfoGAN --------------------------------------------------------------------------------------------------------------


class Codes(Latents):
    """Noise, and a code of two numbers between -1 and 1 that is to be read off the image."""

    def inputs(self, random, count):
        return random.normal(count, self.dim), random.uniform(count, 2)


class InfoGAN(GAN):
    """The discriminator also estimates the code; both networks learn from it (Chen et al., 2016, arXiv:1606.03657)."""

    def real(self, batch):
        return batch, None  # nobody knows the code of a real image

    def fake(self, batch):
        latents, code = self.draw(count_of(batch))
        return self.generator((latents, code), training=True), code

    def judge(self, samples):
        return super().judge(samples[0])[0]

    def discriminator_loss(self, real, fake):
        return {**super().discriminator_loss(real, fake), "code": self.code_error(fake)}

    def generator_loss(self, real, fake):
        return {**super().generator_loss(real, fake), "code": self.code_error(fake)}

    def code_error(self, fake):
        return ops.mean((fake[1] - super().judge(fake[0])[1]) ** 2)


def infogan():
    painter = Painter((keras.Input((4,)), keras.Input((2,))))
    gan = InfoGAN(painter, Judge(SHAPE, units=(1, 2)), latents=Codes(4), seed=0)
    weights = {"d_code": 0.1, "g_code": 0.1}
    gan.compile(Hinge(), Adam(1e-3), Adam(1e-3), penalty=GradientPenalty(1.0), loss_weights=weights)
    return gan


# BiGAN ----------------------------------------------------------------------------------------------------------------


class Encoder(Network):
    def network(self, images, units=4):
        x = layers.LeakyReLU(0.2)(layers.Dense(16)(layers.Flatten()(images)))
        return layers.Dense(units)(x)


class PairJudge(Judge):
    def network(self, pair):
        images, latents = pair
        return super().network(layers.Concatenate()([layers.Flatten()(images), latents]))


class BiGAN(GAN):
    """Pairs of image and latents: encoded real images against drawn ones (Donahue et al., 2017, arXiv:1605.09782)."""

    players = {"discriminator": ("discriminator",), "generator": ("generator", "encoder")}

    def real(self, batch):
        return batch, self.networks["encoder"](batch, training=True)

    def fake(self, batch):
        latents = self.draw(count_of(batch))
        return self.generator(latents, training=True), latents

    def generator_loss(self, real, fake):
        return self.adversarial_loss.discriminator(self.judge(fake), self.judge(real))  # with the labels exchanged


def bigan():
    discriminator = PairJudge([keras.Input(SHAPE), keras.Input((4,))])
    gan = BiGAN(Painter(4), discriminator, {"encoder": Encoder(keras.Input(SHAPE))}, seed=0)
    gan.compile(NonSaturating(), Adam(1e-3, use_ema=True), Adam(1e-3))
    return gan


# VAE-GAN --------------------------------------------------------------------------------------------------------------


class VAEGAN(GAN):
    """A VAE that compares in the features of the discriminator (Larsen et al., 2016, arXiv:1512.09300)."""

    players = {"discriminator": ("discriminator",), "generator": ("generator",), "encoder": ("encoder",)}

    def fake(self, batch):
        mean, log_variance = ops.split(self.networks["encoder"](batch, training=True), 2, axis=1)
        noise, drawn = self.draw(count_of(batch)), self.draw(count_of(batch))
        encoded = mean + ops.exp(log_variance / 2) * noise
        images = self.generator(ops.concatenate([encoded, drawn]), training=True)
        return images, mean, log_variance

    def logits(self, judged):
        return judged[0]

    def discriminator_loss(self, real, fake):
        return super().discriminator_loss(ops.concatenate([real, real]), fake[0])

    def generator_loss(self, real, fake):
        return {**super().generator_loss(real, fake[0]), "reconstruction": self.distance(real, fake)}

    def encoder_loss(self, real, fake):
        _, mean, log_variance = fake
        divergence = ops.mean(ops.sum(ops.exp(log_variance) + mean**2 - 1 - log_variance, axis=1)) / 2
        return {"divergence": divergence, "reconstruction": self.distance(real, fake)}

    def distance(self, real, fake):
        reconstructed = fake[0][: ops.shape(real)[0]]
        return ops.mean((self.judge(real)[1] - self.judge(reconstructed)[1]) ** 2)


def vaegan():
    encoder = Encoder(keras.Input(SHAPE), units=8)
    gan = VAEGAN(Painter(4), Judge(SHAPE, units=(1, 8)), {"encoder": encoder}, seed=0)
    optimizers = Adam(1e-3), Adam(1e-3)
    gan.compile(
        NonSaturating(), *optimizers, encoder_optimizer=Adam(1e-3, use_ema=True), loss_weights={"g_adversarial": 0.01}
    )
    return gan


# Semi-supervised ------------------------------------------------------------------------------------------------------


class SemiSupervised(GAN):
    """The discriminator is a classifier: an image is real if it has a class (Salimans et al., 2016, arXiv:1606.03498).

    A batch is `((images, labels), unlabelled)`; the parts may have different sizes.
    """

    def fake(self, batch):
        _, unlabelled = batch
        return super().fake(unlabelled)

    def logits(self, judged):
        return ops.logsumexp(judged, axis=-1, keepdims=True)

    def discriminator_loss(self, real, fake):
        (images, labels), unlabelled = real
        terms = super().discriminator_loss(unlabelled, fake)
        error = ops.sparse_categorical_crossentropy(labels, self.judge(images), from_logits=True)
        return {**terms, "class": ops.mean(error)}

    def generator_loss(self, real, fake):
        _, unlabelled = real
        return super().generator_loss(unlabelled, fake)


def semi_supervised():
    gan = SemiSupervised(Painter(4), Judge(SHAPE, units=(CLASSES,)), seed=0)
    gan.compile(RelativisticPairing(), Adam(1e-3), Adam(1e-3, use_ema=True), penalty=[R1(0.1), R2(0.1)])
    return gan


# Two discriminators ---------------------------------------------------------------------------------------------------


class TwoDiscriminators(GAN):
    """Each judges all samples, and the generator has to convince both (Durugkar et al., 2017, arXiv:1611.01673)."""

    players = {"discriminator": ("discriminator", "second"), "generator": ("generator",)}

    def judge(self, samples):
        return super().judge(samples), super().judge(samples, "second")


def two_discriminators():
    gan = TwoDiscriminators(Painter(4), Judge(SHAPE), {"second": Judge(SHAPE, name="second")}, seed=0)
    gan.compile(Hinge(), Adam(1e-3), Adam(1e-3), penalty=R1(0.1), discriminator_steps=2)
    return gan


# StyleGAN -------------------------------------------------------------------------------------------------------------


class Mapping(Network):
    def network(self, latents):
        x = layers.UnitNormalization()(latents)
        for _ in range(2):
            x = layers.LeakyReLU(0.2)(layers.Dense(8)(x))
        return x


class Synthesis(Network):
    """A constant image whose channels are scaled by styles, layer after layer."""

    def network(self, styles):
        x = layers.Reshape((3, 3, 4))(layers.Dense(36)(layers.Rescaling(0.0, 1.0)(styles)))
        for size in (3, 6):
            scale = layers.Reshape((1, 1, 4))(layers.Dense(4, bias_initializer="ones")(styles))
            x = layers.LeakyReLU(0.2)(layers.Conv2D(4, 3, padding="same")(layers.Multiply()([x, scale])))
            x = layers.UpSampling2D(6 // size)(x)
        return layers.Conv2D(1, 1)(x)


class StyleGenerator(Generator):
    def network(self, latents):
        styles = Mapping(latents, name="mapping")(latents)
        return Synthesis(keras.Input((8,)), name="synthesis")(styles)


class StyleGAN(GAN):
    """A mapping network, styles, lazy R1 and path length regularization (Karras et al., 2020, arXiv:1912.04958)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.mean_length = self.add_weight(shape=(), initializer="zeros", trainable=False, name="mean_length")

    def generator_loss(self, real, fake):
        term = lazily(4, self.generator_optimizer.iterations, lambda: self.path_length(count_of(real)))
        return {**super().generator_loss(real, fake), "path": term}

    def path_length(self, count):
        """How far the lengths of J(w)ᵀy are from their running mean, with J of the synthesis network at styles w."""
        styles = self.generator.get_layer("mapping")(self.draw(count))
        noise = keras.random.normal((count, *SHAPE), seed=self.seed_generator)
        (gradient,) = backend.input_gradients(
            lambda inputs: self.generator.get_layer("synthesis")(inputs[0]) * noise, [styles]
        )
        lengths = ops.sqrt(ops.sum(gradient**2, axis=1) + 1e-8)
        self.mean_length.assign(0.99 * self.mean_length + 0.01 * ops.stop_gradient(ops.mean(lengths)))
        return ops.mean((lengths - self.mean_length) ** 2)


def stylegan():
    gan = StyleGAN(StyleGenerator(4), Judge(SHAPE), seed=0)
    optimizers = Adam(1e-3, 0.0, 0.99, use_ema=True), Adam(1e-3, 0.0, 0.99)
    gan.compile(NonSaturating(), *optimizers, penalty=Lazy(R1(1.0), every=4), loss_weights={"g_path": 2.0})
    return gan


# Data -----------------------------------------------------------------------------------------------------------------


def images(count=8, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, *SHAPE)).astype("float32")


def labels(count=8):
    return np.arange(count, dtype="int32") % CLASSES


# How each is made, its batch, and the most lines that its classes may take.
SEVEN = {
    "ACGAN": (acgan, lambda: (images(), labels()), 30),
    "InfoGAN": (infogan, images, 30),
    "BiGAN": (bigan, images, 30),
    "VAE-GAN": (vaegan, images, 40),
    "Semi-supervised": (semi_supervised, lambda: ((images(3), labels(3)), images(9)), 30),
    "Two discriminators": (two_discriminators, images, 15),
    "StyleGAN": (stylegan, images, 50),
}
