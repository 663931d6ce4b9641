"""Images in [-1, 1] with their classes, reshuffled in every epoch."""

from data_prep import images
from data_prep.batches import Batches


def load(config):
    """Returns the batches that `train` fits, and the number of classes; a batch is `(images, labels)`."""
    options = config.images
    dataset = images.load(options)
    batches = Batches(
        (dataset.images, dataset.labels.astype("int32")),
        config.batch_size,
        config.seed,
        order=options.balanced_order(dataset.labels),
        augment=options.augmentation(),
    )
    return batches, len(dataset.class_names)
