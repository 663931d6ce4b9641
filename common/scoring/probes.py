"""What the layers of a trained network know of classes it was never told: linear probes, and fine-tuning."""

import keras
import numpy as np
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from common.base.pictures import scale
from common.sampling import draw_samples
from data_prep.balance import repeated

ACTIVATIONS = (layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.ELU, layers.Activation)
SIDE = 4  # features of a layer are pooled to so many rows and columns
STRENGTH = 0.01  # of the probes: the inverse of the weight of their regularization


def stages(network):
    """Returns the hidden outputs of a network that are worth probing, a dictionary from names of layers to tensors.

    They are the outputs of its activations; of a network without such layers, those of its layers with weights, but for
    the last. A network whose output is a dictionary names them itself.
    """
    if isinstance(network.output, dict):
        return network.output
    found = [layer for layer in network.layers if isinstance(layer, ACTIVATIONS)]
    found = found or [layer for layer in network.layers if layer.weights][:-1]
    return {layer.name: layer.output for layer in found}


def up_to(network, stage):
    """Returns the part of a network from its input to one of its `stages`."""
    return keras.Model(network.inputs[0], stages(network)[stage], name="features")


def pooled(x, name):
    """Returns features `(batch, units)` of the output of a layer, the largest in each of at most 4×4 cells.

    Args:
        x: symbolic tensor.
        name: string, which makes the names of these layers differ from those of the network.

    Reference: Radford et al., 2015, section 5.1.
    """
    if len(x.shape) == 4:
        cell = [-(-side // SIDE) for side in x.shape[1:3]]
        x = layers.MaxPooling2D(cell, padding="same", name=f"{name}_cells")(x)
    return layers.Flatten(name=f"{name}_features")(x)


def features_of(network, images):
    """Returns the pooled features of uint8 images at each of the `stages`, a dictionary from names to arrays."""
    model = keras.Model(network.inputs[0], {name: pooled(x, name) for name, x in stages(network).items()})
    return draw_samples(model, scale(images))


def untrained(network):
    """Returns a network of the same layers with new initial weights."""
    return keras.models.clone_model(network)


class Probe:
    """A linear classifier of features, each of which is standardized.

    Args:
        features: array `(count, units)`.
        labels: integer array `(count,)`.
    """

    def __init__(self, features, labels):
        self.scaler = StandardScaler().fit(features)
        self.linear = LogisticRegression(C=STRENGTH, max_iter=3000).fit(self.scaler.transform(features), labels)

    def accuracy(self, features, labels):
        return float(self.linear.score(self.scaler.transform(features), labels))

    def classifier(self, network):
        """Returns a `keras.Model` from images in [-1, 1] to logits: a network `up_to` a stage, and the probe.

        With two classes the probe has one logit, that of the second; the first then gets 0.
        """
        kernel, bias = self.linear.coef_.T / self.scaler.scale_[:, None], self.linear.intercept_
        bias = bias - self.scaler.mean_ @ kernel
        if kernel.shape[1] == 1:
            kernel, bias = np.hstack([0 * kernel, kernel]), np.append(0.0, bias)
        top = layers.Dense(kernel.shape[1], name="classes")
        model = keras.Model(network.inputs[0], top(pooled(network.output, "last")), name="classifier")
        top.set_weights([kernel, bias])
        return model


def fine_tuned(network, probe, images, labels, steps, seed, learning_rate=1e-4):
    """Returns a classifier whose layers are all trained, beginning with a network `up_to` a stage, and its probe.

    With the probe as its last layer it does not begin by spoiling the features (Kumar et al., 2022,
    https://arxiv.org/abs/2202.10054). Batch norm keeps its averages: a batch of few labelled images has poor ones.

    Args:
        network: `keras.Model`; stays as it is.
        probe: `Probe` of its output.
        images: uint8 array `(count, height, width, channels)`.
        labels: integer array `(count,)`.
        steps: integer, training steps of 32 images.
        seed: integer, of the order of the images.
        learning_rate: float, of Adam.
    """
    copy = untrained(network)
    copy.set_weights(network.get_weights())
    model = probe.classifier(copy)
    for layer in layers_of(model):
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(learning_rate), loss)
    size = min(32, len(images))
    rows = repeated(np.random.default_rng(seed), np.arange(len(images)), steps * size)
    model.fit(scale(images)[rows], labels[rows], batch_size=size, shuffle=False, verbose=0)
    return model


def layers_of(network):
    """Yields the layers of a network, those of networks in it in their place."""
    for layer in network.layers:
        yield from layers_of(layer) if isinstance(layer, keras.Model) else (layer,)
