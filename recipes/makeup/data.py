"""Unpaired images without and with a style: drawn faces without and with make-up, or two collections of the user."""

import dataclasses
import functools
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import cv2
import numpy as np
import tyro

from common.base.arguments import refuse_ignored, refuse_missing
from common.base.errors import InputError
from common.base.pictures import scale, side_by_side
from common.base.ranges import Count
from common.sampling import draw_samples
from data_prep import images, pairs
from data_prep.batches import Batches, first

from . import faces

SEED = 2018  # of all faces
TESTED = 400  # drawn faces that are held out, each with a reference
WARP = 0.05  # standard deviation of the shifts of a warped image, as a share of its width


@dataclasses.dataclass(frozen=True)
class CollectionOptions:
    """The options that choose the two collections."""

    photos: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """your own images without the style: aligned crops, so that the same thing is at about the same place in all"""
    styled: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """your own images with it, aligned alike; other faces than those of --photos will do"""
    faces: Count = 2000  # drawn faces in each collection, without --photos and --styled
    size: Annotated[str, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = "64"
    """resize each image to this size in pixels; multiples of 4"""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """how to change the aspect ratio: crop the centre, pad with bars, or distort"""
    allow_skipped: bool = False
    """continue even if more than 5% of the files cannot be used"""

    def check_given(self, given):
        """Refuses options that have no effect beside the others, or lack one."""
        if (self.photos is None) != (self.styled is None):
            raise InputError("Two collections are needed: name both, --photos FOLDER and --styled FOLDER.")
        refuse_missing("photos", self.photos)
        refuse_missing("styled", self.styled)
        if self.is_embedded:
            refuse_ignored(given, "fit", "with drawn faces, which are drawn in the size asked for")
        else:
            refuse_ignored(given, "faces", "with --photos and --styled")
        height, width = images.parse_size(self.size)
        if height % 4 or width % 4 or min(height, width) < 16:
            raise InputError(
                f"--size {self.size} is {width}×{height} pixels; expected multiples of 4 from 16 on, such as --size 64."
            )
        if self.is_embedded and height != width:
            raise InputError(f"Drawn faces are square, but --size is {self.size}; expected one number, such as 64.")

    @property
    def is_embedded(self):
        return self.photos is None


class Collections(NamedTuple):
    """Images without and with a style, each indexed like a uint8 array `(count, height, width, channels)`.

    Attributes:
        plain: those without.
        styled: those with it; they do not correspond to the others.
    """

    plain: Any
    styled: Any


def load_collections(options, split, count=TESTED):
    """Returns the `Collections` of a split; `count` says how many faces are drawn for a test.

    Raises:
        InputError: if the data is missing or not as expected.
    """
    options.check_given(())
    if options.is_embedded:
        if split == "test":
            known = drawn_test(images.parse_size(options.size)[0], count)
            return Collections(known.sources, known.references)
        return drawn_collections(options.faces, images.parse_size(options.size)[0])
    chosen = pairs.PairOptions(
        data=options.photos,
        data_b=options.styled,
        size=options.size,
        fit=options.fit,
        channels="3",
        allow_skipped=options.allow_skipped,
    )
    loaded = pairs.load(chosen, split, paired=False, hold_out=True)
    return Collections(loaded.a, loaded.b)


def load(config):
    """Returns the batches that `train` fits; a batch is `(sources, (references, warped references))`, in [-1, 1]."""
    plain, styled = load_collections(config.collections, "train")
    return Batches((plain, (styled,)), config.batch_size, config.seed, augment=with_warped, paired=False)


# Warped references ------------------------------------------------------------------------------------------------


def with_warped(part, rng):
    """Returns the references of a batch, `(references,)`, with the same warped; other parts are unchanged."""
    return (*part, np.stack([warped(image, rng) for image in part[0]])) if isinstance(part, tuple) else part


def warped(image, rng):
    """Returns an image whose parts are shifted a little, each by itself, and which may be mirrored.

    It shows the same style on another shape: a positive example for the discriminator of pairs.

    Args:
        image: uint8 array `(height, width, channels)`.
        rng: NumPy generator.
    """
    height, width = image.shape[:2]
    shifts = cv2.resize(
        rng.normal(0, WARP * width, (4, 4, 2)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    y, x = np.indices((height, width), np.float32)
    if rng.random() < 0.5:
        x = width - 1 - x
    return cv2.remap(image, x + shifts[..., 0], y + shifts[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


# Drawn faces ------------------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """Faces of which all is known; uint8 arrays `(count, side, side, 3)`, and regions as `faces.regions` gives them.

    Attributes:
        sources, references: faces without, and other faces with make-up.
        applied: the sources with the make-up of the references.
        removed: the references without make-up.
        source_regions, reference_regions: dictionaries of arrays `(count, side, side)`.
    """

    sources: Any
    references: Any
    applied: Any
    removed: Any
    source_regions: dict
    reference_regions: dict


def drawn_collections(count, side):
    """Returns the `Collections` of the training: drawn faces without, and other ones with make-up."""
    found = [[], []]
    for with_makeup, portraits in enumerate(found):
        for number in range(count):
            rng = np.random.default_rng((SEED, with_makeup, number))
            face, makeup = faces.drawn_face(rng), faces.drawn_makeup(rng)
            portraits.append(faces.portrait(face, makeup if with_makeup else None, side))
    return Collections(*map(np.stack, found))


@functools.cache  # the scores need them twice, and drawing takes longer than the networks do
def drawn_test(side, count=TESTED):
    """Returns the `Known` faces of the test, which have other seeds than those of the training."""
    found = []
    for number in range(count):
        rng = np.random.default_rng((SEED, 2, number))
        source, reference, makeup = faces.drawn_face(rng), faces.drawn_face(rng), faces.drawn_makeup(rng)
        looks = (source, None), (reference, makeup), (source, makeup), (reference, None)
        portraits = [faces.portrait(*look, side) for look in looks]
        found.append((*portraits, faces.regions(source, side), faces.regions(reference, side)))
    *portraits, of_sources, of_references = zip(*found, strict=True)
    joined = [{part: np.stack([each[part] for each in of]) for part in of[0]} for of in (of_sources, of_references)]
    return Known(*map(np.stack, portraits), *joined)


# Samples of a run -------------------------------------------------------------------------------------------------


def transfers(config, count=16):
    """Returns a function from the GAN to a grid of held-out images: x, y, G(x, y) and F(y); and F(G(x, y))."""
    held_out = load_collections(config.collections, "test", count)
    sources, references = (scale(first(each, count)) for each in held_out)
    rows = min(len(sources), len(references))
    sources, references = sources[:rows], references[:rows]

    def draw(gan):
        applied, removed = draw_samples(gan.generator, (sources, references))
        _, again = draw_samples(gan.generator, (sources, applied))
        return side_by_side(sources, references, applied, removed, again)

    return draw
