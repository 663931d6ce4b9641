"""The action export: writes refined images with the labels of the simulator, a labelled training set.

./run_recipe.sh simgan export --count 1000 --out FOLDER
"""

import csv
import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from common.base import pictures
from common.base.arguments import parse
from common.base.errors import InputError
from common.base.files import refuse_existing, whole, writing_to
from common.base.paths import shown
from common.base.pictures import scale, unscale
from common.base.ranges import Count, Seed
from common.cli.mark_choice import MarkChoice
from common.cli.run_choice import RunChoice
from common.sampling import draw_samples
from common.training.generator_check import refuse_no_translator, refuse_other_inputs
from common.training.trained_run import open_run

from . import data

FIRST_SEED = 2  # 0 and 1 are the seeds of the training and the test images


@dataclasses.dataclass(frozen=True)
class ExportOptions(MarkChoice, RunChoice):
    """Options of the action export."""

    count: Count = 1000  # number of images
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """folder for 00000.png … and labels.csv"""
    seed: Seed = 0  # of the simulator; no seed repeats the training images
    overwrite: bool = False
    """replace files of the same name"""


def export(name, arguments):
    """Simulates new images as configured in a run, refines them, and writes them with their labels."""
    (options,) = parse(f"./run_recipe.sh {name} export", export.__doc__, {"export": ExportOptions}, arguments)
    if options.out is None:
        raise InputError("export needs a folder to write to: --out FOLDER.")
    _, refiner, simulation = open_run(name, options.folder(name), data.SimulationOptions)
    refuse_no_translator(refiner)
    if simulation.simulated:
        raise InputError("This run refines images of a folder, which have no labels here; use the action apply.")
    files = [options.out / f"{index:05d}.png" for index in range(options.count)]
    if not options.overwrite:
        refuse_existing([*files, options.out / "labels.csv"])
    simulated, labels = data.simulate(simulation, options.count, FIRST_SEED + options.seed)
    refuse_other_inputs(refiner, simulated)
    refined = unscale(draw_samples(refiner, scale(simulated)))
    with writing_to(options.out):
        write(options.out, files, refined, labels, options.mark(name, refiner))
    print(f"{options.count} refined images and labels.csv in {shown(options.out)}")


def write(folder, files, refined, labels, mark):
    folder.mkdir(parents=True, exist_ok=True)
    for path, image in zip(files, refined, strict=True):
        pictures.save_png(path, image, mark)
    with whole(folder / "labels.csv") as part, part.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", *labels])
        rows.writerows([path.name, *values] for path, *values in zip(files, *labels.values(), strict=True))
