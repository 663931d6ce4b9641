"""Where runs and downloaded data lie, on the standard library alone: what starts a container must know it too."""

import os
from pathlib import Path

PROJECT = Path(__file__).parent.parent


def runs():
    """Returns the folder of the runs: GAN_COOKBOOK_RUNS, or runs/ in the project."""
    return Path(os.environ.get("GAN_COOKBOOK_RUNS", PROJECT / "runs"))


def downloads():
    """Returns the folder of downloaded and extracted data: GAN_COOKBOOK_DATA, or one in the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_cookbook"
    return Path(os.environ.get("GAN_COOKBOOK_DATA") or default)
