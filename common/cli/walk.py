"""The action walk: images along a path through latent space, or from one class to another.

./run_recipe.sh dcgan walk
./run_recipe.sh dcgan walk --seeds 3 8 5 --path straight --out walk.gif
./run_recipe.sh cgan walk --from sneaker --to bag
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import refuse_ignored
from common.base.errors import InputError
from common.base.files import creating
from common.base.paths import shown
from common.base.ranges import Count, Range, Seed
from common.cli.run_choice import PictureChoice, opened
from common.latent_space import lerp, path, slerp
from common.training.trained_run import class_names_of
from data_prep.images import class_number

SUFFIXES = (".png", ".gif", ".mp4")
SHEET_COLUMNS = 16  # images of a walk in the sheet
BETWEEN = {"spherical": slerp, "straight": lerp}


@dataclasses.dataclass(frozen=True)
class WalkOptions(PictureChoice):
    """Options of the action walk."""

    seeds: tuple[Seed, ...] = ()
    """the seed of each place to walk to, two or more; by default --places random ones"""
    places: Annotated[int, Range(2, 100)] = 4  # random places to walk to
    steps: Annotated[int, Range(1, 1000)] = 12  # images from one place to the next
    path: Literal["spherical", "straight"] = "spherical"
    """the path: on the arc (slerp), on which latents keep their length, or straight"""
    loop: bool = False
    """walk back to the first place, so that an animation has no jump"""
    start: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """of a class-conditional generator: the class to walk from, by name or number, with fixed latents"""
    end: Annotated[str | None, tyro.conf.arg(name="to")] = None
    """the class to walk to"""
    count: Count = 6  # walks side by side
    seed: Seed = 0  # of the latents, without --seeds
    out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """a .png for a sheet with a row for each walk, or a .gif or .mp4; by default walk.png and walk.gif in the run
    folder"""

    def check_given(self, given):
        if (self.start is None) != (self.end is None):
            raise InputError("A walk between classes needs both: --from CLASS --to CLASS.")
        if self.seeds:
            for name in ("places", "seed"):
                refuse_ignored(given, name, "with --seeds, which are the places")
            if len(self.seeds) < 2:
                raise InputError("--seeds expects at least two seeds to walk between, such as --seeds 3 8.")
        if self.start is not None:
            for name in ("seeds", "places", "path"):
                refuse_ignored(given, name, "with --from and --to, between which the latents stay as they are")

    def mark(self, name, generator):
        mark = super().mark(name, generator)
        return dataclasses.replace(mark, seed=None) if mark and self.seeds else mark  # there is not one seed


def walk_action(name, arguments):
    """Draws images along a path through latent space, or from one class to another."""
    options, folder, space = opened(name, "walk", walk_action.__doc__, WalkOptions, arguments)
    outs = options.outputs(folder / "walk.png", folder / "walk.gif", suffixes=SUFFIXES)
    walks = between_places(space, options) if options.start is None else between_classes(space, folder, options)
    for out in outs:
        with creating(out):
            save(out, walks, options.loop, options.mark(name, space.generator))
    print(f"Walks: {walks.shape[1]}, images of each: {len(walks)}, in {' and '.join(shown(out) for out in outs)}.")


def between_places(space, options):
    """Returns the images of walks through latent space, `(steps, count, height, width, channels)`."""
    seeds = options.seeds or range(options.seed, options.seed + options.places)
    places = [space.vectors(options.count, seed) for seed in seeds]
    vectors = path(places, options.steps, BETWEEN[options.path], options.loop)
    classes = np.tile(np.arange(options.count) % space.class_count, len(vectors)) if space.class_count else None
    return images_of(space, vectors, classes)


def between_classes(space, folder, options):
    """Returns the images of walks from one class to another, whose embeddings are mixed: the latents are fixed."""
    if not space.class_count:
        raise InputError(
            "--from and --to need a class-conditional generator, such as that of cgan; this has no classes."
        )
    names = class_names_of(folder)
    start, end = (class_number(text, names) for text in (options.start, options.end))
    if start == end:
        raise InputError(f"--from and --to are both {names[start]}; choose two classes.")
    mixtures = path(np.eye(space.class_count)[[start, end]], options.steps, lerp, options.loop)
    vectors = np.repeat(space.vectors(options.count, options.seed)[np.newaxis], len(mixtures), axis=0)
    return images_of(space, vectors, np.repeat(mixtures, options.count, axis=0))


def images_of(space, vectors, classes):
    """Returns the images of vectors `(steps, count, dim)` with their classes `(steps * count, ...)`."""
    images = space.images(vectors.reshape(-1, space.dim), classes)
    return images.reshape(*vectors.shape[:2], *images.shape[1:])


def save(out, walks, loop, mark):
    """Writes walks as a sheet with a row for each, or as an animation of all of them beside one another."""
    if out.suffix.lower() == ".png":
        shown_steps = walks[np.linspace(0, len(walks) - 1, min(SHEET_COLUMNS, len(walks))).round().astype(int)]
        rows = shown_steps.swapaxes(0, 1)
        pictures.save_png(out, pictures.grid(rows.reshape(-1, *walks.shape[2:]), rows.shape[1]), mark)
        return
    frames = [pictures.grid(images) for images in walks]
    if out.suffix.lower() == ".mp4":
        pictures.save_mp4(out, frames)
    else:
        pictures.save_gif(out, frames, milliseconds=80, pause=1 if loop else 10, mark=mark)
