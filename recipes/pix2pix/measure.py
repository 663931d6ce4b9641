"""The action evaluate: scores translations of held-out sources against their true targets."""

import dataclasses

import numpy as np

from common import backend
from common.base.arguments import parse
from common.base.paths import shown
from common.base.pictures import scale, unscale
from common.base.ranges import Seed
from common.cli.evaluate import MeasureOptions, report_scores
from common.sampling import draw_samples
from common.scoring.evaluator import Scores, distances, perceptual_scores
from common.scoring.metrics import target_scores
from common.scoring.nearest import chunks, nearest
from common.training.generator_check import refuse_no_translator, refuse_other_channels, refuse_other_inputs
from common.training.trained_run import open_run

from . import data

MOST = 1_000  # targets in memory


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(MeasureOptions):
    """Options of the action evaluate."""

    seed: Seed = 0  # random seed of the noise


def measure(name, arguments):
    """Scores the translations of the held-out pairs.

    Baselines: the mean and the median of the training targets, and the target of the training pair with the nearest
    source.
    """
    (options,) = parse(f"./run_recipe.sh {name} evaluate", measure.__doc__, {"evaluate": EvaluateOptions}, arguments)
    backend.set_random_seed(options.seed)  # before layers with random seeds are created
    folder, generator, pairs = open_run(name, options.folder(name), data.SourceOptions)
    refuse_no_translator(generator)
    source, real = (side[np.arange(len(side))] for side in data.load_sides(pairs, "test"))
    refuse_other_inputs(generator, source)
    refuse_other_channels(generator, real.shape[-1])
    translated = unscale(draw_samples(generator, scale(source), batch_size=16, training=True))
    kinds = {"": translated, **baselines(pairs, source)}
    values = {f"{key}{of}": value for of, kind in kinds.items() for key, value in target_scores(kind, real).items()}
    described, is_embedded = str(pairs.data or pairs.dataset), pairs.data is None and pairs.dataset == "garments"
    if not is_embedded:
        values |= perceptual_scores({f"perceptual{of}": (kind, real) for of, kind in kinds.items()})
    found, protocol = distances(real, kinds, described, options.extractor, is_embedded, options.seed)
    scores = Scores({**values, **found}, protocol)
    report_scores(scores, folder, f"{name}, {shown(folder)}, {len(real)} held-out pairs")


def baselines(pairs, source):
    """Returns what needs no network, by the endings of the names of its scores, as uint8 arrays of images.

    Args:
        pairs: `data.SourceOptions`.
        source: uint8 array `(count, height, width, channels)`, the held-out sources.
    """
    training = data.load_sides(pairs, "train")
    mean, median = (
        np.broadcast_to(found, (len(source), *found.shape))
        for found in (mean_target(training.target), median_target(training.target))
    )
    return {
        " of the mean target": mean,
        " of the median target": median,
        " of the nearest pair": training.target[nearest(source, training.source)],
    }


def mean_target(targets):
    """Returns the mean of the training targets as a uint8 image: the constant with the least squared error."""
    total = sum(targets[rows].sum(axis=0, dtype=np.float64) for rows in chunks(targets))
    return np.rint(total / len(targets)).astype(np.uint8)


def median_target(targets):
    """Returns the median of (at most `MOST`) training targets as a uint8 image: the constant with the least L1."""
    rows = np.linspace(0, len(targets) - 1, min(MOST, len(targets)), dtype=int)
    return np.median(targets[rows], axis=0).astype(np.uint8)
