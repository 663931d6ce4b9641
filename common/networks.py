"""Templates of generator and discriminator: write the method `network` and get a Keras model."""

import keras
from keras import layers

from common.base import keras_settings  # noqa: F401 (before a network is built)
from common.base.errors import InputError

NORMS = (layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization)


class Network(keras.Model):
    """A Keras functional model written as one method, `network(inputs, **options)`.

    Further arguments of the constructor are passed on to `network`, so that they are listed only once:

    >>> class Doubled(Network):
    ...     def network(self, inputs, units):
    ...         return keras.layers.Dense(units)(inputs)
    >>> Doubled(keras.Input((3,)), units=6).output_shape
    (None, 6)

    `save("name.keras")` writes a plain functional model: `keras.saving.load_model` opens it in any program, on any
    backend, without this project (as long as all layers are Keras' own).
    """

    def __init__(self, inputs, name=None, **options):
        if not all(isinstance(each, keras.KerasTensor) for each in keras.tree.flatten(inputs)):
            raise ValueError(
                f"{type(self).__name__} begins with a whole number or a shape of them, such as (28, 28, 1), or with a "
                f"keras.Input, but got {inputs!r}."
            )
        outputs = self.network(inputs, **options)  # first, since it may build another `Network`
        if outputs is None:
            raise ValueError(f"{type(self).__name__}.network returns nothing; let it return the outputs of its layers.")
        super().__init__(inputs, outputs, name=name)

    def network(self, inputs, **options):
        """Builds the layers. Override it. Returns the outputs for the symbolic `inputs`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method network(self, inputs).")

    def __call__(self, *args, **kwargs):
        if not any(isinstance(x, keras.KerasTensor) for x in keras.tree.flatten(args)):
            return super().__call__(*args, **kwargs)
        # Within another network it is a plain model, so that files of that network need no class of the project; always
        # the same one, and not tracked by Keras.
        if "_part" not in vars(self):
            vars(self)["_part"] = plain(self)
        return vars(self)["_part"](*args, **kwargs)

    def save(self, filepath, overwrite=True, **kwargs):
        plain(self).save(filepath, overwrite=overwrite, **kwargs)


class Generator(Network):
    """Maps latents to samples: write `network(latents) -> samples`.

    Args:
        latent_dim: integer, length of a latent vector; or the `keras.Input` (or a list of them) of a generator that
            starts from something else, such as an image.
        name: string.
        **options: arguments of `network`.

    Input shape: `(batch, latent_dim)`, drawn from a standard normal distribution.
    Output shape: `(batch, *sample_shape)`, values in [-1, 1].

    Example:

    >>> class Line(Generator):
    ...     def network(self, latents):
    ...         return keras.layers.Dense(1)(latents)
    >>> Line(latent_dim=2).output_shape
    (None, 1)
    """

    def __init__(self, latent_dim=100, name="generator", **options):
        inputs = keras.Input((latent_dim,), name="latents") if isinstance(latent_dim, int) else latent_dim
        super().__init__(inputs, name=name, **options)


class Discriminator(Network):
    """Judges samples: write `network(samples) -> logits`. High logits mean real, low ones fake.

    The last layer has no activation: losses are written on logits, and the output of a Wasserstein critic is no
    probability.

    Args:
        sample_shape: tuple of integers, the shape of a sample without the batch; or the `keras.Input` (or a list of
            them) of a discriminator that judges samples of several parts, such as an image with its label.
        name: string.
        **options: arguments of `network`.

    Input shape: `(batch, *sample_shape)`, values in [-1, 1].
    Output shape: `(batch, 1)`, or a map of logits `(batch, height, width, 1)`; any real value.

    Example:

    >>> class Linear(Discriminator):
    ...     def network(self, samples):
    ...         return keras.layers.Dense(1)(samples)
    >>> Linear((2,)).output_shape
    (None, 1)
    """

    def __init__(self, sample_shape, name="discriminator", **options):
        is_shape = isinstance(sample_shape, tuple | list) and all(isinstance(size, int) for size in sample_shape)
        inputs = keras.Input(sample_shape, name="samples") if is_shape else sample_shape
        super().__init__(inputs, name=name, **options)


def freeze_lower(network, count):
    """Freezes the lowest layers of a network: those next to its input. Its norms adapt to new data.

    Args:
        network: a `Network`, or any functional `keras.Model`.
        count: integer, how many layers with weights; a norm does not count.

    Raises:
        InputError: if no layer would be left to train.

    Reference: Mo et al., 2020, https://arxiv.org/abs/2002.10964 (FreezeD).
    """
    counted = [layer for layer in network.layers if layer.trainable_weights and not isinstance(layer, NORMS)]
    if count >= len(counted):
        raise InputError(
            f"--freeze-d {count} leaves nothing to train: {network.name} has {len(counted)} layers with weights; "
            f"expected at most {len(counted) - 1}."
        )
    for layer in counted[:count]:
        layer.trainable = False


def plain(network):
    """Returns a network as a plain functional `keras.Model`, a class of Keras' own, with the same weights."""
    if not isinstance(network, Network):
        return network
    inputs = network.inputs if len(network.inputs) > 1 else network.inputs[0]
    return keras.Model(inputs, network.output, name=network.name)


