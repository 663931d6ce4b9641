"""Building blocks of image-to-image networks: instance norm, residual blocks, a PatchGAN discriminator."""

from keras import layers, ops


def instance_norm():
    """Returns instance norm: each channel of each image is normalized by itself, then scaled and shifted per channel.

    Reference: Ulyanov et al., 2016, https://arxiv.org/abs/1607.08022.
    """
    return layers.GroupNormalization(groups=-1, epsilon=1e-5)


def patch_logits(images, filters, num_downsamplings):
    """Returns a map of logits `(batch, height, width, 1)`, one for each patch: no layer sees the whole image.

    Args:
        images: symbolic tensor `(batch, height, width, channels)`.
        filters: integer, of the layer next to the image.
        num_downsamplings: integer, layers of stride 2: 1, 2 or 3 for patches of 16, 34 or 70 pixels.

    Reference: Isola et al., 2017, https://arxiv.org/abs/1611.07004, section 3.2.2 and appendix 6.1.2.
    """
    x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 4, strides=2, padding="same")(images))
    for level in range(1, num_downsamplings + 1):
        filters = min(2 * filters, 512)
        strides = 2 if level < num_downsamplings else 1
        x = layers.Conv2D(filters, 4, strides, padding="same", use_bias=False)(x)
        x = layers.LeakyReLU(0.2)(instance_norm()(x))
    return layers.Conv2D(1, 4, padding="same")(x)


def patch_downsamplings(num_downsamplings):
    """Returns the `num_downsamplings` of `patch_logits` whose patches are smaller than an image, yet large enough.

    Args:
        num_downsamplings: integer, of a network that reduces the image to 4 to 7 pixels: see `networks`.

    >>> [patch_downsamplings(count) for count in (2, 4, 6)]  # images of 28, 64 and 256 pixels
    [1, 2, 3]
    """
    return max(1, min(3, num_downsamplings - 2))


def reflection_pad(x, pixels):
    """Returns images padded by their mirrored edges, so that a convolution sees no black border."""
    return ops.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode="reflect")


def residual_block(x, norm=True):
    """Returns feature maps of the same shape: two convolutions of 3×3 whose result is added to the input.

    Args:
        x: symbolic tensor `(batch, height, width, filters)`.
        norm: bool, whether to use instance norm; without it a network can keep brightness and contrast.

    Reference: He et al., 2016, https://arxiv.org/abs/1512.03385; without a ReLU after the sum, as Johnson et al., 2016,
    https://arxiv.org/abs/1603.08155.
    """

    def convolved(y):
        y = layers.Conv2D(x.shape[-1], 3, use_bias=not norm)(reflection_pad(y, 1))
        return instance_norm()(y) if norm else y

    return layers.Add()([x, convolved(layers.ReLU()(convolved(x)))])
