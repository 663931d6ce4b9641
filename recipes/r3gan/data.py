"""Images in [-1, 1], with their classes if asked for, reshuffled in every epoch."""

from data_prep import images
from data_prep.batches import Batches


def load(config):
    """Returns the batches that `train` fits, and the number of classes.

    A batch is `(batch_size, height, width, channels)` and the number 0; with `--labels` a batch is `(images, labels)`.
    """
    options = config.images
    dataset = images.load(options)
    labelled = (dataset.images, dataset.labels.astype("int32"))
    batches = Batches(
        labelled if config.labels else dataset.images,
        config.batch_size,
        config.seed,
        order=options.balanced_order(dataset.labels),
        augment=options.augmentation(),
    )
    return batches, len(dataset.class_names) if config.labels else 0
