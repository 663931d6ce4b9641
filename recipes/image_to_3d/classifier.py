"""A small classifier of volumes, trained on the real ones: its features are compared in Fréchet distance and recall."""

import contextlib
import hashlib

import keras
import numpy as np
from keras import layers

from common import backend
from common.base.files import whole
from common.base.paths import downloads
from common.networks import Network
from common.sampling import draw_samples
from common.saving import open_network

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
    """Returns the classifier of the kinds of `Objects`: trained when it is first needed, then kept in the user's cache.

    Two trainings do not end with the same weights, since threads add in any order, and distances of the features of
    two classifiers cannot be compared.
    """
    path = downloads() / "volume_classifiers" / f"{digest_of(objects)}.keras"
    if stored := opened(path):
        return stored
    network = trained(objects)
    if stored := opened(path):  # by another program in the meantime
        return stored
    with contextlib.suppress(OSError):  # without a cache it is trained anew next time
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part:
            network.save(part)
    return network


def opened(path):
    """Returns the classifier in a file, or None if it is missing or damaged."""
    with contextlib.suppress(Exception):  # damaged bytes raise various ones
        return open_network(path)


def digest_of(objects):
    """Returns a digest of all that a classifier of `Objects` is made of."""
    recipe = (VERSION, EPOCHS, BATCH, RATE, FILTERS, FEATURES, keras.__version__)
    digest = hashlib.sha256(repr((recipe, objects.volumes.shape, objects.class_names)).encode())
    digest.update(np.packbits(objects.volumes))
    digest.update(np.asarray(objects.labels, "int64").tobytes())
    return digest.hexdigest()[:16]


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
