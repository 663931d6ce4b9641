"""Networks whose features the metrics compare: of garments, digits or ImageNet, InceptionV3, or a user's own model."""

import functools
import json
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tyro

from common import backend, imagenet
from common.base.errors import InputError
from common.base.pictures import scale
from common.saving import digest_of, open_network
from data_prep import decode

FOLDER = Path(__file__).parent / "weights"
TRAINED = ("garments", "digits")  # by common/scoring/train_extractor.py
IMAGENET, INCEPTION = "imagenet", "inception"
IMAGENET_SIZE = 128  # of its input, the same for all images; docs/decisions/0014-imagenet-extractor.md has the others
NAMES = (*TRAINED, IMAGENET, INCEPTION)
BATCH_PIXELS = 400_000  # of the images in a batch, so that a large input takes no gigabyte of memory

ExtractorName = Annotated[str | None, tyro.conf.arg(metavar="garments|digits|imagenet|inception|FILE")]


class OpensExtractor:
    """Options with a field `extractor`, of an action that uses it only after minutes of other work."""

    def check_given(self, given):
        if self.extractor:
            load(self.extractor)


class Extractor:
    """A fixed network that maps images to features, and optionally to classes.

    Args:
        name: string, as given to `--extractor`.
        model: Keras model of images `(batch, height, width, channels)` in [-1, 1]. If it has a layer "features", its
            outputs are class logits; otherwise its outputs are the features.
        class_names: sequence of strings.
        resizer: string, for the protocol.

    Attributes:
        digest: string, first digits of the SHA-256 of its weights.
        size: `(height, width)` of its input; other images are resized by area averaging or interpolation.
        has_classes: bool; and `class_count`, how many.
    """

    RESIZER = "OpenCV, area or cubic, stretched"
    VALUES = "[-1, 1]"

    def __init__(self, name, model, class_names=(), resizer=RESIZER):
        self.name = name
        self.class_names = tuple(class_names)
        self.resizer = resizer
        self.size, self.channels = tuple(model.input_shape[1:3]), model.input_shape[3]
        self.digest = digest_of(model)
        self.has_classes = any(layer.name == "features" for layer in model.layers)
        outputs = [model.get_layer("features").output] if self.has_classes else []
        self.class_count = model.output_shape[-1] if self.has_classes else 0
        found = keras.Model(model.input, [*outputs, *model.outputs])
        # Not `predict`: in training on several devices, each of them would compute the same.
        self._model = backend.inference(lambda images: found(images, training=False))

    def __call__(self, images):
        """Returns features `(count, dimensions)` as float64, and classes `(count,)` or None.

        Args:
            images: uint8 array `(count, height, width, 1 or 3)` of any size.
        """
        features, logits = self.with_logits(images)
        return features, logits.argmax(axis=1) if self.has_classes else None

    def with_logits(self, images):
        """Returns the features of uint8 images, and the logits of their classes `(count, class_count)` or None."""
        size = max(1, BATCH_PIXELS // (self.size[0] * self.size[1]))
        parts = [self._of_batch(images[start : start + size]) for start in range(0, len(images), size)]
        features, logits = zip(*parts, strict=True)
        return np.concatenate(features), np.concatenate(logits) if self.has_classes else None

    def _of_batch(self, images):
        fitted = [decode.resize(decode.with_channels(image, self.channels), self.size, "stretch") for image in images]
        found = keras.tree.flatten(self._model(keras.ops.convert_to_tensor(scale(np.stack(fitted)))))
        features, *logits = map(keras.ops.convert_to_numpy, found)
        features = features.astype(np.float64).reshape(len(images), -1)
        return features, logits[0] if self.has_classes else None


@functools.cache
def load(name):
    """Returns the `Extractor` of a name.

    Args:
        name: "garments" (Fashion-MNIST) or "digits" (MNIST), which come with the project; "imagenet": the network of
            `common/imagenet.py`, installed on demand; "inception": InceptionV3 of `keras.applications`, downloaded on
            demand. Neither is the network of TensorFlow's FID, so their distances are comparable only among themselves.
            Or the path of a Keras model file, opened in safe mode.

    Raises:
        InputError: if there is no such extractor, or it cannot be opened or downloaded.
    """
    if name in TRAINED:
        facts = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
        return Extractor(name, open_network(FOLDER / f"{name}.keras"), facts["class_names"])
    if name == IMAGENET:
        return of_imagenet()
    if name == INCEPTION:
        return Extractor(name, inception())
    refuse_unknown(name)
    try:
        return Extractor(Path(name).name, open_network(name))
    except InputError:
        raise
    except Exception as error:  # Keras raises various exceptions for a file that is not a model
        raise InputError(f"{name} cannot be opened as a Keras model of images ({first_line(error)}).") from error


def refuse_unknown(name):
    """Raises an `InputError` if there is no extractor of this name; opens none."""
    if name not in NAMES and not Path(name).is_file():
        raise InputError(f"There is no extractor {name!r}; there are {', '.join(NAMES)}, or a .keras file.")


def of_imagenet():
    resizer = f"{Extractor.RESIZER} to {IMAGENET_SIZE}×{IMAGENET_SIZE}"
    try:
        return Extractor(IMAGENET, imagenet.features(IMAGENET_SIZE), resizer=resizer)
    except InputError as error:
        raise InputError(
            f"The extractor imagenet cannot be used ({str(error).rstrip('.')}); without it, --extractor garments or a "
            ".keras file of your own works."
        ) from error


def inception():
    try:
        return keras.applications.InceptionV3(include_top=False, pooling="avg", input_shape=(299, 299, 3))
    except Exception as error:  # Keras raises a plain Exception when a download fails
        raise InputError(
            f"InceptionV3 could not be downloaded ({first_line(error)}); get its weights (notop) by hand, put them "
            "into ~/.keras/models, or use --extractor garments."
        ) from error


def first_line(error):
    return str(error).splitlines()[0] if str(error) else type(error).__name__
