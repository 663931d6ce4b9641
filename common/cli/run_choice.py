"""The options of an action that say whose generator it uses, and where it writes a picture; how such actions begin."""

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated

import tyro

from common.base.arguments import parse
from common.base.errors import InputError, printable
from common.base.files import refuse_existing
from common.base.paths import run_folder
from common.cli.mark_choice import MarkChoice
from common.training import pretrained
from common.training.trained_run import open_space


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

    def where(self):
        """Returns the options by which a command that is suggested to the user means the same run, as text."""
        if self.pretrained:
            return " --pretrained"
        return f" --run-folder {shlex.quote(printable(self.run_folder))}" if self.run_folder else ""


@dataclasses.dataclass(frozen=True)
class PictureChoice(MarkChoice, RunChoice):
    """Options of an action that writes a picture, or several kinds of it."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """the picture, a .png; by default in the run folder, under the name of the action"""
    overwrite: bool = False
    """replace a file of the same name"""

    def outputs(self, *defaults, suffixes=(".png",)):
        """Returns the paths to write: the one that is given, or else the defaults, which may be there already.

        Raises:
            InputError: if a given path has another suffix, or would be overwritten.
        """
        if not self.out:
            return list(defaults)
        if self.out.suffix.lower() not in suffixes:
            raise InputError(f"--out expects a file {' or '.join(suffixes)}, but is {self.out}.")
        if not self.overwrite:
            refuse_existing([self.out])
        return [self.out]


def opened(name, action, description, options_class, arguments):
    """Returns the options of an action on latent space, the folder of the run that they mean, and its `LatentSpace`.

    Args:
        name: string, the recipe.
        action: string.
        description: string, for `--help`.
        options_class: subclass of `RunChoice`.
        arguments: list of strings, of the command line.
    """
    (options,) = parse(f"./run_recipe.sh {name} {action}", description, {action: options_class}, arguments)
    folder = options.folder(name)
    return options, folder, open_space(name, folder)
