"""A few labelled images, as many of each class: all that the GAN is trained on."""

import dataclasses

from common.base.arguments import refuse_ignored
from common.base.ranges import Count
from common.scoring.classification import rows_of_each_class
from data_prep import images
from data_prep.batches import Batches


@dataclasses.dataclass(frozen=True)
class FewImagesOptions(images.ImageOptions):
    """The options that select the images, and how many of them are used."""

    images_per_class: Count = 50
    """training images of each class, chosen by the seed; the others are not used"""

    def check_given(self, given):
        super().check_given(given)
        refuse_ignored(given, "balance", "here, since there are as many images of each class")


def load(config):
    """Returns the batches that `train` fits, `(images, labels)`, and the number of classes."""
    few = few_images(config.images, config.seed)
    samples = few.images, few.labels.astype("int32")
    batch_size = min(config.batch_size, len(few.labels))
    batches = Batches(samples, batch_size, config.seed, augment=config.images.augmentation())
    return batches, len(few.class_names)


def few_images(options, seed):
    """Returns the labelled `Images` that a seed chooses, as an array.

    Of data without a test part every tenth image is held out, and not chosen.

    Raises:
        InputError: if there is one class only, or a class has too few images.
    """
    training = images.load(options, hold_out=True)
    rows = rows_of_each_class(training, options.images_per_class, seed, "--images-per-class")
    return training.at(rows)
