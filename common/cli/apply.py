"""The action apply: translates new images with the trained generator of an image-to-image recipe.

./run_recipe.sh pix2pix apply --input IMAGES --out FOLDER
"""

import dataclasses
import itertools
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from common import backend
from common.base import pictures
from common.base.arguments import parse
from common.base.errors import InputError
from common.base.files import creating, refuse_existing, writing_to
from common.base.paths import shown
from common.base.pictures import scale, unscale
from common.base.ranges import Seed
from common.cli import tiles
from common.cli.mark_choice import MarkChoice
from common.cli.run_choice import RunChoice
from common.sampling import as_array
from common.training.generator_check import refuse_no_translator
from common.training.trained_run import load_generator
from data_prep import decode, folders

SHEET = "before_after.png"  # the overview that apply writes
SHEET_ROWS = 12  # maximum number of images in it


@dataclasses.dataclass(frozen=True)
class ApplyOptions(MarkChoice, RunChoice):
    """Options of the action apply."""

    input: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """an image, or a folder of images, of any sizes"""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """folder for the translated images; each keeps the stem of its name"""
    seed: Seed = 0  # random seed of the noise, if the generator has any
    overwrite: bool = False
    """replace files of the same name"""


def apply_action(
    name, arguments, options_class=ApplyOptions, choose=lambda generator, options: generator, function=None
):
    """Translates images with the generator of a run.

    Args:
        name: string, the recipe.
        arguments: list of strings, of the command line.
        options_class: `ApplyOptions`, or a subclass of it with options of the recipe.
        choose: function from the generator of the run and the options to the network to use.
        function: function from what `choose` returned, which has an `input_shape`, and a uint8 image to the translated
            image; by default `translate`.

    Raises:
        InputError: if there is nothing to translate, or files of the user would be overwritten.
    """
    (options,) = parse(f"./run_recipe.sh {name} apply", "Translates images.", {"apply": options_class}, arguments)
    files = outputs_of(options)
    if not options.overwrite:
        refuse_existing([*files.values(), options.out / SHEET])
    backend.set_random_seed(options.seed)  # before layers with random seeds are created
    generator = load_generator(options.folder(name) / "generator.keras", name)
    mark = options.mark(name, generator)
    generator = choose(generator, options)
    refuse_no_translator(generator)
    done = (translate_file(generator, *paths, function or translate, mark) for paths in files.items())
    done = (pair for pair in done if pair)
    first = list(itertools.islice(done, SHEET_ROWS))
    count = len(first) + sum(1 for _ in done)
    if not count:
        raise InputError(f"None of the {len(files)} files of {options.input} is an image that can be read.")
    with writing_to(options.out / SHEET):
        pictures.save_png(options.out / SHEET, pictures.pair_sheet(first), mark)
    print(f"{count} images in {shown(options.out)}; {SHEET} shows {len(first)} of them before and after.")


def translate_file(generator, path, out, function, mark):
    """Translates an image file; returns the image before and after, for the sheet; None if it cannot be read."""
    try:
        image = decode.read(path, channels=generator.input_shape[-1])
    except decode.UnusableError as error:
        print(f"Skipped {shown(path)}: it {error}.")
        return None
    translated = function(generator, image)
    with creating(out):
        pictures.save_png(out, translated, mark)
    return pictures.as_high(image), pictures.as_high(translated)  # small, since the sheet keeps a dozen


def outputs_of(options):
    """Returns a dictionary from the files to translate to their outputs."""
    if options.input is None or options.out is None:
        raise InputError("apply needs both: --input IMAGE_OR_FOLDER --out FOLDER.")
    if not options.input.exists():
        raise InputError(f"--input expects an image or a folder of images, but {options.input} does not exist.")
    root = refuse_own_folder(options.input, options.out)
    names = names_below(root, options.out) if options.input.is_dir() else [options.input.name]
    if not names:
        raise InputError(f"--input expects images, but {options.input} contains none.")
    files = {root / name: (options.out / name).with_suffix(".png") for name in names}
    if options.out / SHEET in files.values():
        raise InputError(f"An image of {root} would become {SHEET}, the name of the overview; rename it.")
    if len(set(files.values())) < len(files):
        *_, twice = sorted(files.values(), key=list(files.values()).count)
        raise InputError(f"Two images of {root} would both become {twice}; rename one, or translate them separately.")
    return files


def refuse_own_folder(path, out):
    """Returns the folder of the images that a path names; raises an `InputError` if the results would go there."""
    root = path if path.is_dir() else path.parent
    if root.resolve() == out.resolve():
        raise InputError(
            f"--out is the folder of the input images, {root}; choose another, so that none is overwritten."
        )
    return root


def names_below(root, out):
    """Returns the names of the images of a folder without those of the folder for the results, if it is within."""
    names, out = folders.find(root).names, out.resolve()
    kept = [name for name in names if not (root / name).resolve().is_relative_to(out)]
    if len(kept) < len(names):
        print(f"Left out: {len(names) - len(kept)} images in {shown(out)}, the folder for the results.")
    return kept


def translate(generator, source):
    """Returns the translation of one image, of the same size.

    An image whose sides are not multiples of the generator's total stride is padded by reflection at its right and
    lower edges, and the translation is cropped. A large image is translated tile by tile: see `tiles`.

    Args:
        generator: `keras.Model` from images of any size to images, values in [-1, 1].
        source: uint8 array `(height, width, channels)`.
    """
    height, width = source.shape[:2]
    step = tiles.stride_of(generator)
    # The smallest layer may itself use reflection padding, for which it needs two pixels.
    padding = [(0, max(-side % step, 2 * step - side)) for side in (height, width)] + [(0, 0)]
    image = np.pad(source, padding, "reflect")
    if height * width > tiles.WHOLE and tiles.can_be_tiled(generator):
        return tiles.translate_tiled(generator, image)[:height, :width]
    # training=True for the dropout noise. Such a generator has no batch norm, which would use the image's statistics.
    output = generator(scale(image)[np.newaxis], training=True)
    return unscale(as_array(output)[0, :height, :width])
