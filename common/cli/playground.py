"""What the page of the action play shows, without the page: samples, walks, directions, uploads, a training."""

import dataclasses
import threading
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from common.base import pictures
from common.base.errors import InputError
from common.base.pictures import scale, unscale
from common.cli.apply import translate
from common.latent_space import lerp, path, truncated
from common.sampling import draw_samples
from common.saving import digest_of
from common.scoring import inversion, linear_directions
from common.scoring.evaluator import PRINTED, Scores
from common.scoring.metrics import target_scores
from common.training.callbacks import read_log
from common.training.generator_check import are_one_image, shapes_of
from common.training.trained_run import grids_of, image_options, load_generator, load_latents, open_space
from data_prep import decode, images

COLUMNS = 8  # of the sheet of samples
MOST_DIRECTIONS = 12  # that have a slider
FRAMES = 12  # of an animation, from one sample to the next
LONGEST_SIDE = 2048  # of an image that is translated, in pixels


@dataclasses.dataclass(frozen=True, eq=False)
class Chosen:
    """A sample that was chosen, to walk from or to move along directions."""

    name: str
    vector: np.ndarray  # (dim,)
    label: int | np.ndarray | None  # its class; on a walk between classes the shares of all, (class_count,)
    seed: int | None = None  # by which its latents were drawn


