"""What the discriminator sees of an image: features of a frozen network pretrained on photographs, mixed at random."""

import keras
from keras import layers

from common import imagenet

SMALLEST = 56  # pixels of what the network is shown; below that its last features have no places left


@keras.saving.register_keras_serializable(package="projected_gan")
class ImageNetFeatures(layers.Layer):
    """Images to the feature maps of five stages of EfficientNet-Lite1, at 1/2 to 1/32 of their size.

    The network is frozen, and no part of the model: its 3.8 million weights are neither trained nor saved.

    Input shape: `(batch, height, width, 3)`, values in [-1, 1].

    Raises:
        InputError: if the weights of the network are missing and cannot be installed.
    """

    CHANNELS = (16, 24, 40, 112, 320)

    def __init__(self, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        network = imagenet.stages(imagenet.LITE1)
        self.maps_of = lambda images: network(images, training=False)  # a function, so that Keras tracks no network

    def call(self, images):
        return self.maps_of(images)

    def compute_output_shape(self, shape):
        batch, *sides, _ = shape
        return [
            (batch, *(-(-side // 2**stage) for side in sides), channels)
            for stage, channels in enumerate(self.CHANNELS, 1)
        ]


def projections(images, filters):
    """Returns five feature maps of images, from large to small, each mixed at random with the smaller ones.

    Each map of each image has mean 0 and variance 1, so that the bound of spectral norm means the same for all of them.

    A frozen network attends to few of its features, and D would look only at these: random convolutions, frozen too,
    spread them over all channels, and from the smallest map upward over all resolutions (sections 3.2 and 3.3).

    Args:
        images: symbolic tensor `(batch, height, width, 1 or 3)` in [-1, 1].
        filters: integer, channels of the larger maps; the smaller ones have up to four times as many.
    """
    x = layers.Concatenate()([images] * 3) if images.shape[-1] == 1 else images
    factor = -(-SMALLEST // min(images.shape[1:3]))
    x = layers.UpSampling2D(factor, interpolation="bilinear")(x) if factor > 1 else x
    mixed = []
    for stage, features in reversed(list(enumerate(ImageNetFeatures()(x)))):
        width = filters * (1, 1, 2, 4, 4)[stage]
        x = random_convolution(features, width, 1)
        if mixed:
            x = layers.Add()([x, random_convolution(enlarged(mixed[-1], x.shape[1:3]), width, 1)])
            x = random_convolution(x, width, 3)
        mixed.append(x)
    return [layers.GroupNormalization(1, center=False, scale=False)(x) for x in reversed(mixed)]


def random_convolution(x, filters, size):
    return layers.Conv2D(filters, size, padding="same", kernel_initializer="he_normal", trainable=False)(x)


def enlarged(x, size):
    """Returns feature maps of twice the size, without the last row or column where that is one too many."""
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    excess = [have - wanted for have, wanted in zip(x.shape[1:3], size, strict=True)]
    return layers.Cropping2D([(0, each) for each in excess])(x) if any(excess) else x
