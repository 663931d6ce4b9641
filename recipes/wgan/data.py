"""Images in [-1, 1]; a batch holds the images for all updates of the critic in a training step."""

from data_prep import images
from data_prep.batches import Batches


def load(config):
    """Returns the batches that `train` fits; `GAN.update` splits each into one part per update of the critic."""
    options = config.images
    dataset = images.load(options)
    return Batches(
        dataset.images,
        config.batch_size,
        config.seed,
        order=options.balanced_order(dataset.labels),
        augment=options.augmentation(),
        updates=config.critic_steps,
    )
