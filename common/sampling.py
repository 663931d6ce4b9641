"""From latents to samples: latents by seed, a generator's samples as arrays, the grid that a run shows every epoch."""

import keras
import numpy as np
from keras import ops

GRID_COUNT = 64  # samples in the grid of an epoch
MAX_GRID_CLASSES = 10  # rows of a grid in which each row is a class


def draw_latents(count, latent_dim, seed):
    """Returns `count` latents of a standard normal distribution, float32 `(count, latent_dim)`.

    They depend on the seed alone and are the same on every backend.
    """
    return np.random.default_rng(seed).standard_normal((count, latent_dim), dtype="float32")


def draw_samples(generator, latents, labels=None, batch_size=256, training=False):
    """Returns what a generator, such as one loaded from a file, maps `latents` to, as a float32 NumPy array.

    Args:
        generator: a built `keras.Model`.
        latents: array `(count, latent_dim)`; of an image-to-image generator its input images.
        labels: integer array `(count,)`, the classes for a class-conditional generator; by default each in turn.
        batch_size: integer, samples generated at once.
        training: bool; True for a generator whose noise is dropout.
    """
    classes = class_count_of(generator)
    if classes and labels is None:
        labels = np.arange(len(latents), dtype="int32") % classes
    batches = []
    for start in range(0, len(latents), batch_size):
        part = slice(start, start + batch_size)
        batches.append(generator((latents[part], labels[part]) if classes else latents[part], training=training))
    return np.concatenate([ops.convert_to_numpy(ops.cast(batch, "float32")) for batch in batches])


# What a generator takes -------------------------------------------------------------------------------------------


def latent_dim_of(generator):
    """Returns the length of the latents of a generator, its first input."""
    return generator.inputs[0].shape[-1]


def class_count_of(generator):
    """Returns the number of classes of a class-conditional generator, or 0 for one without labels."""
    embedding = embedding_of(generator)
    return embedding.input_dim if embedding else 0


def embedding_of(generator):
    """Returns the layer that embeds the labels, or None for a generator without labels."""
    return next((layer for layer in generator.layers if isinstance(layer, keras.layers.Embedding)), None)


# The grid of an epoch -----------------------------------------------------------------------------------------------


def fixed_samples(gan, seed):
    """Returns samples of the same latents on every call; of a conditional GAN one class in each row."""
    classes = min(class_count_of(gan.generator), MAX_GRID_CLASSES)
    if not classes:
        return gan.sample(fixed_latents(gan, seed))
    latents, labels = by_class(fixed_latents(gan, seed, classes), classes)
    return gan.sample(latents, labels)


def fixed_latents(gan, seed, count=GRID_COUNT):
    """Returns latents for a GAN that depend on the seed alone."""
    return draw_latents(count, latent_dim_of(gan.generator), seed)


def by_class(latents, classes):
    """Returns latents and labels of a square grid: a class a row, and in each row the same latents."""
    return np.tile(latents[:classes], (classes, 1)), np.repeat(np.arange(classes, dtype="int32"), classes)
