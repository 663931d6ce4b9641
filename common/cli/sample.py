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
from common.base.paths import shown
from common.base.ranges import Count, Seed
from common.cli.mark_choice import MarkChoice
from common.cli.run_choice import RunChoice
from common.sampling import draw_samples
from common.training.trained_run import class_names_of, open_generator
from data_prep.decode import SUFFIXES
from data_prep.images import class_number


@dataclasses.dataclass(frozen=True)
class SampleOptions(MarkChoice, RunChoice):
    """Options of the action sample."""

    count: Count = 64  # number of images to generate
    of_class: Annotated[str | None, tyro.conf.arg(name="class")] = None
    """for a conditional generator: the class to generate, by name or number; by default all, one row per class"""
    seed: Seed = 0  # random seed of the latents
    out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """a .png for a grid, or a folder for one file per image (00000.png …); by default a grid in the run folder"""
    overwrite: bool = False
    """replace files of the same name"""


def sample_action(name, arguments):
    """Generates images with the generator of a run."""
    (options,) = parse(f"./run_recipe.sh {name} sample", sample_action.__doc__, {"sample": SampleOptions}, arguments)
    folder = options.folder(name)
    generator, latents = open_generator(name, folder)
    out = options.out or folder / f"sample_{options.count}_seed_{options.seed}.png"
    is_grid = is_picture(out)
    files = [out] if is_grid else [out / f"{index:05d}.png" for index in range(options.count)]
    if options.out and not options.overwrite:
        refuse_existing(files)
    labels = wanted_labels(latents, options, folder)
    images = draw_samples(generator, latents.fixed(options.count, options.seed, labels))
    mark = options.mark(name, generator)
    with writing_to(out):
        (out.parent if is_grid else out).mkdir(parents=True, exist_ok=True)
        sheets = [sheet_of(images, labels)] if is_grid else [pictures.unscale(image) for image in images]
        for path, sheet in zip(files, sheets, strict=True):
            pictures.save_png(path, sheet, mark)
    print(f"{options.count} samples in {shown(out)}")


def is_picture(out):
    """Returns whether a path is that of one picture; otherwise it is a folder for single images.

    Raises:
        InputError: if it is a picture of another kind than PNG.
    """
    if out.suffix.lower() in SUFFIXES - {".png"}:
        raise InputError(f"--out expects a .png for a grid, or a folder, but is {out}; use {out.with_suffix('.png')}.")
    return out.suffix.lower() == ".png"


def wanted_labels(latents, options, folder):
    """Returns the classes to generate, an integer array in ascending order; None for a generator without classes."""
    if not latents.class_count:
        if options.of_class is not None:
            raise InputError("--class needs a conditional generator, such as that of cgan; this one has no classes.")
        return None
    if options.of_class is not None:
        return np.full(options.count, class_number(options.of_class, class_names_of(folder)), "int32")
    return np.sort(latents.labels(options.count))


def sheet_of(images, labels):
    """Returns a grid of samples; of several classes it has one row per class, filled up with white."""
    counts = np.unique(labels, return_counts=True)[1] if labels is not None else [1]
    if len(counts) == 1 or max(counts) == 1:
        return pictures.grid(images)
    rows = np.ones((len(counts), max(counts), *images.shape[1:]), images.dtype)
    for row, part in zip(rows, np.split(images, np.cumsum(counts)[:-1]), strict=True):
        row[: len(part)] = part
    return pictures.grid(rows.reshape(-1, *images.shape[1:]), max(counts))
