"""Times what the page of the action play answers with: medians, without the browser.

    .venv/bin/python -m benchmarks.page [--recipe dcgan] [--rounds 30]

The generator is the one that comes with the project. Each answer is a picture as a PNG file, as the browser gets it.
"""

import argparse
import io

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from benchmarks.interleaved import interleaved
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
        "64 samples": lambda: png_of(playground.picture(playground.samples(1, 64), COLUMNS)),
        "a place of a walk": lambda: png_of(playground.picture([playground.walk([one, other], 0.5)])),
        "a sample moved": lambda: png_of(playground.picture([playground.moved(one, {direction: 1.0})])),
    }
    for name, seconds in interleaved(answers, options.rounds, repeats=1).items():
        print(f"{name}: {1000 * seconds:.0f} ms")


def png_of(picture):
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
