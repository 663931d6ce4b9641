"""semi_supervised: which images have labels, what the losses see of them, and what the classifier is scored on."""

import json

import numpy as np
import pytest
from keras import ops

from common import backend
from common.base.errors import InputError
from common.base.pictures import scale
from common.saving import open_network
from common.scoring.classification import labelled_rows, linear_classifier
from data_prep import images
from recipes.semi_supervised import data
from recipes.semi_supervised.train import Config, build
from tests.conftest import call_recipe, is_one_sentence

RNG = np.random.default_rng(0)
CLASSES = 3


def tiny(**options):
    backend.set_random_seed(0)
    return build(Config(units=8, latent_dim=4, input_noise=0.0, noise=0.0, **options), (16, 16, 1), CLASSES, steps=100)


def pictures(count=8):
    return RNG.uniform(-1, 1, (count, 16, 16, 1)).astype("float32")


def batch(labelled=6, unlabelled=8):
    return (pictures(labelled), np.arange(labelled, dtype="int32") % CLASSES), pictures(unlabelled)


# Losses ---------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_an_image_is_real_if_it_has_a_class():
    """With a logit of 0 for the class "fake", the probability of all others is the sigmoid of log Σ exp."""
    of_classes = RNG.normal(size=(5, CLASSES)).astype("float32")
    exponentials = np.exp(of_classes)
    real = exponentials.sum(axis=1) / (1 + exponentials.sum(axis=1))
    logits = ops.convert_to_numpy(tiny().logits((ops.convert_to_tensor(of_classes), None)))
    assert logits.shape == (5, 1)
    assert 1 / (1 + np.exp(-logits[:, 0])) == pytest.approx(real, rel=1e-5)


@pytest.mark.once
def test_the_class_term_is_the_cross_entropy_of_the_labelled_images():
    gan, ((labelled, labels), unlabelled) = tiny(), batch()
    terms = gan.discriminator_loss(((labelled, labels), unlabelled), gan.fake((None, unlabelled)))
    of_classes = ops.convert_to_numpy(gan.discriminator(labelled)[0])
    right = of_classes[np.arange(len(labels)), labels] - np.log(np.exp(of_classes).sum(axis=1))
    assert float(terms["class"]) == pytest.approx(-right.mean(), rel=1e-4)


@pytest.mark.once
def test_the_generator_matches_mean_features():
    gan, (labelled, unlabelled) = tiny(), batch()
    fake = pictures(5)
    means = [ops.convert_to_numpy(gan.discriminator(x)[1]).mean(axis=0) for x in (unlabelled, fake)]
    found = float(gan.generator_loss((labelled, unlabelled), fake)["features"])
    assert found == pytest.approx(((means[0] - means[1]) ** 2).mean(), rel=1e-4)


@pytest.mark.once
def test_labelled_and_unlabelled_batches_may_have_different_sizes():
    gan = tiny()
    logs = gan.train_on_batch(*batch(labelled=3, unlabelled=9), return_dict=True)
    assert np.isfinite([float(value) for value in logs.values()]).all()


def test_weights_keep_their_length():
    gan = tiny()
    gan.train_on_batch(*batch())
    hidden = [layer for layer in gan.discriminator.layers if getattr(layer, "kernel_constraint", None)]
    assert len(hidden) == 5
    for layer in hidden:
        assert np.linalg.norm(layer.kernel.numpy(), axis=0) == pytest.approx(1.0, rel=1e-5)


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def split(tmp_path):
    """An array file whose training images are dark and whose test images are light; 40, 30 and 20 of each class."""
    labels = np.repeat(np.arange(CLASSES), (40, 30, 20))
    arrays = {
        "x_train": RNG.integers(0, 100, (90, 16, 16, 1), "uint8"),
        "y_train": labels,
        "x_test": RNG.integers(156, 256, (90, 16, 16, 1), "uint8"),
        "y_test": labels,
    }
    np.savez(tmp_path / "images.npz", **arrays)
    return tmp_path / "images.npz"


@pytest.mark.once
def test_batches_have_labels_of_a_few_training_images_only(split):
    config = Config(images=data.LabelOptions(data=split, labels=6), batch_size=16)
    batches, class_count = data.load(config)
    assert class_count == CLASSES
    seen = set()
    for index in range(len(batches)):
        (labelled, labels), unlabelled = batches[index]  # the second part has no labels
        assert (labelled.shape[1:], unlabelled.shape) == ((16, 16, 1), (16, 16, 16, 1))
        assert max(labelled.max(), unlabelled.max()) < 0  # not of the test images
        seen |= {(image.tobytes(), int(label)) for image, label in zip(labelled, labels, strict=True)}
    assert len(seen) == 6


