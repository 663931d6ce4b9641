"""The trained networks of a run, as one object: images to volumes."""

import json

import numpy as np

from common.base.errors import InputError
from common.base.files import write_json
from common.base.pictures import scale
from common.sampling import draw_samples
from common.training.trained_run import load_generator, refuse_other_recipe

BATCH = 100  # images at a time
THRESHOLDS = np.arange(0.1, 0.91, 0.05)
USUAL = 0.4  # threshold of a run that stored none


class Model:
    """An encoder and a generator.

    Args:
        generator: `keras.Model`, vectors to volumes.
        encoder: `keras.Model`, images to codes, or to mean and logarithm of the variance of latents; None if the game
            has no images.
        threshold: float, the probability from which a voxel is occupied.
    """

    def __init__(self, generator, encoder=None, threshold=USUAL):
        self.generator = generator
        self.encoder = encoder
        self.threshold = threshold

    @property
    def latent_dim(self):
        """Length of what is drawn: all of a vector, or what is beside the code of an image."""
        dim = self.generator.input_shape[-1]
        return dim if self.encoder is None or self.is_vae else dim - self.encoder.output_shape[-1]

    @property
    def is_vae(self):
        return self.encoder is not None and isinstance(self.encoder.output_shape, list)

    def vectors(self, images, latents=None):
        """Returns what the generator is fed for images.

        Args:
            images: uint8 array `(count, size, size, 1)`.
            latents: array `(count, latent_dim)`; by default 0, the most probable ones.
        """
        encoded = draw_samples(self.encoder, scale(images), BATCH)
        latents = np.zeros((len(images), self.latent_dim), "float32") if latents is None else latents
        if self.is_vae:
            mean, log_variance = encoded
            return mean + np.exp(log_variance / 2) * latents
        return np.concatenate([encoded, latents], axis=1)

    def probabilities(self, vectors):
        """Returns the volumes `(count, R, R, R)` of vectors: how probably each voxel is occupied, in float16."""
        return np.concatenate(list(self.batches(vectors)))

    def occupied(self, vectors):
        """Returns which voxels of the volumes of vectors are occupied, by the threshold; a bool array."""
        return np.concatenate([batch >= self.threshold for batch in self.batches(vectors)])

    def batches(self, vectors):
        """Yields the `probabilities` of vectors a batch at a time, so that not all of them need memory at once."""
        for start in range(0, len(vectors), BATCH):
            yield draw_samples(self.generator, vectors[start : start + BATCH])[..., 0].astype("float16")

    def volumes(self, images, latents=None):
        """Returns the `probabilities` of images; the arguments are those of `vectors`."""
        return self.probabilities(self.vectors(images, latents))

    def answers(self, images, latents=None):
        """Returns which voxels are `occupied` in the volumes of images; the arguments are those of `vectors`."""
        return self.occupied(self.vectors(images, latents))


def open_model(folder, name):
    """Returns the `Model` in the folder of a run.

    Raises:
        InputError: if there is no trained run, or one of another recipe, or one of its files is damaged.
    """
    refuse_other_recipe(folder, name)
    generator = load_generator(folder / "generator.keras", name)
    path = folder / "encoder.keras"
    return Model(generator, load_generator(path, name) if path.exists() else None, stored_threshold(folder))


def stored_threshold(folder):
    """Returns the threshold that `choose_threshold` stored in the folder of a run, or the usual one."""
    path = folder / "threshold.json"
    if not path.exists():
        return USUAL
    try:
        threshold = float(json.loads(path.read_text("utf-8"))["threshold"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}); write it anew with the action evaluate.") from error
    return threshold


def store_threshold(folder, threshold):
    """Writes the threshold into the folder of a run."""
    write_json(folder / "threshold.json", {"threshold": threshold})
