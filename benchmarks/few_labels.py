"""Compares the classifier of semi_supervised with the same network on the labels alone, and with a linear one.

    .venv/bin/python -m benchmarks.few_labels [--labels 100 500 1000] [--seeds 5] [--dataset mnist | --data FOLDER]

A seed chooses the labelled images, the same for all classifiers. On the labels alone, the network is trained for as
many steps, on batches of as many labelled images, with the same noise, optimizer and averaged weights. The table shows
accuracies on held-out images, and differences between classifiers of the same seed, each the mean ± the standard
deviation over the seeds. Runs and accuracies are kept; what is there is not computed again.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import keras
import numpy as np
from keras.optimizers.schedules import CosineDecay

from benchmarks.results import PROJECT, scored, spread
from common import backend
from common.base.errors import exit_code
from common.scoring.classification import classify, labelled_rows
from data_prep import images
from data_prep.batches import Batches
from recipes.semi_supervised import data
from recipes.semi_supervised.train import Classifier, Config

GAN, LINEAR, ALONE = "GAN", "linear on pixels", "labels alone"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 500, 1000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--dataset", default="fashion_mnist")
    parser.add_argument(
        "--data", type=Path, default=None, help="images of your own, classes as subfolders, or IDX files"
    )
    parser.add_argument("--folder", type=Path, default=PROJECT / "runs" / "few_labels")
    options = parser.parse_args()
    compare(options)


def compare(options):
    options.folder.mkdir(parents=True, exist_ok=True)
    found = data.LabelOptions(dataset=options.dataset, data=options.data)
    results = {}
    for seed in range(options.seeds):  # the outermost, so that the first seed of everything comes first
        for count in options.labels:
            config = Config(images=dataclasses.replace(found, labels=count), seed=seed)
            folder = options.folder / f"{options.dataset}_{count}_seed_{seed}"
            results[count, seed] = {**of_run(folder, config), ALONE: stored(folder / "alone.json", alone, config)}
    everything = stored(options.folder / f"{options.dataset}_all.json", of_all, Config(images=found))
    print(table(results, options.labels, range(options.seeds)))
    print(f"With the labels of all training images, seed 0: {everything:.3f}")


def stored(path, compute, config):
    """Returns the accuracy in a file, which is computed and written first if it is not there."""
    if not path.exists():
        path.write_text(json.dumps({"accuracy": compute(config)}))
    return json.loads(path.read_text())["accuracy"]


# Classifiers ----------------------------------------------------------------------------------------------------------


def of_run(folder, config):
    """Returns the accuracies of a run of the recipe at its defaults, which is trained and evaluated first."""
    chosen = {"dataset": config.images.dataset, "data": config.images.data, "labels": config.images.labels}
    named = {name: value for name, value in chosen.items() if value != getattr(data.LabelOptions(), name)}
    options = [text for name, value in named.items() for text in (f"--{name}", value)]
    values = scored("semi_supervised", folder, [*options, "--seed", config.seed], "--samples", 2000).values
    return {GAN: values["accuracy of the classifier"], LINEAR: values["accuracy, linear on pixels"]}


def alone(config):
    """Returns the accuracy of the recipe's network trained on the labelled images alone."""
    training = images.load(config.images, hold_out=True)
    return accuracy(config, *training.at(labelled_rows(training, config.images.labels, config.seed)))


def of_all(config):
    """Returns the accuracy of the recipe's network trained on all training images with their labels."""
    return accuracy(config, *images.load(config.images, hold_out=True).as_array())


def accuracy(config, labelled, labels, class_names):
    """Returns the accuracy on held-out images of the recipe's network, trained on labelled uint8 images as it says."""
    backend.set_random_seed(config.seed)
    sizes = {"units": config.units, "input_noise": config.input_noise, "noise": config.noise}
    classifier = Classifier(labelled.shape[1:], class_count=len(class_names), **sizes)
    model = keras.Model(classifier.inputs[0], classifier.outputs[0])
    rate = CosineDecay(config.learning_rate, config.length.steps)
    model.compile(
        keras.optimizers.Adam(rate, beta_1=0.5, use_ema=True, ema_momentum=config.ema),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=backend.steps_per_execution(8),
    )
    size = min(config.batch_size, len(labelled))
    batches = Batches((labelled, labels.astype("int32")), size, config.seed)
    batches.set_steps_per_epoch(config.length.steps)
    model.fit(batches, shuffle=False, verbose=0)  # then the model has its averaged weights
    test = images.load(config.images, "test", hold_out=True).as_array()
    predicted = classify(classifier, test.images)
    return float(np.mean(predicted == test.labels))


# Results --------------------------------------------------------------------------------------------------------------


def table(results, counts, seeds):
    """Returns the accuracies as a table in Markdown: a row for each number of labels."""
    lines = ["| labels | GAN | labels alone | linear on pixels | GAN - labels alone | GAN - linear |", "|---" * 6 + "|"]
    for count in counts:
        rows = [results[count, seed] for seed in seeds]
        cells = [spread([row[kind] for row in rows]) for kind in (GAN, ALONE, LINEAR)]
        cells += [spread([row[GAN] - row[kind] for row in rows]) for kind in (ALONE, LINEAR)]
        lines.append(f"| {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(exit_code(main))
