"""Loads images with their captions: from a table, or from a text file beside each image."""

import dataclasses
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple

import tyro

from common.base.arguments import refuse_ignored
from common.base.errors import InputError
from common.base.paths import shown
from common.base.tables import rows_of
from data_prep import folders, idx, images, sources

COLUMNS = ("image", "caption")
FEW = 3  # names in an error


@dataclasses.dataclass(frozen=True)
class CaptionOptions:
    """The command-line options that select images with captions."""

    data: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """your own: a folder of images, or a .zip or .tar of one, each with one caption or more"""
    captions: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """a CSV file with the columns image and caption; by default NAME.txt beside each image, one caption a line"""
    size: Annotated[str | None, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = None
    """resize to this size in pixels, such as 64 or 96x48; by default the common size of all images"""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """how to change the aspect ratio: crop the centre, pad with bars, or distort"""
    channels: Literal["auto", "1", "3"] = "auto"
    """1 for grey, 3 for colour; by default colour if any image is in colour"""
    augment: tuple[Literal["flip", "crop", "rotate", "colour", "noise"], ...] = ()
    """random changes, drawn anew each time an image is fed, that leave what its captions say as it is"""
    allow_skipped: bool = False
    """continue even if more than 5% of the files cannot be used"""

    def check_given(self, given):
        if not self.data:
            for name in ("captions", "size", "channels", "augment", "allow_skipped"):
                refuse_ignored(given, name, "without --data, since the embedded images have theirs")
        if not self.size:
            refuse_ignored(given, "fit", "without --size, since the images keep their size")
        if self.captions and not self.captions.is_file():
            raise InputError(f"--captions expects a CSV file, but {self.captions} is none; check the path.")

    def image_options(self):
        """Returns the `ImageOptions` that select the images."""
        names = {field.name for field in dataclasses.fields(images.ImageOptions)}
        return images.ImageOptions(**{name: value for name, value in vars(self).items() if name in names})


class Captioned(NamedTuple):
    """Images with their captions.

    Attributes:
        images: uint8 array `(count, height, width, channels)`, or `folders.Pictures`, which is indexed like one.
        captions: list of tuples of strings, at least one for each image.
    """

    images: Any
    captions: list


def load(options, split):
    """Returns the `Captioned` images of a folder.

    Args:
        options: `CaptionOptions`, with `data`.
        split: "train" or "test". Of a folder without a test part every tenth image is one: see `folders.part_of`.

    Raises:
        InputError: if there are no images, an image has no caption, or a caption no image.
    """
    root = sources.opened(options.data)
    if not root.is_dir() or idx.holds_idx(root):
        raise InputError(f"--data expects a folder of images with captions, but {options.data} holds arrays.")
    texts = of_table(options.captions) if options.captions else None
    if texts:
        refuse_unknown(texts, root, options.captions)
    found = images.load(options.image_options(), split, hold_out=True).images
    names = [found.name(row) for row in range(len(found))]
    captions = [of_image(found.root, name, root, texts) for name in names]
    missing = [name for name, each in zip(names, captions, strict=True) if not each]
    if missing:
        remedy = f"a line in {shown(options.captions)}" if texts else f"the file {of_suffix(missing[0])} beside it"
        raise InputError(
            f"{len(missing)} of {len(names)} images in {shown(found.root)} have no caption, such as "
            f"{', '.join(missing[:FEW])}; expected {remedy}."
        )
    return Captioned(found, captions)


def of_image(root, name, top, texts):
    """Returns the captions of an image, a tuple of strings, which is empty if there are none.

    Args:
        root: path of the folder of its split.
        name: string, its path in that folder.
        top: path of the folder of the user.
        texts: dictionary from names to tuples of captions, of a table; None for text files beside the images.
    """
    if texts is None:
        path = root / of_suffix(name)
        return tuple(lines_of(path)) if path.is_file() else ()
    known = ((root / name).relative_to(top).as_posix(), name, PurePosixPath(name).name)
    return next((texts[each] for each in known if each in texts), ())


def of_suffix(name):
    return str(PurePosixPath(name).with_suffix(".txt"))


def lines_of(path):
    """Returns the lines of a text file that are not empty, a list of strings."""
    try:
        return [line.strip() for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text ({error}); expected lines in UTF-8.") from error


def of_table(path):
    """Returns the captions of a CSV file, a dictionary from names of images to tuples of strings.

    Raises:
        InputError: if it cannot be read, a column is missing, or a line names no image or has no caption.
    """
    found = {}
    for line, row in rows_of(path, COLUMNS):
        name, caption = (row[column] for column in COLUMNS)
        if not (name and caption):
            missing = "caption" if name else "image"
            raise InputError(f"Line {line} of {path} has no {missing}; expected both, or remove the line.")
        found.setdefault(PurePosixPath(name).as_posix(), []).append(caption)
    if not found:
        raise InputError(f"{path} has no captions; expected a line for each image.")
    return {name: tuple(captions) for name, captions in found.items()}


def refuse_unknown(texts, root, path):
    """Refuses a table with captions of images that are not in a folder.

    Raises:
        InputError: with some of their names.
    """
    listing = folders.find(root)
    there = {*listing.names, *(PurePosixPath(name).name for name in listing.names)}
    for names in folders.SPLITS.values():
        there |= {name.partition("/")[2] for name in listing.names if name.partition("/")[0].lower() in names}
    unknown = [name for name in texts if name not in there]
    if unknown:
        raise InputError(
            f"{path} has captions of {len(unknown)} images that are not in {shown(root)}, such as "
            f"{', '.join(unknown[:FEW])}; correct the names, or remove these lines."
        )
