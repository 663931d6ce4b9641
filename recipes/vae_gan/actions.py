"""The actions evaluate and apply: reconstructions and their scores; images of a user, reconstructed and edited."""

import dataclasses
from functools import partial
from typing import Annotated

import numpy as np

from common.base.arguments import refuse_ignored
from common.base.errors import InputError
from common.base.pictures import scale, unscale
from common.base.ranges import Range
from common.cli import apply
from common.cli.evaluate import evaluate_action
from common.sampling import draw_samples
from common.scoring.reconstructions import Reconstructions, encode
from common.training.generator_check import refuse_no_images
from common.training.trained_run import image_options, load_generator, refuse_other_recipe
from data_prep import decode, images

MOST = 1000  # training images of a class whose latents are averaged


def evaluate(name, arguments):
    """Scores the samples of a run and its reconstructions, and draws reconstructions.png and latents.png."""
    evaluate_action(name, arguments, further=partial(measure, name))


def measure(name, folder, generator, evaluator):
    """Returns the scores that only an autoencoder has, a dictionary of floats, and draws the pictures."""
    found = Reconstructions(load_generator(folder / "encoder.keras", name), generator, evaluator)
    found.draw(folder)
    return {**found.scores(), **edit_scores(found, generator)}


def edit_scores(found, generator, seed=0):
    """Returns the share of held-out images that, moved from their class to another, the extractor takes for that one.

    Args:
        found: `Reconstructions`.
        generator: `keras.Model`, the decoder.
        seed: integer, of the other classes.
    """
    count, extractor = len(found.evaluator.class_names), found.evaluator.extractor
    if not extractor.has_classes or extractor.class_names != tuple(found.evaluator.class_names):
        return {}
    others = (found.labels + np.random.default_rng(seed).integers(1, count, len(found.labels))) % count
    means = np.stack([found.mean[found.labels == label].mean(axis=0) for label in range(count)])
    edited = draw_samples(generator, found.mean + means[others] - means[found.labels])
    return {"edits recognized": float(np.mean(extractor(unscale(edited))[1] == others))}


# apply ----------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class ApplyOptions(apply.ApplyOptions):
    """Options of the action apply."""

    plus: str | None = None
    """class that the images shall be more like, by name or number; without it they are reconstructed"""
    minus: str | None = None
    """class that they shall be less like"""
    strength: Annotated[float, Range(-10.0, 10.0)] = 1.0
    """how far they are moved; 1 is from the mean of one class to the mean of the other"""

    def check_given(self, given):
        if self.plus is None and self.minus is None:
            refuse_ignored(given, "strength", "without --plus or --minus, a class to move to or from")


def reconstruct_or_edit(name, arguments):
    """Reconstructs images, or edits them by moving their latents from one class to another."""
    apply.apply_action(name, arguments, ApplyOptions, partial(editor, name), Editor.edit)


class Editor:
    """Encodes images, moves their latents, and decodes them; the results have the size of the network's images.

    Args:
        encoder, generator: `keras.Model`s.
        direction: array `(latent_dim,)` that is added to the latents, or 0.
    """

    def __init__(self, encoder, generator, direction):
        self.encoder, self.generator, self.direction = encoder, generator, direction
        self.input_shape = encoder.input_shape

    def edit(self, image):
        """Returns the edited uint8 image of one of any size, with the channels of the network, whose centre is used."""
        _, height, width, _ = self.input_shape
        fitted = decode.resize(image, (height, width), "crop")
        mean, _ = encode(self.encoder, scale(fitted[np.newaxis]))
        return unscale(draw_samples(self.generator, (mean + self.direction).astype("float32")))[0]


def editor(name, generator, options):
    """Returns the `Editor` that the options of apply ask for."""
    refuse_no_images(generator)
    folder = options.folder(name)
    refuse_other_recipe(folder, name)
    encoder = load_generator(folder / "encoder.keras", name)
    if options.plus is None and options.minus is None:
        return Editor(encoder, generator, 0.0)
    training = images.load(image_options(folder))
    if len(training.class_names) < 2:
        raise InputError(
            "--plus and --minus name classes, but the training images have none; put each class into its own folder."
        )
    signs = [(sign, text) for sign, text in ((1, options.plus), (-1, options.minus)) if text is not None]
    numbers = [(sign, images.class_number(text, training.class_names)) for sign, text in signs]
    centre = 0.0 if len(numbers) == 2 else mean_latents(encoder, training, range(len(training.class_names)))
    direction = sum(sign * (mean_latents(encoder, training, [number]) - centre) for sign, number in numbers)
    return Editor(encoder, generator, options.strength * direction)


def mean_latents(encoder, training, numbers, seed=0):
    """Returns the mean latents `(latent_dim,)` of at most 1,000 training images of these classes."""
    rows = np.flatnonzero(np.isin(training.labels, list(numbers)))
    rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST])
    return encode(encoder, scale(training.images[rows]))[0].mean(axis=0)
