"""The option of an action that says whether its pictures are marked as those of a generative network."""

import dataclasses

from common.base.pictures import Mark
from common.saving import digest_of
from common.training.trained_run import recipe_of


@dataclasses.dataclass(frozen=True)
class MarkChoice:
    """Options of an action, a `RunChoice`, that writes what a generator makes, from its option `seed` if it has one."""

    no_mark: bool = False
    """do not say in the PNG files that a generative network made them, of which recipe, seed and weights"""

    def mark(self, name, generator):
        """Returns the `Mark` of what a generator makes; None with `--no-mark`.

        Args:
            name: string, the recipe of the command; the run may be of another one.
            generator: `keras.Model`, that of the run, as it was loaded.
        """
        if self.no_mark:
            return None
        return Mark(recipe_of(self.folder(name), name), getattr(self, "seed", None), digest_of(generator))
