"""Images in [-1, 1], shuffled anew in every epoch."""

from data_prep import images
from data_prep.batches import Batches


def load(config):
    """Returns the batches that `train` fits; a batch is `(batch_size, height, width, channels)`."""
    options = config.images
    found = images.load(options)
    return Batches(
        found.images,
        config.batch_size,
        config.seed,
        order=options.order(found.labels),
        augment=options.augmentation(),
    )
