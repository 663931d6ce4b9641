"""Scores samples against data, and records the protocol of each score."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np

from common.base.errors import InputError
from common.base.files import write_json
from common.base.pictures import unscale
from common.base.renamed import renamed
from common.perceptual import PerceptualDistance
from common.scoring import extractors, metrics
from data_prep import images

PRINTED = {  # name of a score: its label, and which direction is better
    "frechet": ("Fréchet distance", "lower"),
    "kernel": ("kernel distance", "lower"),
    "kernel_std": ("  its standard deviation", ""),
    "precision": ("precision", "higher"),
    "recall": ("recall", "higher"),
    "density": ("density", "higher"),
    "coverage": ("coverage", "higher"),
    "modes": ("classes covered", "higher"),
    "label_entropy": ("label entropy, nats", ""),
    "kl": ("KL to the labels of the data", "lower"),
    "l1": ("L1 to the target", "lower"),
    "ssim": ("structural similarity to the target", "higher"),
    "perceptual": ("perceptual distance to the target", "lower"),
    "accuracy": ("samples of the class asked for", "higher"),
}
CHUNK = 1000  # images in memory at a time
FEWEST = metrics.NEIGHBOURS + 1  # images that have so many neighbours
MANIFOLD = 10_000  # maximum number of features in scores that compare all pairs


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How a score was computed. Scores of different protocols are different quantities."""

    extractor: str  # name of the extractor
    weights: str  # digest of its weights
    data: str  # what the samples are compared with
    split: str
    real_count: int
    fake_count: int
    resizer: str
    values: str  # range of the extractor's input
    seed: int  # of the latents and of the subsets
    generator: str  # "averaged" or "raw" weights, or the origin of image files


class Scores:
    """Scores with their protocol.

    Args:
        values: dictionary from the names of `PRINTED` to floats.
        protocol: `Protocol`.
    """

    def __init__(self, values, protocol):
        self.values = values
        self.protocol = protocol

    def write(self, path):
        """Writes scores and protocol into one JSON file."""
        write_json(path, {"scores": self.values, "protocol": dataclasses.asdict(self.protocol)})

    @classmethod
    def read(cls, path):
        """Returns what `write` stored.

        Raises:
            InputError: if the file is missing or contains something else.
        """
        try:
            stored = renamed(json.loads(Path(path).read_text("utf-8")))
            values = {name: float(value) for name, value in stored["scores"].items()}
            return cls(values, Protocol(**stored["protocol"]))
        except FileNotFoundError as error:
            raise InputError(f"There is no {path} yet; make it with the action evaluate.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} holds no scores ({error}); compute new ones with the action evaluate.") from error

    def text(self):
        """Returns the scores and the protocol as lines of text."""
        lines = [
            f"  {label:<30} {self.values[name]:.4g}{f'   ({better} is better)' if better else ''}"
            for name, (label, better) in PRINTED.items()
            if name in self.values
        ]
        lines += [f"  {name:<30} {value:.4g}" for name, value in self.values.items() if name not in PRINTED]
        facts = (f"{name} {value}" for name, value in dataclasses.asdict(self.protocol).items())
        return "\n".join([*lines, f"  of: {', '.join(facts)}"])


def refuse_other_protocol(first, second):
    """Raises an `InputError` that names the differing fields if the protocols of two `Scores` differ."""
    a, b = dataclasses.asdict(first.protocol), dataclasses.asdict(second.protocol)
    differing = [f"{name} is {a[name]!r} and {b[name]!r}" for name in a if a[name] != b[name]]
    if differing:
        raise InputError(f"These scores cannot be compared: {'; '.join(differing)}. Compute both under one protocol.")


