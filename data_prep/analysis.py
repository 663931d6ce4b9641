"""Measures every image of a data set: size, brightness, sharpness. Finds duplicates and outliers."""

import hashlib
import itertools
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import imagehash
import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from common.base.files import update_with_status, whole
from data_prep import decode, folders, sources
from data_prep.decode import UnusableError
from data_prep.folders import SPLITS, progress
from data_prep.skipped import Skipped

SIDE = 128  # longer side in pixels at which sharpness is measured: about what networks see
CELLS = 8  # per side of the grid of colour and edge features
FEATURES = 4 * CELLS**2
NEAR_BITS = 6  # near duplicates differ in at most this many of the 64 bits of a perceptual hash
NEAR_DIFFERENCE = 0.12  # … and in colour by at most this share of the colour variation within an image
REFERENCES = 4000  # images that outliers are compared with
NEIGHBOURS = 5
FAR = 4.5  # an image beyond this many robust standard deviations is an outlier
BLANK = 3.0  # an image whose standard deviation is below this (of 0 … 255) is blank
CHUNK = 500  # images between two saves

RECORD = np.dtype(
    [
        ("index", "i8"),
        ("width", "i4"),
        ("height", "i4"),
        ("channels", "u1"),
        ("minimum", "u1"),
        ("maximum", "u1"),
        ("brightness", "f4"),  # mean of 0 … 255
        ("contrast", "f4"),  # standard deviation
        ("sharpness", "f4"),  # variance of the Laplacian over that of the image
        ("bytes", "S32"),  # digest of the file
        ("hash", "u8"),  # perceptual
        ("features", "f4", (FEATURES,)),
    ]
)


# Collecting -------------------------------------------------------------------------------------------------------


class Collection(NamedTuple):
    """The images of a data set, whatever its format.

    Attributes:
        root: path.
        names: list of strings, one per image: its path, or its position in an array.
        labels: list of strings, the class of each image.
        splits: list of strings, "train", "test" or "" for each image.
        read: function from an index to a uint8 image and the bytes it was decoded from.
        skipped: list of `Skipped`.
        is_folder: bool, whether the names are file paths.
    """

    root: Path
    names: list
    labels: list
    splits: list
    read: Callable
    skipped: list
    is_folder: bool


def collect(path):
    """Returns the `Collection` of a folder, an archive or an array file."""
    source = sources.find(path)
    if isinstance(source, sources.ImageFolder):
        return of_folder(source.root)
    return of_arrays(source.root, {split: source.read(split) for split in source.splits})


def of_arrays(path, parts):
    """Returns the `Collection` of the `sources.Arrays` of each split."""
    names, labels, splits, places = [], [], [], []
    for split, part in parts.items():
        count = len(part.images)
        names += [f"{split}/{index:06d}.png" for index in range(count)]
        has_classes = len(part.class_names) > 1
        labels += [part.class_names[label] for label in part.labels] if has_classes else ["all"] * count
        splits += [split if len(parts) > 1 else ""] * count
        places += [(part.images, index) for index in range(count)]

    def read(number):
        images, index = places[number]
        image = np.ascontiguousarray(images[index])
        return image, image.tobytes()

    return Collection(path, names, labels, splits, read, [], False)


def of_folder(root):
    listing = folders.find(root)
    splits, labels = [], []
    for name in listing.names:
        parents = Path(name).parts[:-1]
        split = split_of(parents[0]) if parents else ""
        inner = parents[1:] if split else parents  # the class is the folder below the split
        domain = parents[0][-1] if split and parents[0][-1] in "AB" else Path(root).resolve().name
        splits.append(split)
        labels.append(inner[0] if inner else domain)

    def read(index):
        data = decode.bytes_of(root / listing.names[index])
        return decode.decode(data), data

    return Collection(root, listing.names, labels, splits, read, listing.skipped, True)


def split_of(folder):
    """Returns the split that a folder name stands for, such as "test" for "val" and "testA", or ""."""
    return next((split for split, names in SPLITS.items() if re.fullmatch(f"(?i:{'|'.join(names)})[AB]?", folder)), "")


