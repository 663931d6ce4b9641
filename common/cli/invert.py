"""The action invert: the latents of given images, and the images moved along a direction from there.

./run_recipe.sh dcgan invert                                    (of held-out images)
./run_recipe.sh dcgan invert --input shirt.png --along sleeves
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import refuse_ignored, refuse_missing
from common.base.errors import InputError
from common.base.files import creating
from common.base.paths import shown
from common.base.pictures import scale, unscale
from common.base.ranges import Count, Range, Seed
from common.cli.run_choice import PictureChoice, opened
from common.sampling import draw_samples
from common.scoring import inversion, linear_directions
from common.scoring.metrics import target_scores
from common.scoring.nearest import nearest
from common.training.generator_check import described, other_generator
from common.training.trained_run import image_options
from data_prep import decode, folders, images

SHOWN = 16  # images in the sheet


@dataclasses.dataclass(frozen=True)
class InvertOptions(PictureChoice):
    """Options of the action invert."""

    input: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """an image, or a folder of images; by default held-out images of the run's data"""
    count: Count = 64  # images at most
    steps: Count = 300  # of the gradient descent
    starts: Annotated[int, Range(1, 100)] = 4  # random latents that it begins with, of each image
    encoder: bool = False
    """also begin with the answer of an encoder, which is trained for this generator first, for a minute or two"""
    along: str | None = None
    """direction along which the images are then moved; see the action directions"""
    shift: Annotated[float, Range(0.0, 100.0)] = 1.0
    """how far they are moved along it, to both sides"""
    seed: Seed = 0  # of the starts, and of which held-out images are chosen

    def check_given(self, given):
        refuse_missing("input", self.input)
        if self.along is None:
            refuse_ignored(given, "shift", "without --along, a direction to move along")


def invert_action(name, arguments):
    """Finds the latents of images, draws what the generator makes of them, and measures how like the images that is."""
    options, folder, space = opened(name, "invert", invert_action.__doc__, InvertOptions, arguments)
    (out,) = options.outputs(folder / "invert.png")
    direction = None
    if options.along:
        stored = linear_directions.load(folder, space.generator, name, options.where())
        direction = linear_directions.chosen(stored, options.along, name, options.where())
    data = image_options(folder).each_once()
    targets = given_images(options, space, data.fit) if options.input else held_out(data, options)
    training = training_images(space, data, options)
    encoder = inversion.encoder_of(space.generator, space.latents, options.seed) if options.encoder else None
    vectors, classes = inversion.inverted(
        space, targets, steps=options.steps, starts=options.starts, seed=options.seed, encoder=encoder
    )
    kinds = {"inverted": space.images(vectors, classes)}
    if training is not None:
        kinds["nearest training image"] = scale(training[nearest(targets, training)])
    if encoder is not None:
        kinds["encoder alone"] = space.images(draw_samples(encoder, scale(targets)))
    moved = moved_along(space, vectors, classes, direction, options.shift) if direction else {}
    with creating(out):
        rows = {"image": scale(targets), **kinds, **moved}
        mark = options.mark(name, space.generator)
        pictures.save_rows(out, [row[:SHOWN] for row in rows.values()], list(rows), mark=mark)
    print(table({kind: target_scores(unscale(each), targets) for kind, each in kinds.items()}))
    if not (options.input or images.has_splits(data)):
        print("The data has no test part: the network was trained on these images.")
    print(f"Images: {len(targets)}, of which {min(SHOWN, len(targets))} are shown in {shown(out)}.")


def training_images(space, data, options):
    """Returns the images that a run was trained on; with images of the user None if they are gone.

    Raises:
        InputError: if the generator makes images of another size, or other channels.
    """
    try:
        training = images.load(data).images
    except InputError as error:
        if not options.input:
            raise
        print(f"Without the nearest training images: {error}")
        return None
    made, real = space.generator.output_shape[1:], training.shape[1:]
    if made != real:
        raise other_generator(f"it makes {described([made])}, and the images are {described([real])}")
    return training


def moved_along(space, vectors, classes, direction, shift):
    """Returns the images of latents that are moved along a direction to both sides, by the names of their rows."""
    return {
        f"{direction.name} {by:+g}": space.images(vectors + by * direction.vector, classes) for by in (-shift, shift)
    }


def held_out(data, options):
    """Returns images of the test split, uint8."""
    found = images.load(data, "test").images
    rows = np.sort(np.random.default_rng(options.seed).permutation(len(found))[: options.count])
    return found[rows]


def given_images(options, space, fit):
    """Returns a user's images in the size and the channels that the generator makes; unusable ones are said."""
    height, width, channels = space.generator.output_shape[1:]
    names = folders.find(options.input).names if options.input.is_dir() else [options.input.name]
    root, found = options.input if options.input.is_dir() else options.input.parent, []
    for name in names[: options.count]:
        try:
            found.append(decode.read(root / name, (height, width), fit, channels))
        except decode.UnusableError as error:
            print(f"Skipped {shown(root / name)}: it {error}.")
    if not found:
        raise InputError(
            f"--input expects an image or a folder of images, but {options.input} has none that can be read."
        )
    return np.stack(found)


def table(scores):
    """Returns the scores of several answers as a table in Markdown."""
    lines = ["| | L1 | SSIM |", "|---|---|---|"]
    lines += [f"| {kind} | {values['l1']:.3f} | {values['ssim']:.3f} |" for kind, values in scores.items()]
    return "\n".join(lines)
