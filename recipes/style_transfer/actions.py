"""The actions apply and evaluate: translate new images in either direction, and score the translations."""

import dataclasses
from typing import Literal

from common.base.arguments import parse
from common.base.paths import shown
from common.base.pictures import scale, unscale, with_histogram
from common.base.ranges import Count
from common.cli import apply
from common.cli.evaluate import MeasureOptions, report_scores
from common.sampling import draw_samples
from common.scoring.evaluator import Scores, distances, perceptual_scores
from common.scoring.metrics import mean_difference, target_scores
from common.training.generator_check import other_generator, refuse_other_inputs
from common.training.trained_run import open_run
from data_prep.batches import first

from . import data


@dataclasses.dataclass(frozen=True)
class ApplyOptions(apply.ApplyOptions):
    """Options of the action apply."""

    to: Literal["paintings", "photos"] = "paintings"
    """domain to translate the images to"""


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(MeasureOptions):
    """Options of the action evaluate."""

    samples: Count = 2000  # maximum number of held-out images of each domain


def apply_either_way(name, arguments):
    """Translates images in either direction."""
    apply.apply_action(name, arguments, ApplyOptions, lambda generator, options: translator(generator, options.to))


def translator(generator, to):
    """Returns the network of a run's generator that translates to a domain.

    Raises:
        InputError: if the generator has none.
    """
    layer = {"paintings": "to_b", "photos": "to_a"}[to]
    if layer not in {part.name for part in generator.layers}:
        raise other_generator("it does not translate in both directions")
    return generator.get_layer(layer)


def evaluate(name, arguments):
    """Measures the cycle errors, and the distance to the true drawings or, where none are known, to the photos."""
    (options,) = parse(f"./run_recipe.sh {name} evaluate", evaluate.__doc__, {"evaluate": EvaluateOptions}, arguments)
    folder, generator, domains = open_run(name, options.folder(name), data.DomainOptions)
    translator(generator, "paintings")  # what is wrong with it is to be known before the data is read
    a, b = (first(domain, options.samples) for domain in data.load_domains(domains, "test"))
    refuse_other_inputs(translator(generator, "paintings"), a)
    fake_b, fake_a = translated(generator, "paintings", a), translated(generator, "photos", b)
    values = {
        "cycle error, photos": mean_difference(a, translated(generator, "photos", fake_b)),
        "cycle error, paintings": mean_difference(b, translated(generator, "paintings", fake_a)),
    }
    if domains.is_embedded:
        values |= against_truth(a, b, fake_b, data.load_domains(domains, "train"))
    else:
        values |= perceptual_scores({"perceptual distance to the photos": (fake_b, a)})
    described = str(domains.paintings or domains.dataset)
    kinds = {"": fake_b}
    if not domains.is_embedded:
        paintings = first(data.load_domains(domains, "train").b, len(a))
        kinds |= {" of the photos": a, " of training paintings": paintings}
    found, protocol = distances(b, kinds, described, options.extractor, domains.is_embedded)
    result = Scores({**values, **found}, protocol)
    report_scores(result, folder, f"{name}, {shown(folder)}, {len(a)} photos and {len(b)} paintings")


def translated(generator, to, images):
    return unscale(draw_samples(translator(generator, to), scale(images), batch_size=16))


def against_truth(photos, drawings, translations, train):
    """Returns the scores of the translations, and of two baselines without training, against the true drawings."""
    candidates = {
        "": translations,
        " of the photo itself": photos,
        " of its histogram matched": with_histogram(photos, train.b, train.a),
    }
    return {
        f"{key}{name}": value
        for name, images in candidates.items()
        for key, value in target_scores(images, drawings).items()
    }
