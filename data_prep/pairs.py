"""Samples of two images: pairs side by side in one file `A|B`, two folders paired by name, or two unpaired folders."""

import dataclasses
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import tyro

from common.base.errors import InputError
from data_prep import datasets, decode, folders, images, sources
from data_prep.decode import UnusableError
from data_prep.skipped import Skipped

# Names of the folders of domains A and B; a split is a prefix ("trainA") or a folder ("train/A").
DOMAINS = (("A", "B"), ("a", "b"))


@dataclasses.dataclass(frozen=True)
class PairOptions:
    """The command-line options that select the images of two domains."""

    dataset: Literal["facades", "monet2photo"] = "facades"
    """a named data set, downloaded when needed"""
    data: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """your own: a folder or archive of images A|B side by side, or with the folders trainA and trainB (or A and B)"""
    data_b: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """the folder of domain B, if --data contains only domain A"""
    size: Annotated[str, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = "256"
    """resize each image to this size in pixels"""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """how to change the aspect ratio: crop the centre, pad with bars, or distort"""
    channels: Literal["auto", "1", "3"] = "auto"
    """1 for grey, 3 for colour; by default colour if any image is in colour"""
    augment: tuple[Literal["flip", "crop", "rotate", "colour", "noise"], ...] = ()
    """random changes, the same for both images of a pair"""
    allow_skipped: bool = False
    """continue even if more than 5% of the files cannot be used"""

    def augmentation(self):
        """Returns the `augment` of `Batches` for `--augment`, or None."""
        return images.composed(self.augment)


class Pairs(NamedTuple):
    """Images of two domains, each a `folders.Pictures`: pass both to `Batches` as its samples.

    Attributes:
        a, b: indexed like uint8 arrays `(count, height, width, channels)`.
        paired: bool, whether `a[i]` and `b[i]` form a pair; the `paired` of `Batches`.
    """

    a: Any
    b: Any
    paired: bool


class Half(folders.Pictures):
    """The left or right halves of side-by-side images.

    Args:
        listing, size, channels, **kwargs: see `folders.Pictures`.
        side: "left" or "right".
    """

    def __init__(self, listing, size, channels, side, **kwargs):
        super().__init__(listing, size, "stretch", channels, **kwargs)
        self.side = side

    def read(self, path):
        whole = decode.read(path, None, channels=self.channels)
        middle = whole.shape[1] // 2
        if whole.shape[1] != 2 * middle or not middle:
            raise UnusableError(f"is {whole.shape[1]} pixels wide, which is not even: not a pair side by side")
        return decode.resize(whole[:, :middle] if self.side == "left" else whole[:, middle:], self.size, "crop")


def load(options, split="train", paired=True, hold_out=False):
    """Returns the `Pairs` that the options select.

    Args:
        options: `PairOptions`.
        split: "train" or "test". Of folders without splits, all images are returned.
        paired: bool, whether the recipe needs pairs: then the files of two folders are matched by name.
        hold_out: bool, whether to use every tenth image of folders without a test part for testing: see
            `folders.part_of`.

    Raises:
        InputError: if there are no images, or no pairs although the recipe needs pairs.
    """
    root = root_of(options)
    if options.data_b:
        return two_folders(root, sources.opened(options.data_b), options, paired, split if hold_out else None)
    both = domains(root, split)
    if both:
        part = split if hold_out and both == domains(root, "train" if split == "test" else "test") else None
        return two_folders(*both, options, paired, part)
    if not paired:
        raise InputError(
            f"{root} has no folders {split}A and {split}B (or A and B); name the second one with --data-b."
        )
    inner = folders.split_folder(root, split)
    return side_by_side(inner, options, split if hold_out and inner == root else None)


def root_of(options):
    """Returns the folder of the pairs, or of all images of domain A."""
    root = sources.opened(options.data) if options.data else datasets.folder_of(options.dataset)
    if not root.is_dir():
        raise InputError(f"--data expects a folder or an archive of images here, but {root} is none; check the path.")
    return root


def domains(root, split):
    """Returns the folders of both domains of a split, or None."""
    for prefix in (f"{split}", f"{split}/", ""):
        for names in DOMAINS:
            both = [root / f"{prefix}{name}" for name in names]
            if all(folder.is_dir() for folder in both):
                return both
    return None


def side_by_side(root, options, part=None):
    """Returns the pairs of a folder of images `A|B`, or a part of them."""
    listing, headers = folders.described(root, options.allow_skipped)
    wide = sum(header.width >= 1.2 * header.height for header in headers)
    if wide < len(headers) / 2:
        raise InputError(
            f"{root} holds images that are not twice as wide as high, so they are not pairs A|B side by side; "
            "for two folders use trainA and trainB, or --data-b."
        )
    if part:
        listing, headers = folders.chosen(listing, headers, folders.part_of(len(headers), part))
    size, channels = shape(options, headers)
    return Pairs(
        *decoded(
            [Half(listing, size, channels, side, allow_skipped=options.allow_skipped) for side in ("left", "right")]
        ),
        True,
    )


def two_folders(root_a, root_b, options, paired, part=None):
    """Returns the images of two folders, matched by name if they are paired, or a part of them."""
    sides = [folders.described(root, options.allow_skipped) for root in (root_a, root_b)]
    if paired:
        sides = matched(*sides)
    if part:
        sides = [folders.chosen(*side, folders.part_of(len(side[1]), part)) for side in sides]
    both = []
    for listing, headers in sides:
        size, channels = shape(options, headers)
        both.append(folders.Pictures(listing, size, options.fit, channels, allow_skipped=options.allow_skipped))
    return Pairs(*(decoded(both) if paired else map(decoded_alone, both)), paired)


def matched(a, b):
    """Returns both sides reduced to the images that have a partner of the same name, in the same order.

    Raises:
        InputError: if there are none.
    """
    (listing_a, headers_a), (listing_b, headers_b) = a, b
    couples = partners(listing_a.names, listing_b.names)
    if not couples:
        raise InputError(
            f"No image in {listing_a.root} has the same name as one in {listing_b.root}; the images of a pair share "
            "their name, such as A/17.png and B/17.jpg."
        )
    rows = [list(side) for side in zip(*couples, strict=True)]
    for listing, matched_rows in zip((listing_a, listing_b), rows, strict=True):
        for row in sorted(set(range(len(listing.names))) - set(matched_rows)):
            listing.skipped.append(Skipped(listing.names[row], "skipped", "has no partner of the same name"))
    return [folders.chosen(listing_a, headers_a, rows[0]), folders.chosen(listing_b, headers_b, rows[1])]


def partners(names_a, names_b):
    """Returns the places of the names that belong together, a list of pairs of integers.

    They are equal but for their file types, such as A/17.png and B/17.jpg. Those without such a partner may also end in
    the name of their side after a separator, such as A/17_A.png and B/17-b.png.

    >>> partners(["1a.png", "1b.png", "2_A.png"], ["1a.jpg", "2_B.jpg"])
    [(0, 0), (2, 1)]
    """
    a, b = ({row: str(Path(name).with_suffix("")) for row, name in enumerate(names)} for names in (names_a, names_b))
    whole = equal_names(a, b)
    for row_a, row_b in whole:
        del a[row_a], b[row_b]
    return sorted(whole + equal_names(without_ending(a, "[Aa]"), without_ending(b, "[Bb]")))


def equal_names(a, b):
    """Returns pairs of the rows at which two dictionaries have the same name; of several such rows the first one."""
    rows_a, rows_b = ({name: row for row, name in reversed(side.items())} for side in (a, b))
    return [(row, rows_b[name]) for name, row in rows_a.items() if name in rows_b]


def without_ending(names, side):
    return {row: re.sub(f"[-_.]{side}$", "", name) for row, name in names.items()}


def shape(options, headers):
    size, channels = images.wanted_shape(options)
    return size, channels or folders.common_channels(headers)


def decoded(both):
    """Decodes two paired sides into memory if they fit, and drops pairs with a damaged image."""
    if sum(np.prod(side.shape) for side in both) <= folders.MEMORY:
        kept = [side.decode_all() for side in both]
        common = np.intersect1d(*kept)
        for side, indices in zip(both, kept, strict=True):
            side.keep(np.searchsorted(indices, common))
    for side in both:
        side.make_ready()
    return both


def decoded_alone(side):
    if np.prod(side.shape) <= folders.MEMORY / 2:
        side.decode_all()
    side.make_ready()
    return side
