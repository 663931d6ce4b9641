"""The actions apply and remove: the style of references on images of the user, and off them."""

import dataclasses
import functools
import itertools
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import parse
from common.base.errors import InputError
from common.base.files import refuse_existing, writing_to
from common.base.paths import shown
from common.base.pictures import scale, unscale
from common.base.ranges import Range
from common.cli.apply import names_below, refuse_own_folder
from common.cli.main import WITHOUT_LATENT_ACTIONS
from common.cli.mark_choice import MarkChoice
from common.cli.run_choice import RunChoice
from common.sampling import draw_samples
from common.training.generator_check import other_generator
from common.training.trained_run import open_run
from data_prep import decode

from . import data, measure

SHEET = "sheet.png"
SHOWN = 12  # images of each kind in the sheet


@dataclasses.dataclass(frozen=True)
class TransferOptions(MarkChoice, RunChoice):
    """Options of both actions."""

    source: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """an image, or a folder of images, cropped as those of the training are"""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """folder for the results, in the size of the training, and for a sheet of them"""
    strength: Annotated[float, Range(0, 2)] = 1.0
    """0 gives the source, 1 what the network makes, values between a mixture; more exaggerates"""
    overwrite: bool = False
    """replace files of the same name"""


@dataclasses.dataclass(frozen=True)
class ApplyOptions(TransferOptions):
    """Options of the action apply."""

    reference: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """an image, or a folder of images, whose style is wanted"""


def apply(name, arguments):
    """Puts the style of each reference on each source."""
    options, generator, read, mark = opened(name, "apply", apply.__doc__, ApplyOptions, arguments)
    sources, references = read("source"), read("reference")
    files = {
        (source, reference): options.out / f"{source}_{reference}.png"
        for source, reference in itertools.product(sources, references)
    }
    refuse_outputs(options, files)
    G = generator.get_layer("apply")
    made = {}
    for source, image in sources.items():
        rows = np.repeat(image[np.newaxis], len(references), axis=0), np.stack(list(references.values()))
        for reference, result in zip(references, drawn(G, rows, options.strength), strict=True):
            made[source, reference] = result
    corner = np.full_like(next(iter(sources.values())), 255)
    across, down = list(references)[:SHOWN], list(sources)[:SHOWN]
    rows = [[corner, *(references[key] for key in across)]]
    rows += [[sources[key], *(made[key, other] for other in across)] for key in down]
    save(options, files, made, rows, mark)
    print(f"{len(sources)} sources with the styles of {len(references)} references in {shown(options.out)}")


apply.example = "--source IMAGES --reference IMAGES --out FOLDER"  # printed at the end of a training


def remove(name, arguments):
    """Takes the style off each source."""
    options, generator, read, mark = opened(name, "remove", remove.__doc__, TransferOptions, arguments)
    sources = read("source")
    files = {key: options.out / f"{key}.png" for key in sources}
    refuse_outputs(options, files)
    F = generator.get_layer("remove")
    made = dict(zip(sources, drawn(F, (np.stack(list(sources.values())),), options.strength), strict=True))
    save(options, files, made, [[sources[key], made[key]] for key in list(sources)[:SHOWN]], mark)
    print(f"{len(sources)} images without their style in {shown(options.out)}")


def opened(name, action, description, options_class, arguments):
    """Returns the options, the generator, a function that reads the images an option names, and the mark."""
    (options,) = parse(f"./run_recipe.sh {name} {action}", description, {action: options_class}, arguments)
    needed = [key for key in ("source", "reference", "out") if hasattr(options, key)]
    missing = [key for key in needed if getattr(options, key) is None]
    if missing:
        wanted = " ".join(f"--{key} {'FOLDER' if key == 'out' else 'PATH'}" for key in needed)
        raise InputError(f"{action} needs {wanted}; --{missing[0]} is missing.")
    _, generator, collections = open_run(name, options.folder(name), data.CollectionOptions)
    if not {"apply", "remove"} <= {layer.name for layer in generator.layers}:
        raise other_generator("it does not put styles on and off")
    height, width = generator.inputs[0].shape[1:3]
    read = functools.partial(read_images, options, (width, height), collections.fit)
    return options, generator, read, options.mark(name, generator)


def read_images(options, size, fit, key):
    """Returns the images of the path that an option names, a dictionary from the stems of their names to uint8 arrays.

    Raises:
        InputError: if there are none, or two of the same stem.
    """
    path = getattr(options, key)
    if not path.exists():
        raise InputError(f"--{key} expects an image or a folder of images, but {path} does not exist.")
    root = refuse_own_folder(path, options.out)
    paths = [root / name for name in names_below(root, options.out)] if path.is_dir() else [path]
    images = {}
    for each in paths:
        if each.stem in images:
            raise InputError(f"Two images of {path} are called {each.stem}; rename one, so that the results differ.")
        try:
            images[each.stem] = decode.read(each, size, fit, channels=3)
        except decode.UnusableError as error:
            print(f"Skipped {shown(each)}: it {error}.")
    if not images:
        raise InputError(f"--{key} expects images, but {path} has none that can be read.")
    return images


def drawn(network, images, strength):
    """Returns what a network makes of uint8 images, mixed with the first of them: see `strength`."""
    made = unscale(draw_samples(network, tuple(map(scale, images)) if len(images) > 1 else scale(images[0]), 16))
    mixed = images[0] + strength * (made.astype(np.float32) - images[0])
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def refuse_outputs(options, files):
    """Raises an `InputError` if two results would have one name, or a file would be overwritten."""
    paths = [*files.values(), options.out / SHEET]
    if len(set(paths)) < len(paths):
        *_, twice = sorted(paths, key=paths.count)
        raise InputError(f"Two results would be called {twice.name}; rename one of the images.")
    if not options.overwrite:
        refuse_existing(paths)


def save(options, files, made, rows, mark):
    """Writes the results, and the sheet of rows of uint8 images."""
    with writing_to(options.out):
        options.out.mkdir(parents=True, exist_ok=True)
        for key, path in files.items():
            pictures.save_png(path, made[key], mark)
        pictures.save_png(options.out / SHEET, np.concatenate([np.concatenate(row, axis=1) for row in rows]), mark)


ACTIONS = {
    "apply": apply,
    "remove": remove,
    "evaluate": measure.evaluate,
    **WITHOUT_LATENT_ACTIONS,
    "sample": None,
    "export": None,
    "features": None,
    "play": None,
}
