"""The action interpolate: interpolates between two classes with fixed latents.

./run_recipe.sh cgan interpolate --from sneaker --to bag
"""

import dataclasses
from typing import Annotated

import keras
import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import parse
from common.base.errors import InputError
from common.base.paths import shown
from common.base.ranges import Count, Seed
from common.cli.run_choice import RunChoice
from common.latents import embedding_of
from common.sampling import draw_samples
from common.training.generator_check import refuse_no_images
from common.training.trained_run import class_names_of, load_generator, load_latents
from data_prep.images import class_number

STEPS = 10


@dataclasses.dataclass(frozen=True)
class Options(RunChoice):
    """Options of the action interpolate."""

    start: Annotated[str, tyro.conf.arg(name="from")] = "0"
    """class of the first column, by name or number"""
    end: Annotated[str, tyro.conf.arg(name="to")] = "1"
    """class of the last column"""
    count: Count = 6  # number of rows; each has its own latent vector
    seed: Seed = 0  # of the latents


def interpolate(name, arguments):
    """Draws images that change from one class to another, one row for each latent vector."""
    (options,) = parse(f"./run_recipe.sh {name} interpolate", interpolate.__doc__, {"interpolate": Options}, arguments)
    folder = options.folder(name)
    generator = load_generator(folder / "generator.keras", name)
    refuse_no_images(generator)
    names = class_names_of(folder)
    start, end = (class_number(text, names) for text in (options.start, options.end))
    if start == end:
        raise InputError(f"--from and --to are both {names[start]}; choose two classes.")
    latents, _ = load_latents(folder, generator).fixed(options.count, options.seed)
    out = folder / f"interpolate_{names[start]}_{names[end]}.png"
    pictures.save_png(out, pictures.grid(between(generator, latents, start, end), STEPS))
    print(f"From {names[start]} to {names[end]}: {shown(out)}")


def between(generator, latents, start, end):
    """Returns images `(count * STEPS, ...)`: the class embedding is interpolated linearly, the latents are fixed."""
    embedding = embedding_of(generator)
    head = keras.Model([generator.inputs[0], embedding.output], generator.output)  # the layers after the embedding
    vectors = keras.ops.convert_to_numpy(embedding.embeddings)
    shares = np.linspace(0, 1, STEPS, dtype="float32")[:, None]
    line = (1 - shares) * vectors[start] + shares * vectors[end]
    inputs = [np.repeat(latents, STEPS, axis=0), np.tile(line, (len(latents), 1))]
    return draw_samples(head, inputs)
