"""What drawn images are worth to a classifier: trained on few real images, on drawn ones, and on mixtures of both."""

from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from common import backend
from common.networks import num_downsamplings
from common.scoring.classification import classify
from common.training.callbacks import DataEpoch
from data_prep import images
from data_prep.balance import repeated
from data_prep.batches import Batches

STEPS = 1000  # of a classifier's training
BATCH_SIZE = 64


class Mixture(NamedTuple):
    """What a classifier is trained on."""

    real: int = 1  # times that each real image is in it
    drawn: int = 0  # drawn images for each real one
    is_augmented: bool = False  # whether all of them are changed at random each time they are fed


MIXTURES = {
    "real": Mixture(),
    "real, augmented": Mixture(is_augmented=True),
    "real + 1× drawn": Mixture(1, 1),
    "real + 3× drawn": Mixture(1, 3),
    "real + 10× drawn": Mixture(1, 10),
    "half real, half of 3× drawn": Mixture(3, 3),
    "half real, half of 10× drawn": Mixture(10, 10),
    "half real, half of 10× drawn, augmented": Mixture(10, 10, is_augmented=True),
    "drawn": Mixture(0, 10),  # classification accuracy score: Ravuri and Vinyals, 2019, arXiv:1905.10887
}
MOST_DRAWN = max(mixture.drawn for mixture in MIXTURES.values())


class Classifier:
    """A convolutional classifier, which each training begins with the same weights.

    Args:
        image_shape: tuple `(height, width, channels)`.
        class_count: integer.
        seed: integer, of the weights and of the order of the images.
        steps: integer, training steps.
    """

    def __init__(self, image_shape, class_count, seed, steps=STEPS):
        backend.set_random_seed(seed)
        self.seed = seed
        self.steps = steps
        self.model = network(image_shape, class_count)
        optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps))
        optimizer.build(self.model.trainable_variables)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(optimizer, loss, steps_per_execution=backend.steps_per_execution(8))
        variables = [*self.model.variables, *optimizer.variables]
        self.initial = [(variable, keras.ops.convert_to_numpy(variable).copy()) for variable in variables]

    def train(self, known, rows, changes=()):
        """Trains the network anew.

        Args:
            known: `Images`, as an array.
            rows: integer array, of the images that it is trained on; one that is named twice is fed twice as often.
            changes: tuple of strings, changes of `--augment` that are drawn each time an image is fed.
        """
        for variable, value in self.initial:  # a new model would be compiled anew, which takes longer than to train it
            variable.assign(value)
        batches = Batches(
            (known.images, known.labels.astype("int32")),
            BATCH_SIZE,
            self.seed,
            order=lambda rng: repeated(rng, rows, self.steps * BATCH_SIZE),
            augment=images.composed(changes),
        )
        # PyTorch's dropout has a state that is no variable, and Keras draws from it when it builds a model to fit it.
        seeded = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: backend.set_random_seed(self.seed))
        self.model.fit(batches, shuffle=False, verbose=0, callbacks=[DataEpoch(batches), seeded])

    def accuracy(self, known):
        """Returns the share of labelled images that it gets right."""
        return float(np.mean(classify(self.model, known.images) == known.labels))


def network(image_shape, class_count):
    """Returns a convolutional network from images in [-1, 1] to logits: a convolution at each size of the image."""
    x = inputs = keras.Input(image_shape)
    width = 32
    for _ in range(num_downsamplings(*image_shape[:2])):
        x = layers.MaxPooling2D(2)(layers.Conv2D(width, 3, padding="same", use_bias=False)(x))
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        width *= 2
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(class_count)(x), name="classifier")


def accuracies(classifier, real, draw, held_out, changes):
    """Returns the share of held-out images that a classifier of each mixture gets right, a dictionary of floats.

    Args:
        classifier: `Classifier`, which is trained on one mixture after the other.
        real: `Images`, the labelled ones.
        draw: function from an integer array of labels to uint8 images of these classes.
        held_out: `Images` of the same classes; no classifier is trained on one.
        changes: tuple of strings, the classical augmentation: changes of `--augment` that leave every class as it is.
    """
    count, labels = len(real.labels), np.tile(real.labels, MOST_DRAWN)
    known = images.Images(
        np.concatenate([real.images, draw(labels)]), np.concatenate([real.labels, labels]), real.class_names
    )
    found = {}
    for name, mixture in MIXTURES.items():
        of_real, of_drawn = np.arange(count), count + np.arange(mixture.drawn * count)
        rows = np.concatenate([np.tile(of_real, mixture.real), of_drawn])
        classifier.train(known, rows, changes if mixture.is_augmented else ())
        found[name] = classifier.accuracy(held_out)
    return found


def confirmed(classifier, drawn, held_out, changes):
    """Returns the share of drawn images that a classifier, trained on the held-out images, takes for their class.

    Args:
        drawn: `Images`.
        classifier, held_out, changes: see `accuracies`.
    """
    classifier.train(held_out, np.arange(len(held_out.labels)), changes)
    return classifier.accuracy(drawn)
