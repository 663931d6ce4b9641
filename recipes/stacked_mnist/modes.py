"""The action evaluate: counts the modes of stacked images by the published protocol."""

import dataclasses

import numpy as np

from common.base.arguments import parse
from common.base.errors import InputError
from common.base.paths import shown
from common.base.pictures import unscale
from common.base.ranges import Count, Seed
from common.cli.run_choice import RunChoice
from common.sampling import draw_samples
from common.scoring import extractors, metrics
from common.training.generator_check import refuse_no_images, refuse_other_channels
from common.training.trained_run import load_latents, open_run
from data_prep import images

from . import data


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(RunChoice):
    """Options of the action evaluate."""

    samples: Count = 26_000  # number of samples
    seed: Seed = 0  # of the latents


def evaluate(name, arguments):
    """Counts the modes among the samples of a run, and compares their frequencies with those of the data.

    A classifier predicts the class of each channel. The three classes are the mode of a sample.

    Reference: Metz et al., 2017, https://arxiv.org/abs/1611.02163, appendix D; Lin et al., 2018,
    https://arxiv.org/abs/1712.04086, section 4.2.
    """
    (options,) = parse(f"./run_recipe.sh {name} evaluate", evaluate.__doc__, {"evaluate": EvaluateOptions}, arguments)
    folder, generator, planes = open_run(name, options.folder(name), images.ImageOptions)
    latents = load_latents(folder, generator)
    refuse_no_images(generator)
    refuse_other_channels(generator, 3)
    train, test = (data.grey(images.load(planes, split)) for split in ("train", "test"))
    classifier = classifier_of(train.class_names)
    samples = draw_samples(generator, latents.fixed(options.samples, options.seed))
    result = scores(unscale(samples), train.labels, classifier)
    accuracy = np.mean(classifier(test.images)[1] == test.labels)
    print(
        f"{name}, {shown(folder)}: {result['modes']:.0f} of {classifier.class_count**3:,} modes, "
        f"KL to the data {result['kl']:.3f} ({options.samples:,} samples, seed {options.seed}; the classifier "
        f"{classifier.name} is right on {accuracy:.1%} of the test images)"
    )


def classifier_of(class_names):
    """Returns the extractor that classifies these classes.

    Raises:
        InputError: if the project has none.
    """
    for name in ("garments", "digits"):
        extractor = extractors.load(name)
        if extractor.class_names == class_names:
            return extractor
    raise InputError(
        f"Modes are counted by a classifier of the project, for digits or garments, but these are {class_names[0]}, …; "
        "use --dataset mnist or fashion_mnist without --classes."
    )


def scores(samples, labels, classifier):
    """Returns the `mode_scores` of stacked images, a dictionary of floats.

    Args:
        samples: uint8 array `(count, height, width, 3)`.
        labels: integer array, the classes of the grey images that were stacked.
        classifier: `Extractor` with classes.
    """
    count = classifier.class_count
    classes = [classifier(samples[..., channel, np.newaxis])[1] for channel in range(3)]
    shares = np.bincount(labels, minlength=count) / len(labels)
    # The channels are independent, so the share of a mode is a product, without sampling noise.
    real = np.einsum("i,j,k->ijk", shares, shares, shares).reshape(-1)
    return metrics.mode_scores(np.ravel_multi_index(classes, (count,) * 3), real)
