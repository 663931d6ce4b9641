"""The action export: what SimGAN is for, refined pictures with the labels of the simulator.

./run_recipe.sh simgan export --count 1000 --out FOLDER
"""

import csv
import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from common import evaluate, pictures
from common.arguments import parse
from common.cli import refuse_existing
from common.errors import InputError
from common.files import whole, writing_to
from common.gan import sample
from common.options import Count, Seed
from common.run import shown
from data_prep.batches import scale, unscale

from . import data

FIRST_SEED = 2  # 0 and 1 are those of the pictures learnt from and measured on


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """Options of the action export."""

    count: Count = 1000  # pictures to draw and refine
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """where 00000.png … and labels.csv go"""
    seed: Seed = 0  # of the simulator; each gives other pictures than those learnt from
    overwrite: bool = False
    """replace files of the same name"""
    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the run whose refiner refines; by default runs/RECIPE in the project"""


def export(name, arguments):
    """Draws new pictures by the simulator of a run, refines them, and writes them with their labels."""
    (options,) = parse(f"./run_recipe.sh {name} export", export.__doc__, {"export": ExportOptions}, arguments)
    if options.out is None:
        raise InputError("export needs a folder to write to: --out FOLDER.")
    _, refiner, simulation = evaluate.trained(name, options.run_folder, data.SimulationOptions)
    if simulation.simulated:
        raise InputError("This run refines pictures of a folder, which have no labels here; use the action apply.")
    files = [options.out / f"{index:05d}.png" for index in range(options.count)]
    if not options.overwrite:
        refuse_existing([*files, options.out / "labels.csv"])
    drawn, labels = data.simulate(simulation, options.count, FIRST_SEED + options.seed)
    refined = unscale(sample(refiner, scale(drawn)))
    with writing_to(options.out):
        write(options.out, files, refined, labels)
    print(f"{options.count} refined pictures and labels.csv in {shown(options.out)}")


def write(folder, files, refined, labels):
    folder.mkdir(parents=True, exist_ok=True)
    for path, picture in zip(files, refined, strict=True):
        pictures.save_png(path, picture)
    with whole(folder / "labels.csv") as part, part.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", *labels])
        rows.writerows([path.name, *values] for path, *values in zip(files, *labels.values(), strict=True))