# Measuring --------------------------------------------------------------------------------------------------------


class Measured(NamedTuple):
    """Measurements: `records` of the usable images (dtype `RECORD`), and `skipped`, the other files."""

    records: np.ndarray
    skipped: list


def measure(data, store=None, workers=None):
    """Returns the `Measured` of a `Collection`.

    Args:
        data: `Collection`.
        store: path of a folder for intermediate results, so that an interrupted call can continue; or None.
        workers: integer, number of threads; by default one per core.
    """
    records, skipped = [np.empty(0, RECORD)], list(data.skipped)
    chunks = [range(start, min(start + CHUNK, len(data.names))) for start in range(0, len(data.names), CHUNK)]
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for chunk in progress(chunks, f"Measuring {len(data.names)} images"):
            path = store / f"{chunk.start:09d}-{state(data, chunk)}.npz" if store else None
            found, reasons = stored(path) if path and path.exists() else measure_chunk(data, chunk, pool)
            if path and not path.exists():
                with whole(path) as part:
                    np.savez(part, found=found, reasons=np.array(list(reasons.items()), dtype=str).reshape(-1, 2))
            records.append(found)
            skipped.extend(Skipped(data.names[index], "skipped", reason) for index, reason in reasons.items())
    return Measured(np.concatenate(records), skipped)


def state(data, chunk):
    """Returns a digest of a chunk's names, and of the sizes and times of its files."""
    names = [data.names[index] for index in chunk]
    digest = hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape"))
    if data.is_folder:
        update_with_status(digest, data.root, names)
    return digest.hexdigest()[:16]


def stored(path):
    with np.load(path, allow_pickle=False) as arrays_:
        return arrays_["found"], {int(index): reason for index, reason in arrays_["reasons"]}


def measure_chunk(data, chunk, pool):
    """Returns the records of a chunk, and a dictionary from the indices of unusable files to the reasons."""

    def one(index):
        try:
            return measure_one(index, *data.read(index))
        except UnusableError as error:
            return str(error)
        except OSError as error:
            return f"cannot be read: {error.strerror}"

    found = dict(zip(chunk, pool.map(one, chunk), strict=True))
    reasons = {index: result for index, result in found.items() if isinstance(result, str)}
    return np.array([result for index, result in found.items() if index not in reasons], RECORD), reasons


