"""What networks from image to image have in common: a norm, and a discriminator of patches."""

from keras import layers


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
