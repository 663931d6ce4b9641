"""The actions apply, interpolate and sample: 3D models of images, between two images, and of latents alone."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import parse, refuse_ignored
from common.base.errors import InputError
from common.base.files import creating, refuse_existing, writing_to
from common.base.paths import shown
from common.base.ranges import Count, Range, Seed
from common.cli import apply
from common.cli.main import WITHOUT_LATENT_ACTIONS
from common.cli.run_choice import PictureChoice
from common.training.trained_run import options_of, read_config
from data_prep import meshes, render

from . import data, measure
from .model import open_model
from .photographs import CutOutOptions
from .scores import largest_piece

Format = Literal["glb", "obj", "stl", "ply", "html", "gif", "npz"]
VOXELS = {"gif", "npz"}  # formats that need no mesh


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """Options of an action that writes 3D models."""

    formats: tuple[Format, ...] = ()
    """what is written of each 3D model: meshes; html, a page that turns it; gif, turning; npz, the probabilities"""
    smooth: Annotated[int, Range(0, 101)] = 10
    """steps that smooth a mesh; 0 leaves the bumps of its voxels"""
    largest_piece: bool = False
    """leave out the voxels that do not touch the largest piece"""

    def check_given(self, given):
        """Refuses options that have no effect beside the others."""
        if not set(self.formats) - VOXELS:
            refuse_ignored(given, "smooth", "without a format of meshes, such as --formats glb")

    def chosen(self, volumes, level):
        """Returns volumes of probabilities as they are written: whole, or the largest piece of each."""
        return np.stack([largest_piece(volume, level) for volume in volumes]) if self.largest_piece else volumes

    def paths(self, stem):
        """Returns the paths of what is written of a 3D model, a dictionary from formats."""
        return {kind: stem.with_name(f"{stem.name}.{kind}") for kind in self.formats}  # a stem may contain a dot


@dataclasses.dataclass(frozen=True)
class ApplyOptions(ModelOptions, CutOutOptions, apply.ApplyOptions):
    """Options of the action apply."""

    formats: tuple[Format, ...] = ("glb", "obj", "html", "gif")
    """what is written of each 3D model: meshes; html, a page that turns it; gif, turning; npz, the probabilities"""
    answers: Count = 1
    """3D models of each image: the first with the most probable latents, further ones with latents that are drawn"""
    threshold: Annotated[float | None, Range(0.01, 0.99)] = None
    """probability from which a voxel is occupied; by default the one that evaluate has chosen, else 0.4"""


def apply_to_images(name, arguments):
    """Makes 3D models of the objects in images."""
    (options,) = parse(f"./run_recipe.sh {name} apply", apply_to_images.__doc__, {"apply": ApplyOptions}, arguments)
    inputs = apply.outputs_of(options)
    stems = {path: answer_stems(out, options.answers) for path, out in inputs.items()}
    if not options.overwrite:
        files = [path for each in stems.values() for stem in each for path in options.paths(stem).values()]
        refuse_existing([*files, options.out / apply.SHEET])
    model = model_of_images(options.folder(name), name)
    level = options.threshold or model.threshold
    rows, written = [], 0
    for path, outs in stems.items():
        image = data.prepared(path, model.encoder.input_shape[1], options.cut_out)
        if image is None:
            continue
        latents = np.random.default_rng(options.seed).standard_normal((options.answers, model.latent_dim))
        latents[0] = 0
        answers = model.volumes(np.repeat(image[np.newaxis], options.answers, axis=0), latents.astype("float32"))
        volumes = options.chosen(answers, level)
        with writing_to(options.out):
            written += sum(write(volume, level, image, out, options) for volume, out in zip(volumes, outs, strict=True))
        rows += [image_and_views(image, volume >= level) for volume in volumes]
    if not rows:
        raise InputError(f"None of the {len(stems)} files of {options.input} shows an object that can be used.")
    if not written:
        raise InputError(
            f"No answer has a voxel of at least {level:g}; use a lower --threshold, or a run with more training steps."
        )
    with writing_to(options.out / apply.SHEET):
        sheet = pictures.grid(np.concatenate(rows), columns=4)
        pictures.save_png(options.out / apply.SHEET, sheet, options.mark(name, model.generator))
    print(f"{written} 3D models in {shown(options.out)}; {apply.SHEET} shows them beside their images.")


def answer_stems(path, count):
    """Returns the paths without suffixes of the answers to the image whose translation would be `path`."""
    stem = path.with_suffix("")
    return [stem] if count == 1 else [stem.with_name(f"{stem.name}_{number}") for number in range(1, count + 1)]


def model_of_images(folder, name):
    """Returns the `Model` of a run, which makes 3D models of images."""
    model = open_model(folder, name)
    if model.encoder is None:
        raise InputError(
            f"The run in {shown(folder)} was trained with --unconditional and takes no images; draw from it with the "
            "action sample, or train one without it."
        )
    return model


def image_and_views(image, volume):
    """Returns an image and three views of its volume, `(4, TILE, TILE, 1)` in [-1, 1]."""
    return np.delete(measure.answers(image[np.newaxis], volume[np.newaxis], volume[np.newaxis]), 1, axis=0)


def write(volume, level, image, out, options):
    """Writes a volume of probabilities as files of the formats of `ModelOptions`; their paths are `out` with a suffix.

    Returns whether there was something to write: a network may answer with no voxel at all, which is said.

    Args:
        volume: array `(R, R, R)`.
        level: float, the probability from which a voxel is occupied.
        image: uint8 array `(size, size, 1)`, shown beside the model on its page, or None.
        out: path without a suffix.
        options: `ModelOptions`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        mesh = meshes.smoothed(meshes.surface(volume, level), options.smooth) if set(options.formats) - VOXELS else None
    except InputError as error:
        print(f"Skipped {out.name}. {error}")
        return False
    for kind, path in options.paths(out).items():
        if kind == "gif":
            pictures.save_gif(path, render.turntable(volume >= level), milliseconds=100, pause=1)
        elif kind == "npz":
            np.savez_compressed(path, probabilities=volume, threshold=level)
        elif kind == "html":
            meshes.page(mesh, path, image, title=out.name)
        else:
            meshes.save(mesh, path)
    return True