class Playground:
    """The generator of a run, or only its training if there is no generator yet.

    Args:
        name: string, the recipe.
        folder: path of the run.
        where: string, the options by which other commands mean this run, as `RunChoice.where` returns them.
        marks: bool, whether pictures say that a generative network made them.

    Attributes:
        space: `LatentSpace`; None of a generator that is fed no latent vector.
        translators: dictionary from names to networks of images to images.
        latents: the `Latents` of a generator of phrases, with `phrases` and `of`; None of others.
        class_names: tuple of strings; empty of a generator without classes.
        directions: dictionary from names to `Direction`, at most `MOST_DIRECTIONS`.
        remarks: list of strings, why something is missing.

    Raises:
        InputError: if the folder has neither a generator nor a training.
    """

    def __init__(self, name, folder, where="", marks=True):
        self.name, self.folder, self.where, self._marks = name, Path(folder), where, marks
        self.space, self.translators, self.class_names, self.directions, self.remarks = None, {}, (), {}, []
        self.latents, self._generator = None, None
        self._digest, self._fit = None, "crop"
        self._lock = threading.Lock()  # events of a page come in several threads, and Keras is not made for that
        if (self.folder / "generator.keras").exists():
            self._open()
        elif not self.has_training:
            load_generator(self.folder / "generator.keras", name)  # which says what to do

    def _open(self):
        """Reads the generator and what belongs to it."""
        try:
            self.space = open_space(self.name, self.folder)
            generator = self.space.generator
        except InputError as error:
            generator = load_generator(self.folder / "generator.keras", self.name)
            self.translators = translators_of(generator)
            if not self.translators:
                self._read_phrases(generator, error)
        self._digest = digest_of(generator)
        if self.space:
            self._read_options()
            self._read_directions()

    def _read_phrases(self, generator, error):
        """Reads the latents of a generator of phrases; of any other one it remarks why it has no samples here."""
        try:
            found = load_latents(self.folder, generator)
        except InputError:
            found = None
        if found and found.task == "text-to-image":
            self.latents, self._generator = found, generator
        else:
            self.remarks.append(str(error))

    def _read_options(self):
        """Reads what the run knows of its training images: how they were fitted, and the names of their classes."""
        numbers = tuple(map(str, range(self.space.class_count)))
        try:
            data = image_options(self.folder)
            self._fit = data.fit
            self.class_names = images.class_names(data) if numbers else ()
            if len(self.class_names) != len(numbers):
                raise InputError(f"The generator has {len(numbers)} classes, and the data {len(self.class_names)}.")
        except (InputError, OSError) as error:
            self.class_names = numbers
            self.remarks.append(f"{error} The classes have numbers here." if numbers else str(error))

    def _read_directions(self):
        """Reads the directions, first those that were looked for, the steadiest of them first."""
        try:
            found = linear_directions.load(self.folder, self.space.generator, self.name, self.where)
        except InputError as error:
            found = {}
            self.remarks.append(str(error))
        order = sorted(found.values(), key=lambda each: (each.accuracy is None, -(each.rank_correlation or 0)))
        self.directions = {each.name: each for each in order[:MOST_DIRECTIONS]}
        if not found:
            self.remarks.append(f"There are no directions yet: {self.command('directions')}")

    def command(self, action):
        """Returns the command of another action with this run."""
        return f"./run_recipe.sh {self.name} {action}{self.where}"

    # Samples ----------------------------------------------------------------------------------------------------------

    def draw(self, chosen):
        """Returns the images of chosen samples, `(count, height, width, channels)` in [-1, 1]."""
        vectors = np.stack([each.vector for each in chosen])
        classes = np.stack([each.label for each in chosen]) if self.space.class_count else None
        with self._lock:
            return self.space.images(vectors, classes)

    def picture(self, chosen, columns=None):
        """Returns the images of chosen samples as a sheet, a marked image of Pillow."""
        return self.marked(sheet_of(self.draw(chosen), columns), only([each.seed for each in chosen]))

    def marked(self, image, seed=None):
        """Returns what the generator made as an image of Pillow, whose `info` has the texts of its `Mark`.

        Args:
            image: uint8 array `(height, width, 3)`.
            seed: integer, of its latents, or None.
        """
        made = Image.fromarray(image)
        made.info.update(pictures.Mark(self.name, seed, self._digest).texts() if self._marks else {})
        return made

    def samples(self, seed, count, class_name=None, truncation=1.0):
        """Returns so many samples, a list of `Chosen`: those of the action sample, in the order of its files.

        Args:
            seed: integer, of the latents.
            count: integer.
            class_name: string; None for all classes, one after the other.
            truncation: float, share of the latents' distance to the mean that is left.
        """
        vectors = truncated(self.space.vectors(count, seed), truncation)
        labels, names = [None] * count, [f"seed {seed}, no. {number}" for number in range(count)]
        if self.space.class_count:
            fixed = [self.class_names.index(class_name)] * count if class_name else self.space.latents.labels(count)
            labels = np.sort(fixed).tolist()
            names = [f"{name}, {self.class_names[label]}" for name, label in zip(names, labels, strict=True)]
        if truncation != 1:
            names = [f"{name}, truncation {truncation:g}" for name in names]
        return [Chosen(*each, seed) for each in zip(names, vectors, labels, strict=True)]

    def of_phrase(self, phrase, seed, count):
        """Returns samples of a phrase as a sheet, a marked image of Pillow.

        Raises:
            InputError: if it has no word.
        """
        inputs = self.latents.of([phrase], count, seed)
        with self._lock:
            images = draw_samples(self._generator, inputs)
        return self.marked(sheet_of(images, min(COLUMNS, count)), seed)

    def between(self, chosen, steps, closed=False):
        """Returns the samples of a path through chosen ones, a list of `Chosen`; classes are mixed on the way.

        Args:
            chosen: list of `Chosen`, two or more.
            steps, closed: see `path`.
        """
        vectors = path([each.vector for each in chosen], steps, closed=closed)
        labels = [each.label for each in chosen]
        if len(set(labels)) > 1:
            mixed = path(np.eye(self.space.class_count)[labels], steps, lerp, closed)
        else:
            mixed = labels[:1] * len(vectors)  # within a class, and without classes, none has to be mixed
        seed = only([each.seed for each in chosen])
        return [Chosen("", *each, seed) for each in zip(vectors, mixed, strict=True)]

    def walk(self, chosen, position):
        """Returns the sample at a position in [0, 1] on the path through chosen ones, `Chosen`."""
        steps = self.between(chosen, 100)
        return dataclasses.replace(steps[round(position * (len(steps) - 1))], name=f"walk, {position:.2f}")

    def animation(self, chosen, out):
        """Writes the walk through chosen samples and back to the first as a GIF."""
        images = self.draw(self.between(chosen, FRAMES, closed=True))
        pictures.save_gif(out, [pictures.grid(image[np.newaxis]) for image in images], milliseconds=80, pause=1)

    def moved(self, chosen, shifts):
        """Returns a sample moved along directions, `Chosen`.

        Args:
            chosen: `Chosen`.
            shifts: dictionary from names of directions to floats.
        """
        vector = chosen.vector + sum(shift * self.directions[name].vector for name, shift in shifts.items())
        return dataclasses.replace(chosen, name=f"{chosen.name}, moved", vector=vector)

    # Uploads ----------------------------------------------------------------------------------------------------------

    def uploaded(self, file, translator=None):
        """Returns an uploaded image and what the generator makes of it, uint8, the found sample, and a sentence.

        A translator translates it; for another generator the latents are found whose image is nearest, `Chosen`.

        Args:
            file: path.
            translator: string, one of `translators`.

        Raises:
            InputError: if the file is no image.
        """
        network = self.translators[translator] if translator else None
        size = None if translator else self.space.generator.output_shape[1:3]
        channels = network.input_shape[-1] if translator else self.space.generator.output_shape[-1]
        try:
            image = decode.read(file, size, self._fit, channels)
        except decode.UnusableError as error:
            raise InputError(f"{Path(file).name} {error}; choose an image: PNG, JPEG, WebP, BMP or TIFF.") from error
        with self._lock:
            if translator:
                image = shrunk(image)
                return image, translate(network, image), None, f"{image.shape[1]}×{image.shape[0]} pixels."
            (vector,), labels = inversion.inverted(self.space, image[np.newaxis])
            found = Chosen(Path(file).name, vector, None if labels is None else int(labels[0]))
        answer = unscale(self.draw([found]))[0]
        scores = target_scores(answer[np.newaxis], image[np.newaxis])
        return (
            image,
            answer,
            found,
            f"L1 {scores['l1']:.3f}, SSIM {scores['ssim']:.3f}: as near as its latents can be found.",
        )

    # A training -------------------------------------------------------------------------------------------------------

    @property
    def has_training(self):
        return (self.folder / "log.csv").exists()

    def epochs(self):
        """Returns the paths of the sample grids of all epochs so far."""
        return grids_of(self.folder)

    def losses(self):
        """Returns the picture of the losses so far, an image of Pillow, or None."""
        return read_picture(self.folder / "losses.png")

    def progress(self):
        """Returns how far the training is, and its scores, in Markdown; what is wrong with a damaged file."""
        try:
            return f"{self._length()}\n\n{self._scores()}"
        except InputError as error:
            return str(error)

    def _length(self):
        rows = read_log(self.folder / "log.csv")
        last = [f"{key} {value:.4g}" for key, value in rows[-1].items() if key.endswith("loss")] if rows else []
        return f"{len(rows)} epochs, {sum(row.get('seconds', 0) for row in rows) / 60:.1f} minutes; {', '.join(last)}"

    def _scores(self):
        if not (self.folder / "scores.json").exists():
            return f"No scores yet: `{self.command('evaluate')}`"
        values = Scores.read(self.folder / "scores.json").values
        lines = [f"| {PRINTED[key][0] if key in PRINTED else key} | {value:.4g} |" for key, value in values.items()]
        return "\n".join(["| score | |", "|---|---|", *lines])


