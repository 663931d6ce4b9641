"""Images with phrases: the embedded garments in colour, or images of the user with captions."""

import numpy as np

from data_prep import captions, images
from data_prep.batches import Batches

from . import garments
from .phrases import Phrases

LISTED = 500  # captions that a run keeps, for its grids


def load(config):
    """Returns the batches that `train` fits, `(images, phrases)`, and some of the captions, a list of strings."""
    options = config.captioned
    found = captioned(options, "train")
    counts = [len(each) for each in found.captions]
    texts = [text for each in found.captions for text in each]
    phrases, ends = Phrases(texts), np.cumsum(counts)
    spans = np.column_stack([ends - counts, ends])  # of each image: where its captions begin and end
    composed = images.composed(options.augment)

    def with_phrases(batch, rng):
        """Returns stored images with one of the captions of each, drawn anew each time."""
        pictures, (starts, stops) = batch[0], batch[1].T
        return composed(pictures, rng) if composed else pictures, phrases[rng.integers(starts, stops)]

    batches = Batches((found.images, spans), config.batch_size, config.seed, augment=with_phrases)
    order = np.random.default_rng(0).permutation(len(texts))
    return batches, list(dict.fromkeys(texts[row] for row in order[: 2 * LISTED]))[:LISTED]


def captioned(options, split):
    """Returns the `Captioned` images of `CaptionOptions`; "train" or "test"."""
    return captions.load(options, split) if options.data else garments.load(split)[0]


def described(options):
    """Returns the source of the images of `CaptionOptions`, as text."""
    return str(options.data) if options.data else "garments in colour"
