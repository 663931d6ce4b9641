"""Building blocks of networks: instance norm, residual blocks, a PatchGAN discriminator, spectral norm."""

import keras
from keras import layers, ops

from common.networks import num_downsamplings


def instance_norm():
    """Returns instance norm: each channel of each image is normalized by itself, then scaled and shifted per channel.

    Reference: Ulyanov et al., 2016, https://arxiv.org/abs/1607.08022.
    """
    return layers.GroupNormalization(groups=-1, epsilon=1e-5)


def patch_logits(images, filters):
    """Returns a map of logits `(batch, height, width, 1)`, one for each patch: no layer sees the whole image.

    Patches have 16 pixels for images of 28, 34 for those of 64, and 70 from 128 pixels on.

    Args:
        images: symbolic tensor `(batch, height, width, channels)`.
        filters: integer, of the layer next to the image.

    Reference: Isola et al., 2017, https://arxiv.org/abs/1611.07004, section 3.2.2 and appendix 6.1.2.
    """
    downsamplings = max(1, min(3, num_downsamplings(*images.shape[1:3]) - 2))
    x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 4, strides=2, padding="same")(images))
    for level in range(1, downsamplings + 1):
        filters = min(2 * filters, 512)
        strides = 2 if level < downsamplings else 1
        x = layers.Conv2D(filters, 4, strides, padding="same", use_bias=False)(x)
        x = layers.LeakyReLU(0.2)(instance_norm()(x))
    return layers.Conv2D(1, 4, padding="same")(x)


def reflection_pad(x, pixels):
    """Returns images padded by their mirrored edges, so that a convolution sees no black border."""
    return ops.pad(x, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode="reflect")


def upsampling_convolution(x, filters):
    """Returns feature maps of twice the size: nearest neighbours, then a convolution of 3×3, which leaves no grid.

    Reference: Odena et al., 2016, https://distill.pub/2016/deconv-checkerboard.
    """
    return layers.Conv2D(filters, 3, use_bias=False)(reflection_pad(layers.UpSampling2D(2)(x), 1))


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


@keras.saving.register_keras_serializable(package="common")
class SpectralConv2D(layers.Conv2D):
    """A convolution whose kernel is divided by its spectral norm, its largest factor from inputs to outputs.

    So it cannot stretch differences, and a discriminator of such layers stays smooth. The norm is estimated by one step
    of power iteration a call, whose vector is kept. The gradient runs through the division.

    Keras' own `SpectralNormalization` overwrites the kernel with the divided one within the training step instead,
    which differs between backends.

    Reference: Miyato et al., 2018, https://arxiv.org/abs/1802.05957, algorithm 1.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.vector = self.add_weight(
            shape=(self.filters,), initializer="ones", trainable=False, name="vector", dtype="float32"
        )

    def call(self, inputs, training=False):
        before, after = self.singular_vectors()
        if training:
            self.vector.assign(after)
        norm = ops.sum(ops.matmul(before, self.matrix()) * after)
        kernel = self.kernel / ops.cast(norm, self.kernel.dtype)
        outputs = self.convolution_op(inputs, ops.cast(kernel, self.compute_dtype))
        return outputs if self.bias is None else outputs + ops.cast(self.bias, outputs.dtype)

    def save_own_variables(self, store):
        layers.Layer.save_own_variables(self, store)  # that of a convolution knows only its kernel and its bias

    def load_own_variables(self, store):
        layers.Layer.load_own_variables(self, store)

    def matrix(self):
        return ops.cast(ops.reshape(self.kernel, (-1, self.filters)), "float32")

    def singular_vectors(self):
        """Returns the estimated first singular vectors of the kernel, from which no gradient flows."""
        matrix = ops.stop_gradient(self.matrix())
        before = unit(ops.matmul(matrix, self.vector))
        return before, unit(ops.matmul(before, matrix))


def unit(vector):
    return vector * ops.rsqrt(ops.sum(ops.square(vector)) + 1e-12)