def num_downsamplings(height, width):
    """Returns how many convolutions of stride 2 bring an image down to 4 to 7 pixels.

    Raises:
        InputError: if its sides cannot be halved so often.

    >>> num_downsamplings(28, 28), num_downsamplings(32, 32), num_downsamplings(128, 64)
    (2, 3, 4)
    """
    count = 0
    while min(height, width) >> count > 7 and (height >> count) % 2 == (width >> count) % 2 == 0:
        count += 1
    if count < 2 or max(height, width) >> count > 16:
        raise InputError(
            f"Images of {width}×{height} pixels cannot be halved down to 4 to 7 pixels; "
            "resize them, for example with --size 64."
        )
    return count


def upsample(x, image_shape, filters, condition=None, smooth=False):
    """Returns images for vectors, by the layers that the recipe dcgan explains; for recipes that build on them.

    Args:
        x: symbolic tensor `(batch, units)`.
        image_shape: `(height, width, channels)`.
        filters: integer, of the layer next to the image.
        condition: symbolic tensor `(batch, units)`, from which scale and offset of each batch norm follow; see
            `batch_normalized`.
        smooth: bool; True for a convolution at the size of the image, of half as many filters, which takes away the
            grain of a transposed convolution whose pixels do not see their neighbours.
    """
    height, width, channels = image_shape
    upsamplings = num_downsamplings(height, width)
    filters = filters * 2 ** (upsamplings - 1)
    small = (height // 2**upsamplings, width // 2**upsamplings, filters)
    x = layers.Dense(small[0] * small[1] * filters, use_bias=False)(x)
    x = layers.Reshape(small)(x)
    x = layers.ReLU()(batch_normalized(x, condition))
    for _ in range(upsamplings if smooth else upsamplings - 1):
        filters = max(1, filters // 2)
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(batch_normalized(x, condition))
    if smooth:
        return layers.Conv2D(channels, 3, padding="same", activation="tanh")(x)
    return layers.Conv2DTranspose(channels, 4, strides=2, padding="same", activation="tanh")(x)


def batch_normalized(x, condition=None):
    """Returns feature maps after batch norm; with a condition it is conditional batch norm.

    Args:
        x: symbolic tensor `(batch, height, width, channels)`.
        condition: symbolic tensor `(batch, units)`, of which two dense layers make scale and offset of each channel, at
            first 1 and 0; None for scale and offset that are weights.

    Reference: de Vries et al., 2017, https://arxiv.org/abs/1707.00683, section 4.
    """
    if condition is None:
        return layers.BatchNormalization(momentum=0.9)(x)
    channels = x.shape[-1]
    scale, offset = (
        layers.Dense(channels, kernel_initializer="zeros", bias_initializer=start)(condition)
        for start in ("ones", "zeros")
    )
    x = layers.BatchNormalization(momentum=0.9, center=False, scale=False)(x)
    return x * layers.Reshape((1, 1, channels))(scale) + layers.Reshape((1, 1, channels))(offset)


def downsample(images, filters, batch_norm=True, convolution=layers.Conv2D):
    """Returns feature vectors of images, by the layers of the recipe dcgan; the mirror image of `upsample`.

    Args:
        images: symbolic tensor `(batch, height, width, channels)`.
        filters: integer, of the layer next to the image.
        batch_norm: bool; False with a gradient penalty, since with batch norm the gradient at one image depends on the
            other images of the batch, and with spectral norm, whose bound it would undo.
        convolution: class of the layers, for example `common.layers.SpectralConv2D`.
    """
    x = convolution(filters, 4, strides=2, padding="same")(images)
    x = layers.LeakyReLU(0.2)(x)
    for _ in range(num_downsamplings(*images.shape[1:3]) - 1):
        filters *= 2
        x = convolution(filters, 4, strides=2, padding="same", use_bias=not batch_norm)(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.LeakyReLU(0.2)(x)
    return layers.Flatten()(x)
