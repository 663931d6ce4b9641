"""The action evaluate: how near translations of held-out sources are to their true targets."""

import dataclasses
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from common import backend, evaluate, evaluation, extractors
from common.arguments import parse
from common.gan import sample
from common.metrics import target_scores
from common.options import Seed
from common.run import default_folder, load_generator, shown
from data_prep.batches import scale, unscale

from . import data


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """Options of the action evaluate."""

    extractor: evaluate.ExtractorName = None
    """whose features are compared; by default garments for the embedded data, else inception"""
    seed: Seed = 0  # of the noise
    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the run whose generator translates; by default runs/RECIPE in the project"""


def measure(name, arguments):
    """Scores the translations of the held-out pairs, and the mean of all training targets beside them."""
    (options,) = parse(f"./run_recipe.sh {name} evaluate", measure.__doc__, {"evaluate": EvaluateOptions}, arguments)
    folder = options.run_folder or default_folder(name)
    backend.set_random_seed(options.seed)  # before the layers that draw are made
    generator = load_generator(folder / "generator.keras", name)
    pairs = evaluate.part_of(evaluate.read_config(folder / "config.json"), data.SourceOptions)
    source, real = (side[np.arange(len(side))] for side in data.load_sides(pairs, "test"))
    translated = unscale(sample(generator, scale(source), batch_size=16, training=True))
    mean = np.broadcast_to(mean_target(pairs), real.shape)
    values = {
        **target_scores(translated, real),
        **{f"{key} of the mean target": value for key, value in target_scores(mean, real).items()},
    }
    is_embedded = pairs.data is None and pairs.dataset == "garments"
    scores = evaluation.with_frechet(
        values,
        (real, translated),
        str(pairs.data or pairs.dataset),
        options.extractor or ("garments" if is_embedded else extractors.INCEPTION),
        is_wanted=bool(options.extractor),
        seed=options.seed,
    )
    scores.write(folder / "scores.json")
    print(
        f"{name}, {shown(folder)}, {len(real)} held-out pairs\n{scores.text()}\nStored in {shown(folder)}/scores.json"
    )


def mean_target(pairs):
    """Returns the mean of the training targets, the best single answer to all sources, as a uint8 image."""
    target = data.load_sides(pairs, "train").target
    chunks = np.array_split(np.arange(len(target)), max(1, len(target) // 100))
    total = sum(target[chunk].sum(axis=0, dtype=np.float64) for chunk in chunks)
    return np.rint(total / len(target)).astype(np.uint8)
