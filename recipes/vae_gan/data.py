"""Images in [-1, 1], reshuffled in every epoch."""

from data_prep import images
from data_prep.batches import Batches


def load(config):
    """Returns the batches that `train` fits; a batch is `(batch_size, height, width, channels)`."""
    options = config.images
    dataset = images.load(options)
    return Batches(
        dataset.images,
        config.batch_size,
        config.seed,
        order=options.balanced_order(dataset.labels),
        augment=options.augmentation(),
    )
