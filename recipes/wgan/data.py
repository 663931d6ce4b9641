"""Images in [-1, 1], as many in a batch as all steps of the critic take."""

from data_prep import images
from data_prep.batches import Batches


def load(config):
    """Returns the batches that `train` fits; `GAN.update` splits each into fresh data for every step of the critic."""
    options = config.images
    found = images.load(options)
    return Batches(
        found.images,
        config.batch_size * config.critic_steps,
        config.seed,
        order=options.order(found.labels),
        augment=options.augmentation(),
    )
