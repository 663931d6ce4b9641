"""The generators that come with the project, in `pretrained/`: trained by benchmarks/pretrained.py, used like a run."""

import filecmp
import shutil

from common.base.errors import InputError
from common.base.files import whole
from common.base.paths import PROJECT, move_aside, runs, shown

FOLDER = PROJECT / "pretrained"
GENERATOR = "generator.keras"


def names():
    """Returns the recipes whose generators come with the project."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{GENERATOR}"))


def run_of(name):
    """Returns the folder of a run with the generator of a recipe that comes with the project.

    It is a copy among the runs, so that what an action writes is not written into the project. What an action has
    written there, such as directions, stays as long as the generator is the same.

    Raises:
        InputError: if none of this recipe comes with it, or the folder of the copy has a run that was trained there.
    """
    source, target = FOLDER / name, runs() / f"{name}_pretrained"
    if not (source / GENERATOR).exists():
        raise InputError(
            f"No generator of {name} comes with the project, only of {', '.join(names())}; train one first: "
            f"./run_recipe.sh {name}"
        )
    if (target / "checkpoint.npz").exists():
        raise InputError(
            f"--pretrained needs the folder {shown(target)}, where a run of yours was trained; rename that folder."
        )
    kept = (target / GENERATOR).exists() and filecmp.cmp(source / GENERATOR, target / GENERATOR, shallow=False)
    if (target / GENERATOR).exists() and not kept:  # of an earlier version of the project
        move_aside(target)
    target.mkdir(parents=True, exist_ok=True)
    # The generator comes last: where it is, what it needs is there.
    for path in sorted(source.iterdir(), key=lambda path: path.name == GENERATOR):
        if not (kept and (target / path.name).exists()):
            with whole(target / path.name) as part:
                shutil.copyfile(path, part)
    return target
