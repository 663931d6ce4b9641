"""The action evaluate: what the drawn images of a run are worth to a classifier."""

import numpy as np

from common.base.pictures import save_figure, unscale
from common.cli.evaluate import evaluate_action
from common.sampling import draw_samples
from common.training.trained_run import load_latents, options_of, read_config
from data_prep import images

from . import data, study

CONFIRMED = 5000  # drawn images that a classifier of held-out images is asked about
DIGITS, OTHERS = ("crop",), ("flip", "crop")  # classical augmentation: a mirrored digit is none


def evaluate(name, arguments):
    """Scores the samples of a run, trains classifiers with and without them, and draws augmentation.png."""
    evaluate_action(name, arguments, further=measure)


def measure(folder, generator, _):
    """Returns the accuracies of the classifiers on held-out images, and draws them."""
    config = read_config(folder / "config.json")
    options, seed = options_of(config, data.FewImagesOptions), config["seed"]
    real, held_out = data.few_images(options, seed), images.load(options, "test", hold_out=True).as_array()
    latents, changes = load_latents(folder, generator), DIGITS if options.dataset == "mnist" else OTHERS

    def draw(labels):
        return unscale(draw_samples(generator, latents.fixed(len(labels), seed, labels.astype("int32"))))

    classifier = study.Classifier(real.images.shape[1:], len(real.class_names), seed)
    found = study.accuracies(classifier, real, draw, held_out, changes)
    draw_accuracies(folder / "augmentation.png", {options.images_per_class: [found]})
    labels = latents.labels(CONFIRMED)
    drawn = images.Images(draw(labels), labels, real.class_names)
    scores = {f"accuracy, {name}": accuracy for name, accuracy in found.items()}
    return {**scores, "drawn ones of their class": study.confirmed(classifier, drawn, held_out, changes)}


def draw_accuracies(path, studies):
    """Draws the accuracies by the number of drawn images, their mean and standard deviation.

    Args:
        path: path of the picture.
        studies: dictionary from numbers of real images of each class to lists of what `study.accuracies` returned.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + 4 * len(studies), 4), layout="constrained")
    every = figure.subplots(1, len(studies), squeeze=False)[0]
    for axes, (count, found) in zip(every, studies.items(), strict=True):
        draw_panel(axes, {name: np.array([each[name] for each in found]) for name in study.MIXTURES})
        axes.set_title(f"{count} real images of each class")
    every[0].set_ylabel("accuracy on held-out images")
    every[-1].legend(fontsize="small")
    save_figure(path, figure)


def draw_panel(axes, values):
    """Draws the mixtures with a growing number of drawn images as curves, the others as lines."""
    plain = {name: mixture for name, mixture in study.MIXTURES.items() if not mixture.is_augmented}
    curves = {
        "real + drawn": [name for name, mixture in plain.items() if mixture.real == 1],
        "half real, half drawn": [name for name, mixture in plain.items() if mixture.real == mixture.drawn],
    }
    for label, names in curves.items():
        drawn = [study.MIXTURES[name].drawn for name in names]
        means, deviations = ([getattr(values[name], kind)() for name in names] for kind in ("mean", "std"))
        axes.errorbar(drawn, means, deviations, label=label, marker=".", capsize=3)
    in_curves = {name for names in curves.values() for name in names}
    others = [name for name in study.MIXTURES if name not in in_curves]
    for number, name in enumerate(others, len(curves)):
        axes.axhline(values[name].mean(), color=f"C{number}", linestyle="--", label=name)
    ticks = sorted({mixture.drawn for mixture in study.MIXTURES.values()})
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xticks(ticks, map(str, ticks))
    axes.set_xlabel("drawn images for each real one")
    axes.grid(alpha=0.3)
