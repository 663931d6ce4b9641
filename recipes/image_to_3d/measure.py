"""The sheet of an epoch, and the action evaluate: scores on held-out objects beside those of honest baselines."""

import dataclasses
import itertools

import numpy as np

from common.base.arguments import parse
from common.base.paths import shown
from common.base.pictures import scale, side_by_side
from common.cli.evaluate import report_scores
from common.cli.run_choice import RunChoice
from common.saving import digest_of
from common.scoring import metrics
from common.scoring.evaluator import FEWEST, Protocol, Scores
from common.training.trained_run import options_of, read_config
from data_prep import decode, render

from . import classifier, data
from .model import THRESHOLDS, Model, open_model, store_threshold
from .scores import all_overlaps, overlaps, piece_scores, scores_of

SHOWN = 12  # objects in the sheet of an epoch
TILE = 64  # pixels of each of its pictures
AROUND = (30.0, 150.0, 270.0)  # degrees, the azimuths of three views
COLUMNS = 3 * 5  # of the sheet: three objects a row, each with image, truth and three views
SAMPLES = 1_000  # of the game without images that are scored


# The sheet of an epoch ------------------------------------------------------------------------------------------------


def sheet(config):
    """Returns a function from the GAN to the sheet of an epoch, images in [-1, 1].

    It shows held-out objects: image, truth, and three views of the answer; without images, views of samples.
    """
    objects = data.load_objects(config.objects, "validation")
    firsts = np.unique(objects.owners, return_index=True)[1]  # the first image of each object
    rows = firsts[np.linspace(0, len(firsts) - 1, min(SHOWN, len(firsts)), dtype=int)]
    images, truth = objects.images[rows], objects.volumes[objects.owners[rows]]

    def draw(gan):
        model = Model(gan.generator, gan.networks.get("encoder"))
        if model.encoder is None:
            found = model.occupied(gan.latents.fixed(5 * len(rows), config.seed))
            return views_of(found, AROUND[0])
        return answers(images, truth, model.answers(images))

    return draw


def answers(images, truth, volumes):
    """Returns rows of image, truth and three views of the answer, `(count * 5, TILE, TILE, 1)` in [-1, 1]."""
    enlarged = np.stack([decode.resize(image, (TILE, TILE), "stretch") for image in images])
    around = [views_of(volumes, azimuth) for azimuth in AROUND]
    return side_by_side(scale(enlarged), views_of(truth, AROUND[0]), *around)


def views_of(volumes, azimuth, elevation=25.0):
    """Returns one view of each volume, `(count, TILE, TILE, 1)` in [-1, 1]."""
    return scale(render.views(volumes, azimuth, elevation, TILE))


# evaluate -------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(RunChoice):
    """Options of the action evaluate."""


def evaluate(name, arguments):
    """Scores the volumes that a run makes of held-out images, beside those of baselines, and stores the scores."""
    command = f"./run_recipe.sh {name} evaluate"
    (options,) = parse(command, evaluate.__doc__, {"evaluate": EvaluateOptions}, arguments)
    folder = options.folder(name)
    model = open_model(folder, name)
    given = options_of(read_config(folder / "config.json"), data.ObjectOptions)
    training, validation, test = (data.load_objects(given, split) for split in ("train", "validation", "test"))
    judge = Judge(training, validation, test)
    if model.encoder is None:
        count, values = SAMPLES, {**judge.of_samples(model), **judge.of_objects(training)}
    else:
        model.threshold = best_threshold(model, validation)
        store_threshold(folder, model.threshold)
        count, values = len(test.images), judge.of_answers(model, training, test)
        if model.is_vae:
            values |= ending(judge.of_samples(model), " of drawn latents")
    protocol = Protocol(
        extractor="volume classifier",
        weights=f"{digest_of(judge.network)}, accuracy {judge.accuracy:.3f}",
        data=given.described,
        split="test",
        real_count=len(test.volumes),
        fake_count=count,
        resizer="none",
        values="occupied or not",
        seed=0,
        generator="raw",
    )
    report_scores(Scores(values, protocol), folder, f"{name}, {shown(folder)}")


def best_threshold(model, objects):
    """Returns the threshold with the largest mean overlap on `Objects`."""
    volumes, truth = model.volumes(objects.images), objects.volumes[objects.owners]
    means = [overlaps(truth, volumes >= threshold).mean() for threshold in THRESHOLDS]
    return round(float(THRESHOLDS[np.argmax(means)]), 2)