def measure_one(index, image, data):
    """Returns the record of one image."""
    height, width, channels = image.shape
    grey = decode.with_channels(image, 1)[..., 0]
    scale = min(1, SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = decode.resize(image, size, "stretch")
    small_grey = decode.with_channels(small, 1)[..., 0].astype(np.float32)
    sharpness = cv2.Laplacian(small_grey, cv2.CV_32F).var() / max(small_grey.var(), 1)
    return (
        *(index, width, height, channels, image.min(), image.max(), grey.mean(), grey.std(), sharpness),
        hashlib.sha256(data).hexdigest()[:32].encode(),
        int(str(imagehash.phash(Image.fromarray(small[..., 0] if channels == 1 else small))), 16),
        features(small),
    )


def features(image):
    """Returns the mean CIELAB colour and edge strength of each cell of a grid, a vector of `FEATURES` numbers."""
    colour = decode.with_channels(image, 3)
    lab = cv2.cvtColor(colour.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    edges = cv2.magnitude(cv2.Sobel(lab[..., 0], -1, 1, 0), cv2.Sobel(lab[..., 0], -1, 0, 1))
    cells = (CELLS, CELLS)
    return np.concatenate([cv2.resize(plane, cells, interpolation=cv2.INTER_AREA).ravel() for plane in (lab, edges)])


# Duplicates ---------------------------------------------------------------------------------------------------------


def exact_groups(records):
    """Returns a list of groups: the rows of files with the same bytes."""
    _, inverse, counts = np.unique(records["bytes"], return_inverse=True, return_counts=True)
    return groups_of(inverse, counts)


def near_groups(records, bits=NEAR_BITS, difference=NEAR_DIFFERENCE):
    """Returns a list of groups: the row of an image, and the rows of its near duplicates.

    Two images are near duplicates if their perceptual hashes differ in at most `bits` bits, and their colours by at
    most `difference` times the colour variation within an image. Two such hashes agree in at least one of `bits + 1`
    bands of bits, so only images that agree in a band are compared.
    """
    partners = {}
    edges = np.linspace(0, 64, bits + 2).astype(int)
    for start, end in itertools.pairwise(edges):
        band = (records["hash"] >> np.uint64(start)) & np.uint64(2 ** int(end - start) - 1)
        for rows in groups_of(*np.unique(band, return_inverse=True, return_counts=True)[1:]):
            for place, row in enumerate(rows[:-1]):
                others = alike(records, row, rows[place + 1 :], bits, difference)
                if len(others):
                    partners.setdefault(int(row), set()).update(others.tolist())
    groups, taken = [], set()
    for row in sorted(partners):
        members = partners[row] - taken
        if row not in taken and members:
            groups.append(np.array([row, *sorted(members)]))
            taken |= {row, *members}
    return groups


def alike(records, row, others, bits, difference):
    """Returns those of the other rows that are near duplicates of a row."""
    hashes = records["hash"]
    others = others[np.bitwise_count(hashes[others] ^ hashes[row]) <= bits]
    colours = records["features"][:, : 3 * CELLS**2]
    centred = colours[row].reshape(3, -1) - colours[row].reshape(3, -1).mean(axis=1, keepdims=True)
    limit = difference * np.linalg.norm(centred)
    return others[np.linalg.norm(colours[others] - colours[row], axis=1) <= limit]


def groups_of(numbers, counts):
    """Returns the rows of each number that occurs more than once."""
    order = np.argsort(numbers, kind="stable")
    return [rows for rows in np.split(order, np.cumsum(counts)[:-1]) if len(rows) > 1]


# Outliers -----------------------------------------------------------------------------------------------------------


def outliers(records):
    """Returns a dictionary from the rows of outliers to the reasons, the most extreme first."""
    sharpness = deviation(np.log(records["sharpness"] + 1e-6))
    distance = np.maximum(*(deviation(np.log(d + 1e-6)) for d in distances(records["features"])))
    found = {int(row): "blank" for row in np.flatnonzero(records["contrast"] < BLANK)}
    for values, reason in ((-sharpness, "blurred"), (sharpness, "noisy"), (distance, "far from the rest")):
        for row in np.argsort(-values, kind="stable"):
            if values[row] > FAR:
                found.setdefault(int(row), reason)
    return found


def deviation(values):
    """Returns how many standard deviations, estimated from the quartiles, each value is above the median."""
    if len(values) < 8:
        return np.zeros(len(values))
    low, middle, high = np.percentile(values, (25, 50, 75))
    return (values - middle) / max((high - low) / 1.349, 1e-6)


def distances(vectors):
    """Returns two mean distances of each vector to its nearest neighbours.

    The first is measured along the principal components of all vectors: images of unusual colours stand out. For the
    second these components are whitened: images with features that the others lack stand out.
    """
    if len(vectors) <= NEIGHBOURS + 1:
        return np.zeros((2, len(vectors)))
    rows = np.random.default_rng(0).permutation(len(vectors))[:REFERENCES]
    middle = vectors[rows].mean(axis=0, dtype=np.float64)
    _, lengths, directions = np.linalg.svd(vectors[rows] - middle, full_matrices=False)
    if not lengths[0]:  # copies of one image
        return np.zeros((2, len(vectors)))
    floor = 0.1 * np.mean(lengths**2)  # keeps whitening from amplifying components of almost no variance
    plain = directions[:32].T
    even = directions[:64].T / np.sqrt(lengths[:64] ** 2 + floor)
    return np.stack([neighbour_distances((vectors - middle) @ basis, rows) for basis in (plain, even)])


def neighbour_distances(vectors, rows):
    # The nearest reference is the image itself if it is among the references.
    distance, _ = cKDTree(vectors[rows]).query(vectors, NEIGHBOURS + 1, workers=-1)
    return distance[:, 1:].mean(axis=1)
