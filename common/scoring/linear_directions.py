"""Directions in latent space: found from what samples show or from weights, measured, and stored with a run."""

import dataclasses
import json
from pathlib import Path

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import train_test_split

from common.base.errors import InputError
from common.base.files import write_json
from common.base.paths import shown
from common.latent_space import unit
from common.saving import digest_of

FILE = "directions.json"  # in the folder of a run
HELD_OUT = 0.2  # of the samples, on which the accuracy of a probe is measured
FEWEST = 5  # samples of each kind, one of which is held out
REACH = 3.0  # how far latents are moved to both sides; a latent's own share of a unit direction is N(0, 1)
SHIFTS = np.linspace(-REACH, REACH, 9)
MONOTONE = 0.8  # rank correlation from which a direction is said to change what it is named after


@dataclasses.dataclass(frozen=True)
class Direction:
    """A unit direction in latent space, and what was measured of it."""

    name: str
    found_by: str  # "probe", "SeFa" or "GANSpace"; or "A without B"
    vector: np.ndarray  # (dim,)
    attribute: str  # what it changes: the one that it was found from or, of an unsupervised one, changes most
    accuracy: float | None = None  # of the probe on other samples: of a class balanced accuracy, else the correlation
    rank_correlation: float | None = None  # between shift and attribute, mean over samples
    side_effect: str | None = None  # the attribute that changes most beside it
    side_change: float | None = None  # how far it does, in its standard deviations, from one end to the other
    change: float | None = None  # how far the attribute itself does
    identity: float | None = None  # distance in features from a sample to its moved ones; 1: that of two samples


# Finding ----------------------------------------------------------------------------------------------------------


def probe(vectors, values, seed=0):
    """Returns the unit direction along which values grow in a linear model of latents, and the model's accuracy.

    The accuracy is measured on other samples: balanced accuracy of labels, correlation of numbers.

    Args:
        vectors: array `(count, dim)`.
        values: bool array `(count,)`, labels; or float array `(count,)`, numbers.
        seed: integer, chooses the samples that are held out.

    Raises:
        InputError: if all values, or all but a few, are equal.

    Reference: Shen et al., 2020, https://arxiv.org/abs/1907.10786, section 2.1 (a linear boundary).
    """
    is_label = values.dtype == bool
    if is_label and np.bincount(values, minlength=2).min() < FEWEST:
        raise InputError(f"it has fewer than {FEWEST} samples of one kind")
    kinds = values if is_label else None
    train, test = train_test_split(np.arange(len(values)), test_size=HELD_OUT, random_state=seed, stratify=kinds)
    if is_label:
        model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000).fit(vectors[train], values[train])
        right = model.predict(vectors[test]) == values[test]
        accuracy = np.mean([right[values[test] == kind].mean() for kind in (False, True)])
    else:
        if np.ptp(values) < 1e-9 * max(1, np.abs(values).max()):
            raise InputError("it is equal in all samples")
        model = RidgeCV(alphas=np.logspace(0, 4, 9)).fit(vectors[train], values[train])
        accuracy = np.corrcoef(model.predict(vectors[test]), values[test])[0, 1]
    return unit(model.coef_.ravel()), float(np.nan_to_num(accuracy))


# Measuring --------------------------------------------------------------------------------------------------------


