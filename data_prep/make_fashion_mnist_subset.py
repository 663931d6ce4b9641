"""Makes the embedded subset of Fashion-MNIST from the four original IDX files.

    python -m data_prep.make_fashion_mnist_subset FOLDER [OUT]

FOLDER contains the files as published by Zalando (on Debian, the package dataset-fashion-mnist installs them in
/usr/share/datasets/fashion-mnist). 1,000 training and 200 test images of each class are drawn with a fixed seed, so
the same files give the same subset.
"""

import sys
from pathlib import Path

import numpy as np

from data_prep import idx

TRAIN_PER_CLASS, TEST_PER_CLASS = 1000, 200
EMBEDDED = Path(__file__).parent / "fashion_mnist" / "fashion_mnist.npz"


def balanced(images, labels, per_class, rng):
    """Returns `per_class` random images of each class, in random order, with their labels."""
    chosen = [rng.choice(np.flatnonzero(labels == label), per_class, replace=False) for label in range(10)]
    order = rng.permutation(np.concatenate(chosen))
    return images[order], labels[order]


def main(folder, out=EMBEDDED):
    rng = np.random.default_rng(2017)
    train_images, train_labels = balanced(*idx.read_split(folder, "train"), TRAIN_PER_CLASS, rng)
    test_images, test_labels = balanced(*idx.read_split(folder, "test"), TEST_PER_CLASS, rng)
    np.savez_compressed(
        out,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )
    print(f"{out}: {len(train_images)} training and {len(test_images)} test images")


if __name__ == "__main__":
    main(*sys.argv[1:])