class Judge:
    """A classifier of volumes, and what it sees in the held-out ones.

    Attributes:
        accuracy: float, of the classifier on validation objects.
    """

    def __init__(self, training, validation, test):
        self.network = classifier.load(training)
        self.accuracy = float((classifier.judged(self.network, validation.volumes)[0] == validation.labels).mean())
        self.kinds, self.real = classifier.judged(self.network, test.volumes)
        self.kind_count = len(training.class_names)

    def scores(self, volumes, labels=None):
        """Returns the scores of the features of volumes, and the share that is of its kind, or how kinds are spread.

        Args:
            volumes: bool array `(count, R, R, R)`.
            labels: integer array, the kinds asked for; None if any is right.
        """
        kinds, features = classifier.judged(self.network, volumes)
        if labels is None:
            right = metrics.class_scores(self.kinds, kinds, self.kind_count)
        else:
            right = {"kind right": float((kinds == labels).mean())}
        same = min(len(self.real), len(features))
        if same < FEWEST:  # neighbours cannot be found, and moments mean nothing
            return right
        chosen = features[np.random.default_rng(0).permutation(len(features))[:same]]  # radii shrink with the number
        found = metrics.manifold_scores(self.real[:same], chosen)
        precision_and_recall = {key: found[key] for key in ("precision", "recall")}
        return {"frechet": metrics.frechet_distance(self.real, features), **precision_and_recall, **right}

    def of_samples(self, model, seed=0):
        """Returns the scores of volumes of drawn latents."""
        latents = np.random.default_rng(seed).standard_normal((SAMPLES, model.latent_dim), dtype="float32")
        return self.of_volumes(model.occupied(latents))

    def of_objects(self, training, seed=0):
        """Returns the scores of training objects, as good as samples can be."""
        volumes = training.volumes[np.random.default_rng(seed).permutation(len(training.volumes))[:SAMPLES]]
        return ending(self.of_volumes(volumes), " of training objects")

    def of_volumes(self, volumes):
        """Returns the scores of volumes that answer no image."""
        return {**self.scores(volumes), **piece_scores(volumes)}

    def of_answers(self, model, training, test):
        """Returns the scores of the answers to all held-out images, and of other answers to them."""
        truth, labels = test.volumes[test.owners], test.labels[test.owners]
        values = {"threshold": model.threshold}
        for name, volumes in itertools.chain([("", model.answers(test.images))], baselines(training, test)):
            scores = {**scores_of(truth, volumes), **self.scores(volumes, labels)}
            values |= ending(scores, f" of {name}" if name else "")
        drawn = np.random.default_rng(0).standard_normal((2, len(test.images), model.latent_dim)).astype("float32")
        two = [model.answers(test.images, latents) for latents in drawn]
        return {**values, "iou of two answers to an image": float(overlaps(*two).mean())}


def ending(scores, text):
    """Returns scores with a text at the end of their names."""
    return {f"{name}{text}": value for name, value in scores.items()}


def baselines(training, test):
    """Yields the names of other answers to the held-out images, and their bool volumes; one at a time, for memory.

    The mean of all objects, and of those of the true kind, have the threshold with the largest overlap on the training
    objects.
    """
    mean = mean_object(training.volumes)
    yield "the mean object", np.broadcast_to(mean, (len(test.images), *mean.shape))
    kinds = range(len(training.class_names))
    means = np.stack([mean_object(training.volumes[training.labels == kind]) for kind in kinds])
    yield "the mean of the true kind", means[test.labels[test.owners]]
    nearest = training.owners[nearest_images(training.images, test.images)]
    yield "the object of the nearest image", training.volumes[nearest]
    best = all_overlaps(test.volumes, training.volumes).argmax(axis=1)
    yield "the best training object", training.volumes[best[test.owners]]


def mean_object(volumes):
    """Returns the mean of bool volumes as one, by the threshold with the largest overlap with them."""
    mean = volumes.mean(axis=0)
    found = np.stack([mean >= threshold for threshold in THRESHOLDS])
    return found[all_overlaps(volumes, found).mean(axis=0).argmax()]


def nearest_images(images, others):
    """Returns the row of the image that is nearest to each of the others, pixel by pixel."""
    first, second = (scale(each).reshape(len(each), -1) for each in (images, others))
    squares = np.sum(first**2, axis=1)
    parts = [second[start : start + 500] for start in range(0, len(second), 500)]
    return np.concatenate([(squares - 2 * part @ first.T).argmin(axis=1) for part in parts])
