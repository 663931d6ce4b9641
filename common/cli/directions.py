"""The action directions: finds directions in latent space, measures what they change, and stores them with the run.

./run_recipe.sh dcgan directions
./run_recipe.sh dcgan directions --of width sneaker
./run_recipe.sh dcgan directions --csv labels.csv          (columns sample and label, of sample --seed 0)
./run_recipe.sh dcgan directions --orthogonal brightness width
"""

import dataclasses
import functools
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import refuse_ignored
from common.base.errors import InputError, printable
from common.base.files import creating
from common.base.paths import shown
from common.base.ranges import Range, Seed
from common.cli.run_choice import PictureChoice, opened
from common.latent_space import first_kernel, orthogonal, principal_directions, sefa, unit
from common.latents import in_turn
from common.sampling import draw_samples
from common.scoring import linear_directions, probes
from common.scoring.attributes import Attributes
from common.scoring.evaluator import extractor_of
from common.scoring.extractors import ExtractorName
from common.scoring.label_table import read_labels
from common.scoring.linear_directions import MONOTONE, SHIFTS, Direction, Measurement
from common.training.trained_run import image_options

RANDOM = 5  # random directions that the others are compared with
UNSUPERVISED = ("SeFa", "GANSpace", "chance")  # are named after what they change, so that they do change it says little
ACTIVATED = 2000  # samples whose activations are decomposed


@dataclasses.dataclass(frozen=True)
class DirectionsOptions(PictureChoice):
    """Options of the action directions."""

    of: tuple[str, ...] = ()
    """what samples show: brightness, contrast, width, height, symmetry, sleeves, sharpness, saturation, or classes of
    the extractor; by default all of them"""
    csv: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """a table of yours with the columns sample, the number of the file of `sample --out FOLDER --seed 0`, and label, a
    number or one of two words"""
    unsupervised: Annotated[int, Range(0, 50)] = 5
    """directions that are found without labels by each of two ways: SeFa and GANSpace"""
    orthogonal: tuple[str, ...] = ()
    """two directions that are stored: make a third, the part of the first that is orthogonal to the second"""
    samples: Annotated[int, Range(100, 1_000_000)] = 5000  # samples that directions are found from
    extractor: ExtractorName = None
    """network whose classes are probed; by default garments for Fashion-MNIST, digits for MNIST, else imagenet"""
    seed: Seed = 0  # of the samples

    def check_given(self, given):
        if self.csv and not self.csv.is_file():
            raise InputError(f"--csv expects a table, but {self.csv} is no file.")
        if self.orthogonal and len(self.orthogonal) != 2:
            raise InputError("--orthogonal expects two directions, such as --orthogonal brightness width.")
        if self.orthogonal:
            for name in ("of", "csv", "unsupervised", "samples", "seed"):
                refuse_ignored(given, name, "with --orthogonal, which finds no directions")
        if self.csv:
            refuse_ignored(given, "of", "with --csv, whose labels are used instead")
        if self.csv or self.of:
            refuse_ignored(given, "unsupervised", "with --csv or --of, which find these directions only")


def directions_action(name, arguments):
    """Finds directions in latent space, measures what they change, and stores them with the run."""
    options, folder, space = opened(name, "directions", directions_action.__doc__, DirectionsOptions, arguments)
    (out,) = options.outputs(folder / "directions.png")
    attributes = Attributes(extractor_of(image_options(folder), options.extractor), space.generator.output_shape[-1])
    for attribute in options.of:
        attributes.column(attribute)  # before samples are drawn
    if options.orthogonal:
        stored = linear_directions.load(folder, space.generator, name, options.where())
        chosen = functools.partial(linear_directions.chosen, stored, recipe=name, where=options.where())
        first, second = map(chosen, options.orthogonal)
        added = [without(first, second)]
    else:
        stored = stored_or_none(folder, space, name, options.where())
        added = [*labelled(space, options)] if options.csv else [*probed(space, attributes, options)]
        added += unsupervised(space, options)
    if not added:
        raise InputError("No direction was found; choose --of what differs among samples, such as brightness.")
    measurement = Measurement(space, attributes, seed=options.seed + 1)
    measured = [measurement(direction) for direction in added]
    known = {**stored, **{each.name: each for each in measured}}
    linear_directions.store(folder, space.generator, list(known.values()))
    with creating(out):
        draw(out, space, measured, measurement.vectors[0], options.mark(name, space.generator))
    print(table([*measured, by_chance(space, measurement, options)]))
    print(f"Stored in {shown(folder / linear_directions.FILE)}; a row of {shown(out)} for each, from -3 to 3.")


def stored_or_none(folder, space, recipe, where):
    """Returns the stored directions; none of them if they belong to another generator, such as one trained less."""
    try:
        return linear_directions.load(folder, space.generator, recipe, where)
    except InputError as error:
        print(f"Replaced: {error}")
        return {}


