"""The action arithmetic: the mean latents of A, minus those of B, plus those of C.

./run_recipe.sh dcgan arithmetic --from sneaker --minus sandal --plus t-shirt
./run_recipe.sh dcgan arithmetic --from 3 8 --minus 5 --plus 21        (numbers of samples that you have picked)
"""

import dataclasses
from typing import Annotated

import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import refuse_ignored
from common.base.errors import InputError
from common.base.files import creating
from common.base.paths import shown
from common.base.ranges import Count, Range, Seed
from common.cli.run_choice import PictureChoice, opened
from common.latent_space import arithmetic
from common.scoring.evaluator import extractor_of
from common.scoring.extractors import ExtractorName
from common.training.trained_run import image_options
from data_prep import images

DIGITS = 6  # of the number of a sample
CLASS = "class:"  # before a class whose name is a number
SHOWN = 6  # operands of each kind, and results, in the sheet
REPEATS = 200  # times the operands are drawn anew, to count how often the result is what was asked for


@dataclasses.dataclass(frozen=True)
class ArithmeticOptions(PictureChoice):
    """Options of the action arithmetic."""

    start: Annotated[tuple[str, ...], tyro.conf.arg(name="from", metavar="CLASS|NUMBER ...")] = ()
    """A: a class that the extractor knows, or numbers of samples that you have picked, as `sample --out FOLDER` names
    its files; a class that is itself a number is written class:3"""
    minus: Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLASS|NUMBER ...")] = ()
    """B, likewise"""
    plus: Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLASS|NUMBER ...")] = ()
    """C, likewise"""
    operands: Annotated[int, Range(1, 1000)] = 3  # samples of a class whose latents are averaged
    samples: Count = 5000  # samples among which those of a class are looked for
    extractor: ExtractorName = None
    """network that knows the classes; by default garments for Fashion-MNIST, digits for MNIST"""
    seed: Seed = 0  # of the samples

    def check_given(self, given):
        if not (self.start and self.minus and self.plus):
            raise InputError("arithmetic needs three: --from A --minus B --plus C, each a class or numbers of samples.")
        terms = self.start, self.minus, self.plus
        for term in terms:
            if is_class(term) and len(term) > 1:
                raise InputError(f"A term is one class, or numbers of samples, but here it is {' '.join(term)}.")
            if not is_class(term) and max(map(len, term)) > DIGITS:
                raise InputError(f"The number of a sample has at most {DIGITS} digits; one of these has more.")
        if not any(map(is_class, terms)):
            for name in ("operands", "samples", "extractor"):
                refuse_ignored(given, name, "with numbers of samples alone")


def arithmetic_action(name, arguments):
    """Draws the image of A - B + C, where each stands for the mean latents of some samples."""
    options, folder, space = opened(name, "arithmetic", arithmetic_action.__doc__, ArithmeticOptions, arguments)
    if space.class_count:
        raise InputError("The class is an input of this generator, not in its latents; use walk --from A --to B.")
    (out,) = options.outputs(folder / "arithmetic.png")
    terms = options.start, options.minus, options.plus
    known = Known(space, folder, options) if any(is_class(term) for term in terms) else None
    pools = [pool_of(space, term, known, options) for term in terms]
    draws = drawn(pools, options, REPEATS if known else 1)
    results = np.stack([arithmetic(*draw) for draw in draws])
    with creating(out):
        draw(out, space, terms, draws[0], results, options.mark(name, space.generator))
    print(f"{' '.join(options.start)} - {' '.join(options.minus)} + {' '.join(options.plus)}: {shown(out)}")
    if known:
        print(known.report(space, results))


class Known:
    """Samples whose classes an extractor has seen."""

    def __init__(self, space, folder, options):
        self.extractor = extractor_of(image_options(folder), options.extractor)
        if not self.extractor.has_classes or not self.extractor.class_names:
            raise InputError(
                f"The extractor {self.extractor.name} names no classes, so samples of one cannot be found; give "
                "numbers of samples, or another --extractor."
            )
        self.least = options.operands + 1  # for different operands in each draw
        self.vectors = space.vectors(options.samples, options.seed)
        _, self.labels = self.extractor(space.pixels(self.vectors))

    def of_class(self, text):
        """Returns the latents of the samples of a class."""
        name = text.removeprefix(CLASS)
        found = self.vectors[self.labels == images.class_number(name, self.extractor.class_names)]
        if len(found) < self.least:
            raise InputError(
                f"{len(found)} of {len(self.vectors):,} samples show {name}, and {self.least} are needed; add "
                "--samples, or choose another class."
            )
        return found

    def report(self, space, results):
        """Returns a sentence on which classes the extractor sees in results, the most frequent first."""
        _, labels = self.extractor(space.pixels(results))
        counts = np.bincount(labels, minlength=len(self.extractor.class_names))
        seen = [
            f"{self.extractor.class_names[label]} {counts[label] / len(labels):.0%}"
            for label in np.argsort(-counts)[:3]
        ]
        return f"Of {len(results)} results, each of other operands, {self.extractor.name} sees {', '.join(seen)}."


def is_class(term):
    """Returns whether a term is the name of a class, and not numbers of samples."""
    return not all(text.isdecimal() for text in term)


def pool_of(space, term, known, options):
    """Returns the latents that a term is drawn from: of the samples of a class, or of all its numbers."""
    if is_class(term):
        return known.of_class(term[0])
    numbers = [int(text) for text in term]
    return space.vectors(max(numbers) + 1, options.seed)[numbers]


def drawn(pools, options, count):
    """Returns so many choices of operands, lists of three arrays; terms of numbers are the same in all."""
    rng = np.random.default_rng(options.seed)
    terms = options.start, options.minus, options.plus
    return [
        [
            pool[rng.permutation(len(pool))[: options.operands]] if is_class(term) else pool
            for pool, term in zip(pools, terms, strict=True)
        ]
        for _ in range(count)
    ]


def draw(path, space, terms, operands, results, mark):
    """Draws the operands of each term and, with other operands in each, the results."""
    rows = [space.images(vectors[:SHOWN]) for vectors in (*operands, results)]
    names = [f"{sign} {' '.join(term)}" for sign, term in zip(" -+", terms, strict=True)]
    pictures.save_rows(path, rows, [*names, "="], mark=mark)
