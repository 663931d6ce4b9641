"""The action features: how well the layers of a trained network serve another task, classification with few labels."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from common import backend
from common.base.arguments import parse
from common.base.errors import InputError
from common.base.files import refuse_existing, whole, write_json, writing_to
from common.base.paths import shown
from common.base.pictures import save_figure
from common.base.ranges import Count, Range, Seed
from common.cli.run_choice import RunChoice
from common.scoring import inversion, probes
from common.scoring.classification import classify, labelled_rows, linear_classifier
from common.training.trained_run import image_options, load_generator, open_generator
from data_prep import images

RANDOM = ("random, probe", "random, trained")
MOST = 2000  # held-out images, and training images that choose the layer
FEWEST = 50  # training images that choose the layer


@dataclasses.dataclass(frozen=True)
class FeaturesOptions(RunChoice):
    """Options of the action features."""

    network: Literal["auto", "discriminator", "encoder", "generator"] = "auto"
    """whose layers are used; by default those of the discriminator, or of the encoder of a vae; of a generator those
    behind an encoder that is trained to invert it"""
    labels: tuple[Annotated[int, Range(2, 1_000_000)], ...] = (50, 100, 500, 5000)
    """labelled images, as many of each class"""
    seeds: Annotated[int, Range(1, 100)] = 3  # choices of the labelled images
    steps: Count = 500  # training steps of fine-tuning
    seed: Seed = 0  # random seed of new weights
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE.keras")] = None
    """the classifier that is written; by default classifier.keras in the run folder"""


KINDS = {  # name of a classifier: what it is
    "fine-tuned": "all layers up to the best one, trained on from the run's weights and the probe",
    "probe": "linear on the best layer",
    "random, trained": "the same layers, trained on from new weights and their probe",
    "random, probe": "linear on the same layer with new weights",
    "pixels": "linear on pixels",
}


def features_action(name, arguments):
    """Measures what the layers of a trained network know of the classes, and writes a classifier made of them."""
    command = f"./run_recipe.sh {name} features"
    (options,) = parse(command, features_action.__doc__, {"features": FeaturesOptions}, arguments)
    folder = options.folder(name)
    out = options.out or folder / "classifier.keras"
    if out.suffix != ".keras":
        raise InputError(f"--out expects a file .keras, but is {out}; use {out.with_suffix('.keras')}.")
    if options.out:
        refuse_existing([out])
    network = load_network(folder, options.network, name, options.seed)
    parts = Parts(image_options(folder), options)
    refuse_other_images(network, parts)
    by_layer = accuracy_of_layers(network, parts, options.labels)
    most = max(options.labels)
    best = max(by_layer[most], key=by_layer[most].get)
    backend.set_random_seed(options.seed)
    compared = {count: compare(network, best, parts, count, options.steps) for count in options.labels}
    scores = {count: accuracies for count, (accuracies, _) in compared.items()}
    print(table(scores))
    layers = ", ".join(f"{layer} {accuracy:.3f}" for layer, accuracy in by_layer[most].items())
    print(f"On other training images, with {most} labels: {layers}. The best layer is {best}.")
    draw(folder / "features.png", scores, by_layer)
    write_json(folder / "features.json", {"accuracy": scores, "layers": by_layer, "best": best})
    with writing_to(out), whole(out) as part:
        others, wanted = parts.validation[0]
        max(compared[most][1], key=lambda model: right(model, others, wanted)).save(part)
    print(f"Stored: features.png and features.json in {shown(folder)}, and the classifier {shown(out)}")


def load_network(folder, kind, name, seed):
    """Returns the discriminator or the encoder of a run, or, of the kind "auto", the first of them that it has.

    Of the kind "generator" it is `inversion.hidden_of` an encoder that is trained here, from a seed.

    Raises:
        InputError: if the run has none, or it takes more than an image.
    """
    if not (folder / "config.json").exists():
        raise InputError(f"There is no run in {shown(folder)} yet; train first: ./run_recipe.sh {name}")
    if kind == "generator":
        generator, latents = open_generator(name, folder)
        return inversion.hidden_of(generator, inversion.encoder_of(generator, latents, seed))
    if kind == "auto":
        stored = [each for each in ("discriminator", "encoder") if (folder / f"{each}.keras").exists()]
        kind = stored[0] if stored else "discriminator"
    path = folder / f"{kind}.keras"
    if not path.exists():
        raise InputError(
            f"The run in {shown(folder)} has no {path.name}; name another --network, or, if an earlier version "
            "trained it, train one more epoch to write it."
        )
    network = load_generator(path, name)
    if len(network.inputs) > 1 or len(network.inputs[0].shape) != 4:
        raise InputError(
            f"features expects a {kind} that takes an image, but that of {name} takes something else or more, such as "
            "a label or a second image; use a run of dcgan, r3gan, vae or another recipe of single images."
        )
    return network


def refuse_other_images(network, parts):
    """Raises an `InputError` if a network takes others than the single images that a run names as its data."""
    wanted, found = network.input_shape[1:], parts.test[0].shape[1:]
    if wanted != found:
        raise InputError(
            f"The network takes images of {'×'.join(map(str, wanted))} values, but the run's data are images of "
            f"{'×'.join(map(str, found))}; use a run of a recipe that is trained on single images."
        )


class Parts:
    """The images: labelled ones of each seed, those that choose the layer, and held-out ones; no image is in two parts.

    Args:
        data: `ImageOptions`. Of data without a test part, every tenth image is held out.
        options: `FeaturesOptions`.

    Raises:
        InputError: if there are too few images.
    """

    def __init__(self, data, options):
        data = data.each_once()
        training, test = (images.load(data, split, hold_out=True) for split in ("train", "test"))
        rows = np.random.default_rng(0).permutation(len(test.images))[:MOST]
        self.test = test.images[rows], test.labels[rows]
        self.labelled, self.validation = {}, {}
        for seed in range(options.seeds):
            largest = labelled_rows(training, max(options.labels), seed)
            others = np.setdiff1d(np.arange(len(training.images)), largest)
            others = np.random.default_rng(seed).permutation(others)[:MOST]
            if len(others) < FEWEST:
                raise InputError(
                    f"--labels {max(options.labels)} leave {len(others)} of {len(training.images)} images, but "
                    f"{FEWEST} others are needed to choose the layer; use fewer labels."
                )
            self.validation[seed] = training.images[others], training.labels[others]
            for count in options.labels:
                rows = labelled_rows(training, count, seed)
                self.labelled[count, seed] = training.images[rows], training.labels[rows]


def accuracy_of_layers(network, parts, counts):
    """Returns the mean accuracies of the probes of each layer on `parts.validation`.

    Returns:
        dictionary from numbers of labels to dictionaries from layers to floats.
    """
    accuracies = {count: {} for count in counts}
    for seed, (others, wanted) in parts.validation.items():
        of_others = probes.features_of(network, others)
        for count in counts:
            known, labels = parts.labelled[count, seed]
            for layer, features in probes.features_of(network, known).items():
                score = probes.Probe(features, labels).accuracy(of_others[layer], wanted)
                accuracies[count].setdefault(layer, []).append(score)
    return {count: {layer: float(np.mean(each)) for layer, each in of.items()} for count, of in accuracies.items()}


def compare(network, layer, parts, count, steps):
    """Returns the accuracies of all `KINDS` on held-out images, and the classifiers of the first seed.

    Returns:
        dictionary of lists, a number for each seed; list of `keras.Model`s, the probe and the fine-tuned network.
    """
    scores, kept = {kind: [] for kind in KINDS}, []
    for seed in parts.validation:
        known, labels = parts.labelled[count, seed]
        own = list(classifiers(network, layer, known, labels, steps, seed))
        new = classifiers(probes.untrained(network), layer, known, labels, steps, seed)
        for kind, model in zip(("probe", "fine-tuned", *RANDOM), (*own, *new), strict=True):
            scores[kind].append(right(model, *parts.test))
        held_out, wanted = parts.test
        scores["pixels"].append(float(np.mean(linear_classifier(known, labels)(held_out) == wanted)))
        kept = kept or own
    return scores, kept


def right(model, held_out, wanted):
    """Returns the share of images that a classifier gets right."""
    return float(np.mean(classify(model, held_out) == wanted))


def classifiers(network, layer, known, labels, steps, seed):
    """Returns two classifiers of labelled images: the probe of a layer, and all layers up to it, trained on."""
    probe = probes.Probe(probes.features_of(network, known)[layer], labels)
    part = probes.up_to(network, layer)
    yield probe.classifier(part)
    yield probes.fine_tuned(part, probe, known, labels, steps, seed)


def table(scores):
    """Returns the accuracies as a table, means ± standard deviations over the seeds."""
    lines = ["accuracy on held-out images", f"  {'labels':<17}" + "".join(f"{count:>16}" for count in scores)]
    for kind, text in KINDS.items():
        each = [scores[count][kind] for count in scores]
        cells = [f"{np.mean(values):.3f} ± {np.std(values, ddof=min(1, len(values) - 1)):.3f}" for values in each]
        lines.append(f"  {kind:<17}{''.join(f'{cell:>16}' for cell in cells)}   {text}")
    return "\n".join(lines)


def draw(path, scores, by_layer):
    """Draws the accuracies by the number of labels, and those of the layers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    counts = sorted(scores)
    for kind in KINDS:
        values = np.array([scores[count][kind] for count in counts])
        style = "--" if kind in RANDOM else ":" if kind == "pixels" else "-"
        left.errorbar(counts, values.mean(axis=1), values.std(axis=1), label=kind, linestyle=style, capsize=3)
    left.set(xscale="log", xlabel="labels", ylabel="accuracy", title="on held-out images")
    for count in counts:
        right.plot(list(by_layer[count]), list(by_layer[count].values()), marker=".", label=f"{count} labels")
    right.tick_params(axis="x", rotation=45)
    right.set(title="probes of each layer, on other training images")
    for axes in (left, right):
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    save_figure(path, figure)
