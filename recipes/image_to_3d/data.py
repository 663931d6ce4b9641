"""Pairs of an image and the object that it shows: procedural objects, or meshes and voxels of the user, rendered."""

import collections
import dataclasses
import functools
import hashlib
from pathlib import Path, PurePath
from typing import Annotated, Literal, NamedTuple

import numpy as np
import tyro

from common.base.arguments import refuse_ignored, refuse_missing
from common.base.errors import InputError
from common.base.files import whole
from common.base.paths import downloads, shown
from common.base.ranges import Range
from data_prep import decode, folders, render, volumes
from data_prep.batches import Batches

from . import shapes
from .photographs import CutOutOptions, framed, object_on_white

COUNTS = {"train": 2_700, "test": 400}  # embedded objects; a tenth of the training ones is held out for validation
SEED = 2016  # of the embedded objects and of all viewpoints
WIDEST = {"azimuths": (-360, 360), "elevations": (-90, 90)}  # degrees
OVERSIZE = 1.5  # of a rendered view, which is then cropped to its object
CHUNK = 100  # views rendered at a time


@dataclasses.dataclass(frozen=True)
class ObjectOptions(CutOutOptions, volumes.VolumeOptions):
    """The options that choose the objects and their images."""

    resolution: Literal[16, 32, 64] = 32
    """voxels along a side of the cube"""
    images: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """images of the models of --data: NAME.png, or NAME/…, for the model NAME.off"""
    views: Annotated[int, Range(1, 50)] = 5
    """rendered images of each object, from random viewpoints, where --images gives none"""
    azimuths: tuple[float, float] = (-60.0, 60.0)
    """the range of the viewpoints around an object, in degrees: 0 is in front of it, 90 on its left"""
    elevations: tuple[float, float] = (10.0, 40.0)
    """the range of their elevations, in degrees: 0 looks from the side, 90 from above"""
    size: Annotated[int, Range(16, 128)] = 32
    """side of the images in pixels"""

    @property
    def source(self):
        return str(self.data) if self.data else "procedural objects"

    @property
    def described(self):
        """The source of the objects, and from where they are seen, if that is not the usual range."""
        ranges = {name: getattr(self, name) for name in WIDEST if getattr(self, name) != getattr(ObjectOptions, name)}
        return ", ".join([self.source, *(f"{name} {low:g} to {high:g}" for name, (low, high) in ranges.items())])

    def check_given(self, given):
        super().check_given(given)
        for name, widest in WIDEST.items():
            low, high = getattr(self, name)
            if not widest[0] <= low <= high <= widest[1]:
                raise InputError(
                    f"--{name} expects two angles from {widest[0]} to {widest[1]} degrees, the smaller one first, "
                    f"but is {low:g} {high:g}."
                )
        if self.images:
            refuse_missing("images", self.images)
            for name in ("views", *WIDEST):
                refuse_ignored(given, name, "with --images, since nothing is rendered")
            if not (self.data and self.data.is_dir()):
                raise InputError(
                    "--images has images of the files of a folder; name the folder of the models with --data."
                )
        else:
            refuse_ignored(given, "cut_out", "without --images")


class Objects(NamedTuple):
    """Objects and their images.

    Attributes:
        volumes: bool array `(count, resolution, resolution, resolution)`.
        labels: integer array `(count,)`, their kinds.
        class_names: tuple of strings.
        images: uint8 array `(images, size, size, 1)`.
        owners: integer array `(images,)`, the row of the object that an image shows.
    """

    volumes: np.ndarray
    labels: np.ndarray
    class_names: tuple
    images: np.ndarray
    owners: np.ndarray

    @property
    def truth(self):
        """The volume of each image, without a copy of those of which there are several images."""
        return Selected(self.volumes, self.owners)


class Selected:
    """Rows of an array, which may repeat, indexed like an array of their own; without a copy.

    Args:
        array: array.
        rows: integer array.
    """

    def __init__(self, array, rows):
        self.array = array
        self.rows = rows
        self.shape = (len(rows), *array.shape[1:])

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, rows):
        return self.array[self.rows[rows]]


@functools.cache
def load_volumes(options):
    """Returns the `Volumes` of all splits; once for a training, its sheets and its evaluation."""
    return volumes.load(options, options.resolution, functools.partial(embedded, options.resolution))


def embedded(resolution):
    """Returns the procedural objects, none twice, as arrays of the names that `volumes.from_arrays` knows."""
    made, labels = shapes.objects(sum(COUNTS.values()), resolution, SEED)
    names = np.array(list(shapes.KINDS))[labels]
    split = COUNTS["train"]
    return {"x_train": made[:split], "y_train": names[:split], "x_test": made[split:], "y_test": names[split:]}


