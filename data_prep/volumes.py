"""Loads 3D models as volumes: from a folder of meshes or of .binvox files, or from arrays; copies are left out.

A volume is a bool array `(R, R, R)` with the axes x, y, z and z up, and solid: what a surface encloses is filled.
"""

import contextlib
import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import tyro

from common.base import paths
from common.base.arguments import refuse_ignored
from common.base.errors import InputError
from common.base.files import update_with_status, whole
from data_prep import arrays, folders, images, meshes, sources
from data_prep.decode import UnusableError
from data_prep.render import occupied
from data_prep.skipped import Skipped, refuse_many, tell_skipped

SUFFIXES = (*meshes.FORMATS, ".binvox")
PARTS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}  # names of folders
HELD_OUT = 0.1  # share of the models for each part that the data does not have
VERSION = 2  # of how a file becomes a volume: a cache of another one is made anew


@dataclasses.dataclass(frozen=True)
class VolumeOptions:
    """The command-line options that select 3D models."""

    data: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """your own 3D models: a folder (subfolders are classes) of .glb, .obj, .off, .ply, .stl or .binvox, or a .npz"""
    classes: tuple[str, ...] = ()
    """use only these classes, by name or number, such as: --classes chair"""
    up: Literal["auto", "y", "z"] = "auto"
    """the axis that is up in your files; by default y in .glb, .obj and .binvox, and z in all others"""
    allow_skipped: bool = False
    """continue even if more than 5% of the files cannot be used"""

    def check_given(self, given):
        """Refuses options that have no effect beside the others."""
        if not self.data:
            refuse_ignored(given, "up", "without --data, since z is up in the embedded models")


class Volumes(NamedTuple):
    """Volumes of one resolution with their classes.

    Attributes:
        volumes: bool array `(count, R, R, R)`, z up.
        labels: integer array `(count,)`, indices into `class_names`.
        class_names: tuple of strings.
        names: list of strings: the file of each, or its class and its place in the array.
        splits: string array `(count,)`, "train", "validation" or "test".
        skipped: list of `Skipped`, the files that are left out, for `skipped.csv`.
    """

    volumes: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    names: list
    splits: np.ndarray
    skipped: list = ()

    def rows(self, rows):
        """Returns the selected volumes."""
        names = [self.names[row] for row in rows]
        return self._replace(
            volumes=self.volumes[rows], labels=self.labels[rows], names=names, splits=self.splits[rows]
        )

    def part(self, split):
        """Returns the volumes of a part, "train", "validation" or "test"."""
        return self.rows(np.flatnonzero(self.splits == split))


def load(options, resolution, embedded, seed=0):
    """Returns the `Volumes` that the options select, without exact copies, each in one of three parts.

    The parts are those of the data: folders train, test and validation above or below those of the classes, or arrays
    train and test. A part that the data does not have is a tenth of the training models of each class, held out at
    random. Of copies the one in the test part is kept, or else in the validation part.

    Args:
        options: `VolumeOptions`.
        resolution: integer, voxels along each side.
        embedded: function that returns the data of a recipe for use without `--data`: a dictionary of arrays, as a .npz
            file has them: see `from_arrays`.
        seed: integer, of what is held out.

    Raises:
        InputError: if the data is missing or invalid, or more than 5% of the files cannot be used.
    """
    if options.data is None:
        found = only_classes(from_arrays(embedded(), "the embedded data", resolution), options.classes)
    else:
        found = read(options, resolution)
    return with_splits(without_copies(found), seed)


def read(options, resolution):
    """Returns the `Volumes` of `options.data`, with copies, and "" for a split that is not known."""
    path = sources.opened(options.data)
    if path.is_dir():
        return from_folder(path, resolution, options.up, options.classes, options.allow_skipped)
    with arrays.refusing_damage(path):
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            content = contextlib.nullcontext({path.stem: content})
        with content as named:
            return only_classes(from_arrays(named, path, resolution, options.up), options.classes)


# Arrays -----------------------------------------------------------------------------------------------------------


def from_arrays(content, source, resolution, up="auto"):
    """Returns the `Volumes` of a dictionary of arrays `(count, R, R, R)`, of one of three kinds.

    Each array is a class, by its name; or two are the parts, named train and test, or x_train and x_test; or one is all
    of the data, named x or data. The labels of the latter kinds are in y_train and y_test, or in y:
    `data_prep/arrays.py` has all names.
    """
    places = [
        (names[0], split, next((name for name in label_names if name in content), None))
        for split, known, label_names in (
            ("train", arrays.IMAGES["train"], arrays.LABELS["train"]),
            ("test", arrays.IMAGES["test"], arrays.LABELS["test"]),
            ("", arrays.WHOLE, arrays.WHOLE_LABELS),
        )
        if (names := [name for name in known if name in content])
    ] or [(name, "", None) for name in content]
    parts = []
    for name, split, labels in places:
        volumes = solids(content[name], f"{source}, array {name}", resolution, up)
        classes = (
            np.asarray(content[labels]).reshape(-1).astype(str) if labels else [class_of(name, split)] * len(volumes)
        )
        if len(classes) != len(volumes):
            raise InputError(f"{source} has {len(volumes)} {name} but {len(classes)} {labels}; save it again.")
        parts += [(volume, f"{name}/{row}", classes[row], split) for row, volume in enumerate(volumes)]
    return assembled(parts, [], source, resolution)


