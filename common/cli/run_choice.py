"""The options of an action that say whose generator it uses."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from common.base.errors import InputError
from common.base.paths import run_folder
from common.training import pretrained


@dataclasses.dataclass(frozen=True)
class RunChoice:
    """Options of an action that uses the networks of a run."""

    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the run whose networks are used; by default runs/RECIPE in the project"""
    pretrained: bool = False
    """use the generator of this recipe that comes with the project, if one does, instead of a run"""

    def folder(self, name):
        """Returns the folder of the run that is meant.

        Args:
            name: string, the recipe.

        Raises:
            InputError: if the project has no such generator, or both options are given.
        """
        if not self.pretrained:
            return self.run_folder or run_folder(name)
        if self.run_folder:
            raise InputError("--pretrained takes the place of --run-folder; give one of them.")
        return pretrained.run_of(name)
