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
from common.scoring.evaluator import Scores, frechet_distances, perceptual_scores
from common.scoring.metrics import target_scores
from common.training.generator_check import refuse_no_translator, refuse_other_channels, refuse_other_inputs
from common.training.trained_run import open_run

from . import data


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(MeasureOptions):
    """Options of the action evaluate."""

    seed: Seed = 0  # random seed of the noise


def measure(name, arguments):
    """Scores the translations of the held-out pairs, and the mean training target as a baseline."""
    (options,) = parse(f"./run_recipe.sh {name} evaluate", measure.__doc__, {"evaluate": EvaluateOptions}, arguments)
    backend.set_random_seed(options.seed)  # before layers with random seeds are created
    folder, generator, pairs = open_run(name, options.run_folder, data.SourceOptions)
    refuse_no_translator(generator)
    source, real = (side[np.arange(len(side))] for side in data.load_sides(pairs, "test"))
    refuse_other_inputs(generator, source)
    refuse_other_channels(generator, real.shape[-1])
    translated = unscale(draw_samples(generator, scale(source), batch_size=16, training=True))
    mean = np.broadcast_to(mean_target(pairs), real.shape)
    values = {
        **target_scores(translated, real),
        **{f"{key} of the mean target": value for key, value in target_scores(mean, real).items()},
    }
    described, is_embedded = str(pairs.data or pairs.dataset), pairs.data is None and pairs.dataset == "garments"
    if not is_embedded:
        values |= perceptual_scores({"perceptual": (translated, real), "perceptual of the mean target": (mean, real)})
    distances, protocol = frechet_distances(
        real, {"frechet": translated}, described, options.extractor, is_embedded, options.seed
    )
    scores = Scores({**values, **distances}, protocol)
    report_scores(scores, folder, f"{name}, {shown(folder)}, {len(real)} held-out pairs")


def mean_target(pairs):
    """Returns the mean of the training targets, the best constant prediction, as a uint8 image."""
    target = data.load_sides(pairs, "train").target
    chunks = np.array_split(np.arange(len(target)), max(1, len(target) // 100))
    total = sum(target[chunk].sum(axis=0, dtype=np.float64) for chunk in chunks)
    return np.rint(total / len(target)).astype(np.uint8)