def class_of(name, split):
    return "all" if split or name in arrays.WHOLE else name


def solids(array, source, resolution, up="auto"):
    """Returns an array of volumes as solid bool volumes with this resolution.

    Raises:
        InputError: if it holds something else, or if the resolution is not a divisor of its own.
    """
    array = array[..., 0] if array.ndim == 5 and array.shape[-1] == 1 else array
    side = array.shape[-1] if array.ndim else 0
    if array.ndim != 4 or array.shape[1:] != (side, side, side) or array.dtype.kind not in "biuf":
        raise InputError(
            f"{source} holds {array.dtype} of shape {array.shape}; expected are numbers of shape (count, R, R, R): "
            "voxels with the axes x, y, z, z up."
        )
    try:
        return np.stack([solid(volume, resolution, up) for volume in array]) if len(array) else array.astype(bool)
    except UnusableError as error:
        raise InputError(f"{source} {error}.") from error


def solid(volume, resolution, up="auto"):
    """Returns a volume as a solid bool volume with this resolution, z up.

    Raises:
        UnusableError: if the resolution is not a divisor of its own.
    """
    side = len(volume)
    if side % resolution or not side:
        raise UnusableError(
            f"has volumes of {side} voxels along each side; expected are {resolution}, or a multiple of it, "
            "of which the maximum is taken"
        )
    factor = side // resolution
    small = occupied(volume).reshape(3 * (resolution, factor)).any((1, 3, 5))
    return meshes.filled(meshes.with_z_up(small) if up == "y" else small)


# Folders ----------------------------------------------------------------------------------------------------------


def is_model(path):
    """Returns whether a file is a 3D model, by its suffix."""
    return Path(path).suffix.lower() in SUFFIXES


def from_folder(root, resolution, up="auto", classes=(), allow_skipped=False):
    """Returns the `Volumes` of a folder; prints one line about files that cannot be used.

    Args:
        root: path.
        resolution, up, classes, allow_skipped: see `VolumeOptions`.

    Raises:
        InputError: if there are none, or too many cannot be used and this is not allowed.
    """
    listing = of_classes(folders.find(root, is_model), classes)
    names, volumes, skipped = cached(listing, resolution, up)
    skipped = [*listing.skipped, *skipped]
    refuse_many(root, skipped, len(names), allow_skipped, "3D models", SUFFIXES)
    tell_skipped(skipped, len(names), "3D models")
    parts = [(volume, name, *place_of(root, name)) for name, volume in zip(names, volumes, strict=True)]
    return assembled(parts, skipped, root, resolution)


def of_classes(listing, wanted):
    """Returns the `Listing` of the files of the wanted classes, or of all: only these are read."""
    classes = [place_of(listing.root, name)[0] for name in listing.names]
    class_names = sorted(set(classes))
    chosen = {class_names[number] for number in images.class_numbers(wanted, class_names)} or set(class_names)
    return listing._replace(names=[name for name, known in zip(listing.names, classes, strict=True) if known in chosen])


def place_of(root, name):
    """Returns the class and the split of a file: CLASS/…, and a folder train, test or validation above or below it.

    >>> place_of(Path("models"), "chair/train/1.off"), place_of(Path("models"), "test/chair/old/2.off")
    (('chair', 'train'), ('chair', 'test'))
    >>> place_of(Path("models"), "3.off"), place_of(Path("models"), "chair/old/test/4.off")
    (('models', ''), ('chair', ''))
    """
    above = name.split("/")[:-1]
    splits = {folder: split for split, known in PARTS.items() for folder in known}
    split = next((splits[folder] for folder in above[:2] if folder in splits), "")
    classes = [folder for place, folder in enumerate(above) if place > 1 or folder not in splits]
    return classes[0] if classes else Path(root).resolve().name, split


def cached(listing, resolution, up):
    """Returns names, volumes and skipped files of a folder, from the user's cache if no file has changed.

    To make the volumes of thousands of meshes takes minutes.
    """
    path = paths.downloads() / "volumes" / f"{listing.root.resolve().name}-{digest_of(listing, resolution, up)}.npz"
    with contextlib.suppress(Exception):  # NumPy raises various ones for damaged bytes; then it is made anew
        with np.load(path, allow_pickle=False) as stored:
            names, skipped = json.loads(stored["text"].tobytes())
            volumes = np.unpackbits(stored["bits"], 1, resolution**3).reshape(len(names), *3 * [resolution])
        return names, volumes.astype(bool), [Skipped(*row) for row in skipped]
    names, volumes, skipped = converted(listing, resolution, up)
    with contextlib.suppress(OSError):  # without a cache they are made anew next time
        path.parent.mkdir(parents=True, exist_ok=True)
        text = np.frombuffer(json.dumps([names, skipped]).encode(), np.uint8)
        with whole(path) as part:
            np.savez(part, text=text, bits=np.packbits(volumes.reshape(len(names), resolution**3), 1))
    return names, volumes, skipped


