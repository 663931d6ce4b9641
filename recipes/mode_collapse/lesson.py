"""The actions of mode_collapse: draw samples, count the covered modes, and compare the losses."""

import contextlib
import dataclasses
import functools
import statistics
from pathlib import Path
from typing import Annotated, get_args, get_type_hints

import cv2
import keras
import numpy as np
import tyro
from PIL import Image

from common.base import pictures
from common.base.arguments import parse
from common.base.errors import InputError
from common.base.files import creating, refuse_existing, whole
from common.base.paths import run_folder, shown
from common.base.ranges import Count, Seed
from common.cli.run_choice import RunChoice
from common.cli.sample import SampleOptions
from common.sampling import draw_samples
from common.scoring import metrics
from common.training.callbacks import read_log
from common.training.generator_check import described, other_generator, shapes_of
from common.training.run import Run
from common.training.trained_run import grids_of, load_generator, load_latents, read_config

from . import data

POINTS = 2500  # samples per score, as in Srivastava et al., 2017
CAPTION = 24  # height of the caption above a picture in pixels


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(RunChoice):
    """Options of the action evaluate."""

    seed: Seed = 0  # of the latents


@dataclasses.dataclass(frozen=True)
class CompareOptions:
    """Options of the action compare."""

    seeds: Count = 1  # runs of each method on each mixture
    epochs: Count = 36  # epochs of each run
    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """folder of the runs, which are resumed if they exist; by default runs/RECIPE_compare in the project"""


def sample(name, arguments):
    """Draws samples from the generator of a run."""
    (options,) = parse(f"./run_recipe.sh {name} sample", sample.__doc__, {"sample": SampleOptions}, arguments)
    folder = options.folder(name)
    out = options.out or folder / f"sample_{options.count}_seed_{options.seed}.png"
    if out.suffix not in (".png", ".csv"):
        raise InputError(f"--out expects a .png for a picture or a .csv for numbers, but is {out}.")
    if options.of_class is not None:
        raise InputError("--class needs a conditional generator, such as that of cgan; this one has no classes.")
    generator = load_points_generator(folder, name)
    points = draw(folder, generator, options.count, options.seed)
    if options.out and not options.overwrite:
        refuse_existing([out])
    with creating(out):
        if out.suffix == ".csv":
            with whole(out) as part:
                np.savetxt(part, points, "%.6f", ",", header="x,y", comments="")
        else:
            sheet = pictures.grid(data.picture(points, mixture_of(folder)))
            pictures.save_png(out, sheet, options.mark(name, generator))
    print(f"{options.count} samples in {shown(out)}")


def evaluate(name, arguments):
    """Counts the modes that the generator of a run covers."""
    (options,) = parse(f"./run_recipe.sh {name} evaluate", evaluate.__doc__, {"evaluate": EvaluateOptions}, arguments)
    folder = options.folder(name)
    result = score(folder, name, options.seed)
    print(
        f"{name}, {shown(folder)}: {result['modes']:.0f} of {len(data.mixture(mixture_of(folder))[0])} modes covered, "
        f"{result['high_quality']:.1%} of {POINTS:,} samples within three standard deviations of a mode"
    )


def load_points_generator(folder, name):
    generator = load_generator(folder / "generator.keras", name)
    made = shapes_of(generator, "outputs")
    if made and made != [(2,)]:
        raise other_generator(f"it makes {described(made)}, not points of the plane")
    return generator


def draw(folder, generator, count, seed):
    return draw_samples(generator, load_latents(folder, generator).fixed(count, seed))


def mixture_of(folder):
    return read_config(folder / "config.json")["mixture"]


def score(folder, name, seed=0):
    """Returns the number of covered modes and the share of high-quality samples of a run, a dictionary of floats."""
    points = draw(folder, load_points_generator(folder, name), POINTS, seed)
    return metrics.mixture_scores(points, *data.mixture(mixture_of(folder)))


# Comparison -----------------------------------------------------------------------------------------------------------


def compare(train, config_class, methods, name, arguments):
    """Trains every method on both mixtures; writes a table, and an animation of the samples for each mixture.

    Args:
        train: function, `train` of the recipe.
        config_class: class, `Config` of the recipe.
        methods: names of the methods, the keys of a dictionary or a sequence.
        name, arguments: as for every action.
    """
    (options,) = parse(f"./run_recipe.sh {name} compare", compare.__doc__, {"compare": CompareOptions}, arguments)
    folder = options.run_folder or run_folder(f"{name}_compare")
    rows = ["| mixture, method | modes | high quality | seconds |", "|---|---|---|---|"]
    for mixture in get_args(get_type_hints(config_class)["mixture"]):
        for method in methods:
            configs = [
                config_class(mixture=mixture, method=method, epochs=options.epochs, seed=seed)
                for seed in range(options.seeds)
            ]
            folders = [folder / mixture / method / f"seed_{config.seed}" for config in configs]
            for config, path in zip(configs, folders, strict=True):
                with contextlib.closing(Run(path, name, config)) as run:
                    train_once(functools.partial(train, config), run)
            rows.append(f"| {mixture}, {method} | {' | '.join(cells(name, folders))} |")
            print("\n".join([*rows[:2], rows[-1]]))
        animate(folder / f"{mixture}.gif", [folder / mixture / method / "seed_0" for method in methods])
    with whole(folder / "comparison.md") as part:
        part.write_text("\n".join(rows) + "\n", encoding="utf-8")
    print(f"\n{chr(10).join(rows)}\n\nMade in {shown(folder)}: comparison.md, grid.gif, ring.gif")


def train_once(train, run):
    if run.is_finished:
        return
    keras.backend.clear_session()  # resets the numbering of layer names, as in a new process
    train(run)
    run.finish()


def cells(name, folders):
    """Returns the modes, the share of high-quality samples, and the seconds of training of some runs, as text."""
    results = [score(folder, name) for folder in folders]
    seconds = [sum(row["seconds"] for row in read_log(folder / "log.csv")) for folder in folders]
    modes = [result["modes"] for result in results]
    quality = [100 * result["high_quality"] for result in results]
    return spread(modes), spread(quality, "%"), f"{statistics.mean(seconds):.0f}"


def spread(values, unit=""):
    mean = f"{statistics.mean(values):.1f}"
    if len(values) == 1:
        return f"{mean}{unit}"
    return f"{mean} ± {statistics.stdev(values):.1f}{unit} (least {min(values):.1f}{unit})"


def animate(path, folders):
    """Writes an animation of the samples of some runs side by side, one frame per epoch."""
    count = min(len(grids_of(folder)) for folder in folders)
    frames = path.parent / f"{path.stem}_frames"
    frames.mkdir(exist_ok=True)
    files = [frames / f"epoch_{epoch:03d}.png" for epoch in range(1, count + 1)]
    for file in files:
        pictures.save_png(file, np.hstack([captioned(folder, file.name) for folder in folders]))
    pictures.save_gif(path, files)


def captioned(folder, epoch):
    sheet = np.asarray(Image.open(folder / "samples" / epoch))
    step = sheet.shape[0] // data.SIDE  # saved grids are enlarged
    caption = np.full((CAPTION, data.SIDE, 3), 255, np.uint8)
    cv2.putText(caption, folder.parent.name, (8, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([caption, sheet[::step, ::step]])
