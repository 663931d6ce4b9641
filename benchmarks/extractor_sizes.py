"""How the size of the input of the extractor `imagenet` changes its speed and what its kernel distance notices.

    .venv/bin/python -m benchmarks.extractor_sizes IMAGES.npy [--count 400] [--sizes 64 96 128 160 224]

One half of the images is compared with the other: as it is, blurred, drawn from a Gaussian with its mean and principal
components, with a tenth replaced by one image, and with noise. Prints each kernel distance in standard deviations of
that of random halves, and how often the largest class is that at the largest size.
"""

import argparse
import time

import cv2
import keras
import numpy as np

from common import backend, imagenet
from common.base.pictures import scale
from common.scoring.metrics import squared_mmd
from data_prep import decode

COMPONENTS, HALVES = 300, 30


def blurred(images, sigma):
    return np.stack([cv2.GaussianBlur(image, (0, 0), sigma) for image in images])


def gaussian(images, rng):
    """Returns samples of the Gaussian of the images' principal components."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    _, values, components = np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)
    weights = rng.normal(size=(len(images), COMPONENTS)) * values[:COMPONENTS] / np.sqrt(len(images))
    drawn = flat.mean(axis=0) + weights @ components[:COMPONENTS]
    return np.clip(drawn, 0, 255).astype(np.uint8).reshape(images.shape)


def kinds(images):
    rng = np.random.default_rng(0)
    half, other = np.split(images, 2)
    repeated = other.copy()
    repeated[::10] = other[0]
    return {
        "real": half,
        "other half": other,
        "blur 0.5": blurred(other, 0.5),
        "blur 0.7": blurred(other, 0.7),
        "blur 2": blurred(other, 2),
        "Gaussian": gaussian(other, rng),
        "a tenth equal": repeated,
        "noise": rng.integers(0, 256, other.shape, "uint8"),
    }


def measured(images, size):
    """Returns features, classes and the seconds of all processors without resizing."""
    network = imagenet.network((size, size, 3))
    both = keras.Model(network.input, [network.get_layer("pooled").output, network.output])
    run = backend.inference(lambda batch: both(batch, training=False))
    features, classes, seconds = [], [], []
    for start in range(0, len(images), 100):
        batch = [decode.resize(image, (size, size), "stretch") for image in images[start : start + 100]]
        batch = keras.ops.convert_to_tensor(scale(np.stack(batch)))
        before = time.process_time()
        found = [keras.ops.convert_to_numpy(part) for part in run(batch)]
        seconds.append(time.process_time() - before)
        features.append(found[0].astype(np.float64))
        classes.append(found[1].argmax(axis=1))
    return np.concatenate(features), np.concatenate(classes), np.median(seconds) / 100


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("images", help="uint8 images (count, height, width, 3)")
    parser.add_argument("--count", type=int, default=400, help="images on each side")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96, 128, 160, 224])
    options = parser.parse_args()
    images = np.load(options.images)
    images = images[np.random.default_rng(1).permutation(len(images))[: 2 * options.count]]
    versions = kinds(images)
    print("size", "images per second of two cores", "same class", *list(versions)[1:], sep=" | ")
    reference = None
    for size in sorted(options.sizes, reverse=True):
        features, classes, seconds = measured(np.concatenate(list(versions.values())), size)
        parts = dict(zip(versions, np.split(features, len(versions)), strict=True))
        classes = classes[: len(images)]
        reference = classes if reference is None else reference
        real, rng = np.concatenate([parts["real"], parts["other half"]]), np.random.default_rng(0)
        halves = (np.split(real[rng.permutation(len(real))], 2) for _ in range(HALVES))
        deviation = np.std([squared_mmd(*pair) for pair in halves])
        found = [f"{squared_mmd(parts['real'], part) / deviation:.1f}" for part in list(parts.values())[1:]]
        print(size, round(2 / seconds), f"{(classes == reference).mean():.0%}", *found, sep=" | ", flush=True)


if __name__ == "__main__":
    main()
