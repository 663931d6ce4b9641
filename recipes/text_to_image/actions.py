"""The actions sample and walk, whose samples are of phrases."""

import dataclasses
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from common.base import pictures
from common.base.arguments import parse
from common.base.errors import InputError
from common.base.files import creating, refuse_existing, writing_to
from common.base.paths import shown
from common.base.ranges import Count, Range, Seed
from common.cli import walk
from common.cli.main import WITHOUT_LATENT_ACTIONS
from common.cli.run_choice import PictureChoice
from common.cli.sample import is_picture
from common.latent_space import lerp, path
from common.sampling import draw_samples
from common.training.trained_run import load_generator, load_latents, refuse_other_recipe
from data_prep.captions import lines_of

from . import measure
from .phrases import refuse_wordless, words_of
from .text import halves

GIVEN = 8  # phrases of the training that are drawn without --text


@dataclasses.dataclass(frozen=True)
class PhraseOptions(PictureChoice):
    """Options of an action that draws images of phrases."""

    text: tuple[str, ...] = ()
    """phrases, each in quotes; by default some of the training"""
    seed: Seed = 0  # random seed of the latents, which are the same for each phrase

    def check_given(self, given):
        refuse_wordless(self.text, "--text")

    def phrases(self, latents):
        return list(self.text) or [each for each in latents.phrases if words_of(each)][:GIVEN]


@dataclasses.dataclass(frozen=True)
class SampleOptions(PhraseOptions):
    """Options of the action sample."""

    texts: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """a text file of phrases, one a line, instead of --text"""
    count: Count = 8  # images of each phrase
    out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """a .png for a sheet with a row for each phrase, or a folder for one file per image (000_00000.png …: the number of
    the phrase, and of its image); by default sample.png in the run folder"""

    def check_given(self, given):
        super().check_given(given)
        if self.texts and self.text:
            raise InputError("--texts takes the place of --text; give one of them.")
        if self.texts:
            refuse_wordless(self.phrases(None), str(self.texts))

    def phrases(self, latents):
        if not self.texts:
            return super().phrases(latents)
        found = lines_of(self.texts)
        if not found:
            raise InputError(f"{self.texts} has no phrases; expected one a line.")
        return found


@dataclasses.dataclass(frozen=True)
class WalkOptions(PhraseOptions):
    """Options of the action walk."""

    steps: Annotated[int, Range(1, 1000)] = 12  # images from one phrase to the next
    count: Count = 6  # walks side by side
    loop: bool = False
    """walk back to the first phrase, so that an animation has no jump"""
    out: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """a .png for a sheet with a row for each walk, or a .gif or .mp4; by default walk.png and walk.gif in the run
    folder"""

    def check_given(self, given):
        super().check_given(given)
        if len(self.text) == 1:
            raise InputError("--text expects two phrases or more to walk between, each in quotes.")


def opened(name, action, description, options_class, arguments):
    """Returns the options of an action, the folder of the run, its generator and its `PhraseLatents`."""
    (options,) = parse(f"./run_recipe.sh {name} {action}", description, {action: options_class}, arguments)
    folder = options.folder(name)
    refuse_other_recipe(folder, name)
    generator = load_generator(folder / "generator.keras", name)
    return options, folder, generator, load_latents(folder, generator)


def sample(name, arguments):
    """Generates images of phrases."""
    options, folder, generator, latents = opened(name, "sample", sample.__doc__, SampleOptions, arguments)
    phrases, out = options.phrases(latents), options.out or folder / "sample.png"
    is_sheet = is_picture(out)
    files = [out / f"{row:03d}_{index:05d}.png" for row in range(len(phrases)) for index in range(options.count)]
    if options.out and not options.overwrite:
        refuse_existing([out] if is_sheet else files)
    images = draw_samples(generator, latents.of(phrases, options.count, options.seed))
    mark = options.mark(name, generator)
    with writing_to(out):
        (out.parent if is_sheet else out).mkdir(parents=True, exist_ok=True)
        if is_sheet:
            pictures.save_rows(out, np.split(images, len(phrases)), phrases, mark=mark)
        else:
            for path_, image in zip(files, images, strict=True):
                pictures.save_png(path_, pictures.unscale(image), mark)
    print(f"{options.count} samples of each of {len(phrases)} phrases in {shown(out)}")


def walk_phrases(name, arguments):
    """Draws images along a path from phrase to phrase, with fixed latents."""
    options, folder, generator, latents = opened(name, "walk", walk_phrases.__doc__, WalkOptions, arguments)
    outs = options.outputs(folder / "walk.png", folder / "walk.gif", suffixes=walk.SUFFIXES)
    reader, painter = halves(generator)
    vectors = path(draw_samples(reader, latents.encoded(options.phrases(latents))), options.steps, lerp, options.loop)
    fixed, _ = latents.of(["a"], options.count, options.seed)
    inputs = np.tile(fixed, (len(vectors), 1)), np.repeat(vectors, options.count, axis=0).astype("float32")
    images = draw_samples(painter, inputs)
    walks = images.reshape(len(vectors), options.count, *images.shape[1:])
    for out in outs:
        with creating(out):
            walk.save(out, walks, options.loop, options.mark(name, generator))
    print(f"Walks: {options.count}, images of each: {len(walks)}, in {' and '.join(shown(out) for out in outs)}.")


ACTIONS = {
    "sample": sample,
    "evaluate": measure.evaluate,
    **WITHOUT_LATENT_ACTIONS,
    "walk": walk_phrases,
    "export": None,
    "features": None,
}