def load_objects(options, split):
    """Returns the `Objects` of a split: "train", "validation" or "test".

    Raises:
        InputError: if the data is missing or not as expected.
    """
    found = load_volumes(options).part(split)
    if not len(found.volumes):
        raise InputError(
            f"{options.source} has too few models: none is left for the part {split}; expected are 3 of a class."
        )
    if options.images:
        images, owners = images_of_user(options, found.names)
    else:
        images, owners = rendered(found.volumes, options, split), np.arange(len(found.volumes)).repeat(options.views)
    return Objects(found.volumes, found.labels, found.class_names, images, owners)


# Images ---------------------------------------------------------------------------------------------------------------


def rendered(solids, options, split):
    """Returns the views of volumes, those of an object one after the other; rendered once, and kept in the cache."""
    count = len(solids) * options.views
    azimuths, elevations = viewpoints(options, split, count)
    cached = downloads() / "views" / f"{digest_of(np.packbits(solids), azimuths, elevations, options.size)}.npy"
    if cached.exists():
        return np.load(cached, allow_pickle=False)
    each = Selected(solids, np.arange(len(solids)).repeat(options.views))
    images = np.empty((count, options.size, options.size, 1), np.uint8)
    starts = folders.progress(range(0, count, CHUNK), f"Rendering {count:,} images")
    for start in starts:
        rows = np.arange(start, min(start + CHUNK, count))
        seen = render.views(each[rows], azimuths[rows], elevations[rows], round(OVERSIZE * options.size))
        images[rows] = [framed(image, options.size) for image in seen]
    cached.parent.mkdir(parents=True, exist_ok=True)
    with whole(cached) as part, part.open("wb") as file:
        np.save(file, images)
    return images


def viewpoints(options, split, count):
    """Returns the azimuths and the elevations of so many views of a split, two arrays, in degrees."""
    rng = np.random.default_rng((SEED, len(split)))
    return rng.uniform(*options.azimuths, count), rng.uniform(*options.elevations, count)


def digest_of(*parts):
    """Returns a digest of arrays and numbers, and of the code that renders and crops views."""
    code = [Path(path).read_bytes() for path in (render.__file__, framed.__code__.co_filename)]
    return hashlib.sha256(b"".join([*(np.asarray(part).tobytes() for part in parts), *code])).hexdigest()[:16]


def images_of_user(options, names):
    """Returns the images of models, and the row of the model that each shows.

    Args:
        options: `ObjectOptions`.
        names: list of strings, the files of the models.

    Raises:
        InputError: if a model has no image that can be used.
    """
    of_stem = collections.defaultdict(list)  # the images of that stem, and those in a folder of that name
    for listed in folders.find(options.images).names:
        stem = PurePath(listed).with_suffix("")
        for place in (stem, *stem.parents):
            of_stem[place].append(listed)
    images, owners = [], []
    for row, name in enumerate(names):
        stem = PurePath(name).with_suffix("")
        found = [prepared(options.images / listed, options.size, options.cut_out) for listed in of_stem[stem]]
        found = [image for image in found if image is not None]
        if not found:
            raise InputError(
                f"No image of {options.images} shows {name}; expected {stem}.png, or images in {stem}/, each with one "
                "object in front of a plain background; with --cut-out the background may have any colours."
            )
        images += found
        owners += [row] * len(found)
    return np.stack(images), np.array(owners)


def prepared(path, size, cut_out=False):
    """Returns the object of an image file as the encoder sees it; None, after saying why, if there is none.

    Args:
        path: of the image.
        size: integer, side of the result in pixels.
        cut_out: bool, whether the background may have any colours; else it is plain.
    """
    try:
        return framed(object_on_white(decode.read(path, channels=3), shown(path), cut_out), size)
    except decode.UnusableError as error:
        print(f"Skipped {shown(path)}: it {error}.")
    except InputError as error:
        print(f"Skipped. {error}")
    return None


# Batches --------------------------------------------------------------------------------------------------------------


def mirrored(batch, rng):
    """Returns a batch in which half of the objects and their images are mirrored, left for right: other valid pairs."""
    images, volumes = (array.copy() for array in batch)
    rows = rng.random(len(images)) < 0.5
    images[rows] = images[rows, :, ::-1]
    volumes[rows] = volumes[rows, :, ::-1]  # along y
    return images, volumes


def load(config):
    """Returns the batches that `train` fits; a batch is `(images, volumes)`, in [-1, 1] and bool."""
    objects = load_objects(config.objects, "train")
    solids = objects.truth
    solids.skipped = load_volumes(config.objects).skipped  # for skipped.csv
    return Batches((objects.images, solids), config.batch_size, config.seed, augment=mirrored)
