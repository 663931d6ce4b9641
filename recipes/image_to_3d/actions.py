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

Format = Literal["glb", "obj", "stl", "ply", "html", "gif", "npz"]
VOXELS = {"gif", "npz"}  # formats that need no mesh


@dataclasses.dataclass(frozen=True)
class ApplyOptions(apply.ApplyOptions):
    """Options of the action apply."""

    formats: tuple[Format, ...] = ("glb", "obj", "html", "gif")
    """what is written of each 3D model: meshes; html, a page that turns it; gif, turning; npz, the probabilities"""
    answers: Count = 1
    """3D models of each image: the first with the most probable latents, further ones with latents that are drawn"""
    threshold: Annotated[float | None, Range(0.01, 0.99)] = None
    """probability from which a voxel is occupied; by default the one that evaluate has chosen, else 0.4"""
    smooth: Annotated[int, Range(0, 101)] = 10
    """steps that smooth a mesh; 0 leaves the bumps of its voxels"""

    def check_given(self, given):
        """Refuses options that have no effect beside the others."""
        if not set(self.formats) - VOXELS:
            refuse_ignored(given, "smooth", "without a format of meshes, such as --formats glb")


def apply_to_images(name, arguments):
    """Makes 3D models of the objects in images."""
    (options,) = parse(f"./run_recipe.sh {name} apply", apply_to_images.__doc__, {"apply": ApplyOptions}, arguments)
    inputs = apply.outputs_of(options)
    stems = {path: answer_stems(out, options.answers) for path, out in inputs.items()}
    if not options.overwrite:
        files = [
            stem.with_name(f"{stem.name}.{kind}")
            for each in stems.values()
            for stem in each
            for kind in options.formats
        ]
        refuse_existing([*files, options.out / apply.SHEET])
    model = model_of_images(options.folder(name), name)
    level = options.threshold or model.threshold
    rows = []
    for path, outs in stems.items():
        image = data.prepared(path, model.encoder.input_shape[1])
        if image is None:
            continue
        latents = np.random.default_rng(options.seed).standard_normal((options.answers, model.latent_dim))
        latents[0] = 0
        volumes = model.volumes(np.repeat(image[np.newaxis], options.answers, axis=0), latents.astype("float32"))
        with writing_to(options.out):
            for volume, out in zip(volumes, outs, strict=True):
                write(volume, level, image, out, options)
        rows += [image_and_views(image, volume >= level) for volume in volumes]
    if not rows:
        raise InputError(f"None of the {len(stems)} files of {options.input} shows an object that can be used.")
    with writing_to(options.out / apply.SHEET):
        sheet = pictures.grid(np.concatenate(rows), columns=4)
        pictures.save_png(options.out / apply.SHEET, sheet, options.mark(name, model.generator))
    print(f"{len(rows)} 3D models in {shown(options.out)}; {apply.SHEET} shows them beside their images.")


def answer_stems(path, count):
    """Returns the paths without suffixes of the answers to the image whose translation would be `path`."""
    stem = path.with_suffix("")
    return [stem] if count == 1 else [stem.with_name(f"{stem.name}_{number}") for number in range(1, count + 1)]


def with_suffix(stem, kind):
    return stem.with_name(f"{stem.name}.{kind}")  # `Path.with_suffix` would replace what follows a dot in the name


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
    """Writes a volume of probabilities as files of all formats; their paths are `out` with a suffix."""
    out.parent.mkdir(parents=True, exist_ok=True)
    if set(options.formats) - VOXELS:
        mesh = meshes.smoothed(meshes.surface(volume, level), options.smooth)
    for kind in options.formats:
        path = with_suffix(out, kind)
        if kind == "gif":
            pictures.save_gif(path, render.turntable(volume >= level), milliseconds=100, pause=1)
        elif kind == "npz":
            np.savez_compressed(path, probabilities=volume, threshold=level)
        elif kind == "html":
            meshes.page(mesh, path, image, title=out.name)
        else:
            meshes.save(mesh, path)


# interpolate ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class InterpolateOptions(PictureChoice):
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
    images = [data.prepared(path, model.encoder.input_shape[1]) for path in (options.input, options.to)]
    if any(image is None for image in images):
        raise InputError("interpolate needs two images that can be used.")
    first, last = model.vectors(np.stack(images))
    shares = np.linspace(0, 1, options.steps, dtype="float32")[:, np.newaxis]
    volumes = model.probabilities((1 - shares) * first + shares * last) >= model.threshold
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
class SampleOptions(PictureChoice):
    """Options of the action sample."""

    count: Count = 12  # number of 3D models
    seed: Seed = 0  # random seed of the latents, and of which held-out images are shown


def sample(name, arguments):
    """Draws 3D models: of held-out images, beside the true ones; or of latents alone, with --unconditional."""
    (options,) = parse(f"./run_recipe.sh {name} sample", sample.__doc__, {"sample": SampleOptions}, arguments)
    folder = options.folder(name)
    (out,) = options.outputs(folder / "sample.png")
    model = open_model(folder, name)
    rng = np.random.default_rng(options.seed)
    latents = rng.standard_normal((options.count, model.latent_dim), dtype="float32")
    if model.encoder is None:
        views = measure.views_of(model.probabilities(latents) >= model.threshold, measure.AROUND[0])
        save_views(out, views, None, options.mark(name, model.generator))
    else:
        test = data.load_objects(options_of(read_config(folder / "config.json"), data.ObjectOptions), "test")
        rows = rng.choice(len(test.images), options.count, replace=options.count > len(test.images))
        images, truth = test.images[rows], test.volumes[test.owners[rows]]
        views = measure.answers(images, truth, model.volumes(images, latents) >= model.threshold)
        columns = measure.COLUMNS if options.count >= 3 else 5
        save_views(out, views, columns, options.mark(name, model.generator))
    print(f"{options.count} 3D models in {shown(out)}")


ACTIONS = {
    "apply": apply_to_images,
    "interpolate": interpolate,
    "sample": sample,
    "evaluate": measure.evaluate,
    "export": None,
    "features": None,
    **WITHOUT_LATENT_ACTIONS,
}
