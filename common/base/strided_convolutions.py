"""Convolutions with a stride, as products of matrices: the same sums as Keras' own, in another order.

A stride puts zeros between pixels in a transposed convolution, and in the gradient of any convolution with a stride. On
a CPU, XLA has no fast code for all of them: in 2D not for the gradient of a transposed kernel, in 3D for none. Here a
stride becomes blocks of pixels, which are channels of a smaller image, and a convolution the product of its patches
with the kernel.
"""

import itertools

from keras import layers, ops


def adopt(applies):
    """Lets the layers of Keras that are slow be computed this way, where they have a stride that fits.

    The layers stay Keras' own, so that files of networks open without this project.

    Args:
        applies: function without arguments; returns whether it is faster here. Called whenever a layer is.
    """
    layers.Conv3D.convolution_op = convolved(layers.Conv3D.convolution_op, applies)
    for layer in (layers.Conv2DTranspose, layers.Conv3DTranspose):
        layer.call = transposed(layer.call, applies)


def convolved(convolution_op, applies):
    """Returns the method `convolution_op` of a convolution, computed here where that is possible and `applies()`."""

    def computed_here(self, inputs, kernel):
        stride, sizes = self.strides[0], inputs.shape[1:-1]
        divides = all(size and size % stride == 0 for size in sizes)
        if fits(self) and divides and self.groups == 1 and applies():
            return convolution(inputs, kernel, stride)
        return convolution_op(self, inputs, kernel)

    return computed_here


def transposed(call, applies):
    """Returns the method `call` of a transposed convolution, computed here where that is possible and `applies()`."""

    def computed_here(self, inputs):
        if not (fits(self) and all(inputs.shape[1:-1]) and self.output_padding is None and applies()):
            return call(self, inputs)
        outputs = transposed_convolution(inputs, self.kernel, self.strides[0])
        outputs = ops.add(outputs, self.bias) if self.use_bias else outputs
        return outputs if self.activation is None else self.activation(outputs)

    return computed_here


def fits(layer):
    """Returns whether a layer is written here: a stride above 1, and a kernel of a multiple of it, centred."""
    side, stride = layer.kernel_size[0], layer.strides[0]
    return (
        {*layer.kernel_size} == {side}
        and {*layer.strides} == {stride}
        and {*layer.dilation_rate} == {1}
        and stride > 1
        and side % stride == (side - stride) % 2 == 0
        and layer.padding == "same"
        and layer.data_format == "channels_last"
    )


def convolution(inputs, kernel, stride):
    """Returns `keras.ops.conv(inputs, kernel, stride, padding="same")`.

    Args:
        inputs: tensor `(batch, *sizes, channels)`, of sizes that are multiples of the stride.
        kernel: tensor `(side, …, side, channels, filters)`, of a side that is a multiple of the stride, too.
        stride: integer.
    """
    side, *_, channels, filters = kernel.shape
    rank, count = len(kernel.shape) - 2, side // stride
    blocks = to_blocks(ops.pad(inputs, margins((side - stride) // 2, rank)), stride)
    kernel = ops.reshape(kernel, (count, stride) * rank + (channels, filters))
    kernel = ops.transpose(kernel, (*range(0, 2 * rank, 2), *range(1, 2 * rank, 2), 2 * rank, 2 * rank + 1))
    return ops.matmul(patches(blocks, count), ops.reshape(kernel, (-1, filters)))


def transposed_convolution(inputs, kernel, stride):
    """Returns `keras.ops.conv_transpose(inputs, kernel, stride, padding="same")`.

    Args:
        inputs: tensor `(batch, *sizes, channels)`.
        kernel: tensor `(side, …, side, filters, channels)`, of a side that is a multiple of the stride.
        stride: integer.
    """
    side, *_, filters, channels = kernel.shape
    rank, count = len(kernel.shape) - 2, side // stride
    kernel = ops.reshape(kernel, (count, stride) * rank + (filters, channels))
    kernel = ops.transpose(kernel, (*range(0, 2 * rank, 2), 2 * rank + 1, *range(1, 2 * rank, 2), 2 * rank))
    # The first pixel of a kernel reaches the block of its input, later ones the blocks after it.
    kernel = ops.flip(kernel, axis=tuple(range(rank)))
    padded = ops.pad(inputs, margins(count - 1, rank))
    blocks = ops.matmul(patches(padded, count), ops.reshape(kernel, (-1, stride**rank * filters)))
    margin = (side - stride) // 2
    return from_blocks(blocks, stride)[(slice(None), *(slice(margin, -margin or None),) * rank)]


def margins(width, rank):
    return ((0, 0), *((width, width),) * rank, (0, 0))


def patches(images, side):
    """Returns each patch of images as one vector: all of its pixels, with their channels."""
    lengths = [size - side + 1 for size in images.shape[1:-1]]
    parts = [
        images[(slice(None), *(slice(start, start + length) for start, length in zip(starts, lengths, strict=True)))]
        for starts in itertools.product(range(side), repeat=len(lengths))
    ]
    return ops.concatenate(parts, axis=-1)


def to_blocks(images, side):
    """Returns smaller images, whose channels are all pixels of a block."""
    *sizes, channels = images.shape[1:]
    rank, counts = len(sizes), [size // side for size in sizes]
    split = ops.reshape(images, (-1, *itertools.chain(*((count, side) for count in counts)), channels))
    blocks = ops.transpose(split, (0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1))
    return ops.reshape(blocks, (-1, *counts, side**rank * channels))


def from_blocks(blocks, side):
    """Returns the images of which `to_blocks` makes `blocks`."""
    *counts, channels = blocks.shape[1:]
    rank = len(counts)
    split = ops.reshape(blocks, (-1, *counts, *(side,) * rank, channels // side**rank))
    order = itertools.chain(*((1 + axis, 1 + rank + axis) for axis in range(rank)))
    images = ops.transpose(split, (0, *order, 2 * rank + 1))
    return ops.reshape(images, (-1, *(count * side for count in counts), channels // side**rank))
