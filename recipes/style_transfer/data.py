"""Two kinds of pictures without pairs: garments and drawings of other garments, photos and paintings."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import cv2
import numpy as np
import tyro

from common.errors import InputError
from common.gan import sample
from common.pictures import side_by_side
from data_prep import decode, images, pairs
from data_prep.batches import Batches, first, scale

CROPS = 1000  # of a single painting in an epoch


@dataclasses.dataclass(frozen=True)
class DomainOptions:
    """The options by which a user says between which two kinds of pictures to translate."""

    dataset: Literal["garments", "monet2photo"] = "garments"
    """embedded garments and drawings of other ones; or Monet's paintings and photos, downloaded when asked for"""
    photos: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """your own: a folder of pictures of the first kind"""
    paintings: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """and a folder of those of the second kind, or a single picture, of which parts are taken at random"""
    size: Annotated[str | None, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = None
    """bring each picture to this size in pixels; by default 28 for garments, else 64"""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """to another aspect: cut the middle out, add bars, or distort"""
    augment: tuple[Literal["flip", "crop", "rotate", "colour", "noise"], ...] | None = None
    """random changes of every picture, anew each time it is seen; by default flip and crop for photos and paintings"""
    allow_skipped: bool = False
    """go on when more than 5% of the files cannot be used"""

    @property
    def is_embedded(self):
        return self.photos is None and self.dataset == "garments"

    @property
    def pixels(self):
        """`--size`, or what stands for it if it is not given."""
        return self.size or ("28" if self.is_embedded else "64")

    @property
    def changes(self):
        """`--augment`, or what stands for it if it is not given: hatching has its place and its direction."""
        return (() if self.is_embedded else ("flip", "crop")) if self.augment is None else self.augment


class Domains(NamedTuple):
    """Pictures of two kinds, indexed like uint8 arrays `(count, height, width, channels)`.

    Attributes:
        a, b: photos and paintings; no picture of one belongs to a picture of the other.
    """

    a: Any
    b: Any


class Parts:
    """Parts of one picture at random places, indexed like an array; the same part for the same index.

    Args:
        picture: uint8 array `(height, width, channels)`.
        size: `(height, width)` in pixels; parts are of at least this size, and at most half of the picture's sides.
        count: integer, of parts.
        first: integer, of the first part's random numbers; from `count` on all parts are others.
    """

    def __init__(self, picture, size, count, first=0):
        self.picture = picture
        self.first = first
        self.shape = (count, *size, picture.shape[-1])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return np.stack([self.part(row) for row in np.atleast_1d(rows)])

    def part(self, row):
        rng = np.random.default_rng(self.first + int(row))
        size, sides = np.array(self.shape[1:3]), np.array(self.picture.shape[:2])
        height, width = np.rint(size * rng.uniform(1, max(1, min(sides / 2 / size)))).astype(int)
        top, left = (rng.integers(side - inner + 1) for side, inner in zip(sides, (height, width), strict=True))
        return decode.resize(self.picture[top : top + height, left : left + width], tuple(size), "stretch")


def drawing(picture):
    """Returns a chalk drawing of a grey picture: outlines, and hatching that is the denser the brighter it is."""
    grey = picture[..., 0]
    rows, columns = np.indices(grey.shape)
    lines = ((rows + columns) % 4 == 0) & (grey > 60) | ((rows - columns) % 4 == 0) & (grey > 150)
    chalk = np.where(lines, 190, 0).astype(np.uint8)
    chalk = cv2.GaussianBlur(chalk, (3, 3), 0.5)
    return np.maximum(chalk, cv2.Canny(grey, 100, 200))[..., np.newaxis]


def load_domains(options, split):
    """Returns the `Domains` of a split. The garments of the test part are in both: there the true drawing is known.

    Raises:
        InputError: if the data is not there, or not what was expected.
    """
    if options.is_embedded:
        found = images.load(images.ImageOptions(size=options.size), split).images
        # The drawings to learn from are of other garments than the photos.
        a, b = (found[0::2], found[1::2]) if split == "train" else (found, found)
        return Domains(a, np.stack([drawing(picture) for picture in b]))
    if (options.photos is None) != (options.paintings is None):
        raise InputError(
            "Two kinds of pictures are needed: name both, --photos FOLDER and --paintings FOLDER_OR_PICTURE."
        )
    for option, path in (("--photos", options.photos), ("--paintings", options.paintings)):
        if path and not path.exists():
            raise InputError(f"{option} expects pictures, and {path} does not exist; check the path.")
    if options.paintings is not None and options.paintings.is_file():
        return with_one_painting(options, split)
    return Domains(*two_folders(options, options.photos, options.paintings, split))


def two_folders(options, first, second, split):
    wanted = pairs.PairOptions(
        dataset="monet2photo",
        data=first,
        data_b=second,
        size=options.pixels,
        fit=options.fit,
        channels="3",
        allow_skipped=options.allow_skipped,
    )
    found = pairs.load(wanted, split, paired=False, hold_out=True)
    return (found.a, found.b) if first else (found.b, found.a)  # the data set's A are the paintings


def with_one_painting(options, split):
    size = images.parse_size(options.pixels)
    try:
        painting = decode.read(options.paintings, channels=3)
    except decode.UnusableError as error:
        raise InputError(f"--paintings expects a folder or a picture, and {options.paintings} {error}.") from error
    if min(painting.shape[:2]) < 2 * max(size):
        raise InputError(
            f"Parts of {size[1]}×{size[0]} pixels need a painting of twice that at least, and {options.paintings} has "
            f"{painting.shape[1]}×{painting.shape[0]}; use a smaller --size, or a larger picture."
        )
    photos = images.ImageOptions(
        data=options.photos, size=options.pixels, fit=options.fit, channels="3", allow_skipped=options.allow_skipped
    )
    first = 0 if split == "train" else CROPS  # other parts; they may overlap with those learnt from
    return Domains(images.load(photos, split, hold_out=True).images, Parts(painting, size, CROPS, first))


def load(config):
    """Returns the batches that `train` fits: photos and paintings, `(batch_size, height, width, channels)` each."""
    found = load_domains(config.domains, "train")
    augment = images.composed(config.domains.changes)
    return Batches(tuple(found), config.batch_size, config.seed, augment=augment, paired=False)


# Pictures of a run ----------------------------------------------------------------------------------------------------


def translations(config, count=16):
    """Returns a function from the GAN to a sheet: photo, as a painting, and back; painting, as a photo, and back."""
    domains = load_domains(config.domains, "test")
    a, b = (scale(first(domain, count)) for domain in domains)

    def draw(gan):
        to_b, to_a = gan.translators
        as_b, as_a = sample(to_b, a), sample(to_a, b)
        back_a, back_b = sample(to_a, as_b), sample(to_b, as_a)
        rows = min(map(len, (a, b)))
        return side_by_side(*(column[:rows] for column in (a, as_b, back_a, b, as_a, back_b)))

    return draw
