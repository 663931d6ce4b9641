"""The commands that print scores: of a run, and of two folders of images.

./run_recipe.sh RECIPE evaluate          the samples of a run against the data it did not learn from
./run_recipe.sh evaluate FOLDER FOLDER   images against images
./run_recipe.sh compare RUN RUN          stored scores side by side, if they can be compared
"""

import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import Annotated, Literal, get_args, get_type_hints

import common.quiet  # noqa: F401 (before Keras)

# isort: split
import tyro

from common import evaluation, extractors
from common.arguments import fail, parse
from common.errors import InputError
from common.gan import sample as draw_samples
from common.options import Count, Seed
from common.run import default_folder, load_generator, shown
from data_prep import images

ExtractorName = Annotated[str | None, tyro.conf.arg(metavar="garments|digits|inception|FILE")]


@dataclasses.dataclass(frozen=True)
class EvaluateOptions:
    """Options of the action evaluate."""

    samples: Count = 10_000  # images to draw
    split: Literal["test", "train"] = "test"
    """the part of the data to compare with; data without a test part is taken whole"""
    extractor: ExtractorName = None
    """whose features are compared; by default garments for Fashion-MNIST, digits for MNIST, else inception"""
    seed: Seed = 0  # of the latents and the subsets
    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the run whose generator draws; by default runs/RECIPE in the project"""


@dataclasses.dataclass(frozen=True)
class MeasureOptions:
    """Options of the action evaluate of a recipe that measures in its own way, which may add some."""

    extractor: ExtractorName = None
    """whose features are compared; by default garments for the embedded data, else inception"""
    run_folder: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the run whose generator is measured; by default runs/RECIPE in the project"""


@dataclasses.dataclass(frozen=True)
class FolderOptions:
    """Options of evaluate for two folders."""

    extractor: ExtractorName = None
    """whose features are compared; by default inception"""
    seed: Seed = 0  # of the subsets


def of_run(name, arguments):
    """Scores the samples of a run, prints them, and stores them in its folder."""
    (options,) = parse(f"./run_recipe.sh {name} evaluate", of_run.__doc__, {"evaluate": EvaluateOptions}, arguments)
    folder = options.run_folder or default_folder(name)
    generator = load_generator(folder / "generator.keras", name)
    config = read_config(folder / "config.json")
    evaluator = evaluator_of(image_options(config), options.extractor, options.split, options.seed)
    draw = functools.partial(draw_samples, generator)
    scores = evaluation.of_generator(evaluator, generator, draw, options.samples, options.seed, config.get("ema", 0))
    report(scores, folder, f"{name}, {shown(folder)}")


def report(scores, folder, head):
    """Stores scores in the folder of a run, and prints them under a line that says of what they are."""
    scores.write(folder / "scores.json")
    print(f"{head}\n{scores.text()}\nStored in {shown(folder / 'scores.json')}")


def trained(name, run_folder, options_class):
    """Returns what an action of a recipe needs of a run: its folder, its generator, and what it learnt from.

    Args:
        name: string, the recipe.
        run_folder: path, or None for the default one.
        options_class: the dataclass of the data's options in the recipe's `Config`.
    """
    folder = run_folder or default_folder(name)
    generator = load_generator(folder / "generator.keras", name)
    return folder, generator, part_of(read_config(folder / "config.json"), options_class)


def read_config(path):
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); evaluate needs the whole run folder.") from error


def image_options(config):
    """Returns the `ImageOptions` of a run, from its flat configuration."""
    return part_of(config, images.ImageOptions)


def part_of(config, options_class):
    """Returns the part of a run's flat configuration that is a dataclass of options, with its paths and tuples."""
    types = get_type_hints(options_class)
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
    return options_class(
        **{
            name: Path(values[name]) if values[name] and Path in get_args(types[name]) else values[name]
            for name in values.keys() & types.keys()
        }
    )


def class_names_of(folder):
    """Returns the names of the classes that a run in a folder learnt from."""
    return images.class_names(image_options(read_config(folder / "config.json")))


def evaluator_of(options, extractor=None, split="test", seed=0):
    """Returns the `Evaluator` that compares with the data of `ImageOptions`."""
    default = {"mnist": "digits", "cifar10": extractors.INCEPTION}.get(options.dataset, "garments")
    name = extractor or (extractors.INCEPTION if options.data else default)
    found = images.load(dataclasses.replace(options, augment=(), balance="none"), split)
    described = str(options.data) if options.data else options.dataset
    described += f", {' '.join(options.classes)}" if options.classes else ""
    part = split if images.has_splits(options) else "whole"
    extractor = extractors.load(name)
    labels = found.labels if found.class_names == extractor.class_names else None
    return evaluation.Evaluator(extractor, found.images, described, part, seed, labels)


def evaluator_in_training(config, extractor):
    """Returns the `Evaluator` of a recipe's configuration, for the callback `Evaluate`."""
    if not hasattr(config, "images"):
        raise InputError(
            "--evaluate-every compares images one by one; this recipe has a measure of its own: its action evaluate."
        )
    return evaluator_of(config.images, extractor)


def of_folders(arguments):
    """Scores the images of the second folder against those of the first."""
    if len(arguments) < 2 or any(path.startswith("-") for path in arguments[:2]):
        raise InputError("Expected: ./run_recipe.sh evaluate FOLDER_OF_REAL FOLDER_OF_FAKE [--extractor NAME]")
    real, fake = map(Path, arguments[:2])
    command = "./run_recipe.sh evaluate FOLDER FOLDER"
    (options,) = parse(command, of_folders.__doc__, {"evaluate": FolderOptions}, arguments[2:])
    extractor = extractors.load(options.extractor or extractors.INCEPTION)
    both = [read_folder(path, extractor) for path in (real, fake)]
    evaluator = evaluation.Evaluator(extractor, both[0], str(real), "whole", options.seed)
    scores = evaluator(len(both[1]), lambda rows: both[1][both[1].usable(rows)], f"files of {fake}")
    print(f"{fake} against {real}\n{scores.text()}")


def read_folder(path, extractor):
    """Returns the pictures of a folder at the size of an extractor, decoded batch by batch."""
    height, width = extractor.size
    size = f"{width}x{height}"
    options = images.ImageOptions(data=path, size=size, channels=str(extractor.channels), fit="stretch")
    if not path.is_dir():
        raise InputError(f"{path} is no folder; evaluate compares two folders of images.")
    return images.load_folder(path, options, memory=0).images


def compare(arguments):
    """Prints the stored scores of two runs side by side."""
    if len(arguments) != 2:
        raise InputError("Expected: ./run_recipe.sh compare RUN_FOLDER RUN_FOLDER")
    first, second = (
        evaluation.Scores.read(path / "scores.json" if path.is_dir() else path) for path in map(Path, arguments)
    )
    evaluation.refuse_other_contract(first, second)
    for name, (label, better) in evaluation.PRINTED.items():
        if name in first.values and name in second.values:
            note = f"   ({better} is better)" if better else ""
            print(f"  {label:<30} {first.values[name]:>10.4g} {second.values[name]:>10.4g}{note}")


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        sys.exit(print(__doc__))
    try:
        {"evaluate": of_folders, "compare": compare}[sys.argv[1]](sys.argv[2:])
    except InputError as error:
        sys.exit(fail(error))
    except KeyboardInterrupt:
        sys.exit(130)
