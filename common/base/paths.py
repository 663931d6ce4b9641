"""Default folders. Imports only the standard library, because the code that starts a container needs them too."""

import os
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def runs():
    """Returns the folder of all runs: GAN_COOKBOOK_RUNS, by default runs/ in the project."""
    return Path(os.environ.get("GAN_COOKBOOK_RUNS", PROJECT / "runs"))


def run_folder(name):
    """Returns the default run folder of a recipe."""
    return runs() / name


def downloads():
    """Returns the folder of downloaded and extracted data: GAN_COOKBOOK_DATA, by default one in the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_cookbook"
    return Path(os.environ.get("GAN_COOKBOOK_DATA") or default)


def shown(path):
    """Returns a path relative to the current folder if it is inside, otherwise the absolute path."""
    path = Path(path).absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
