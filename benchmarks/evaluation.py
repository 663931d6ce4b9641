"""Times each part of scoring 10,000 images against 10,000, and prints a table.

    .venv/bin/python -m benchmarks.evaluation [--count 10000]

The images are the embedded training images and their mirror images: the content does not affect the time.
"""

import argparse
import time

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from common.scoring import extractors, metrics
from data_prep import images


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    count = parser.parse_args().count
    real = images.load(images.ImageOptions()).images[:count]
    extractor = extractors.load("garments")
    print("| part | seconds |\n|---|---|")

    def timed(name, function):
        start = time.perf_counter()
        result = function()
        print(f"| {name} | {time.perf_counter() - start:.1f} |", flush=True)
        return result

    start = time.perf_counter()
    a, b = timed("features of both", lambda: [extractor(part)[0] for part in (real, real[:, :, ::-1])])
    timed("Fréchet distance", lambda: metrics.frechet_distance(a, b))
    timed("kernel distance", lambda: metrics.kernel_distance(a, b))
    timed("precision, recall, density, coverage", lambda: metrics.manifold_scores(a, b))
    print(f"| all of {count:,} against {count:,} | {time.perf_counter() - start:.1f} |")


if __name__ == "__main__":
    main()
