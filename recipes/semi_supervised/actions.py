"""The action evaluate: how many held-out images the classifier gets right, and which classes it confuses."""

from functools import partial

import numpy as np

from common.cli.evaluate import evaluate_action
from common.scoring.classification import classify, draw_confusion, labelled_rows, linear_classifier
from common.training.trained_run import load_generator, options_of, read_config
from data_prep import images

from . import data


def evaluate(name, arguments):
    """Scores the samples of a run and its classifier, and draws confusion.png."""
    evaluate_action(name, arguments, further=partial(measure, name))


def measure(name, folder, generator, evaluator):
    """Returns the accuracies of the classifier and of a linear one on pixels, and draws the confusion matrix."""
    classifier, config = load_generator(folder / "discriminator.keras", name), read_config(folder / "config.json")
    options = options_of(config, data.LabelOptions)
    training, test = (images.load(options, split, hold_out=True) for split in ("train", "test"))
    rows = labelled_rows(training, config["labels"], config["seed"])
    linear = linear_classifier(training.images[rows], training.labels[rows])
    held_out = test.images[np.arange(len(test.images))]
    predicted = classify(classifier, held_out)
    draw_confusion(folder / "confusion.png", test.labels, predicted, training.class_names)
    return {
        "accuracy of the classifier": float(np.mean(predicted == test.labels)),
        "accuracy, linear on pixels": float(np.mean(linear(held_out) == test.labels)),
    }
