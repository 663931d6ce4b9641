"""The action evaluate: what refined pictures are worth, measured as in the paper's section 3.

(a) A network learns from labelled simulated pictures and is tested on real ones; another learns from refined pictures.
(b) What is known of the simulated pictures is recovered from refined ones as well as from raw ones: labels survive.
(c) The Fréchet distance to the real pictures.
(d) A two-sample test: how well a fresh network tells refined pictures from real ones; at 50% it cannot.
"""

import dataclasses

import keras
import numpy as np
from keras import layers

from common import evaluate as scores
from common import evaluation
from common.arguments import parse
from common.gan import sample
from common.metrics import mean_difference
from common.options import Count
from common.run import shown
from data_prep.batches import first, scale, unscale

from . import data

EPOCHS = 5  # of every network that measures


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(scores.MeasureOptions):
    """Options of the action evaluate."""

    seeds: Count = 3  # networks for each number; their mean and standard deviation are printed
    pictures: Count = 10_000  # of each kind to learn from and to measure on, at most


@dataclasses.dataclass(frozen=True)
class Kind:
    """Training and test pictures of one kind, uint8, with the same labels for raw and refined ones."""

    train: np.ndarray
    test: np.ndarray


def evaluate(name, arguments):
    """Measures what refined pictures are worth beside raw ones."""
    (options,) = parse(f"./run_recipe.sh {name} evaluate", evaluate.__doc__, {"evaluate": EvaluateOptions}, arguments)
    folder, refiner, simulation = scores.trained(name, options.run_folder, data.SimulationOptions)
    train, test = (data.load_sides(simulation, split) for split in ("train", "test"))
    raw, real = (
        Kind(*(first(getattr(sides, key), options.pictures) for sides in (train, test)))
        for key in ("simulated", "real")
    )
    refined = Kind(*(unscale(sample(refiner, scale(pictures))) for pictures in (raw.train, raw.test)))
    values = {"change by the refiner": mean_difference(raw.test, refined.test)}
    for kind, pictures in (("raw", raw), ("refined", refined)):
        runs = [measured(pictures, real, (train, test), simulation.is_embedded, seed) for seed in range(options.seeds)]
        for key in runs[0]:
            numbers = [run[key] for run in runs]
            values[f"{key}, {kind}"] = float(np.mean(numbers))
            values[f"{key}, {kind}, deviation"] = float(np.std(numbers))
    described = str(simulation.real or "garments")
    kinds = {f"Fréchet distance, {kind}": each.test for kind, each in (("raw", raw), ("refined", refined))}
    distances, contract = evaluation.frechet_distances(
        real.test, kinds, described, options.extractor, simulation.is_embedded
    )
    head = f"{name}, {shown(folder)}, {len(raw.test)} simulated and {len(real.test)} real held-out pictures"
    scores.report(evaluation.Scores({**values, **distances}, contract), folder, head)


# Networks that measure ------------------------------------------------------------------------------------------------


def measured(pictures, real, sides, has_real_classes, seed):
    """Returns measures (a), (b) and (d) of one kind of pictures, raw or refined, a dictionary of floats."""
    train, test = sides
    values = {}
    if "class" in train.labels:
        network = classifier(pictures.train.shape[1:], 1 + int(max(train.labels["class"])), seed)
        fit(network, pictures.train, train.labels["class"])
        values["simulated classes recovered"] = accuracy(network, pictures.test, test.labels["class"])
        if has_real_classes:
            values["accuracy on real"] = accuracy(network, real.test, test.real_labels)
    elif train.labels:
        wanted, known = (np.stack(list(side.labels.values()), axis=1) for side in (train, test))
        errors = regression_errors(pictures, wanted[: len(pictures.train)], known[: len(pictures.test)], seed)
        values |= {f"error of {key}": error for key, error in zip(train.labels, errors, strict=True)}
    values["told from real"] = told_apart(pictures, real, seed)
    return values


def network_of(shape, outputs, seed):
    """Returns a small convolutional network, each seed another one."""
    keras.utils.set_random_seed(seed)
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


def fit(network, pictures, wanted):
    network.fit(scale(pictures), wanted[: len(pictures)], batch_size=64, epochs=EPOCHS, verbose=0)


def accuracy(network, pictures, labels):
    logits = sample(network, scale(pictures))
    return float((logits.argmax(axis=1) == labels[: len(pictures)]).mean())


def regression_errors(pictures, wanted, known, seed):
    """Returns the mean absolute error of each label, in its own unit."""
    mean, deviation = wanted.mean(axis=0), wanted.std(axis=0) + 1e-6
    network = network_of(pictures.train.shape[1:], wanted.shape[1], seed)
    network.compile("adam", "mse")
    fit(network, pictures.train, (wanted - mean) / deviation)
    found = sample(network, scale(pictures.test)) * deviation + mean
    return np.abs(found - known).mean(axis=0).tolist()


def told_apart(pictures, real, seed):
    """Returns the share of held-out pictures, as many of both kinds, that a fresh network calls what they are."""
    network = classifier(pictures.train.shape[1:], 2, seed)
    both, is_real = data.labelled(pictures.train, real.train)
    fit(network, both, is_real.reshape(-1))
    both, is_real = data.labelled(pictures.test, real.test)
    return accuracy(network, both, is_real.reshape(-1))
