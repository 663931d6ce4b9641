"""Scores of samples against data, each with the contract under which it was computed."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from common import extractors, metrics
from common.errors import InputError
from common.files import whole
from common.gan import class_count_of, latent_dim_of
from common.latents import draw_latents
from data_prep.batches import unscale

PRINTED = {  # name of a score: how it is printed, and which direction is better
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
    "accuracy": ("samples of the class asked for", "higher"),
}
CHUNK = 1000  # images held as pixels at a time
MANIFOLD = 10_000  # features at most in the scores that compare all with all


@dataclasses.dataclass(frozen=True)
class Contract:
    """What a score was computed from. Scores of different contracts are different quantities."""

    extractor: str  # its name
    weights: str  # digest of its weights
    data: str  # what the samples are compared with
    split: str
    real_count: int
    fake_count: int
    resizer: str
    values: str  # range that the extractor is fed
    seed: int  # of the latents and of the subsets
    generator: str  # "averaged" or "raw" weights, or where files come from


class Scores:
    """Numbers with their contract.

    Args:
        values: dictionary from the names of `PRINTED` to floats.
        contract: `Contract`.
    """

    def __init__(self, values, contract):
        self.values = values
        self.contract = contract

    def write(self, path):
        """Stores both, in one JSON file."""
        with whole(path) as part:
            stored = {"scores": self.values, "contract": dataclasses.asdict(self.contract)}
            part.write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path):
        """Returns what `write` stored.

        Raises:
            InputError: if the file is missing or holds something else.
        """
        try:
            stored = json.loads(Path(path).read_text("utf-8"))
            return cls(stored["scores"], Contract(**stored["contract"]))
        except FileNotFoundError as error:
            raise InputError(f"There is no {path} yet; make it with the action evaluate.") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} holds no scores ({error}); make them anew with the action evaluate.") from error

    def text(self):
        """Returns the numbers and the contract as lines."""
        lines = [
            f"  {label:<30} {self.values[name]:.4g}{f'   ({better} is better)' if better else ''}"
            for name, (label, better) in PRINTED.items()
            if name in self.values
        ]
        lines += [f"  {name:<30} {value:.4g}" for name, value in self.values.items() if name not in PRINTED]
        facts = (f"{name} {value}" for name, value in dataclasses.asdict(self.contract).items())
        return "\n".join([*lines, f"  of: {', '.join(facts)}"])


def refuse_other_contract(first, second):
    """Raises an `InputError` that names the fields in which the contracts of two `Scores` differ, if they do."""
    a, b = dataclasses.asdict(first.contract), dataclasses.asdict(second.contract)
    differing = [f"{name} is {a[name]!r} and {b[name]!r}" for name in a if a[name] != b[name]]
    if differing:
        raise InputError(f"These scores cannot be compared: {'; '.join(differing)}. Compute both under one contract.")


class Evaluator:
    """Compares samples with data that it looks at once.

    Args:
        extractor: `extractors.Extractor`.
        real: uint8 images, indexed like an array by arrays of indices.
        data: string, what they are.
        split: string, of the data.
        seed: integer, of the subsets.
        labels: integer array, the classes of the images as the extractor numbers them, for conditional generators; or
            None.
    """

    def __init__(self, extractor, real, data, split, seed=0, labels=None):
        self.extractor = extractor
        self.real = self._features(len(real), lambda rows: real[rows])
        self.labels = labels
        self.facts = {"data": data, "split": split, "seed": seed}

    def __call__(self, count, draw, generator, wanted=None):
        """Returns the `Scores` of samples.

        Args:
            count: integer, of samples.
            draw: function from an array of indices below `count` to uint8 images.
            generator: string, of the contract.
            wanted: integer array `(count,)`, the classes that were asked for, or None.
        """
        real, fake = self.real, self._features(count, draw)
        seed = self.facts["seed"]
        values = {"frechet": metrics.frechet_distance(real.moments, fake.moments)}
        values["kernel"], values["kernel_std"] = metrics.kernel_distance(real.features, fake.features, seed=seed)
        same = min(len(real.features), len(fake.features))  # radii shrink with the number of features
        if same <= metrics.NEIGHBOURS:
            raise InputError(f"Scores need more than {metrics.NEIGHBOURS} images on both sides, but one has {same}.")
        values.update(metrics.manifold_scores(real.features[:same], fake.features[:same]))
        if self.extractor.has_classes:
            values.update(metrics.class_scores(real.labels, fake.labels, self.extractor.class_count))
        if wanted is not None and self.labels is not None and self.extractor.has_classes:
            values.update(self._by_class(fake, wanted))
        contract = Contract(
            extractor=self.extractor.name,
            weights=self.extractor.digest,
            real_count=real.moments.count,
            fake_count=count,
            resizer=self.extractor.RESIZER,
            values=self.extractor.VALUES,
            generator=generator,
            **self.facts,
        )
        return Scores(values, contract)

    def _by_class(self, fake, wanted):
        """Returns the share of samples that show the class asked for, and the Fréchet distance of each class."""
        values = {"accuracy": float((fake.labels == wanted).mean())}
        for label in np.unique(wanted):
            of_real, of_fake = self.labels[self.real.rows] == label, wanted[fake.rows] == label
            if min(of_real.sum(), of_fake.sum()) > 1:
                distance = metrics.frechet_distance(self.real.features[of_real], fake.features[of_fake])
                values[f"frechet of {self.extractor.name_of(label)}"] = distance
        return values

    def _features(self, count, images):
        """Returns the moments of all features, and the features themselves of `MANIFOLD` drawn at random."""
        moments, kept, labels = metrics.Moments(), [], []
        chosen = np.sort(np.random.default_rng(0).permutation(count)[:MANIFOLD])
        for start in range(0, count, CHUNK):
            rows = np.arange(start, min(start + CHUNK, count))
            features, classes = self.extractor(images(rows))
            moments.add(features)
            kept.append(features[np.isin(rows, chosen)])
            labels.append(classes)
        order = np.random.default_rng(1).permutation(len(chosen))  # the data may be in the order of its classes
        labels = np.concatenate(labels) if self.extractor.has_classes else None
        return Look(moments, np.concatenate(kept)[order], chosen[order], labels)


@dataclasses.dataclass
class Look:
    """What an extractor saw in a set of images."""

    moments: metrics.Moments
    features: np.ndarray  # of at most MANIFOLD images, in a random order
    rows: np.ndarray  # which ones
    labels: np.ndarray | None


def of_generator(evaluator, generator, sample, count, seed, ema):
    """Returns the `Scores` of the samples of fixed latents.

    Args:
        evaluator: `Evaluator`.
        generator: built `keras.Model`, of which the shape of the latents and the number of classes are taken.
        sample: function from latents and labels (or None) to samples in [-1, 1].
        count: integer, of samples.
        seed: integer, of the latents.
        ema: momentum of the average that the weights are, or 0.
    """
    latents = draw_latents(count, latent_dim_of(generator), seed)
    wanted = wanted_classes(generator, count)
    return evaluator(count, drawn_by(sample, latents, wanted), "averaged" if ema else "raw", wanted)


def drawn_by(sample, latents, labels=None):
    """Returns the `draw` of an `Evaluator` for a function from latents and labels to samples in [-1, 1]."""
    return lambda rows: unscale(sample(latents[rows], None if labels is None else labels[rows]))


def wanted_classes(generator, count):
    """Returns the classes that a conditional generator shall draw, each equally often, or None without labels."""
    classes = class_count_of(generator)
    return np.arange(count, dtype="int32") % classes if classes else None


def frechet_distances(real, kinds, data, extractor, is_embedded, seed=0):
    """Returns the Fréchet distances of some kinds of pictures to real ones, where they can be had, and their contract.

    Args:
        real: uint8 array of pictures.
        kinds: dictionary from names to uint8 arrays of pictures, as many of each.
        data: string, what the real ones are.
        extractor: string, see `extractors.load`; or None for the usual one, and then one that cannot be had is said.
        is_embedded: bool, whether the real ones are the embedded garments.
        seed: integer, of the contract.

    Returns:
        dictionary from names to floats, empty if there are none; and a `Contract`.
    """
    count = min(map(len, kinds.values()))
    try:
        if min(len(real), count) < 2:
            raise InputError(
                "The Fréchet distance needs two held-out pictures of each kind at least; bring more pictures."
            )
        usual = "garments" if is_embedded else extractors.INCEPTION
        evaluator = Evaluator(extractors.load(extractor or usual), real, data, "test", seed)
    except InputError as error:
        if extractor:
            raise
        print(f"Without Fréchet distance: {error}")
        return {}, Contract("none", "", data, "test", len(real), count, "none", "[-1, 1]", seed, "raw")
    scores = {name: evaluator(count, lambda rows, each=each: each[rows], "raw") for name, each in kinds.items()}
    *_, last = scores.values()
    return {name: each.values["frechet"] for name, each in scores.items()}, last.contract
