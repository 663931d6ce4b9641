"""The generators that come with the project, in `pretrained/`: trained by benchmarks/pretrained.py, used like a run."""

import filecmp
import shutil

from common.base.errors import InputError
from common.base.paths import PROJECT, runs

FOLDER = PROJECT / "pretrained"


def names():
    """Returns the recipes whose generators come with the project."""
    return sorted(path.parent.name for path in FOLDER.glob("*/generator.keras"))


def run_of(name):
    """Returns the folder of a run with the generator of a recipe that comes with the project.

    It is a copy among the runs, so that what an action writes is not written into the project.

    Raises:
        InputError: if none of this recipe comes with it.
    """
    source, target = FOLDER / name, runs() / f"{name}_pretrained"
    if not (source / "generator.keras").exists():
        raise InputError(
            f"No generator of {name} comes with the project, only of {', '.join(names())}; train one first: "
            f"./run_recipe.sh {name}"
        )
    for path in sorted(source.iterdir(), reverse=True):  # generator.keras late: where it is, what it needs is there
        if not (target / path.name).exists() or not filecmp.cmp(path, target / path.name, shallow=False):
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / path.name)
    return target