def without(first, second):
    """Returns the part of a direction that is orthogonal to another one."""
    name = f"{first.name} without {second.name}"
    return Direction(name, name, orthogonal(first.vector, [second.vector]), first.attribute)


# Finding ----------------------------------------------------------------------------------------------------------


def labelled(space, options):
    """Yields the direction of the labels of a table; no attribute measures those of other samples."""
    vectors = space.vectors(options.samples, options.seed)
    numbers, values = read_labels(options.csv, len(vectors))
    name = printable(options.csv.stem)
    try:
        vector, accuracy = linear_directions.probe(vectors[numbers], values, options.seed)
    except InputError as error:
        raise InputError(f"{options.csv} gives no direction: {str(error).rstrip('.')}.") from error
    yield Direction(name, "probe", vector, name, accuracy)


def probed(space, attributes, options):
    """Yields the directions of attributes; what cannot be found is said."""
    vectors = space.vectors(options.samples, options.seed)
    found, _ = attributes(space.pixels(vectors))
    for name in options.of or attributes.names:
        values = found[:, attributes.column(name)]
        if name in attributes.class_names:
            if space.class_count:
                if name in options.of:
                    print(f"No direction for {name}: the class is an input of this generator, not in its latents.")
                continue
            classes = found[:, [attributes.column(each) for each in attributes.class_names]]
            values = classes.argmax(axis=1) == attributes.class_names.index(name)
        elif space.class_count:  # what the latents change, not the class
            labels = in_turn(len(values), space.class_count)
            values = values - np.array([values[labels == label].mean() for label in range(space.class_count)])[labels]
        try:
            vector, accuracy = linear_directions.probe(vectors, values, options.seed)
        except InputError as error:
            print(f"No direction for {name}: {str(error).rstrip('.')}.")
            continue
        yield Direction(name, "probe", vector, name, accuracy)


def unsupervised(space, options):
    """Yields the directions that SeFa and GANSpace find; their attribute is not known yet."""
    count = min(options.unsupervised, space.dim)
    if not count or options.csv or options.of:
        return
    try:
        found = sefa(first_kernel(space.generator, space.dim), count)
        yield from (Direction(f"SeFa {number}", "SeFa", vector, "") for number, vector in enumerate(found, 1))
    except InputError as error:
        print(f"Without SeFa: {error}")
    if not space.class_count:
        vectors = space.vectors(ACTIVATED, options.seed)
        found = principal_directions(vectors, draw_samples(first_stage(space.generator), vectors), count)
        yield from (Direction(f"GANSpace {number}", "GANSpace", vector, "") for number, vector in enumerate(found, 1))


def first_stage(generator):
    """Returns the part of a generator up to its first activation."""
    return probes.up_to(generator, next(iter(probes.stages(generator))))


def by_chance(space, measurement, options):
    """Returns what is measured of random directions, the mean of several: what is no better was found by chance."""
    drawn = np.random.default_rng(options.seed).standard_normal((RANDOM, space.dim), dtype="float32")
    found = [measurement(Direction("random", "chance", unit(vector), "")) for vector in drawn]
    means = {
        key: float(np.mean([getattr(each, key) for each in found]))
        for key in ("rank_correlation", "change", "side_change", "identity")
    }
    return dataclasses.replace(found[0], attribute="various", side_effect="various", **means)


# The table, the sheet ---------------------------------------------------------------------------------------------


def table(directions):
    """Returns what was measured as a table in Markdown."""
    lines = [
        "| direction | found by | accuracy | changes | rank correlation | by | most beside it | by | identity |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in directions:
        accuracy = "" if each.accuracy is None else f"{each.accuracy:.2f}"
        is_steady = each.rank_correlation >= MONOTONE and each.found_by not in UNSUPERVISED
        steady = f"{each.rank_correlation:.2f}{' ✓' if is_steady else ''}"
        lines.append(
            f"| {each.name} | {each.found_by} | {accuracy} | {each.attribute} | {steady} | {each.change:.1f} | "
            f"{each.side_effect} | {each.side_change:.1f} | {each.identity:.2f} |"
        )
    return "\n".join(lines)


def draw(path, space, directions, vector, mark):
    """Draws one sample moved along each direction, a row for each."""
    classes = np.zeros(len(SHIFTS), "int32") if space.class_count else None
    rows = [space.images(vector + SHIFTS[:, np.newaxis] * each.vector, classes) for each in directions]
    names = [each.name if each.name == each.attribute else f"{each.name}: {each.attribute}" for each in directions]
    pictures.save_rows(path, rows, names, [f"{shift:+g}" for shift in SHIFTS], mark)
