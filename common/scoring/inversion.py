"""The latents of an image: found by an encoder, or by gradient descent; and a generator's hidden layers as features."""

import keras
import numpy as np
from keras import layers
from scipy.spatial.distance import cdist

from common import backend
from common.base.errors import InputError
from common.base.pictures import scale, unscale
from common.latents import in_turn
from common.networks import downsample
from common.sampling import draw_samples
from common.scoring.nearest import thumbnails
from common.scoring.probes import stages
from data_prep.batches import Batches

DRAWN = 20_000  # samples that the encoder is trained on
STEPS = 2000
FILTERS = 32


def encoder_of(generator, latents, seed, steps=STEPS, drawn=DRAWN):
    """Returns an encoder from images in [-1, 1] to latents, which inverts a generator as far as it can be inverted.

    It is trained on samples to minimize the squared error of the latents that they were drawn from: a latent regressor,
    one of the baselines of Donahue et al., 2017, https://arxiv.org/abs/1605.09782. No real image takes part.

    Args:
        generator: `keras.Model` of latents alone.
        latents: `Latents`, what it is fed.
        seed: integer, of weights, latents and order.
        steps: integer, training steps of 64 samples.
        drawn: integer, different samples.

    Raises:
        InputError: if the generator has more inputs than a latent vector.
    """
    if len(generator.inputs) > 1 or len(generator.inputs[0].shape) != 2:
        raise InputError(
            "An encoder can be trained for a generator that is fed latents alone, but this one is fed more, such as a "
            "class; use a run without classes or, for features, --network discriminator."
        )
    vectors = latents.fixed(drawn, seed)
    batches = Batches((unscale(draw_samples(generator, vectors)), vectors), 64, seed)
    batches.set_steps_per_epoch(steps)
    backend.set_random_seed(seed)
    images = keras.Input(generator.output_shape[1:], name="images")
    encoder = keras.Model(images, layers.Dense(vectors.shape[1])(downsample(images, FILTERS)), name="encoder")
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    steps_at_once = backend.steps_per_execution(8)
    encoder.compile(keras.optimizers.Adam(rate), "mean_squared_error", steps_per_execution=steps_at_once)
    encoder.fit(batches, shuffle=False, verbose=0)
    return encoder


def hidden_of(generator, encoder):
    """Returns a network from images to the latents of an encoder and to what a generator's hidden layers make of them.

    Its output is a dictionary from names to tensors, those of `probes.stages`.
    """
    images = keras.Input(encoder.input_shape[1:], name="images")
    found = encoder(images)
    # One part for each layer: a classifier of that layer then has no layers behind it.
    hidden = {name: keras.Model(generator.inputs[0], x, name=f"to_{name}") for name, x in stages(generator).items()}
    outputs = {"latents": found, **{name: part(found) for name, part in hidden.items()}}
    return keras.Model(images, outputs, name="inverted_generator")


# By gradient descent ----------------------------------------------------------------------------------------------

CANDIDATES = 1000  # random latents among which each image chooses its starts
AT_ONCE = 256  # starts that are descended from together


def inverted(space, images, steps=300, starts=4, seed=0, encoder=None, prior=1e-3, learning_rate=0.05):
    """Returns the latents, and classes or None, whose images are nearest to given ones.

    From each start the squared error of the pixels is minimized by Adam; the best end is kept. The squared length of
    the latents is a second term, since far from those of the training a generator draws noise that fits by chance.

    Args:
        space: `LatentSpace`.
        images: uint8 array `(count, height, width, channels)` of the size that the generator makes.
        steps: integer, of the descent.
        starts: integer, for each image: those of 1,000 random latents whose images are nearest, each with its class.
        seed: integer, of these latents.
        encoder: `encoder_of` the generator, whose answer is one more start; or None.
        prior: float, weight of the mean squared latent beside the mean squared error.
        learning_rate: float, of Adam.

    References: Zhu et al., 2016, https://arxiv.org/abs/1609.03552, which compares features as well as pixels; Bora et
    al., 2017, https://arxiv.org/abs/1703.03208 (the prior).
    """
    vectors = space.vectors(CANDIDATES, seed)
    classes = in_turn(CANDIDATES, space.class_count) if space.class_count else None
    drawn = thumbnails(space.pixels(vectors, classes))
    parts, size = [], max(1, AT_ONCE // starts)
    for first in range(0, len(images), size):
        targets = scale(images[first : first + size])
        rows = np.argsort(cdist(thumbnails(images[first : first + size]), drawn), axis=1)[:, :starts]
        begin, labels = vectors[rows], classes[rows] if space.class_count else None
        if encoder is not None:
            begin = np.concatenate([begin, draw_samples(encoder, targets)[:, np.newaxis]], axis=1)
        parts.append(descended(space, targets, begin, labels, steps, prior, learning_rate))
    found, labels = zip(*parts, strict=True)
    return np.concatenate(found), np.concatenate(labels) if space.class_count else None


class SameBatch(keras.utils.PyDataset):
    """The same batch in each of so many steps of an epoch; as many epochs of one step take Keras ten times as long."""

    def __init__(self, batch, steps):
        super().__init__()
        self.batch, self.steps = batch, steps

    def __len__(self):
        return self.steps

    def __getitem__(self, index):
        return self.batch


def descended(space, targets, begin, classes, steps, prior, learning_rate):
    """Returns the best ends of the descents from all starts, `(count, dim)`, and their classes or None.

    The latents are the weights of an embedding in front of the frozen generator: then it is a training as any.

    Args:
        space: `LatentSpace`.
        targets: array `(count, height, width, channels)` in [-1, 1].
        begin: array `(count, starts, dim)`.
        classes: integer array `(count, starts)`, or None.
        steps, prior, learning_rate: see `inverted`.
    """
    count, starts, dim = begin.shape
    rows = np.arange(count * starts)
    # The regularizer sums over all latents, and the loss is a mean over images.
    embedding = layers.Embedding(len(rows), dim, embeddings_regularizer=keras.regularizers.L2(prior / begin.size))
    number, label = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")
    fed = [embedding(number), label] if space.class_count else embedding(number)
    inputs = [number, label] if space.class_count else number
    was_trainable, space.generator.trainable = space.generator.trainable, False
    try:
        model = keras.Model(inputs, space.generator(fed))
        embedding.set_weights([begin.reshape(-1, dim)])
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
        model.compile(keras.optimizers.Adam(rate), "mse", steps_per_execution=backend.steps_per_execution(8))
        given = (rows, classes.ravel()) if space.class_count else rows
        repeated = np.repeat(targets, starts, axis=0)
        model.fit(SameBatch((given, repeated), steps), shuffle=False, verbose=0)
    finally:
        space.generator.trainable = was_trainable
    ends = keras.ops.convert_to_numpy(embedding.embeddings)
    made = space.images(ends, classes.ravel() if space.class_count else None)
    errors = np.mean((made - repeated) ** 2, axis=(1, 2, 3)).reshape(count, starts)
    best = rows.reshape(count, starts)[np.arange(count), errors.argmin(axis=1)]
    return ends[best], classes.ravel()[best] if space.class_count else None
