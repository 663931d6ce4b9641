"""The action sample: generates images with the generator of a run."""

import dataclasses
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import parse
from common.base.errors import InputError
from common.base.files import refuse_existing, writing_to
from common.base.paths import run_folder, shown
from common.base.ranges import Count, Seed
from common.sampling import class_count_of, draw_latents, draw_samples, latent_dim_of
from common.training.trained_run import class_names_of, load_generator
from data_prep.decode import SUFFIXES
from data_prep.images import class_number


@dataclasses.dataclass(frozen=True)
class SampleOptions:
    """Options of the action sample."""

    count: Count = 64  # number of images to generate
    of_class: Annotated[str | None, tyro.conf.arg(name="class")] = None
    """for a conditional generator: the class to generate, by name or number; by default all, one per row"""
    seed: Seed = 0  # random seed of the latents
    out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """a .png for a grid, or a folder for one file per image (00000.png …); by default a grid in the run folder"""
    overwrite: bool = False
    """replace files of the same name"""
    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the run whose generator is used; by default runs/RECIPE in the project"""


def sample_action(name, arguments):
    """Generates images with the generator of a run."""
    (options,) = parse(f"./run_recipe.sh {name} sample", sample_action.__doc__, {"sample": SampleOptions}, arguments)
    folder = options.run_folder or run_folder(name)
    generator = load_generator(folder / "generator.keras", name)
    out = options.out or folder / f"sample_{options.count}_seed_{options.seed}.png"
    is_grid = out.suffix.lower() == ".png"
    if out.suffix.lower() in SUFFIXES and not is_grid:
        raise InputError(f"--out expects a .png for a grid, or a folder, but is {out}; use {out.with_suffix('.png')}.")
    files = [out] if is_grid else [out / f"{index:05d}.png" for index in range(options.count)]
    if options.out and not options.overwrite:
        refuse_existing(files)
    images = draw_samples(generator, *latents_and_labels(generator, options, folder))
    with writing_to(out):
        (out.parent if is_grid else out).mkdir(parents=True, exist_ok=True)
        sheets = [pictures.grid(images)] if is_grid else [pictures.unscale(image) for image in images]
        for path, sheet in zip(files, sheets, strict=True):
            pictures.save_png(path, sheet)
    print(f"{options.count} samples in {shown(out)}")


def latents_and_labels(generator, options, folder):
    """Returns the arguments of `draw_samples` after the generator: latents and, if conditional, labels."""
    latents = draw_latents(options.count, latent_dim_of(generator), options.seed)
    classes = class_count_of(generator)
    if not classes:
        if options.of_class is not None:
            raise InputError("--class needs a conditional generator, such as that of cgan; this one has no classes.")
        return (latents,)
    if options.of_class is None:
        rows = -(-options.count // classes)
        return latents, np.repeat(np.arange(classes, dtype="int32"), rows)[: options.count]
    number = class_number(options.of_class, class_names_of(folder))
    return latents, np.full(options.count, number, "int32")
