"""What networks from image to image have in common: a norm, residual blocks, a discriminator of patches."""

from keras import layers, ops


def instance_norm():
    """Returns a layer that normalizes each channel of each image alone, with a scale and a shift of its own.

    Reference: Ulyanov et al., 2016, https://arxiv.org/abs/1607.08022.
    """
    return layers.GroupNormalization(groups=-1, epsilon=1e-5)


def judge_patches(images, filters, halvings):
    """Returns a map of logits `(batch, height, width, 1)`: one for each patch, no layer sees the whole image.

    Args:
        images: symbolic tensor `(batch, height, width, channels)`.
        filters: integer, of the layer next to the image.
        halvings: integer, layers of stride 2: 1, 2 or 3 for patches of 16, 34 or 70 pixels.

    Reference: Isola et al., 2017, https://arxiv.org/abs/1611.07004, section 3.2.2 and appendix 6.1.2.
    """
    x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 4, 2, "same")(images))
    for level in range(1, halvings + 1):
        filters = min(2 * filters, 512)
        x = layers.Conv2D(filters, 4, 2 if level < halvings else 1, "same", use_bias=False)(x)
        x = layers.LeakyReLU(0.2)(instance_norm()(x))
    return layers.Conv2D(1, 4, 1, "same")(x)


def patch_halvings(times):
    """Returns the `halvings` of `judge_patches` whose patches are smaller than an image, yet large enough to judge by.

    Args:
        times: integer, how often the image can be halved: see `networks.halvings`.

    >>> [patch_halvings(times) for times in (2, 4, 6)]  # 28, 64 and 256 pixels
    [1, 2, 3]
    """
    return max(1, min(3, times - 2))


def reflect(x, pixels):
    """Returns images with their edges mirrored outwards, so that a convolution sees no black frame."""
    return ops.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode="reflect")


def residual_block(x, norm=True):
    """Returns images of the same shape: two convolutions of 3×3 whose result is added.

    Args:
        x: symbolic tensor `(batch, height, width, filters)`.
        norm: bool, whether to normalize each channel of each image; a network without keeps brightness and contrast.

    Reference: He et al., 2016, https://arxiv.org/abs/1512.03385; without a ReLU after the sum, as Johnson et al., 2016,
    https://arxiv.org/abs/1603.08155.
    """

    def convolved(y):
        y = layers.Conv2D(x.shape[-1], 3, use_bias=not norm)(reflect(y, 1))
        return instance_norm()(y) if norm else y

    return layers.Add()([x, convolved(layers.ReLU()(convolved(x)))])


def residual_translation(images, filters, blocks):
    """Returns images of the same shape in [-1, 1]: changed by residual blocks at a quarter of their size.

    Args:
        images: symbolic tensor `(batch, height, width, channels)`, of any size divisible by 4.
        filters: integer, of the layer next to the image; doubled with every halving.
        blocks: integer, residual blocks in the middle.

    Reference: Zhu et al., 2017, https://arxiv.org/abs/1703.10593, appendix 7.2.
    """
    x = layers.Conv2D(filters, 7, use_bias=False)(reflect(images, 3))
    x = layers.ReLU()(instance_norm()(x))
    for factor in (2, 4):
        x = layers.Conv2D(filters * factor, 3, 2, "same", use_bias=False)(x)
        x = layers.ReLU()(instance_norm()(x))
    for _ in range(blocks):
        x = residual_block(x)
    for factor in (2, 1):
        x = layers.Conv2DTranspose(filters * factor, 4, 2, "same", use_bias=False)(x)
        x = layers.ReLU()(instance_norm()(x))
    return layers.Conv2D(images.shape[-1], 7, activation="tanh")(reflect(x, 3))
