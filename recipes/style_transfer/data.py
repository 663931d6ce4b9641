"""Unpaired image collections of two domains: garments and drawings of other garments, or photos and paintings."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import cv2
import numpy as np
import tyro

from common.base.arguments import refuse_ignored, refuse_missing
from common.base.errors import InputError
from common.base.pictures import scale, side_by_side
from common.sampling import draw_samples
from data_prep import decode, images, pairs
from data_prep.batches import Batches, first

CROPS = 1000  # crops of a single painting per epoch


@dataclasses.dataclass(frozen=True)
class DomainOptions:
    """The options that choose the two domains."""

    dataset: Literal["garments", "monet2photo"] = "garments"
    """embedded garments and drawings of other garments; or photos and Monet's paintings, downloaded"""
    photos: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """your own images of domain A: a folder"""
    paintings: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """your own images of domain B: a folder, or a single image, of which random crops are taken"""
    size: Annotated[str | None, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = None
    """resize each image to this size in pixels; by default 28 for garments, else 64"""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """how to change the aspect ratio: crop the centre, pad with bars, or distort"""
    augment: tuple[Literal["none", "flip", "crop", "rotate", "colour", "noise"], ...] | None = None
    """random changes of each image in every epoch, or none; by default flip and crop for photos and paintings"""
    allow_skipped: bool = False
    """continue even if more than 5% of the files cannot be used"""

    def check_given(self, given):
        """Refuses options that have no effect beside the others, or lack one."""
        if (self.photos is None) != (self.paintings is None):
            raise InputError("Two domains are needed: name both, --photos FOLDER and --paintings FOLDER_OR_IMAGE.")
        refuse_missing("photos", self.photos)
        refuse_missing("paintings", self.paintings)
        if self.photos:
            refuse_ignored(given, "dataset", "with --photos and --paintings")
        if self.is_embedded and self.size is None:
            refuse_ignored(given, "fit", "without --size, since the images keep their size")
        images.chosen_changes(self.augment, ())  # refuses none among others

    @property
    def is_embedded(self):
        return self.photos is None and self.paintings is None and self.dataset == "garments"

    @property
    def pixels(self):
        """`--size`, or its default."""
        return self.size or ("28" if self.is_embedded else "64")

    @property
    def changes(self):
        """`--augment`, or its default: none for drawings, whose hatching has a fixed place and direction."""
        return images.chosen_changes(self.augment, () if self.is_embedded else ("flip", "crop"))


class Domains(NamedTuple):
    """Images of two domains, indexed like uint8 arrays `(count, height, width, channels)`.

    Attributes:
        a: photos, domain A.
        b: paintings, domain B; they do not correspond to the photos.
    """

    a: Any
    b: Any


class Parts:
    """Random crops of one image, indexed like an array; the same index gives the same crop.

    Args:
        image: uint8 array `(height, width, channels)`.
        size: `(height, width)` in pixels, to which crops are resized; they have at least this size, and at most half
            of the sides of the image.
        count: integer, number of crops.
        first: integer, random seed of the first crop; each following crop has the next one.
    """

    def __init__(self, image, size, count, first=0):
        self.image = image
        self.first = first
        self.shape = (count, *size, image.shape[-1])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return np.stack([self.part(row) for row in np.atleast_1d(rows)])

    def part(self, row):
        rng = np.random.default_rng(self.first + int(row))
        size, sides = np.array(self.shape[1:3]), np.array(self.image.shape[:2])
        height, width = np.rint(size * rng.uniform(1, max(1, min(sides / 2 / size)))).astype(int)
        top, left = (rng.integers(side - cropped + 1) for side, cropped in zip(sides, (height, width), strict=True))
        return decode.resize(self.image[top : top + height, left : left + width], tuple(size), "stretch")


def drawing(image):
    """Returns a chalk drawing of a grey image: outlines, and hatching that is denser where the image is brighter."""
    grey = image[..., 0]
    rows, columns = np.indices(grey.shape)
    lines = ((rows + columns) % 4 == 0) & (grey > 60) | ((rows - columns) % 4 == 0) & (grey > 150)
    chalk = np.where(lines, 190, 0).astype(np.uint8)
    chalk = cv2.GaussianBlur(chalk, (3, 3), 0.5)
    return np.maximum(chalk, cv2.Canny(grey, 100, 200))[..., np.newaxis]


def load_domains(options, split):
    """Returns the `Domains` of a split. In the test part of the garments, `b` are the true drawings of `a`.

    Raises:
        InputError: if the data is missing or not as expected.
    """
    options.check_given(())
    if options.is_embedded:
        garments = images.load(images.ImageOptions(size=options.size, fit=options.fit), split).images
        # The training drawings are of other garments than the photos.
        a, b = (garments[0::2], garments[1::2]) if split == "train" else (garments, garments)
        return Domains(a, np.stack([drawing(image) for image in b]))
    if options.paintings is not None and options.paintings.is_file():
        return with_one_painting(options, split)
    return Domains(*two_folders(options, options.photos, options.paintings, split))


def two_folders(options, photos, paintings, split):
    unpaired = pairs.PairOptions(
        dataset="monet2photo",
        data=photos,
        data_b=paintings,
        size=options.pixels,
        fit=options.fit,
        channels="3",
        allow_skipped=options.allow_skipped,
    )
    loaded = pairs.load(unpaired, split, paired=False, hold_out=True)
    return (loaded.a, loaded.b) if photos else (loaded.b, loaded.a)  # A of monet2photo are the paintings


def with_one_painting(options, split):
    size = images.parse_size(options.pixels)
    try:
        painting = decode.read(options.paintings, channels=3)
    except decode.UnusableError as error:
        raise InputError(f"--paintings expects a folder or an image, but {options.paintings} {error}.") from error
    if min(painting.shape[:2]) < 2 * max(size):
        raise InputError(
            f"Crops of {size[1]}×{size[0]} pixels need a painting of at least twice that size, but {options.paintings} "
            f"has {painting.shape[1]}×{painting.shape[0]}; use a smaller --size, or a larger image."
        )
    photos = images.ImageOptions(
        data=options.photos, size=options.pixels, fit=options.fit, channels="3", allow_skipped=options.allow_skipped
    )
    first = 0 if split == "train" else CROPS  # different crops, which may overlap with those of the training
    return Domains(images.load(photos, split, hold_out=True).images, Parts(painting, size, CROPS, first))


def load(config):
    """Returns the batches that `train` fits; a batch is `(photos, paintings)`, both in [-1, 1]."""
    domains = load_domains(config.domains, "train")
    augment = images.composed(config.domains.changes)
    return Batches(tuple(domains), config.batch_size, config.seed, augment=augment, paired=False)


# Samples of a run -----------------------------------------------------------------------------------------------------


def translations(config, count=16):
    """Returns a function from the GAN to a grid of held-out images: a, G(a), F(G(a)), b, F(b) and G(F(b))."""
    domains = load_domains(config.domains, "test")
    a, b = (scale(first(domain, count)) for domain in domains)

    def draw(gan):
        G, F = gan.translators
        fake_b, fake_a = draw_samples(G, a), draw_samples(F, b)
        cycled_a, cycled_b = draw_samples(F, fake_b), draw_samples(G, fake_a)
        rows = min(map(len, (a, b)))
        return side_by_side(*(column[:rows] for column in (a, fake_b, cycled_a, b, fake_a, cycled_b)))

    return draw
