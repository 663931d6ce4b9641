"""How long a run trains: in training steps, which are the same for small and for large data, or in epochs."""

import dataclasses
from typing import Annotated

import tyro

from common.base.errors import InputError
from common.base.ranges import Count, Range

SHORTEST, LONGEST = 100, 2000  # training steps of an epoch, after which samples and a checkpoint are written


@dataclasses.dataclass(frozen=True)
class Length:
    """The length of a training.

    In steps it does not depend on the number of images. An epoch is then a pass over the data if that takes 100 to
    2,000 steps, else several passes or a part of one; in epochs, each is a pass.
    """

    steps: Count = 10_000
    """training steps, whatever the number of images; rounded to whole epochs"""
    epochs: Annotated[int | None, Range(1, 10_000_000), tyro.conf.arg(metavar="INT")] = None
    """passes over the data to train for, instead of --steps"""

    def check_given(self, given):
        if self.epochs and "steps" in given:
            raise InputError("--steps and --epochs both say how long to train; leave one of them out.")

    def steps_per_epoch(self, steps_per_pass):
        """Returns how many training steps an epoch of a new run takes.

        >>> [Length(steps=10_000).steps_per_epoch(steps) for steps in (21, 156, 20_000)]
        [105, 156, 2000]
        """
        if self.epochs:
            return steps_per_pass
        if steps_per_pass < SHORTEST:
            return steps_per_pass * -(-SHORTEST // steps_per_pass)
        return min(steps_per_pass, LONGEST)

    def epochs_of(self, steps_per_epoch):
        """Returns the number of epochs, each of so many training steps."""
        return self.epochs or max(1, round(self.steps / steps_per_epoch))
