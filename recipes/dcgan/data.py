"""Images in [-1, 1], shuffled anew in every epoch."""

from data_prep import images
from data_prep.batches import Batches


def load(config):
    """Returns the batches that `train` fits; a batch is `(batch_size, height, width, channels)`."""
    return Batches(images.load(config.images).images, config.batch_size, config.seed)