def digest_of(listing, resolution, up):
    digest = hashlib.sha256(f"{VERSION} {resolution} {up} {listing.root.resolve()}".encode("utf-8", "surrogateescape"))
    update_with_status(digest, listing.root, listing.names)
    return digest.hexdigest()[:12]


def converted(listing, resolution, up):
    """Returns names, volumes and skipped files of a folder."""
    names, volumes, skipped = [], np.zeros((len(listing.names), *3 * [resolution]), bool), []
    for name in folders.progress(listing.names, f"Making volumes of {len(listing.names)} files"):
        try:
            volumes[len(names)] = of_file(listing.root / name, resolution, up)
        except UnusableError as error:
            skipped.append(Skipped(name, "skipped", str(error)))
        else:
            names.append(name)
    return names, volumes[: len(names)], skipped


def of_file(path, resolution, up="auto"):
    """Returns the volume of a mesh or of a .binvox file, in the middle of the cube.

    Raises:
        UnusableError: if the file has none.
    """
    up = meshes.up_of(path) if up == "auto" else up
    if path.suffix.lower() != ".binvox":
        return meshes.voxels(meshes.parsed(path), resolution, up)
    volume = solid(meshes.read_binvox(path), resolution, up)
    if not volume.any():
        raise UnusableError("has no occupied voxel")
    return centred(volume)


def centred(volume):
    """Returns a volume with its object in the middle: that of a .binvox file is in a corner of the cube.

    >>> centred(np.arange(27).reshape(3, 3, 3) == 1)[1, 1, 1]
    np.True_
    """
    ends = [(layers.min(), layers.max()) for layers in np.nonzero(volume)]
    return np.roll(volume, [(len(volume) - 1 - low - high) // 2 for low, high in ends], (0, 1, 2))


# Copies and parts -------------------------------------------------------------------------------------------------


def assembled(parts, skipped, source, resolution):
    """Returns `Volumes` of a list of `(volume, name, class, split)`; those without an occupied voxel are skipped."""
    empty = [Skipped(name, "skipped", "has no occupied voxel") for volume, name, *_ in parts if not volume.any()]
    parts = [part for part in parts if part[0].any()]
    if not parts:
        raise InputError(f"{source} has no volume with an occupied voxel; volumes (count, R, R, R) are expected.")
    volumes, names, classes, splits = zip(*parts, strict=True)
    class_names, labels = np.unique(np.array(classes, object).astype(str), return_inverse=True)
    return Volumes(
        np.stack(volumes),
        labels.reshape(-1).astype(np.int64),
        tuple(str(name) for name in class_names),
        list(names),
        np.array(splits, dtype="<U10"),
        [*skipped, *empty],
    )


def only_classes(found, wanted):
    """Returns the volumes of the wanted classes, which are numbered anew, or of all."""
    if not wanted:
        return found
    numbers = images.class_numbers(wanted, found.class_names)
    found = found.rows(np.flatnonzero(np.isin(found.labels, numbers)))
    names = tuple(found.class_names[number] for number in numbers)
    return found._replace(labels=np.searchsorted(numbers, found.labels), class_names=names)


def without_copies(found):
    """Returns the volumes without exact copies, which would be memorized, then tested; prints a line about them.

    Of copies the first one in the test part is kept, otherwise in the validation part, otherwise the first one.
    """
    copies = copies_of(found)
    if not copies:
        return found
    leaks = sum({found.splits[row], found.splits[original]} == {"train", "test"} for row, original in copies.items())
    leaked = f", {leaks} of them in the training part of models in the test part" if leaks else ""
    print(f"{len(copies)} of {len(found.names)} 3D models are left out as exact copies of others{leaked}.")
    rows = [
        Skipped(found.names[row], "skipped", f"is an exact copy of: {found.names[original]}")
        for row, original in copies.items()
    ]
    kept = np.setdiff1d(np.arange(len(found.names)), list(copies))
    return found.rows(kept)._replace(skipped=[*found.skipped, *rows])


def copies_of(found):
    """Returns a dictionary from the row of each copy to the row of the volume that is kept."""
    preference = {"test": 0, "validation": 1}
    kept, copies = {}, {}
    for row in sorted(range(len(found.names)), key=lambda row: preference.get(found.splits[row], 2)):
        content = np.packbits(found.volumes[row]).tobytes()
        original = kept.setdefault(hashlib.sha256(content).digest(), row)
        if original != row:
            copies[row] = original
    return dict(sorted(copies.items()))


def with_splits(found, seed):
    """Returns the volumes with a part for each: what the data does not have is held out of the training models."""
    splits = np.where(found.splits == "", "train", found.splits)
    for number, part in enumerate(("test", "validation")):
        if part not in found.splits:
            rng = np.random.default_rng((seed, number))
            for label in range(len(found.class_names)):
                members = rng.permutation(np.flatnonzero((found.labels == label) & (splits == "train")))
                splits[members[: min(max(1, round(HELD_OUT * len(members))), len(members) - 1)]] = part
    return found._replace(splits=splits)
