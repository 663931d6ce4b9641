"""Residual blocks without norm: initial weights do what a norm would, and keep the size of what a layer is given."""

from keras import layers
from keras.initializers import RandomNormal

GAIN = (2 / (1 + 0.2**2)) ** 0.5  # makes up for what LeakyReLU(0.2) takes (He et al., 2015)


def residual_blocks(x, count, depth):
    """Returns feature maps of the same shape: a bottleneck turned inside out, without norm, so many times.

    At first each block is the identity, since its last convolution is 0; the others are scaled by the `depth`, the
    number of blocks of the network, so that updates have the same size at any depth (Zhang et al., 2019, Fixup).
    """
    gain = GAIN * depth**-0.25
    for _ in range(count):
        y = layers.LeakyReLU(0.2)(pointwise(x, 2 * x.shape[-1], gain, use_bias=True))
        y = layers.DepthwiseConv2D(3, padding="same", depthwise_initializer=normal(9, gain))(y)
        y = layers.LeakyReLU(0.2)(y)
        x = layers.Add()([x, pointwise(y, x.shape[-1], gain=0.0)])
    return x


def pointwise(x, filters, gain=1.0, use_bias=False):
    return layers.Conv2D(filters, 1, use_bias=use_bias, kernel_initializer=normal(x.shape[-1], gain))(x)


def normal(fan_in, gain=1.0):
    """Returns the initializer with which a layer of so many inputs for each output multiplies their size by `gain`."""
    return RandomNormal(stddev=gain * fan_in**-0.5)
