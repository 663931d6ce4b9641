"""stacked_mnist: stacking images, and counting their modes."""

import numpy as np
import pytest

from common.base.errors import InputError
from common.scoring import extractors
from data_prep import images
from data_prep.images import ImageOptions
from recipes.stacked_mnist import data, modes
from recipes.stacked_mnist.train import Config

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def test_part():
    return images.load(ImageOptions(), "test")


def test_a_stacked_image_has_three_images_as_channels(test_part):
    triples = np.array([[3, 5, 7], [0, 0, 1]])
    stacked = data.Stacked(test_part.images, triples)
    assert (len(stacked), stacked.shape) == (2, (2, 28, 28, 3))
    for rows in ([1, 0], np.array([0])):
        for image, triple in zip(stacked[rows], triples[rows], strict=True):
            for channel in range(3):
                assert np.array_equal(image[..., channel], test_part.images[triple[channel], ..., 0])


def test_batches_are_scaled_and_differ_in_each_epoch():
    batches = data.load(Config(batch_size=100))
    assert (len(batches), batches.sample_shape) == (128, (28, 28, 3))
    first = batches[0].copy()
    assert (first.min(), first.max()) == (-1, 1)
    batches.on_epoch_begin()
    batches.on_epoch_begin()
    assert not np.array_equal(first, batches[0])


def test_real_images_cover_all_modes_and_collapsed_ones_do_not(test_part):
    classifier = extractors.load("garments")
    rng = np.random.default_rng(0)
    count = 4000
    real = data.Stacked(test_part.images, rng.integers(len(test_part.images), size=(count, 3)))
    scores = modes.scores(real[np.arange(count)], test_part.labels, classifier)
    assert scores["modes"] > 950  # of 1,000; four images per mode
    assert scores["kl"] < 0.2  # 999 / 8000 by chance alone, a little more by errors of the classifier
    one = modes.scores(np.repeat(real[[0]], 100, axis=0), test_part.labels, classifier)
    assert one["modes"] == 1
    assert one["kl"] == pytest.approx(np.log(1000))  # the embedded classes are equally frequent


def test_no_classifier_for_other_classes():
    assert modes.classifier_of(extractors.load("digits").class_names).name == "digits"
    with pytest.raises(InputError, match="for digits or garments, but these are frog"):
        modes.classifier_of(("frog", "toad"))
