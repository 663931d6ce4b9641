"""Default folders. Needs only the standard library, because the code that starts a container needs them too."""

import itertools
import os
from pathlib import Path

from common.base.errors import printable

PROJECT = Path(__file__).parents[2]


def named_by(variable, default):
    """Returns the path in an environment variable, or a default one if it is not set, or empty."""
    return Path(os.environ.get(variable) or default)


def runs():
    """Returns the folder of all runs: GAN_COOKBOOK_RUNS, by default runs/ in the project."""
    return named_by("GAN_COOKBOOK_RUNS", PROJECT / "runs")


def run_folder(name):
    """Returns the default run folder of a recipe."""
    return runs() / name


def downloads():
    """Returns the folder of downloaded and extracted data: GAN_COOKBOOK_DATA, by default one in the user's cache."""
    return named_by("GAN_COOKBOOK_DATA", named_by("XDG_CACHE_HOME", Path.home() / ".cache") / "gan_cookbook")


def shown(path):
    """Returns a path as text to print: relative to the current folder if it is inside, otherwise absolute."""
    path = Path(path).absolute()
    return printable(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def move_aside(folder):
    """Renames a folder to the first unused name of `NAME.old1`, `NAME.old2` …, and says so."""
    names = (folder.with_name(f"{folder.name}.old{number}") for number in itertools.count(1))
    aside = next(name for name in names if not name.exists())
    folder.rename(aside)
    print(f"The earlier run is now in {shown(aside)}.")
