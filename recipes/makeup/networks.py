"""The networks: G and F, which change an image, and the discriminators."""

from keras import layers, ops

from common.layers import reflection_pad
from common.networks import Discriminator, Generator

BLOCKS = 3  # residual blocks, at a quarter of the resolution


class Apply(Generator):
    """G: sources and references to the sources in the style of the references."""

    def network(self, inputs, filters):
        source, reference = inputs
        return painted(source, filters, reference)


class Remove(Generator):
    """F: images in any style to images without one."""

    def network(self, image, filters):
        return painted(image, filters)


class Judge(Discriminator):
    """Images, or pairs of styles, to one logit."""

    def network(self, samples, filters):
        x = layers.Concatenate()(samples) if isinstance(samples, (list, tuple)) else samples
        while min(x.shape[1:3]) > 4:
            x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 4, strides=2, padding="same")(x))
            filters = min(2 * filters, 128)
        return layers.Dense(1)(layers.Flatten()(x))


def painted(image, filters, reference=None):
    """Returns images with a change added, so that what is to stay needs no layer that copies it.

    Args:
        image: symbolic tensor `(batch, height, width, channels)`, values in [-1, 1]; sides are multiples
            of 4.
        filters: integer, of the layers next to the image.
        reference: symbolic tensor of the same shape, which the change depends on as well; or None.
    """
    seen = image if reference is None else layers.Concatenate()([image, reference])
    fine = downsampled(seen, 2 * filters)
    x = downsampled(fine, 4 * filters)
    for _ in range(BLOCKS):
        x = layers.Add()([x, convolution(activated(convolution(x, 4 * filters)), 4 * filters)])
    x = activated(convolution(layers.UpSampling2D(2)(x), 2 * filters))
    x = activated(convolution(layers.Concatenate()([x, fine]), 2 * filters))
    x = activated(convolution(layers.Concatenate()([layers.UpSampling2D(2)(x), seen]), filters))
    return ops.clip(image + convolution(x, image.shape[-1]), -1.0, 1.0)


def downsampled(x, filters):
    return activated(layers.Conv2D(filters, 4, strides=2, padding="same")(x))


def convolution(x, filters):
    return layers.Conv2D(filters, 3)(reflection_pad(x, 1))


def activated(x):
    return layers.LeakyReLU(0.2)(x)
