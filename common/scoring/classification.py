"""Classifiers of few labelled images: which images are labelled, a linear baseline, and what a classifier confuses."""

import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

from common.base.errors import InputError
from common.base.pictures import save_figure, scale
from common.sampling import draw_samples


def labelled_rows(dataset, count, seed):
    """Returns the rows of the labelled images, sorted: as many of each class, chosen by the seed.

    Args:
        dataset: `Images`.
        count: integer, labelled images.
        seed: integer. With the same seed, those of a small count are among those of a larger one.

    Raises:
        InputError: if there is one class only, the classes cannot get equally many, or one has fewer images.
    """
    classes = len(dataset.class_names)
    refuse_one_class(dataset)
    if count % classes:
        raise InputError(
            f"--labels must be a multiple of {classes}, the number of classes, but is {count}; use "
            f"{max(1, round(count / classes)) * classes}."
        )
    return rows_of_each_class(dataset, count // classes, seed, "--labels", classes)


def rows_of_each_class(dataset, each, seed, option, unit=1):
    """Returns the rows of so many images of each class, sorted and chosen by the seed, as `labelled_rows` does.

    Args:
        dataset: `Images`.
        each: integer, images of a class.
        seed: integer.
        option: string, by which the user says how many, for the error.
        unit: integer, what the option counts for one image of each class.

    Raises:
        InputError: if there is one class only, or a class has fewer images.
    """
    refuse_one_class(dataset)
    rng, names = np.random.default_rng(seed), dataset.class_names
    of_class = [rng.permutation(np.flatnonzero(dataset.labels == label)) for label in range(len(names))]
    for name, rows in zip(names, of_class, strict=True):
        if len(rows) < each:
            raise InputError(
                f"{option} {each * unit} takes {each} images of each class, but {name} has only {len(rows)} training "
                f"images; use {option} {min(map(len, of_class)) * unit} or fewer."
            )
    return np.sort(np.concatenate([rows[:each] for rows in of_class]))


def refuse_one_class(dataset):
    if len(dataset.class_names) < 2:
        raise InputError("Labels need classes, but all images are of one; put each class into its own folder.")


def classify(classifier, images):
    """Returns the classes of images by the logits of a network, its first output; integer array `(count,)`.

    Args:
        classifier: `keras.Model`.
        images: uint8 array `(count, height, width, channels)`.
    """
    logits, *_ = keras.tree.flatten(draw_samples(classifier, scale(images)))
    return logits.argmax(axis=1)


def linear_classifier(images, labels):
    """Returns a function from uint8 images to classes: a linear classifier on pixels, trained on these images."""
    fitted = LogisticRegression(max_iter=1000).fit(pixels(images), labels)
    return lambda images: fitted.predict(pixels(images))


def pixels(images):
    """Returns uint8 images as an array `(count, pixels)` in [-0.5, 0.5]."""
    return scale(images).reshape(len(images), -1) / 2


def draw_confusion(path, labels, predicted, class_names):
    """Draws which share of each class, a row, is taken for which class, a column."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 7), layout="constrained")
    shares = confusion_matrix(labels, predicted, labels=np.arange(len(class_names)), normalize="true")
    display = ConfusionMatrixDisplay(shares, display_labels=class_names)
    display.plot(ax=figure.subplots(), cmap="Blues", values_format=".2f", xticks_rotation=45)
    right = f"{np.mean(labels == predicted):.1%} of held-out images are right"
    display.ax_.set(title=right, ylabel="class", xlabel="predicted")
    save_figure(path, figure)
