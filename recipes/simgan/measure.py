"""The action evaluate: measures the use of refined images, as in section 3 of the paper.

(a) A network is trained on raw simulated images and tested on real ones; another one is trained on refined images.
(b) The labels of the simulator are predicted from raw and from refined images, to check that refinement keeps them.
(c) The Fréchet and the kernel distance to the real images.
(d) A two-sample test: the accuracy of a fresh classifier of refined against real images; 50% if they are alike.
"""

import dataclasses
import statistics

import keras
import numpy as np
from keras import layers

from common import backend
from common.base.arguments import parse
from common.base.paths import shown
from common.base.pictures import scale, unscale
from common.base.ranges import Count
from common.cli.evaluate import MeasureOptions, report_scores
from common.sampling import draw_samples
from common.scoring.evaluator import Scores, distances
from common.scoring.metrics import mean_difference
from common.training.generator_check import refuse_no_translator, refuse_other_inputs
from common.training.trained_run import open_run
from data_prep.batches import first

from . import data

EPOCHS = 5  # training epochs of every network here


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(MeasureOptions):
    """Options of the action evaluate."""

    seeds: Count = 3  # networks for each score; their mean and standard deviation are printed
    pictures: Count = 10_000  # maximum number of images of each kind, for training and for testing


@dataclasses.dataclass(frozen=True)
class Kind:
    """Training and test images of one kind: raw, refined or real; uint8."""

    train: np.ndarray
    test: np.ndarray


def evaluate(name, arguments):
    """Compares refined images with raw ones."""
    (options,) = parse(f"./run_recipe.sh {name} evaluate", evaluate.__doc__, {"evaluate": EvaluateOptions}, arguments)
    folder, refiner, simulation = open_run(name, options.folder(name), data.SimulationOptions)
    refuse_no_translator(refiner)
    train, test = (data.load_sides(simulation, split) for split in ("train", "test"))
    raw, real = (
        Kind(*(first(getattr(sides, key), options.pictures) for sides in (train, test)))
        for key in ("simulated", "real")
    )
    refuse_other_inputs(refiner, raw.test)
    refined = Kind(*(unscale(draw_samples(refiner, scale(images))) for images in (raw.train, raw.test)))
    values = {"change by the refiner": mean_difference(raw.test, refined.test)}
    for kind, images in (("raw", raw), ("refined", refined)):
        runs = [measured(images, real, (train, test), simulation.is_embedded, seed) for seed in range(options.seeds)]
        for key in runs[0]:
            numbers = [run[key] for run in runs]
            values[f"{key}, {kind}"] = float(np.mean(numbers))
            if len(numbers) > 1:
                values[f"{key}, {kind}, deviation"] = statistics.stdev(numbers)
    described = str(simulation.real or "garments")
    kinds = {", raw": raw.test, ", refined": refined.test}
    found, protocol = distances(real.test, kinds, described, options.extractor, simulation.is_embedded)
    head = f"{name}, {shown(folder)}, {len(raw.test)} simulated and {len(real.test)} real held-out images"
    report_scores(Scores({**values, **found}, protocol), folder, head)


# Networks for scores --------------------------------------------------------------------------------------------------


def measured(images, real, sides, has_real_classes, seed):
    """Returns scores (a), (b) and (d) of one kind of images, raw or refined, a dictionary of floats."""
    train, test = sides
    values = {}
    if "class" in train.labels:
        network = classifier(images.train.shape[1:], 1 + int(max(train.labels["class"])), seed)
        fit(network, images.train, train.labels["class"])
        values["simulated classes recovered"] = accuracy(network, images.test, test.labels["class"])
        if has_real_classes:
            values["accuracy on real"] = accuracy(network, real.test, test.real_labels)
    elif train.labels:
        targets, truth = (np.stack(list(side.labels.values()), axis=1) for side in (train, test))
        errors = regression_errors(images, targets[: len(images.train)], truth[: len(images.test)], seed)
        values |= {f"error of {key}": error for key, error in zip(train.labels, errors, strict=True)}
    values["told from real"] = told_apart(images, real, seed)
    return values


def network_of(shape, outputs, seed):
    """Returns a small convolutional network, initialized with a seed."""
    backend.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input(shape),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(128, activation="relu"),
            layers.Dense(outputs),
        ]
    )


def classifier(shape, classes, seed):
    network = network_of(shape, classes, seed)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return network


def fit(network, images, targets):
    network.fit(scale(images), targets[: len(images)], batch_size=64, epochs=EPOCHS, verbose=0)


def accuracy(network, images, labels):
    logits = draw_samples(network, scale(images))
    return float((logits.argmax(axis=1) == labels[: len(images)]).mean())


def regression_errors(images, targets, truth, seed):
    """Returns the mean absolute error of each label, in its own unit."""
    mean, deviation = targets.mean(axis=0), targets.std(axis=0) + 1e-6
    network = network_of(images.train.shape[1:], targets.shape[1], seed)
    network.compile("adam", "mse")
    fit(network, images.train, (targets - mean) / deviation)
    predicted = draw_samples(network, scale(images.test)) * deviation + mean
    return np.abs(predicted - truth).mean(axis=0).tolist()


def told_apart(images, real, seed):
    """Returns the test accuracy of a fresh classifier of these images against real ones, equally many of both."""
    network = classifier(images.train.shape[1:], 2, seed)
    both, is_real = data.labelled(images.train, real.train)
    fit(network, both, is_real.reshape(-1))
    both, is_real = data.labelled(images.test, real.test)
    return accuracy(network, both, is_real.reshape(-1))
