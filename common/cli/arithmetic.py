"""The action arithmetic: the latents of samples that show A, minus those of B, plus those of C.

./run_recipe.sh dcgan arithmetic --from sneaker --minus sandal --plus t-shirt
./run_recipe.sh dcgan arithmetic --from 3 8 --minus 5 --plus 21        (seeds of samples that you have picked)
"""

import dataclasses
from typing import Annotated

import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import parse, refuse_ignored
from common.base.errors import InputError
from common.base.files import writing_to
from common.base.paths import shown
from common.base.pictures import unscale
from common.base.ranges import Count, Range, Seed
from common.cli.run_choice import PictureChoice
from common.latent_space import arithmetic
from common.scoring.evaluator import extractor_of
from common.scoring.extractors import ExtractorName
from common.training.trained_run import open_space, options_of, read_config
from data_prep import images

DIGITS = 10  # of a seed
SHOWN = 6  # operands of each kind, and results, in the sheet
REPEATS = 200  # times the operands are drawn anew, to count how often the result is what was asked for


@dataclasses.dataclass(frozen=True)
class ArithmeticOptions(PictureChoice):
    """Options of the action arithmetic."""

    start: Annotated[tuple[str, ...], tyro.conf.arg(name="from", metavar="CLASS|SEED")] = ()
    """A: a class that the extractor knows, or the seeds of samples of yours"""
    minus: Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLASS|SEED")] = ()
    """B, likewise"""
    plus: Annotated[tuple[str, ...], tyro.conf.arg(metavar="CLASS|SEED")] = ()
    """C, likewise"""
    operands: Annotated[int, Range(1, 1000)] = 3  # samples of a class whose latents are averaged
    samples: Count = 5000  # samples among which those of a class are looked for
    extractor: ExtractorName = None
    """network that knows the classes; by default garments for Fashion-MNIST, digits for MNIST"""
    seed: Seed = 0  # of the samples

    def check_given(self, given):
        if not (self.start and self.minus and self.plus):
            raise InputError("arithmetic needs three: --from A --minus B --plus C, each a class or seeds of samples.")
        terms = self.start, self.minus, self.plus
        for term in terms:
            if class_of(term) and len(term) > 1:
                raise InputError(f"A term is one class, or seeds, but here it is {' '.join(term)}.")
            if not class_of(term) and max(map(len, term)) > DIGITS:
                raise InputError(f"A seed has at most {DIGITS} digits; one of these has more.")
        if not any(map(class_of, terms)):
            for name in ("operands", "samples", "extractor", "seed"):
                refuse_ignored(given, name, "with seeds of samples alone")


def arithmetic_action(name, arguments):
    """Draws what the latents of A, minus those of B, plus those of C are the latents of."""
    command = f"./run_recipe.sh {name} arithmetic"
    (options,) = parse(command, arithmetic_action.__doc__, {"arithmetic": ArithmeticOptions}, arguments)
    folder = options.folder(name)
    space = open_space(name, folder)
    if space.class_count:
        raise InputError("The class is an input of this generator, not in its latents; use walk --from A --to B.")
    (out,) = options.outputs(folder / "arithmetic.png")
    terms = options.start, options.minus, options.plus
    known = Known(space, folder, options) if any(class_of(term) for term in terms) else None
    pools = [pool_of(space, term, known) for term in terms]
    draws = drawn(pools, options, REPEATS if known else 1)
    results = np.stack([arithmetic(*draw) for draw in draws])
    with writing_to(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        draw(out, space, terms, draws[0], results, options.mark(name, space.generator))
    print(f"{' '.join(options.start)} - {' '.join(options.minus)} + {' '.join(options.plus)}: {shown(out)}")
    if known:
        print(known.report(space, results))


class Known:
    """Samples whose classes an extractor has seen."""

    def __init__(self, space, folder, options):
        self.extractor = extractor_of(
            options_of(read_config(folder / "config.json"), images.ImageOptions), options.extractor
        )
        if not self.extractor.has_classes or not self.extractor.class_names:
            raise InputError(
                f"The extractor {self.extractor.name} names no classes, so samples of one cannot be found; give seeds "
                "of samples, or another --extractor."
            )
        self.vectors = space.vectors(options.samples, options.seed)
        _, self.labels = self.extractor(unscale(space.images(self.vectors)))

    def of_class(self, text):
        """Returns the latents of the samples of a class."""
        label = images.class_number(text, self.extractor.class_names)
        found = self.vectors[self.labels == label]
        if not len(found):
            raise InputError(
                f"None of {len(self.vectors):,} samples shows {text}; add --samples, or choose another class."
            )
        return found

    def report(self, space, results):
        """Returns a sentence on which classes the extractor sees in results, the most frequent first."""
        _, labels = self.extractor(unscale(space.images(results)))
        counts = np.bincount(labels, minlength=len(self.extractor.class_names))
        seen = [
            f"{self.extractor.class_names[label]} {counts[label] / len(labels):.0%}"
            for label in np.argsort(-counts)[:3]
        ]
        return f"Of {len(results)} results, each of other operands, {self.extractor.name} sees {', '.join(seen)}."


def class_of(term):
    """Returns whether a term is the name of a class, and not seeds of samples."""
    return not all(text.isdecimal() for text in term)


def pool_of(space, term, known):
    """Returns the latents that a term is drawn from: of the samples of a class, or of all its seeds."""
    if class_of(term):
        return known.of_class(term[0])
    return np.concatenate([space.vectors(1, int(seed)) for seed in term])


def drawn(pools, options, count):
    """Returns so many choices of operands, lists of three arrays; terms of seeds are the same in all."""
    rng = np.random.default_rng(options.seed)
    terms = options.start, options.minus, options.plus
    return [
        [
            pool[rng.permutation(len(pool))[: options.operands]] if class_of(term) else pool
            for pool, term in zip(pools, terms, strict=True)
        ]
        for _ in range(count)
    ]


def draw(path, space, terms, operands, results, mark):
    """Draws the operands of each term and, with other operands in each, the results."""
    rows = [space.images(vectors[:SHOWN]) for vectors in (*operands, results)]
    names = [f"{sign} {' '.join(term)}" for sign, term in zip(" -+", terms, strict=True)]
    pictures.save_rows(path, rows, [*names, "="], mark=mark)
