"""A small classifier of volumes, trained on the real ones: its features are compared in Fréchet distance and recall."""

import keras
import numpy as np
from keras import layers

from common import backend
from common.networks import Network
from common.sampling import draw_samples
from common.scoring import kept_networks

EPOCHS, BATCH, RATE = 8, 32, 1e-3
FILTERS, FEATURES = 16, 64
VERSION = 1  # of the network and its training, but for the numbers above: a classifier of another one is trained anew


class VolumeClassifier(Network):
    """Volumes to the logits of their kinds, and to the features before them."""

    def network(self, volumes, class_count):
        x, filters = volumes, FILTERS
        while x.shape[1] > 4:
            x = layers.Conv3D(filters, 4, strides=2, padding="same")(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
            filters *= 2
        features = layers.Dense(FEATURES, activation="relu")(layers.Flatten()(x))
        return [layers.Dense(class_count)(layers.Dropout(0.2, seed=0)(features)), features]


def load(objects):
    """Returns the classifier of the kinds of `Objects`: trained when it is first needed, then kept in the cache."""
    return kept_networks.load("volume_classifiers", digest_of(objects), lambda: trained(objects))


def digest_of(objects):
    """Returns a digest of all that a classifier of `Objects` is made of."""
    recipe = (VERSION, EPOCHS, BATCH, RATE, FILTERS, FEATURES, objects.class_names)
    return kept_networks.digest_of(recipe, np.packbits(objects.volumes), np.asarray(objects.labels, "int64"))


def trained(objects, seed=0):
    """Returns a classifier of the kinds of `Objects`, trained on them; each also mirrored."""
    backend.set_random_seed(seed)
    network = VolumeClassifier(keras.Input((*objects.volumes.shape[1:], 1)), class_count=len(objects.class_names))
    model = keras.Model(network.input, network.output[0])
    model.compile(keras.optimizers.Adam(RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(VolumeBatches(objects), epochs=EPOCHS, shuffle=False, verbose=0)
    return network


class VolumeBatches(keras.utils.PyDataset):
    """Shuffled batches of volumes and their labels, half of them mirrored."""

    def __init__(self, objects, seed=0):
        super().__init__()
        self.objects = objects
        self.rng = np.random.default_rng(seed)
        self.rows = self.rng.permutation(len(objects.volumes))

    def __len__(self):
        return max(1, len(self.rows) // BATCH)

    def __getitem__(self, index):
        rows = self.rows[index * BATCH : (index + 1) * BATCH]
        volumes = self.objects.volumes[rows]
        volumes = volumes[:, :, ::-1] if index % 2 else volumes
        return volumes[..., np.newaxis].astype("float32"), self.objects.labels[rows]

    def on_epoch_end(self):
        self.rows = self.rng.permutation(self.rows)


def judged(network, volumes):
    """Returns the kinds that a classifier sees in bool volumes, an integer array, and their features."""
    parts = [volumes[start : start + 100] for start in range(0, len(volumes), 100)]
    outputs = [draw_samples(network, part[..., np.newaxis].astype("float32")) for part in parts]
    logits, features = (np.concatenate(each) for each in zip(*outputs, strict=True))
    return logits.argmax(axis=1), features