# interpolate ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class InterpolateOptions(CutOutOptions, PictureChoice):
    """Options of the action interpolate."""

    input: Annotated[Path | None, tyro.conf.arg(metavar="IMAGE")] = None
    """the image that it begins with"""
    to: Annotated[Path | None, tyro.conf.arg(metavar="IMAGE")] = None
    """the image that it ends with"""
    steps: Annotated[int, Range(2, 100)] = 8
    """3D models, those of the two images included"""
    out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """a .png with all of them, or a .gif; by default interpolation.png in the run folder"""


def interpolate(name, arguments):
    """Draws the 3D models between those of two images: their codes are mixed."""
    command = f"./run_recipe.sh {name} interpolate"
    (options,) = parse(command, interpolate.__doc__, {"interpolate": InterpolateOptions}, arguments)
    if options.input is None or options.to is None:
        raise InputError("interpolate needs two images: --input IMAGE --to IMAGE.")
    for path in (options.input, options.to):
        if not path.is_file():
            raise InputError(f"interpolate expects images, but {path} is no file.")
    folder = options.folder(name)
    (out,) = options.outputs(folder / "interpolation.png", suffixes=(".png", ".gif"))
    model = model_of_images(folder, name)
    size = model.encoder.input_shape[1]
    images = [data.prepared(path, size, options.cut_out) for path in (options.input, options.to)]
    if any(image is None for image in images):
        raise InputError("interpolate needs two images that can be used.")
    first, last = model.vectors(np.stack(images))
    shares = np.linspace(0, 1, options.steps, dtype="float32")[:, np.newaxis]
    volumes = model.occupied((1 - shares) * first + shares * last)
    views = measure.views_of(volumes, measure.AROUND[0])
    save_views(out, views, options.steps, options.mark(name, model.generator))
    print(f"{options.steps} 3D models in {shown(out)}")


def save_views(out, views, columns, mark):
    """Writes views `(count, height, width, 1)` in [-1, 1] as a grid with a `Mark`, or as an animation."""
    with creating(out):
        if out.suffix.lower() == ".gif":
            pictures.save_gif(out, [pictures.grid(view[np.newaxis]) for view in views])
        else:
            pictures.save_png(out, pictures.grid(views, columns), mark)


# sample ---------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class SampleOptions(ModelOptions, PictureChoice):
    """Options of the action sample."""

    count: Count = 12  # number of 3D models
    seed: Seed = 0  # random seed of the latents, and of which held-out images are shown


def sample(name, arguments):
    """Draws 3D models: of held-out images, beside the true ones; or of latents alone, with --unconditional."""
    (options,) = parse(f"./run_recipe.sh {name} sample", sample.__doc__, {"sample": SampleOptions}, arguments)
    folder = options.folder(name)
    (out,) = options.outputs(folder / "sample.png")
    stems = answer_stems(out, options.count)
    if options.out and not options.overwrite:
        refuse_existing([path for stem in stems for path in options.paths(stem).values()])
    model = open_model(folder, name)
    rng = np.random.default_rng(options.seed)
    latents = rng.standard_normal((options.count, model.latent_dim), dtype="float32")
    if model.encoder is None:
        images, columns = [None] * options.count, None
        volumes = options.chosen(model.probabilities(latents), model.threshold)
        views = measure.views_of(volumes >= model.threshold, measure.AROUND[0])
    else:
        test = data.load_objects(options_of(read_config(folder / "config.json"), data.ObjectOptions), "test")
        rows = rng.choice(len(test.images), options.count, replace=options.count > len(test.images))
        images, truth = test.images[rows], test.volumes[test.owners[rows]]
        volumes = options.chosen(model.volumes(images, latents), model.threshold)
        columns = measure.COLUMNS if options.count >= 3 else 5
        views = measure.answers(images, truth, volumes >= model.threshold)
    save_views(out, views, columns, options.mark(name, model.generator))
    with writing_to(out):
        each = zip(volumes, images, stems, strict=True)
        written = sum(write(volume, model.threshold, image, stem, options) for volume, image, stem in each)
    beside = f", and {written} beside it as files" if options.formats else ""
    print(f"{options.count} 3D models in {shown(out)}{beside}")


ACTIONS = {
    "apply": apply_to_images,
    "interpolate": interpolate,
    "sample": sample,
    "evaluate": measure.evaluate,
    "export": None,
    "features": None,
    **WITHOUT_LATENT_ACTIONS,
}
