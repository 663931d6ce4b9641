"""Templates of the two players: write `network`, and get a Keras model."""

import keras
from keras import layers

from common.errors import InputError


class Network(keras.Model):
    """A Keras functional model written as one method, `network(inputs, **options)`.

    What the constructor is given beyond its own arguments goes to `network`, so that a network is described once:

    >>> class Doubled(Network):
    ...     def network(self, inputs, units):
    ...         return keras.layers.Dense(units)(inputs)
    >>> Doubled(keras.Input((3,)), units=6).output_shape
    (None, 6)

    A file saved by `save("name.keras")` holds a plain functional model: it opens with `keras.saving.load_model` in
    any program, on any backend, without this project (as long as the layers are Keras' own).
    """

    def __init__(self, inputs, name=None, **options):
        super().__init__(inputs, self.network(inputs, **options), name=name)

    def network(self, inputs, **options):
        """Builds the layers. Override it. Returns the outputs for the symbolic `inputs`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method network(self, inputs).")

    def plain(self):
        """Returns the same layers as a `keras.Model` of no class of ours; weights are shared, not copied."""
        return keras.Model(self.inputs if len(self.inputs) > 1 else self.inputs[0], self.output, name=self.name)

    def save(self, filepath, overwrite=True, **kwargs):
        self.plain().save(filepath, overwrite=overwrite, **kwargs)


class Generator(Network):
    """Draws samples from latents: write `network(latents) -> samples`.

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
    """Judges samples: write `network(samples) -> logits`. High logits say real, low ones fake.

    The last layer has no activation: a loss works on logits, and a Wasserstein critic has no probability to give.

    Args:
        sample_shape: tuple of integers, the shape of a sample without the batch; or the `keras.Input` (or a list of
            them) of a discriminator that judges samples of several parts, such as an image with its label.
        name: string.
        **options: arguments of `network`.

    Input shape: `(batch, *sample_shape)`, values in [-1, 1].
    Output shape: `(batch, 1)`, or a map of logits `(batch, height, width, 1)`; any real value.

    Example:

    >>> class Slope(Discriminator):
    ...     def network(self, samples):
    ...         return keras.layers.Dense(1)(samples)
    >>> Slope((2,)).output_shape
    (None, 1)
    """

    def __init__(self, sample_shape, name="discriminator", **options):
        is_shape = isinstance(sample_shape, tuple) and all(isinstance(size, int) for size in sample_shape)
        inputs = keras.Input(sample_shape, name="samples") if is_shape else sample_shape
        super().__init__(inputs, name=name, **options)


def as_one_player(name, *networks):
    """Returns networks of one input each as one that takes as many inputs and gives as many outputs, side by side.

    Args:
        name: string, of the player.
        *networks: `Generator`s or `Discriminator`s, each of another name: `get_layer(name)` gives it back.

    >>> networks = [keras.Sequential([keras.Input((2,)), layers.Dense(1)], name=name) for name in "ab"]
    >>> as_one_player("both", *networks).output_shape
    [(None, 1), (None, 1)]
    """
    inputs = [keras.Input(network.input_shape[1:]) for network in networks]
    return keras.Model(inputs, [plain(part)(x) for part, x in zip(networks, inputs, strict=True)], name=name)


def plain(network):
    """Returns a network as a `keras.Model` of no class of ours, which it may be already."""
    return network.plain() if isinstance(network, Network) else network


def halvings(height, width):
    """Returns how often strided convolutions halve an image down to 4 to 7 pixels.

    Raises:
        InputError: if its sides cannot be halved so often.

    >>> halvings(28, 28), halvings(32, 32), halvings(128, 64)
    (2, 3, 4)
    """
    times = 0
    while min(height, width) >> times > 7 and (height >> times) % 2 == (width >> times) % 2 == 0:
        times += 1
    if times < 2 or max(height, width) >> times > 16:
        raise InputError(
            f"Images of {width}×{height} pixels cannot be halved down to 4 to 7 pixels; "
            "bring them to another size, such as --size 64."
        )
    return times


def upsample(x, image_shape, filters):
    """Returns images of vectors, by the layers that the recipe dcgan explains, for recipes that add something to it.

    Args:
        x: symbolic tensor `(batch, units)`.
        image_shape: `(height, width, channels)`.
        filters: integer, of the layer next to the image.
    """
    height, width, channels = image_shape
    times = halvings(height, width)
    filters = filters * 2 ** (times - 1)
    small = (height // 2**times, width // 2**times, filters)
    x = layers.Dense(small[0] * small[1] * filters, use_bias=False)(x)
    x = layers.Reshape(small)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.ReLU()(x)
    for _ in range(times - 1):
        filters //= 2
        x = layers.Conv2DTranspose(filters, 4, 2, "same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
    return layers.Conv2DTranspose(channels, 4, 2, "same", activation="tanh")(x)


def downsample(images, filters, batch_norm=True):
    """Returns vectors of features of images, by the layers of the recipe dcgan: the way back of `upsample`.

    Args:
        images: symbolic tensor `(batch, height, width, channels)`.
        filters: integer, of the layer next to the image.
        batch_norm: bool; no penalty on slopes goes with it, since the slope at one image depends on the others then.
    """
    times = halvings(*images.shape[1:3])
    x = layers.Conv2D(filters, 4, 2, "same")(images)
    x = layers.LeakyReLU(0.2)(x)
    for _ in range(times - 1):
        filters *= 2
        x = layers.Conv2D(filters, 4, 2, "same", use_bias=not batch_norm)(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.LeakyReLU(0.2)(x)
    return layers.Flatten()(x)
