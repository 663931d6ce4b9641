"""Images in [-1, 1] with their classes, shuffled anew in every epoch."""

from data_prep import images
from data_prep.batches import Batches


def load(config):
    """Returns the batches that `train` fits, and the number of classes; a batch is `(images, labels)`."""
    options = config.images
    found = images.load(options)
    batches = Batches(
        (found.images, found.labels.astype("int32")),
        config.batch_size,
        config.seed,
        order=options.order(found.labels),
        augment=options.augmentation(),
    )
    return batches, len(found.class_names)
