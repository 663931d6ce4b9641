"""The action evaluate: how near translations of held-out sources are to their true targets."""

import dataclasses

import numpy as np

from common import backend, evaluate, evaluation
from common.arguments import parse
from common.gan import sample
from common.metrics import target_scores
from common.options import Seed
from common.run import shown
from data_prep.batches import scale, unscale

from . import data


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(evaluate.MeasureOptions):
    """Options of the action evaluate."""

    seed: Seed = 0  # of the noise


def measure(name, arguments):
    """Scores the translations of the held-out pairs, and the mean of all training targets beside them."""
    (options,) = parse(f"./run_recipe.sh {name} evaluate", measure.__doc__, {"evaluate": EvaluateOptions}, arguments)
    backend.set_random_seed(options.seed)  # before the layers that draw are made
    folder, generator, pairs = evaluate.trained(name, options.run_folder, data.SourceOptions)
    source, real = (side[np.arange(len(side))] for side in data.load_sides(pairs, "test"))
    translated = unscale(sample(generator, scale(source), batch_size=16, training=True))
    mean = np.broadcast_to(mean_target(pairs), real.shape)
    values = {
        **target_scores(translated, real),
        **{f"{key} of the mean target": value for key, value in target_scores(mean, real).items()},
    }
    described, is_embedded = str(pairs.data or pairs.dataset), pairs.data is None and pairs.dataset == "garments"
    distances, contract = evaluation.frechet_distances(
        real, {"frechet": translated}, described, options.extractor, is_embedded, options.seed
    )
    scores = evaluation.Scores({**values, **distances}, contract)
    evaluate.report(scores, folder, f"{name}, {shown(folder)}, {len(real)} held-out pairs")


def mean_target(pairs):
    """Returns the mean of the training targets, the best single answer to all sources, as a uint8 image."""
    target = data.load_sides(pairs, "train").target
    chunks = np.array_split(np.arange(len(target)), max(1, len(target) // 100))
    total = sum(target[chunk].sum(axis=0, dtype=np.float64) for chunk in chunks)
    return np.rint(total / len(target)).astype(np.uint8)
