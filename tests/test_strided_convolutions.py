"""Convolutions by matrices: the sums of Keras' own, and on JAX on a CPU in their place."""

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from unittest import mock

import keras
import numpy as np
import pytest
from keras import layers, ops

from common import backend
from common.base import strided_convolutions

SLOW = {"convolution": [layers.Conv3D], "transposed_convolution": [layers.Conv2DTranspose, layers.Conv3DTranspose]}
OF_KERAS = {"convolution": ops.conv, "transposed_convolution": ops.conv_transpose}


def drawn(*shape):
    return ops.convert_to_tensor(np.random.default_rng(sum(shape)).normal(size=shape).astype("float32"))


def assert_close(found, expected):
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (found, expected)), rtol=1e-3, atol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize(("side", "stride"), [(4, 2), (2, 2), (6, 2), (3, 3), (9, 3)])
@pytest.mark.parametrize("sizes", [(6, 12), (6, 12, 6)])
@pytest.mark.parametrize("name", OF_KERAS)
def test_is_the_convolution_of_keras(name, sizes, side, stride):
    inputs = drawn(2, *sizes, 3)
    kernel = drawn(*(side,) * len(sizes), *((3, 5) if name == "convolution" else (5, 3)))
    expected = OF_KERAS[name](inputs, kernel, strides=stride, padding="same")
    assert_close(getattr(strided_convolutions, name)(inputs, kernel, stride), expected)


@pytest.fixture
def adopted(monkeypatch):
    """Lets layers be computed by matrices; on JAX on a CPU they already are."""
    replaced = {layers.Conv3D: "convolution_op", layers.Conv2DTranspose: "call", layers.Conv3DTranspose: "call"}
    for layer, method in replaced.items():
        monkeypatch.setattr(layer, method, getattr(layer, method))  # is restored after the test
    strided_convolutions.adopt(applies=lambda: True)


def slow_layers():
    return [(name, layer) for name, found in SLOW.items() for layer in found]


@pytest.mark.once
@pytest.mark.parametrize(("name", "layer"), slow_layers())
def test_is_what_the_layer_computes(name, layer, adopted):
    layer = layer(3, 4, strides=2, padding="same", activation="relu", bias_initializer="ones")
    inputs = drawn(2, *(4,) * layer.rank, 2)
    layer.build(inputs.shape)
    expected = ops.relu(OF_KERAS[name](inputs, layer.kernel, strides=2, padding="same") + 1)
    with mock.patch.object(strided_convolutions, name, wraps=getattr(strided_convolutions, name)) as computed:
        assert_close(layer(inputs), expected)
    computed.assert_called_once()


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="the others are fast with layers of Keras")
@pytest.mark.parametrize(("name", "layer"), slow_layers())
def test_jax_calls_no_slow_convolution_on_a_cpu(name, layer, monkeypatch):
    calls = []
    monkeypatch.setattr(strided_convolutions, name, lambda inputs, kernel, stride: calls.append(stride) or inputs)
    for device, expected in (("CPU", [2]), ("NVIDIA H200", [2])):
        monkeypatch.setattr(backend, "device", lambda device=device: device)
        layer(1, 2, strides=2, padding="same")(drawn(1, *(2,) * layer(1, 2).rank, 1))
        assert calls == expected


@pytest.mark.once
@pytest.mark.parametrize(
    "options",
    [
        {"padding": "valid"},
        {"strides": 1},
        {"kernel_size": 3},
        {"kernel_size": (4, 4, 2)},
        {"strides": (2, 2, 4)},
        {"strides": 1, "dilation_rate": 2},
        {"data_format": "channels_first"},
    ],
)
def test_other_layers_are_left_to_keras(options):
    options = {"kernel_size": 4, "strides": 2, "padding": "same", **options}
    assert not strided_convolutions.fits(layers.Conv3D(4, **options))
    assert not strided_convolutions.fits(layers.Conv3DTranspose(4, **options))


@pytest.mark.once
@pytest.mark.parametrize("sizes", [(5, 4, 4), (None, 4, 4)])
def test_other_sizes_are_left_to_keras(sizes):
    computed = strided_convolutions.convolved(lambda self, inputs, kernel: "by Keras", applies=lambda: True)
    layer, inputs = layers.Conv3D(2, 4, strides=2, padding="same"), keras.KerasTensor((1, *sizes, 1))
    assert computed(layer, inputs, None) == "by Keras"


@pytest.mark.once
def test_a_layer_with_a_kernel_of_its_own_keeps_it(adopted):
    class Doubled(layers.Conv3D):
        def convolution_op(self, inputs, kernel):
            return super().convolution_op(inputs, 2 * kernel)

    inputs, options = drawn(2, 4, 4, 4, 1), {"strides": 2, "padding": "same", "kernel_initializer": "ones"}
    assert_close(Doubled(2, 4, **options)(inputs), 2 * layers.Conv3D(2, 4, **options)(inputs))
