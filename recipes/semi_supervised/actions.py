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
    labelled, held_out = training.at(labelled_rows(training, config["labels"], config["seed"])), test.as_array()
    linear = linear_classifier(labelled.images, labelled.labels)
    predicted = classify(classifier, held_out.images)
    draw_confusion(folder / "confusion.png", held_out.labels, predicted, training.class_names)
    return {
        "accuracy of the classifier": float(np.mean(predicted == held_out.labels)),
        "accuracy, linear on pixels": float(np.mean(linear(held_out.images) == held_out.labels)),
    }
