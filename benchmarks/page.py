"""Times what the page of the action play answers with: medians, without the browser.

    .venv/bin/python -m benchmarks.page [--recipe dcgan] [--rounds 30]

The generator is the one that comes with the project. Each answer is a picture as a PNG file, as the browser gets it.
"""

import argparse
import io
import statistics
import time

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from common.base.errors import exit_code
from common.cli.playground import COLUMNS, Playground
from common.training import pretrained


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", default="dcgan", choices=("dcgan", "cgan", "r3gan"))
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    playground = Playground(options.recipe, pretrained.run_of(options.recipe), " --pretrained")
    one, *_, other = playground.samples(0, 64)
    direction = next(iter(playground.directions))
    answers = {
        "64 samples": lambda seed: playground.picture(playground.samples(seed, 64), COLUMNS),
        "a place of a walk": lambda seed: playground.picture([playground.walk([one, other], seed / options.rounds)]),
        "a sample moved": lambda seed: playground.picture([playground.moved(one, {direction: seed / options.rounds})]),
    }
    for name, answer in answers.items():
        png_of(answer(0))  # the first call compiles
        print(f"{name}: {1000 * statistics.median(timed(answer, seed) for seed in range(options.rounds)):.0f} ms")


def timed(answer, seed):
    start = time.perf_counter()
    png_of(answer(seed))
    return time.perf_counter() - start


def png_of(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
