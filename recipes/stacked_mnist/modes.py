"""Counts the modes of stacked pictures, by the published protocol."""

import dataclasses
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from common import extractors, gan, metrics
from common.arguments import parse
from common.errors import InputError
from common.evaluate import trained
from common.gan import latent_dim_of
from common.latents import draw_latents
from common.options import Count, Seed
from common.run import shown
from data_prep import images
from data_prep.batches import unscale

from . import data


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """Options of the action evaluate."""

    samples: Count = 26_000  # pictures to draw
    seed: Seed = 0  # of the latents
    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the run whose generator draws; by default runs/RECIPE in the project"""


def evaluate(name, arguments):
    """Counts the modes that the generator of a run draws, and compares their shares with those of the data.

    A classifier names the class in each colour; three classes are a mode, drawn if any sample is of it.

    Reference: Metz et al., 2017, https://arxiv.org/abs/1611.02163, appendix D; Lin et al., 2018,
    https://arxiv.org/abs/1712.04086, section 4.2.
    """
    (options,) = parse(f"./run_recipe.sh {name} evaluate", evaluate.__doc__, {"evaluate": EvaluateOptions}, arguments)
    folder, generator, planes = trained(name, options.run_folder, images.ImageOptions)
    train, test = (data.grey(images.load(planes, split)) for split in ("train", "test"))
    classifier = classifier_of(train.class_names)
    samples = gan.sample(generator, draw_latents(options.samples, latent_dim_of(generator), options.seed))
    result = scores(unscale(samples), train.labels, classifier)
    accuracy = np.mean(classifier(test.images)[1] == test.labels)
    print(
        f"{name}, {shown(folder)}: {result['modes']:.0f} of {classifier.class_count**3:,} modes, "
        f"KL to the data {result['kl']:.3f} ({options.samples:,} samples, seed {options.seed}; the classifier "
        f"{classifier.name} is right on {accuracy:.1%} of the test pictures)"
    )


def classifier_of(class_names):
    """Returns the extractor that knows these classes."""
    for name in ("garments", "digits"):
        extractor = extractors.load(name)
        if extractor.class_names == class_names:
            return extractor
    raise InputError(
        f"Modes are counted by a classifier of the project, for digits or garments, and these are {class_names[0]}, …; "
        "use --dataset mnist or fashion_mnist without --classes."
    )


def scores(pictures, labels, classifier):
    """Returns the modes and the divergence of stacked pictures, a dictionary of floats.

    Args:
        pictures: uint8 array `(count, height, width, 3)`.
        labels: integer array, the classes of the grey pictures that were stacked.
        classifier: `Extractor` with classes.
    """
    count = classifier.class_count
    classes = [classifier(pictures[..., colour, np.newaxis])[1] for colour in range(3)]
    shares = np.bincount(labels, minlength=count) / len(labels)
    # Colours are independent, so the share of a mode is a product: no noise of drawing real pictures.
    real = np.einsum("i,j,k->ijk", shares, shares, shares).reshape(-1)
    return metrics.mode_scores(np.ravel_multi_index(classes, (count,) * 3), real)
