"""Trains the small classifiers whose features the metrics use, and stores them with their test accuracy.

    python -m common.scoring.train_extractor garments [--data FOLDER]    Fashion-MNIST, all 60,000 training images
    python -m common.scoring.train_extractor digits [--data FOLDER]      MNIST, all 60,000 training images

FOLDER contains the four IDX files; without it they are downloaded. The test images are used only once, for the
accuracy at the end. No recipe trains with the classifiers, so their scores are independent.
"""

import argparse
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import keras
import numpy as np
from keras import layers

from common import backend
from common.base.files import whole, write_json
from common.base.pictures import scale
from common.scoring.extractors import FOLDER
from data_prep import images

DATASETS = {"garments": "fashion_mnist_full", "digits": "mnist"}
EPOCHS, BATCH_SIZE, RATE = 10, 128, 3e-3


def classifier():
    """Returns a classifier of 28×28 images in [-1, 1]; the metrics compare the outputs of its layer "features"."""
    inputs = x = keras.Input((28, 28, 1), name="images")
    for filters, downsample in ((24, True), (48, False), (48, True), (96, True)):  # 14×14, 14×14, 7×7, 3×3
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x) if downsample else x
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    x = layers.Dense(64, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    features = layers.ReLU(name="features")(x)
    x = layers.Dropout(0.2)(features)
    return keras.Model(inputs, layers.Dense(10, name="logits")(x))


def shifted(samples, rng, flip):
    """Returns images shifted by up to two pixels, garments also flipped, so that none is memorized."""
    padded = np.pad(samples, ((0, 0), (2, 2), (2, 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (28, 28), axis=(1, 2))[:, :, :, 0]
    down, right = rng.integers(0, 5, (2, len(samples)))
    moved = windows[np.arange(len(samples)), down, right][..., np.newaxis]
    is_flipped = rng.random(len(samples)) < 0.5 * flip
    return np.where(is_flipped[:, None, None, None], moved[:, :, ::-1], moved)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=DATASETS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    backend.set_random_seed(0)
    source = images.ImageOptions(dataset=DATASETS[options.name], data=options.data)
    train, test = images.load(source), images.load(source, "test")
    model = classifier()
    steps = options.epochs * (len(train.images) // BATCH_SIZE)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=backend.steps_per_execution(8),
    )
    rng = np.random.default_rng(0)
    for epoch in range(options.epochs):
        samples = scale(shifted(train.images, rng, flip=options.name == "garments"))
        model.fit(samples, train.labels, batch_size=BATCH_SIZE, initial_epoch=epoch, epochs=epoch + 1, verbose=2)
    _, accuracy = model.evaluate(scale(test.images), test.labels, batch_size=500, verbose=0)
    FOLDER.mkdir(exist_ok=True)
    with whole(FOLDER / f"{options.name}.keras") as part:
        keras.Model(model.input, model.output, name=options.name).save(part)
    facts = {
        "class_names": train.class_names,
        "test_accuracy": round(float(accuracy), 4),
        "trained_on": f"{source.dataset}, train",
        "command": f"python -m common.scoring.train_extractor {options.name}",
    }
    write_json(FOLDER / f"{options.name}.json", facts)
    print(f"{options.name}: test accuracy {accuracy:.4f}, {(FOLDER / f'{options.name}.keras').stat().st_size} bytes")


if __name__ == "__main__":
    main()
