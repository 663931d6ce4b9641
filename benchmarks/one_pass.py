"""Times a training step that draws the fake samples once against one that draws them for each network anew.

    .venv/bin/python -m benchmarks.one_pass [--recipes dcgan vanilla …] [--rounds 9]
    KERAS_BACKEND=jax .venv/bin/python -m benchmarks.one_pass

Both are the recipe's own GAN at its defaults, on the same batch; rounds are interleaved, and medians are compared. The
second way is that of version 0.1.0.
"""

import argparse
import functools
import platform

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import keras
import numpy as np

from benchmarks.interleaved import interleaved
from common import backend
from recipes.cgan import train as cgan
from recipes.dcgan import train as dcgan
from recipes.pix2pix import train as pix2pix
from recipes.style_transfer import train as style_transfer
from recipes.vanilla import train as vanilla

IMAGE = (28, 28, 1)
RECIPES = {  # the recipe, what its `build` gets beside the config, the parts of a batch
    "vanilla": (vanilla, (IMAGE,), (IMAGE,)),
    "dcgan": (dcgan, (IMAGE,), (IMAGE,)),
    "cgan": (cgan, (IMAGE, 10), (IMAGE, 10)),
    "pix2pix": (pix2pix, (IMAGE, IMAGE), (IMAGE, IMAGE)),
    "style_transfer": (style_transfer, (IMAGE, 1000), (IMAGE, IMAGE)),
}


def update_of_two_passes(self, batch):
    self.minimize(self.turns[0], self.forward_pass(batch).detached_gradients)
    self.minimize(self.turns[1], self.forward_pass(batch).gradients)
    return self.get_metrics_result()


def step(name, passes):
    """Returns a function that takes a training step of a recipe."""
    recipe, arguments, shapes = RECIPES[name]
    backend.set_random_seed(0)
    config = recipe.Config()
    gan = recipe.build(config, *arguments)
    if passes == 2:
        gan.update = functools.partial(update_of_two_passes, gan)
    rng = np.random.default_rng(0)
    batch = [
        np.arange(config.batch_size, dtype="int32") % shape
        if isinstance(shape, int)
        else rng.uniform(-1, 1, (config.batch_size, *shape)).astype("float32")
        for shape in shapes
    ]
    return lambda: gan.train_on_batch(*batch)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(f"{keras.backend.backend()} {backend.version}, {platform.machine()}, medians of {options.rounds} rounds\n")
    print("| recipe | drawn twice, ms | drawn once, ms | times as fast |\n|---|---|---|---|")
    for name in options.recipes:
        medians = interleaved({passes: step(name, passes) for passes in (2, 1)}, options.rounds, repeats=5)
        print(
            f"| {name} | {medians[2] * 1e3:.1f} | {medians[1] * 1e3:.1f} | {medians[2] / medians[1]:.2f} |", flush=True
        )


if __name__ == "__main__":
    main()
