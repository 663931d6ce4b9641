"""dcgan: its networks grow with the image size and follow the paper."""

import keras
import pytest
from keras import layers

from common.base.errors import InputError
from recipes.dcgan.train import ConvolutionalDiscriminator, ConvolutionalGenerator


@pytest.mark.once
@pytest.mark.parametrize(
    ("shape", "smallest"),
    [((28, 28, 1), 7), ((32, 32, 3), 4), ((64, 64, 3), 4), ((128, 128, 3), 4), ((48, 96, 1), 6), ((36, 60, 1), 9)],
)
def test_networks_grow_with_the_image(shape, smallest):
    generator = ConvolutionalGenerator(8, image_shape=shape, filters=2)
    discriminator = ConvolutionalDiscriminator(shape, filters=2)
    assert generator.output_shape == (None, *shape)
    assert discriminator.output_shape == (None, 1)
    maps = [layer.output.shape[1] for layer in generator.layers if isinstance(layer, layers.Reshape)]
    assert maps == [smallest]


@pytest.mark.once
@pytest.mark.parametrize("shape", [(20, 21, 1), (100, 100, 3), (8, 8, 1), (32, 320, 3)])
def test_unsuitable_image_sizes_are_refused(shape):
    with pytest.raises(InputError, match=f"Images of {shape[1]}×{shape[0]} pixels"):
        ConvolutionalGenerator(8, image_shape=shape, filters=2)


@pytest.mark.once
def test_batch_norm_and_kernels_follow_the_paper():
    generator = ConvolutionalGenerator(8, image_shape=(64, 64, 3), filters=2)
    discriminator = ConvolutionalDiscriminator((64, 64, 3), filters=2)
    for network in (generator, discriminator):
        for layer in network.layers:
            if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
                assert all(
                    kernel % stride == 0 for kernel, stride in zip(layer.kernel_size, layer.strides, strict=True)
                )
    kinds = [type(layer) for layer in generator.layers]
    assert kinds.count(layers.BatchNormalization) == kinds.count(layers.ReLU) == 4
    assert generator.layers[-1].activation is keras.activations.tanh
    kinds = [type(layer) for layer in discriminator.layers]
    assert kinds.count(layers.BatchNormalization) == 3
    assert kinds.index(layers.BatchNormalization) > kinds.index(layers.LeakyReLU)  # none at the image
    assert kinds[-1] is layers.Dense
