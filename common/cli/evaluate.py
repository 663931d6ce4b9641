"""The commands that print scores: of a run, of two folders of images, of two runs.

./run_recipe.sh RECIPE evaluate          the samples of a run against held-out data
./run_recipe.sh evaluate FOLDER FOLDER   images against images
./run_recipe.sh compare RUN RUN          stored scores side by side, if they can be compared
"""

import dataclasses
import functools
import math
import sys
from pathlib import Path
from typing import Annotated, Literal

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
from common.base.arguments import parse
from common.base.errors import InputError, exit_code
from common.base.paths import shown
from common.base.ranges import Range, Seed
from common.cli.run_choice import RunChoice
from common.sampling import draw_samples
from common.scoring import extractors
from common.scoring.evaluator import (
    FEWEST,
    PRINTED,
    Evaluator,
    Scores,
    evaluator_of,
    refuse_other_protocol,
    score_generator,
)
from common.scoring.extractors import ExtractorName, OpensExtractor
from common.training import card
from common.training.trained_run import open_generator, options_of, read_config, refuse_other_recipe, weights_of
from data_prep import images

DESCRIPTION = "Scores the samples of a run, prints the scores and stores them in the run folder."


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(RunChoice, OpensExtractor):
    """Options of the action evaluate."""

    samples: Annotated[int, Range(FEWEST, 10_000_000)] = 10_000  # number of images to generate
    split: Literal["test", "validation", "train"] = "test"
    """the split of the data to compare with; test means all images if there is no test split"""
    extractor: ExtractorName = None
    """network whose features are compared; by default garments for Fashion-MNIST, digits for MNIST, else imagenet"""
    seed: Seed = 0  # random seed of the latents and the subsets


@dataclasses.dataclass(frozen=True)
class MeasureOptions(RunChoice, OpensExtractor):
    """Options of the action evaluate of recipes with their own measure, which may add more."""

    extractor: ExtractorName = None
    """network whose features are compared; by default garments for the embedded data, else imagenet"""


@dataclasses.dataclass(frozen=True)
class FolderOptions(OpensExtractor):
    """Options of evaluate for two folders."""

    extractor: ExtractorName = None
    """network whose features are compared; by default imagenet"""
    seed: Seed = 0  # random seed of the subsets


def evaluate_action(name, arguments, further=None):
    """Scores the samples of a run, prints the scores and stores them in the run folder.

    Args:
        name: string, the recipe.
        arguments: list of strings, of the command line.
        further: function from the folder of the run, its generator and the `Evaluator`, which has the held-out images,
            to a dictionary of scores that only this recipe has.
    """
    command = f"./run_recipe.sh {name} evaluate"
    (options,) = parse(command, DESCRIPTION, {"evaluate": EvaluateOptions}, arguments)
    folder = options.folder(name)
    if further:
        refuse_other_recipe(folder, name)
    generator, latents = open_generator(name, folder)
    config = read_config(folder / "config.json")
    if options.split == "validation" and not config.get("validation"):
        raise InputError(f"The run in {shown(folder)} held out no images for validation; use --split test.")
    evaluator = evaluator_of(options_of(config, images.ImageOptions), options.extractor, options.split, options.seed)
    sample = functools.partial(draw_samples, generator)
    scores = score_generator(evaluator, latents, sample, options.samples, options.seed, weights_of(folder))
    if further:
        scores.values.update(further(folder, generator, evaluator))
    report_scores(scores, folder, f"{name}, {shown(folder)}")


def report_scores(scores, folder, head):
    """Stores scores in the folder of a run, in its model card too, and prints them under a headline.

    Raises:
        InputError: if one of them is not finite; then none is stored.
    """
    print(f"{head}\n{scores.text()}")  # first, since it took minutes to compute them
    wrong = [name for name, value in scores.values.items() if not math.isfinite(value)]
    if wrong:
        raise InputError(
            f"{wrong[0]} is {scores.values[wrong[0]]}, so no scores are stored; use more or larger images."
        )
    scores.write(folder / "scores.json")
    card.update_results(folder, scores)
    print(f"Stored in {shown(folder / 'scores.json')}")


def evaluate_folders(arguments):
    """Scores the images of the second folder against those of the first."""
    if len(arguments) < 2 or any(path.startswith("-") for path in arguments[:2]):
        raise InputError("Expected: ./run_recipe.sh evaluate FOLDER_OF_REAL FOLDER_OF_FAKE [--extractor NAME]")
    real, fake = map(Path, arguments[:2])
    command = "./run_recipe.sh evaluate FOLDER FOLDER"
    (options,) = parse(command, evaluate_folders.__doc__, {"evaluate": FolderOptions}, arguments[2:])
    extractor = extractors.load(options.extractor or extractors.IMAGENET)
    both = [read_folder(path, extractor) for path in (real, fake)]
    evaluator = Evaluator(extractor, both[0], str(real), "whole", options.seed)
    scores = evaluator(len(both[1]), lambda rows: both[1][rows], f"files of {fake}")
    print(f"{fake} against {real}\n{scores.text()}")


def read_folder(path, extractor):
    """Returns the images of a folder at the input size of an extractor, decoded batch by batch."""
    height, width = extractor.size
    size = f"{width}x{height}"
    options = images.ImageOptions(data=path, size=size, channels=str(extractor.channels), fit="stretch")
    if not path.is_dir():
        raise InputError(f"{path} is not a folder; evaluate compares two folders of images.")
    return images.load_folder(path, options, memory=0).images


def compare_runs(arguments):
    """Prints the stored scores of two runs side by side."""
    if len(arguments) != 2:
        raise InputError("Expected: ./run_recipe.sh compare RUN_FOLDER RUN_FOLDER")
    first, second = (Scores.read(path / "scores.json" if path.is_dir() else path) for path in map(Path, arguments))
    refuse_other_protocol(first, second)
    for name, (label, better) in PRINTED.items():
        if name in first.values and name in second.values:
            note = f"   ({better} is better)" if better else ""
            print(f"  {label:<30} {first.values[name]:>10.4g} {second.values[name]:>10.4g}{note}")


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv):
        sys.exit(print(__doc__))
    sys.exit(exit_code({"evaluate": evaluate_folders, "compare": compare_runs}[sys.argv[1]], sys.argv[2:]))
