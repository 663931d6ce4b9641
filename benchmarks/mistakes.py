"""Trains the DCGAN of the recipe on data with one mistake at a time, to show how the mistake looks in samples.

    .venv/bin/python -m benchmarks.mistakes [--epochs 15] [--only NAME ...]

Writes data_prep/pictures/mistake_NAME.png: 40 uncurated samples after the same number of training steps.
"""

import argparse
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import keras
import numpy as np

from common import backend
from common.base import pictures
from common.base.pictures import scale
from common.gan import GAN
from common.losses import NonSaturating
from data_prep import augment, balance, images
from data_prep.batches import Batches
from recipes.dcgan.train import ConvolutionalDiscriminator, ConvolutionalGenerator

OUT = Path(__file__).parent.parent / "data_prep" / "pictures"
SHOES, BAGS = 7, 8


def right(found):
    """No mistake, for comparison."""
    return Batches(found.images, 64)


def scaled_twice(found):
    """Divided by 255 before `scale`: all values are close to -1."""
    return Batches(found.images, 64, transform=lambda batch: scale(batch / 255))


def half_range(found):
    """Scaled to [0, 1], while the range of tanh is [-1, 1]."""
    return Batches(found.images, 64, transform=lambda batch: batch.astype(np.float32) / 255)


def turned(found):
    """Augmented with rotations that do not occur in the data: the generator learns them."""
    return Batches(found.images, 64, augment=augment.Rotate(45))


def duplicated(found):
    """A third of the data are copies of eight images."""
    copies = np.repeat(found.images[:8], len(found.images) // 16, axis=0)
    return Batches(np.concatenate([found.images, copies]), 64)


def blanks(found):
    """A fifth of the images are blank."""
    spoiled = found.images.copy()
    spoiled[::5] = 0
    return Batches(spoiled, 64)


def rare(found, order=None):
    """1,000 sneakers and 50 bags."""
    rows = np.concatenate([np.flatnonzero(found.labels == SHOES), np.flatnonzero(found.labels == BAGS)[:50]])
    return Batches(found.images[rows], 64, order=order and order(found.labels[rows]))


def rare_balanced(found):
    """The same with --balance sampling."""
    return rare(found, balance.EqualShares)


MISTAKES = (right, scaled_twice, half_range, turned, duplicated, blanks, rare, rare_balanced)


def samples(batches, steps):
    """Returns 40 samples of the averaged generator after the given number of training steps."""
    backend.set_random_seed(0)
    shape = batches.sample_shape
    gan = GAN(ConvolutionalGenerator(100, image_shape=shape, filters=32), ConvolutionalDiscriminator(shape, filters=32))
    adam = keras.optimizers.Adam
    average = {"use_ema": True, "ema_momentum": 0.99}
    gan.compile(NonSaturating(), adam(5e-4, 0.5, **average), adam(5e-4, 0.5), steps_per_execution=4)
    gan.fit(batches, epochs=round(steps / len(batches)), shuffle=False, verbose=0)
    return gan.sample(gan.latents.fixed(40, seed=0))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=15, help="over the whole data; all train for as many steps")
    parser.add_argument("--only", nargs="+", default=[mistake.__name__ for mistake in MISTAKES])
    options = parser.parse_args()
    found = images.load(images.ImageOptions())
    steps = options.epochs * len(right(found))
    for mistake in MISTAKES:
        if mistake.__name__ in options.only:
            sheet = pictures.grid(samples(mistake(found), steps), 10)
            pictures.save_png(OUT / f"mistake_{mistake.__name__}.png", sheet[::2, ::2] if len(sheet) > 400 else sheet)
            print(f"{mistake.__name__}: {mistake.__doc__}", flush=True)


if __name__ == "__main__":
    main()