class Evaluator:
    """Compares samples with data, whose features are computed only once.

    Args:
        extractor: `extractors.Extractor`.
        real: uint8 images, indexed like an array by arrays of indices.
        data: string, description of the images.
        split: string, of the data.
        seed: integer, of the subsets.
        labels: integer array, the classes of the images, for conditional generators; or None.
        class_names: tuple of strings, the names of these classes.

    Attributes:
        images: `real`, for measures that need more than features.
    """

    as_compared = staticmethod(unscale)  # a generator's samples as what is compared; images unless overridden

    def __init__(self, extractor, real, data, split, seed=0, labels=None, class_names=()):
        if len(real) < FEWEST:
            advice = "hold out more with --validation" if split == "validation" else "add images"
            raise InputError(
                f"Scores need at least {FEWEST} images on both sides, but of the {split} images there are {len(real)}; "
                f"{advice}."
            )
        self.extractor = extractor
        self.images = real
        self.real = self._features(len(real), lambda rows: real[rows])
        self.labels = labels
        self.class_names = class_names
        self.facts = {"data": data, "split": split, "seed": seed}

    def __call__(self, count, draw, generator, wanted=None):
        """Returns the `Scores` of samples.

        Args:
            count: integer, number of samples.
            draw: function from an array of indices below `count` to uint8 images.
            generator: string, for the protocol.
            wanted: integer array `(count,)`, the requested classes, or None.
        """
        if count < FEWEST:
            raise InputError(f"Scores need at least {FEWEST} images on both sides, but there are {count} samples.")
        real, fake = self.real, self._features(count, draw)
        seed = self.facts["seed"]
        values = {"frechet": metrics.frechet_distance(real.moments, fake.moments)}
        values["kernel"], values["kernel_std"] = metrics.kernel_distance(real.features, fake.features, seed=seed)
        same = min(len(real.features), len(fake.features))  # radii shrink with the number of features
        values.update(metrics.manifold_scores(real.features[:same], fake.features[:same]))
        if self.extractor.has_classes:
            values.update(metrics.class_scores(real.labels, fake.labels, self.extractor.class_count))
        if wanted is not None and self.labels is not None:
            values.update(self._by_class(fake, wanted))
        protocol = Protocol(
            extractor=self.extractor.name,
            weights=self.extractor.digest,
            real_count=real.moments.count,
            fake_count=count,
            resizer=self.extractor.resizer,
            values=self.extractor.VALUES,
            generator=generator,
            **self.facts,
        )
        return Scores(values, protocol)

    def _by_class(self, fake, wanted):
        """Returns the scores of each class: how far its samples are from its images.

        If the extractor knows the classes: the share of samples that it confirms to be of the requested one, of all and
        of each class, beside that of real images, since it makes mistakes itself; and Fréchet distances. Otherwise
        kernel distances, since a class may have fewer images than there are features.
        """
        known = self.class_names == self.extractor.class_names
        values = {"accuracy": float((fake.labels == wanted).mean())} if known else {}
        for label in np.unique(wanted):
            if known:
                for kind, found, true in (("", fake.labels, wanted), ("real ", self.real.labels, self.labels)):
                    if np.any(true == label):  # the real images may lack a class
                        share = np.mean(found[true == label] == label)
                        values[f"{kind}confirmed of {self.class_names[label]}"] = float(share)
            of_real, of_fake = self.labels[self.real.rows] == label, wanted[fake.rows] == label
            if min(of_real.sum(), of_fake.sum()) > 1:
                parts, name = (self.real.features[of_real], fake.features[of_fake]), self.class_names[label]
                if known:
                    values[f"frechet of {name}"] = metrics.frechet_distance(*parts)
                else:
                    values[f"kernel of {name}"], _ = metrics.kernel_distance(*parts, subsets=10)
        return values

    def _features(self, count, images):
        """Returns the moments of all features, and at most `MANIFOLD` of the features, chosen at random."""
        moments, kept, labels = metrics.Moments(), [], []
        chosen = np.sort(np.random.default_rng(0).permutation(count)[:MANIFOLD])
        for start in range(0, count, CHUNK):
            rows = np.arange(start, min(start + CHUNK, count))
            features, classes = self.extractor(images(rows))
            moments.add(features)
            kept.append(features[np.isin(rows, chosen)])
            labels.append(classes)
        order = np.random.default_rng(1).permutation(len(chosen))  # the data may be sorted by class
        labels = np.concatenate(labels) if self.extractor.has_classes else None
        return Features(moments, np.concatenate(kept)[order], chosen[order], labels)


@dataclasses.dataclass
class Features:
    """The features of a set of images."""

    moments: metrics.Moments
    features: np.ndarray  # of at most MANIFOLD images, in a random order
    rows: np.ndarray  # indices of these images
    labels: np.ndarray | None


def evaluator_of(options, extractor=None, split="test", seed=0):
    """Returns the `Evaluator` that compares with the data of `ImageOptions`."""
    extractor = extractor_of(options, extractor)  # first, since to read the images takes minutes
    found = images.load(options.each_once(), split)
    described = str(options.data) if options.data else options.dataset
    described += f", {' '.join(options.classes)}" if options.classes else ""
    part = "whole" if split == "test" and not images.has_splits(options) else split
    return Evaluator(extractor, found.images, described, part, seed, found.labels, found.class_names)


