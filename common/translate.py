"""The action apply: new pictures through a trained generator from pictures to pictures.

./run_recipe.sh pix2pix apply --input PICTURES --out FOLDER
"""

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from keras import layers, ops

from common import backend, pictures
from common.arguments import parse
from common.cli import refuse_existing
from common.errors import InputError
from common.files import writing_to
from common.options import Seed
from common.run import default_folder, load_generator, shown
from data_prep import decode, folders
from data_prep.batches import scale, unscale

SHEET = "before_after.png"  # the overview that apply writes
SHEET_ROWS = 12  # pictures in it at most


@dataclasses.dataclass(frozen=True)
class ApplyOptions:
    """Options of the action apply."""

    input: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """a picture, or a folder of pictures, of any sizes"""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """where the translated pictures go; each keeps the stem of its name"""
    seed: Seed = 0  # of the noise, if the generator has any
    overwrite: bool = False
    """replace files of the same name"""
    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the run whose generator translates; by default runs/RECIPE in the project"""


def apply(name, arguments, options_class=ApplyOptions, choose=lambda generator, options: generator):
    """Translates pictures by the generator of a run.

    Args:
        name: string, the recipe.
        arguments: list of strings, of the command line.
        options_class: `ApplyOptions`, or a subclass of it with options of the recipe.
        choose: function from the generator of the run and the options to the one that translates.

    Raises:
        InputError: if there is nothing to translate, or something of the user's would be lost.
    """
    (options,) = parse(f"./run_recipe.sh {name} apply", "Translates pictures.", {"apply": options_class}, arguments)
    files = outputs_of(options)
    if not options.overwrite:
        refuse_existing([*files.values(), options.out / SHEET])
    backend.set_random_seed(options.seed)  # before the layers that draw are made
    generator = load_generator((options.run_folder or default_folder(name)) / "generator.keras", name)
    generator = choose(generator, options)
    done = (translate_file(generator, *paths) for paths in files.items())
    done = (pair for pair in done if pair)
    first = list(itertools.islice(done, SHEET_ROWS))
    count = len(first) + sum(1 for _ in done)
    if not count:
        raise InputError(f"None of the {len(files)} files of {options.input} is a picture that can be read.")
    with writing_to(options.out / SHEET):
        pictures.save_png(options.out / SHEET, pictures.pair_sheet(first))
    print(f"{count} pictures in {shown(options.out)}; {SHEET} shows {len(first)} of them before and after.")


def translate_file(generator, path, out):
    """Translates a picture file into another; returns the picture before and after, or None if it cannot be read."""
    try:
        picture = decode.read(path, channels=generator.input_shape[-1])
    except decode.UnusableError as error:
        print(f"Skipped {shown(path)}: it {error}.")
        return None
    translated = translate(generator, picture)
    with writing_to(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        pictures.save_png(out, translated)
    return picture, translated


def outputs_of(options):
    """Returns the files to translate and where each goes, a dictionary of paths."""
    if options.input is None or options.out is None:
        raise InputError("apply needs both: --input PICTURE_OR_FOLDER --out FOLDER.")
    if not options.input.exists():
        raise InputError(f"--input expects a picture or a folder of pictures, and {options.input} does not exist.")
    root = options.input if options.input.is_dir() else options.input.parent
    if root.resolve() == options.out.resolve():
        raise InputError(
            f"--out is the folder of the pictures themselves, {root}; choose another, so that none is lost."
        )
    names = folders.find(root).names if options.input.is_dir() else [options.input.name]
    if not names:
        raise InputError(f"--input expects pictures, and {options.input} holds none.")
    files = {root / name: (options.out / name).with_suffix(".png") for name in names}
    if options.out / SHEET in files.values():
        raise InputError(f"A picture of {root} would become {SHEET}, the name of the overview; rename it.")
    if len(set(files.values())) < len(files):
        *_, twice = sorted(files.values(), key=list(files.values()).count)
        raise InputError(f"Two pictures of {root} would both become {twice}; rename one, or translate them apart.")
    return files


def translate(generator, picture):
    """Returns the translation of one picture, as large as it.

    A picture whose sides the generator cannot halve as often as it does is mirrored at its right and lower edges, and
    the translation cut back.

    Args:
        generator: `keras.Model` from images of any size to images, values in [-1, 1].
        picture: uint8 array `(height, width, channels)`.
    """
    height, width = picture.shape[:2]
    step = stride_of(generator)
    # The smallest layer may itself mirror its edges, for which it needs two pixels.
    padding = [(0, max(-side % step, 2 * step - side)) for side in (height, width)] + [(0, 0)]
    image = scale(np.pad(picture, padding, "reflect"))[np.newaxis]
    # What noise such a generator has is dropout; it has no batch norm, which would take this picture for a batch.
    translated = ops.convert_to_numpy(ops.cast(generator(image, training=True), "float32"))[0]
    return unscale(translated[:height, :width])


def stride_of(generator):
    """Returns the pixels of its input that one pixel of a generator's smallest layer stands for."""
    return math.prod(layer.strides[0] for layer in generator.layers if isinstance(layer, layers.Conv2D))