def translators_of(generator):
    """Returns the networks of images to images in a generator: itself, or those within it, such as both of a cycle."""

    def translates(network):
        return all(are_one_image(shapes_of(network, side)) for side in ("inputs", "outputs"))

    if translates(generator):
        return {"translate": generator}
    parts = [layer for layer in generator.layers if isinstance(layer, keras.Model)]
    return {part.name.replace("_", " "): part for part in parts if translates(part)}


def shrunk(image):
    """Returns an image at most `LONGEST_SIDE` pixels wide and high, so that an upload ends in seconds."""
    factor = LONGEST_SIDE / max(image.shape[:2])
    if factor >= 1:
        return image
    size = tuple(max(1, round(side * factor)) for side in image.shape[:2])
    return decode.resize(image, size, "stretch")


def only(values):
    """Returns the value that all of several are; None if they differ."""
    return values[0] if len(set(values)) == 1 else None


def read_picture(file):
    """Returns a picture of a run, an image of Pillow with its mark; None if it is not there, or damaged."""
    try:
        return Image.open(file).convert("RGB")
    except (OSError, SyntaxError, ValueError):  # Pillow raises a SyntaxError for a broken PNG file
        return None


def cell_at(place, size, columns, count):
    """Returns the number of the image at a place in a sheet; None beside the images.

    Args:
        place: pair of numbers, x and y in pixels.
        size: pair of integers, width and height of the sheet in pixels.
        columns: integer, of the sheet.
        count: integer, images in the sheet.

    >>> cell_at((15, 5), (40, 20), columns=4, count=7)
    1
    """
    (x, y), (width, height) = place, size
    rows = -(-count // columns)
    number = int(y * rows // height) * columns + int(x * columns // width)
    return number if 0 <= number < count else None


def sheet_of(images, columns=None):
    """Returns images in [-1, 1] as a sheet, uint8 RGB."""
    sheet = pictures.grid(images, columns)
    return np.repeat(sheet, 3, axis=2) if sheet.shape[2] == 1 else sheet


def enlarged(image):
    """Returns a uint8 image in RGB, enlarged if it is small."""
    return sheet_of(scale(image)[np.newaxis])