class Measurement:
    """Samples that are moved along directions, to see what that changes.

    Args:
        space: `LatentSpace`.
        attributes: `Attributes`.
        count: integer, samples that are moved; an even number.
        seed: integer, of their latents.
    """

    def __init__(self, space, attributes, count=64, seed=1):
        self.space, self.attributes = space, attributes
        self.vectors = space.vectors(count, seed)
        self.start, self.features = attributes(space.pixels(self.vectors))
        others = self.features[np.random.default_rng(seed).permutation(count)]
        self.typical = max(np.linalg.norm(self.features - others, axis=1).mean(), 1e-9)
        self.deviations = np.maximum(self.start.std(axis=0), 1e-9)

    def _moved(self, direction, by):
        """Returns attributes and features of the samples after a shift; without one they are known."""
        if not by:
            return self.start, self.features
        return self.attributes(self.space.pixels(self.vectors + by * direction.vector))

    def __call__(self, direction):
        """Returns a `Direction` with what was measured.

        One without an attribute that can be measured gets the one that it changes most in the first half of the
        samples, and is measured in the other half: on the samples that chose it, the best of many looks good by chance.
        If it has no attribute at all, its sign becomes that with which the attribute grows.
        """
        moved = [self._moved(direction, by) for by in SHIFTS]
        values = np.stack([found for found, _ in moved], axis=1)  # samples, shifts, attributes
        attribute, sign = direction.attribute, 1
        if attribute not in self.attributes.names:
            first, values = np.split(values, 2)
            grown = (first[:, -1] - first[:, 0]).mean(axis=0) / self.deviations
            column = np.abs(grown).argmax()
            sign = -1 if not attribute and grown[column] < 0 else 1
            attribute = self.attributes.names[column]
        column = self.attributes.column(attribute)
        changes = np.abs(values[:, -1] - values[:, 0]).mean(axis=0) / self.deviations
        other = np.where(np.arange(len(changes)) == column, -1, changes).argmax()
        ends = np.mean([np.linalg.norm(moved[end][1] - self.features, axis=1).mean() for end in (0, -1)])
        return dataclasses.replace(
            direction,
            vector=sign * direction.vector,
            attribute=attribute,
            rank_correlation=float(sign * rank_correlations(values)[column]),
            change=float(changes[column]),
            side_effect=self.attributes.names[other],
            side_change=float(changes[other]),
            identity=float(ends / self.typical),
        )


def rank_correlations(values):
    """Returns Spearman's rank correlation between position and value, the mean over samples; of equal values 0.

    Args:
        values: array `(samples, positions, attributes)`.

    >>> rank_correlations(np.array([[[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]]]))
    array([1., 0.])
    """
    ranks = rankdata(values, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    positions = np.arange(values.shape[1]) - (values.shape[1] - 1) / 2
    products = np.einsum("spa,p->sa", ranks, positions)
    lengths = np.linalg.norm(ranks, axis=1) * np.linalg.norm(positions)
    return np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0).mean(axis=0)


# In the folder of a run -------------------------------------------------------------------------------------------


def store(folder, generator, directions):
    """Writes directions into the folder of a run, with the digest of the generator that they belong to.

    Args:
        folder: path.
        generator: `keras.Model`.
        directions: list of `Direction`.
    """
    rows = [{**dataclasses.asdict(each), "vector": [round(float(x), 6) for x in each.vector]} for each in directions]
    write_json(folder / FILE, {"generator": digest_of(generator), "directions": rows}, indent=1)


def load(folder, generator, recipe, where=""):
    """Returns the stored directions of a run, a dictionary from names to `Direction`; empty if there are none.

    Args:
        folder: path of the run.
        generator: `keras.Model`, that of the run.
        recipe: string, whose command an error suggests.
        where: string, the options by which that command means this run, such as " --pretrained".

    Raises:
        InputError: if the file is damaged, or belongs to another generator.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return {}
    again = f"find them again: ./run_recipe.sh {recipe} directions{where}"
    try:
        stored = json.loads(path.read_text("utf-8"))
        rows = [{**row, "vector": np.array(row["vector"], "float32")} for row in stored["directions"]]
        found = {row["name"]: Direction(**row) for row in rows}
        digest = stored["generator"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{shown(path)} is damaged ({error}); {again}") from error
    if digest != digest_of(generator):
        raise InputError(
            f"The directions in {shown(path)} are those of another generator (weights {digest}, and those here are "
            f"{digest_of(generator)}); {again}"
        )
    dim = generator.inputs[0].shape[1]
    if not all(each.vector.shape == (dim,) and np.isfinite(each.vector).all() for each in found.values()):
        raise InputError(f"{shown(path)} is damaged (a vector is not {dim} finite numbers); {again}")
    return found


def chosen(directions, name, recipe, where=""):
    """Returns the direction of a name, or raises an `InputError` that lists those that there are."""
    if not directions:
        raise InputError(f"This run has no directions yet; find some first: ./run_recipe.sh {recipe} directions{where}")
    if name not in directions:
        raise InputError(f"There is no direction {name!r}; there are {', '.join(directions)}.")
    return directions[name]
