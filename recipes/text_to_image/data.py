"""Images with phrases: the embedded garments in colour, or images of the user with captions."""

import numpy as np

from data_prep import captions, images
from data_prep.batches import Batches

from . import garments
from .phrases import CaptionPhrases

LISTED = 500  # captions that a run keeps, for its grids


def load(config):
    """Returns the batches that `train` fits, `(images, phrases)`, and some of the captions, a list of strings."""
    options = config.captioned
    found = captioned(options, "train")
    phrases, composed = CaptionPhrases(found.captions, config.text_encoder), images.composed(options.augment)

    def with_phrases(batch, rng):
        """Returns stored images with one of the captions of each, drawn anew each time."""
        pictures, rows = batch
        return composed(pictures, rng) if composed else pictures, phrases.draw(rows, rng)

    samples = found.images, np.arange(len(found.captions))
    batches = Batches(samples, config.batch_size, config.seed, augment=with_phrases)
    order = np.random.default_rng(0).permutation(len(phrases.texts))
    return batches, list(dict.fromkeys(phrases.texts[row] for row in order[: 2 * LISTED]))[:LISTED]


def captioned(options, split):
    """Returns the `Captioned` images of `CaptionOptions`; "train" or "test"."""
    return captions.load(options, split) if options.data else garments.load(split)[0]


def described(options):
    """Returns the source of the images of `CaptionOptions`, as text."""
    return str(options.data) if options.data else "garments in colour"