@pytest.mark.once
def test_labelled_images_are_as_many_of_each_class_and_chosen_by_the_seed(split):
    training = images.load(images.ImageOptions(data=split))
    rows = labelled_rows(training, 9, seed=0)
    assert np.bincount(training.labels[rows]).tolist() == [3, 3, 3]
    assert set(rows) <= set(labelled_rows(training, 15, seed=0))
    assert not np.array_equal(rows, labelled_rows(training, 9, seed=1))


@pytest.mark.once
@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (10, "must be a multiple of 3, the number of classes, but is 10; use 9."),
        (1, "but is 1; use 3."),
        (63, "--labels 63 takes 21 images of each class, but 2 has only 20 training images; use --labels 60 or fewer."),
    ],
)
def test_labels_that_cannot_be_chosen_are_refused(split, count, sentence):
    with pytest.raises(InputError) as caught:
        labelled_rows(images.load(images.ImageOptions(data=split)), count, seed=0)
    assert sentence in str(caught.value)


@pytest.mark.once
def test_images_without_classes_are_refused(tmp_path):
    np.save(tmp_path / "images.npy", RNG.integers(0, 256, (64, 16, 16, 1), "uint8"))
    answer = call_recipe("semi_supervised", "--data", tmp_path / "images.npy", "--run-folder", tmp_path / "run")
    assert is_one_sentence(answer, "Labels need classes, but all images are of one")


@pytest.mark.once
def test_of_images_without_a_test_part_every_tenth_is_held_out(split, tmp_path):
    arrays = np.load(split)
    np.savez(tmp_path / "whole.npz", images=arrays["x_train"], labels=arrays["y_train"])
    batches, _ = data.load(Config(images=data.LabelOptions(data=tmp_path / "whole.npz", labels=6)))
    test = images.load(images.ImageOptions(data=tmp_path / "whole.npz"), "test", hold_out=True).images
    _, unlabelled = batches.samples
    assert len(unlabelled) + len(test) == 90
    assert not {image.tobytes() for image in test} & {image.tobytes() for image in unlabelled}


@pytest.mark.once
def test_balance_is_refused(split):
    answer = call_recipe("semi_supervised", "--data", split, "--balance", "cap")
    assert is_one_sentence(answer, "--balance has no effect here")


# As a run -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.once
def test_evaluate_scores_the_classifier_on_the_test_images(tmp_path):
    """Each class is a brightness, in training and test images alike."""
    labels = np.arange(300) % CLASSES
    arrays = np.clip(labels[:, None, None, None] * 90 + RNG.integers(0, 60, (300, 28, 28, 1)), 0, 255).astype("uint8")
    halves = {"x_train": arrays[:200], "y_train": labels[:200], "x_test": arrays[200:], "y_test": labels[200:]}
    np.savez(tmp_path / "images.npz", **halves)
    options = ("--labels", 6, "--units", 32, "--epochs", 1, "--batch-size", 50, "--run-folder", tmp_path / "run")
    answer = call_recipe("semi_supervised", "--data", tmp_path / "images.npz", *options)
    assert answer.returncode == 0, answer.stderr
    evaluate = ("evaluate", "--samples", 20, "--extractor", "garments", "--run-folder", tmp_path / "run")
    answer = call_recipe("semi_supervised", *evaluate)
    assert answer.returncode == 0, answer.stderr
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())["scores"]
    classifier = open_network(tmp_path / "run" / "discriminator.keras")
    predicted = ops.convert_to_numpy(classifier(scale(halves["x_test"]))[0]).argmax(axis=1)
    assert scores["accuracy of the classifier"] == pytest.approx((predicted == halves["y_test"]).mean())
    assert scores["accuracy, linear on pixels"] > 0.9
    assert (tmp_path / "run" / "confusion.png").exists()


@pytest.mark.once
def test_a_linear_classifier_sees_its_own_labels_only():
    shades = np.full((9, 16, 16, 1), 20, "uint8") * (np.arange(9, dtype="uint8") % CLASSES)[:, None, None, None]
    labels = np.arange(9) % CLASSES
    assert (linear_classifier(shades, labels)(shades) == labels).all()
    swapped = (labels + 1) % CLASSES
    assert (linear_classifier(shades, swapped)(shades) == swapped).all()
