"""Networks that judge: which pattern an image has, and how well images and phrases match. Trained on real images."""

import keras
import numpy as np
from keras import layers, ops

from common import backend
from common.base.pictures import scale
from common.networks import downsample
from common.sampling import draw_samples
from common.scoring import kept_networks

from .matching import found_in_batch
from .phrases import CaptionPhrases, Phrases
from .text import TEXT_DIM, phrase_input, read

VERSION = 1  # of both networks and their training
BATCH, RATE, FILTERS = 64, 1e-3, 32
EPOCHS, STEPS = 3, 2000  # of the classifier, and of the matcher
SHARPNESS = 10.0  # by which cosines are multiplied: the inverse temperature of the softmax
WRONG = 99  # phrases beside the right one


# Patterns ---------------------------------------------------------------------------------------------------------


def pattern_classifier(pictures, labels, class_count):
    """Returns a function from uint8 images to the patterns that a classifier sees, trained on these images."""
    facts = ("patterns", VERSION, BATCH, RATE, FILTERS, EPOCHS, class_count)

    def train():
        backend.set_random_seed(0)
        x = inputs = keras.Input(pictures.shape[1:])
        for width in (FILTERS, 2 * FILTERS, 4 * FILTERS):
            x = layers.Conv2D(width, 3, strides=1 if x is inputs else 2, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        model = keras.Model(inputs, layers.Dense(class_count)(layers.GlobalMaxPooling2D()(x)))
        model.compile(keras.optimizers.Adam(RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(scale(pictures), labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        return model

    model = kept_networks.load("text_to_image", kept_networks.digest_of(facts, pictures, labels), train)
    return lambda seen: draw_samples(model, scale(seen)).argmax(axis=1)


# Matching ---------------------------------------------------------------------------------------------------------


class Matcher(keras.Model):
    """Trains a network of images and phrases to find the phrase of each image in a batch, and the image of each phrase.

    Reference: Radford et al., 2021, https://arxiv.org/abs/2103.00020, figure 3.
    """

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        of_images, of_phrases = y_pred
        products = SHARPNESS * ops.matmul(of_images, ops.transpose(of_phrases))
        return found_in_batch(products) + found_in_batch(ops.transpose(products))


class MatchingBatches(keras.utils.PyDataset):
    """Random batches of images with one of their captions each."""

    def __init__(self, pictures, captions):
        super().__init__()
        self.pictures, self.phrases, self.rng = pictures, CaptionPhrases(captions), np.random.default_rng(0)

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        rows = self.rng.integers(len(self.pictures), size=BATCH)
        return (scale(self.pictures[rows]), self.phrases.draw(rows, self.rng)), np.zeros(BATCH)


def matcher(pictures, captions):
    """Returns a network from images and phrases to vectors of length 1, trained on real images and their captions."""
    facts = ("matcher", VERSION, BATCH, RATE, FILTERS, STEPS, TEXT_DIM, [tuple(each) for each in captions])

    def train():
        backend.set_random_seed(0)
        seen, phrases = keras.Input(pictures.shape[1:], name="images"), phrase_input()
        vectors = layers.Dense(TEXT_DIM)(downsample(seen, FILTERS)), read(phrases)
        model = Matcher([seen, phrases], [layers.UnitNormalization()(each) for each in vectors])
        model.compile(keras.optimizers.Adam(RATE))
        model.fit(MatchingBatches(pictures, captions), shuffle=False, verbose=0)
        return keras.Model(model.inputs, model.outputs)

    return kept_networks.load("text_to_image", kept_networks.digest_of(facts, pictures), train)


def r_precision(model, pictures, phrases, is_wrong, seed=0):
    """Returns how often a matcher ranks the phrase of an image above 99 wrong ones, a float.

    Args:
        model: what `matcher` returned.
        pictures: uint8 images.
        phrases: list of strings, that of each image.
        is_wrong: function from the row of an image and an integer array of rows to whether their phrases are wrong.
        seed: integer, of the choice of the wrong ones.

    Reference: Xu et al., 2018, https://arxiv.org/abs/1711.10485, section 4.1.
    """
    rng, encoded = np.random.default_rng(seed), Phrases(phrases)
    of_images, of_phrases = draw_samples(model, (scale(pictures), encoded[np.arange(len(encoded))]))
    first = []
    for row, vector in enumerate(of_images):
        order = rng.permutation(len(phrases))
        wrong = order[is_wrong(row, order)][:WRONG]
        first.append(vector @ of_phrases[row] > (of_phrases[wrong] @ vector).max())
    return float(np.mean(first))
