"""The action interpolate: from one class to another while the latents stay.

./run_recipe.sh cgan interpolate --from sneaker --to bag
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tyro

from common import evaluate, pictures
from common.arguments import parse
from common.errors import InputError
from common.gan import embedding_of, latent_dim_of
from common.latents import draw_latents
from common.options import Count, Seed
from common.run import default_folder, load_generator, shown
from data_prep.images import class_number

STEPS = 10


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the action interpolate."""

    start: Annotated[str, tyro.conf.arg(name="from")] = "0"
    """the class at the left, by name or number"""
    end: Annotated[str, tyro.conf.arg(name="to")] = "1"
    """the class at the right"""
    count: Count = 6  # rows, each of other latents
    seed: Seed = 0  # of the latents
    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the run whose generator draws; by default runs/RECIPE in the project"""


def interpolate(name, arguments):
    """Draws the way from one class to another, one row for each latent vector."""
    (options,) = parse(f"./run_recipe.sh {name} interpolate", interpolate.__doc__, {"interpolate": Options}, arguments)
    folder = options.run_folder or default_folder(name)
    generator = load_generator(folder / "generator.keras", name)
    names = evaluate.class_names_of(folder)
    start, end = (class_number(text, names) for text in (options.start, options.end))
    if start == end:
        raise InputError(f"--from and --to are both {names[start]}; choose two classes.")
    latents = draw_latents(options.count, latent_dim_of(generator), options.seed)
    out = folder / f"interpolate_{names[start]}_{names[end]}.png"
    pictures.save_png(out, pictures.grid(between(generator, latents, start, end), STEPS))
    print(f"From {names[start]} to {names[end]}: {shown(out)}")


def between(generator, latents, start, end):
    """Returns images `(count * STEPS, ...)`: the vector of the class moves on a line, the latents stay."""
    embedding = embedding_of(generator)
    head = keras.Model([generator.inputs[0], embedding.output], generator.output)  # what follows the embedding
    vectors = keras.ops.convert_to_numpy(embedding.embeddings)
    shares = np.linspace(0, 1, STEPS, dtype="float32")[:, None]
    line = (1 - shares) * vectors[start] + shares * vectors[end]
    inputs = [np.repeat(latents, STEPS, axis=0), np.tile(line, (len(latents), 1))]
    return keras.ops.convert_to_numpy(head(inputs, training=False))
