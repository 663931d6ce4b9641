"""What one does with two translators: apply them to new pictures, and measure them where the truth is known."""

import dataclasses
from typing import Literal

import numpy as np

from common import evaluate as scores
from common import evaluation, translate
from common.arguments import parse
from common.gan import sample
from common.metrics import mean_difference, target_scores
from common.options import Count
from common.run import shown
from data_prep.batches import first, scale, unscale

from . import data


@dataclasses.dataclass(frozen=True)
class ApplyOptions(translate.ApplyOptions):
    """Options of the action apply."""

    to: Literal["paintings", "photos"] = "paintings"
    """what the pictures shall become"""


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(scores.MeasureOptions):
    """Options of the action evaluate."""

    samples: Count = 2000  # held-out pictures of each kind, at most


def apply(name, arguments):
    """Translates pictures, in either direction."""
    translate.apply(name, arguments, ApplyOptions, lambda generator, options: translator(generator, options.to))


def translator(generator, to):
    return generator.get_layer({"paintings": "to_b", "photos": "to_a"}[to])


def evaluate(name, arguments):
    """Measures the way there and back, and, where true drawings are known, the distance to them."""
    (options,) = parse(f"./run_recipe.sh {name} evaluate", evaluate.__doc__, {"evaluate": EvaluateOptions}, arguments)
    folder, generator, domains = scores.trained(name, options.run_folder, data.DomainOptions)
    a, b = (first(domain, options.samples) for domain in data.load_domains(domains, "test"))
    as_b, as_a = translated(generator, "paintings", a), translated(generator, "photos", b)
    values = {
        "cycle error, photos": mean_difference(a, translated(generator, "photos", as_b)),
        "cycle error, paintings": mean_difference(b, translated(generator, "paintings", as_a)),
    }
    if domains.is_embedded:
        values |= against_truth(a, b, as_b, data.load_domains(domains, "train"))
    described = str(domains.paintings or domains.dataset)
    distances, contract = evaluation.frechet_distances(
        b, {"frechet": as_b}, described, options.extractor, domains.is_embedded
    )
    result = evaluation.Scores({**values, **distances}, contract)
    scores.report(result, folder, f"{name}, {shown(folder)}, {len(a)} photos and {len(b)} paintings")


def translated(generator, to, pictures):
    return unscale(sample(translator(generator, to), scale(pictures), batch_size=16))


def against_truth(photos, drawings, translations, train):
    """Returns how near to the true drawings the translations are, and two answers that need no learning."""
    answers = {
        "": translations,
        " of the photo itself": photos,
        " of its histogram matched": with_histogram(photos, train.a, train.b),
    }
    return {
        f"{key}{name}": value
        for name, pictures in answers.items()
        for key, value in target_scores(pictures, drawings).items()
    }


def with_histogram(pictures, source, target):
    """Returns pictures whose levels are replaced so that those of `source` become as frequent as those of `target`.

    Args:
        pictures, source, target: uint8 arrays of grey pictures.
    """
    shares = [np.cumsum(np.bincount(side.reshape(-1), minlength=256)) / side.size for side in (source, target)]
    levels = np.interp(*shares, np.arange(256))
    return np.rint(levels).astype(np.uint8)[pictures]
