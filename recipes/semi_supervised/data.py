"""A few labelled images, as many of each class, and all training images without their labels."""

import dataclasses

from common.base.arguments import refuse_ignored
from common.base.ranges import Count
from common.scoring.classification import labelled_rows
from data_prep import images
from data_prep.batches import Batches


@dataclasses.dataclass(frozen=True)
class LabelOptions(images.ImageOptions):
    """The options that select the images, and how many of them have a label."""

    labels: Count = 100
    """labelled images, as many of each class; all images are trained on without their labels"""

    def check_given(self, given):
        super().check_given(given)
        refuse_ignored(given, "balance", "here, since the labelled images are as many of each class")


def load(config):
    """Returns the batches that `train` fits, `((images, labels), unlabelled)`, and the number of classes.

    The unlabelled images are all training images, the labelled among them; nothing of their labels is in a batch. Of
    data without a test part, every tenth image is held out.

    Raises:
        InputError: see `labelled_rows`.
    """
    dataset = images.load(config.images, hold_out=True)
    rows = labelled_rows(dataset, config.images.labels, config.seed)
    labelled = dataset.images[rows], dataset.labels[rows].astype("int32")
    sizes = min(config.batch_size, len(rows)), config.batch_size
    augment = config.images.augmentation()
    batches = Batches((labelled, dataset.images), sizes, config.seed, augment=augment, paired=False)
    return batches, len(dataset.class_names)