def extractor_of(options, name=None):
    """Returns the `Extractor` of a name, by default the one that suits the data of `ImageOptions`."""
    default = {"mnist": "digits", "cifar10": extractors.IMAGENET}.get(options.dataset, "garments")
    return extractors.load(name or (extractors.IMAGENET if options.data else default))


def evaluator_in_training(config, extractor):
    """Returns the `Evaluator` for the callback `Evaluate`, from a recipe's configuration.

    It compares with the validation images: an epoch that was selected by its score on the test images would be reported
    with a score that is too good.
    """
    if not hasattr(config, "images"):
        raise InputError(
            "--evaluate-every scores single images; this recipe has a measure of its own: its action evaluate."
        )
    return evaluator_of(config.images, extractor, "validation")


def classes_to_draw(latents, count, labels):
    """Returns the classes that a generator is asked for, an integer array `(count,)`; None for one without classes.

    They have the shares that they have among the real images: a generator that draws each class as it is would be far
    from these, if it were asked for each equally often.

    Args:
        latents: `Latents`, what the generator is fed.
        count: integer, number of samples.
        labels: integer array, the classes of the real images; None if they are not known.
    """
    if not latents.class_count or labels is None or len({*np.bincount(labels)}) == 1:
        return latents.labels(count)
    return np.sort(labels)[np.arange(count) * len(labels) // count].astype("int32")


def score_generator(evaluator, latents, sample, count, seed, weights):
    """Returns the `Scores` of a generator's samples of fixed latents.

    Args:
        evaluator: `Evaluator`.
        latents: `Latents`, what the generator is fed.
        sample: function from its inputs to samples.
        count: integer, number of samples.
        seed: integer, of the latents.
        weights: "averaged" or "raw", for the protocol.
    """
    wanted = classes_to_draw(latents, count, getattr(evaluator, "labels", None))  # a recipe's own has none
    inputs = latents.fixed(count, seed, wanted)

    def draw(rows):
        return evaluator.as_compared(sample(keras.tree.map_structure(lambda part: part[rows], inputs)))

    return evaluator(count, draw, weights, wanted)


def distances(real, kinds, data, extractor, is_embedded, seed=0):
    """Returns the distances of several sets of images to real ones, if computable, and their protocol.

    Of few images the Fréchet distance is too large, more so the fewer there are; the kernel distance is unbiased.

    Args:
        real: uint8 array of images.
        kinds: dictionary from the endings of the names of scores to uint8 arrays of images, such as
            `{"": translated, " of the mean target": mean}`.
        data: string, description of the real images.
        extractor: string, see `extractors.load`; None for the default one, whose errors are printed, not raised.
        is_embedded: bool, whether the real images are the embedded garments.
        seed: integer, for the protocol.

    Returns:
        dictionary of floats with `frechet` and `kernel` of each set, empty if they cannot be computed; a `Protocol`.
    """
    count = min(map(len, kinds.values()))
    try:
        if min(len(real), count) < FEWEST:
            raise InputError(
                f"The Fréchet distance needs at least {FEWEST} held-out images of each kind, but of one there are "
                f"{min(len(real), count)}; add more images."
            )
        usual = "garments" if is_embedded else extractors.IMAGENET
        evaluator = Evaluator(extractors.load(extractor or usual), real, data, "test", seed)
    except InputError as error:
        if extractor:
            raise
        print(f"Without Fréchet and kernel distance: {error}")
        return {}, Protocol("none", "", data, "test", len(real), count, "none", "[-1, 1]", seed, "raw")
    scores = {name: evaluator(count, lambda rows, each=each: each[rows], "raw") for name, each in kinds.items()}
    *_, last = scores.values()
    values = {f"{name}{of}": each.values[name] for name in ("frechet", "kernel") for of, each in scores.items()}
    return values, last.protocol


def perceptual_scores(pairs):
    """Returns the mean perceptual distances of pairs of images; without the network none, and prints why.

    Args:
        pairs: dictionary from names of scores to two uint8 arrays `(count, height, width, channels)` of equal length.
    """
    try:
        distance = PerceptualDistance()
    except InputError as error:
        print(f"Without perceptual distance: {error}")
        return {}
    return {name: float(distance.of_images(*pair).mean()) for name, pair in pairs.items()}
