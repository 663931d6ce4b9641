"""The action export: writes images of a class-conditional generator as a labelled folder."""

import dataclasses
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import parse
from common.base.errors import InputError, printable
from common.base.files import refuse_existing, writing_to
from common.base.paths import shown
from common.base.ranges import Count, Seed
from common.cli.mark_choice import MarkChoice
from common.cli.run_choice import RunChoice
from common.sampling import draw_samples
from common.training.trained_run import class_names_of, open_generator

AT_ONCE = 1000  # images in memory


@dataclasses.dataclass(frozen=True)
class ExportOptions(MarkChoice, RunChoice):
    """Options of the action export."""

    count: Count = 100  # images of each class
    seed: Seed = 0  # random seed of the latents
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the folder; its subfolders are the classes, as --data expects them; by default drawn in the run folder"""
    overwrite: bool = False
    """replace files of the same name"""


def export_action(name, arguments):
    """Writes images of a class-conditional generator as a labelled folder: CLASS/drawn_00000.png."""
    (options,) = parse(f"./run_recipe.sh {name} export", export_action.__doc__, {"export": ExportOptions}, arguments)
    folder = options.folder(name)
    generator, latents = open_generator(name, folder)
    if not latents.class_count:
        raise InputError(
            "export writes images with their class, but this generator has no classes; use that of cgan, augmentation "
            "or r3gan --labels, or write images without a class: sample --out FOLDER."
        )
    out, names = options.out or folder / "drawn", class_names_of(folder)
    refuse_no_folders(names)
    labels = np.repeat(np.arange(latents.class_count, dtype="int32"), options.count)
    files = [out / names[label] / f"drawn_{number % options.count:05d}.png" for number, label in enumerate(labels)]
    if not options.overwrite:
        refuse_existing(files)
    inputs, mark = latents.fixed(len(labels), options.seed, labels), options.mark(name, generator)
    with writing_to(out):
        for class_name in names:
            (out / class_name).mkdir(parents=True, exist_ok=True)
        for start in range(0, len(files), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            images = draw_samples(generator, tuple(array[part] for array in inputs))
            for path, image in zip(files[part], images, strict=True):
                pictures.save_png(path, pictures.unscale(image), mark)
    print(f"{options.count} images of each of {len(names)} classes in {shown(out)}")


def refuse_no_folders(names):
    """Raises an `InputError` if a class has a name that would lead out of the folder, such as a label of an array."""
    wrong = [name for name in names if name in ("", ".", "..") or Path(name).name != name]
    if wrong:
        raise InputError(f"A class is named {printable(wrong[0])!r}, which no folder can be; rename it in the data.")
