"""The latent space of a generator: paths through it, directions in it, and what they make of latents.

A `LatentSpace` is a generator seen as a function of latent vectors. The rest is geometry in NumPy.
"""

import keras
import numpy as np
from keras import layers

from common.base.errors import InputError
from common.base.pictures import unscale
from common.latents import embedding_of, in_turn
from common.sampling import draw_samples

TINY = 1e-8
AT_ONCE = 500  # images of a large number that are floats at the same time


class LatentSpace:
    """A generator as a function of latent vectors and, if it is class-conditional, of classes.

    Args:
        generator: built functional `keras.Model`.
        latents: `Latents`, what it is fed.

    Attributes:
        dim: integer, length of a latent vector.
        class_count: integer; 0 of a generator without classes.

    Raises:
        InputError: if the generator is fed anything but one latent vector, and a class.

    Example:

    >>> generator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), keras.layers.Reshape((2, 2, 1))])
    >>> from common.latents import Latents
    >>> space = LatentSpace(generator, Latents(2))
    >>> space.images(space.vectors(3, seed=0)).shape
    (3, 2, 2, 1)
    """

    def __init__(self, generator, latents):
        self.generator, self.latents = generator, latents
        self.class_count = latents.class_count
        fed = keras.tree.flatten(latents.fixed(1, seed=0))
        if len(fed) != 1 + bool(self.class_count) or fed[0].ndim != 2:
            raise InputError(
                "Actions on latent space expect a generator that is fed one latent vector, and a class at most, but "
                f"this one is fed arrays of shape {' and '.join(str(part.shape[1:]) for part in fed)}; use sample."
            )
        self.dim = fed[0].shape[1]
        self._head = None

    def vectors(self, count, seed):
        """Returns `count` latent vectors, `(count, dim)`: those that the action sample draws with this seed."""
        return keras.tree.flatten(self.latents.fixed(count, seed))[0]

    def pixels(self, vectors, classes=None):
        """Returns the images of many latent vectors as uint8, which take a quarter of the memory; see `images`."""
        if self.class_count and classes is None:
            classes = in_turn(len(vectors), self.class_count)
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(vectors), AT_ONCE)]
        of_part = [None if classes is None else classes[part] for part in parts]
        pairs = zip(parts, of_part, strict=True)
        return np.concatenate([unscale(self.images(vectors[part], labels)) for part, labels in pairs])

    def images(self, vectors, classes=None):
        """Returns the images of latent vectors, `(count, height, width, channels)` in [-1, 1].

        Args:
            vectors: array `(count, dim)`.
            classes: integer array `(count,)`; or mixtures of classes, a float array `(count, class_count)` whose rows
                sum to 1: then their embeddings are mixed. By default each class in turn.
        """
        vectors = np.asarray(vectors, "float32")
        if not self.class_count:
            return draw_samples(self.generator, vectors)
        if classes is None:
            classes = in_turn(len(vectors), self.class_count)
        if classes.ndim == 1:
            return draw_samples(self.generator, (vectors, classes.astype("int32")))
        if self._head is None:
            self._head = after_embedding(self.generator)
        head, embeddings = self._head
        return draw_samples(head, (vectors, classes.astype("float32") @ embeddings[: self.class_count]))


def after_embedding(generator):
    """Returns the layers of a class-conditional generator after the embedding of its labels, and the embeddings.

    Raises:
        InputError: if it embeds no labels.
    """
    embedding = embedding_of(generator)
    if embedding is None:
        raise InputError("Between classes one can only walk where their labels are embedded; this generator does not.")
    head = keras.Model([generator.inputs[0], embedding.output], generator.output)
    return head, keras.ops.convert_to_numpy(embedding.embeddings)


# Paths ------------------------------------------------------------------------------------------------------------


def lerp(start, end, shares):
    """Returns points on the straight line between vectors, `(len(shares), ..., dim)`.

    >>> lerp(np.array([0.0, 2.0]), np.array([2.0, 0.0]), np.array([0.5]))
    array([[1., 1.]])
    """
    shares = np.reshape(shares, (-1,) + (1,) * np.ndim(start))
    return (1 - shares) * start + shares * end


def slerp(start, end, shares):
    """Returns points on the arc between vectors, `(len(shares), ..., dim)`; lengths change linearly.

    Latents of many dimensions all have a length near the root of their dimension. Halfway on a straight line they are
    shorter, which no latent of the training was; on the arc they are not.

    Reference: White, 2016, https://arxiv.org/abs/1609.04468.

    >>> slerp(np.array([0.0, 2.0]), np.array([2.0, 0.0]), np.array([0.5])).round(3)
    array([[1.414, 1.414]])
    """
    lengths = [np.linalg.norm(vector, axis=-1, keepdims=True) for vector in (start, end)]
    first, last = (vector / np.maximum(length, TINY) for vector, length in zip((start, end), lengths, strict=True))
    angle = np.arccos(np.clip(np.sum(first * last, axis=-1, keepdims=True), -1, 1))
    shares = np.reshape(shares, (-1,) + (1,) * np.ndim(start))
    with np.errstate(divide="ignore", invalid="ignore"):
        arc = (np.sin((1 - shares) * angle) * first + np.sin(shares * angle) * last) / np.sin(angle)
    # Of equal or opposite vectors there is no arc, or more than one.
    arc = np.where(np.sin(angle) > 1e-4, arc, lerp(first, last, shares.ravel()))
    return arc * lerp(*lengths, shares.ravel())


def path(points, steps, between=slerp, closed=False):
    """Returns a path through points, `(count, ..., dim)`.

    Args:
        points: sequence of at least two arrays of one shape, such as vectors `(dim,)`.
        steps: integer, points of the path from one of the points up to before the next one.
        between: `slerp` or `lerp`.
        closed: bool, whether the path goes back to the first point. It ends one step before it, so that it can be
            repeated; an open path ends with the last point.
    """
    points = list(points)
    shares = np.arange(steps) / steps
    ends = [*points[1:], points[0]] if closed else points[1:]
    parts = [between(start, end, shares) for start, end in zip(points, ends, strict=False)]
    return np.concatenate([*parts, *([] if closed else [points[-1][np.newaxis]])])


# Arithmetic -------------------------------------------------------------------------------------------------------


def arithmetic(plus, minus, other):
    """Returns the vector of A - B + C for the latents of samples that show each, of the length of a latent vector.

    A mean of latents is shorter than any of them, and the generator has seen none as short: hence the length, that of
    latents of N(0, 1), which the paper leaves as it is.

    Args:
        plus, minus, other: arrays `(count, dim)`, A, B and C.

    Reference: Radford et al., 2015, https://arxiv.org/abs/1511.06434, section 6.3.2.
    """
    found = plus.mean(axis=0) - minus.mean(axis=0) + other.mean(axis=0)
    return unit(found) * np.sqrt(len(found))


# Directions -------------------------------------------------------------------------------------------------------


def unit(vector):
    """Returns a vector divided by its length.

    Raises:
        InputError: if its length is 0.
    """
    length = np.linalg.norm(vector)
    if length < TINY:
        raise InputError(
            "A direction of length 0 leads nowhere: what it was found from does not depend on the latents."
        )
    return vector / length


def orthogonal(vector, others):
    """Returns the unit vector of the part of a direction that is orthogonal to other directions.

    Reference: Shen et al., 2020, https://arxiv.org/abs/1907.10786, section 2.2 (conditional manipulation).

    >>> orthogonal(np.array([1.0, 1.0]), [np.array([2.0, 0.0])])
    array([0., 1.])
    """
    basis, _ = np.linalg.qr(np.stack(others, axis=1))
    rest = vector - basis @ (basis.T @ vector)
    if np.linalg.norm(rest) < 1e-3 * np.linalg.norm(vector):
        raise InputError("Nothing is left of a direction without the others: it is one of them, or a sum of them.")
    return unit(rest)


def first_kernel(generator, dim):
    """Returns the weights of the first layer for the latents, `(dim, units)`.

    Raises:
        InputError: if the latents do not go into a fully connected layer first.
    """
    for layer in generator.layers:
        if layer.weights and not isinstance(layer, layers.Embedding):
            kernel = keras.ops.convert_to_numpy(layer.weights[0])
            if isinstance(layer, layers.Dense) and len(kernel) >= dim:
                return kernel[:dim]  # an embedded label is concatenated after the latents
            break
    raise InputError("SeFa factorizes a fully connected first layer, but this generator begins with another one.")


def sefa(kernel, count):
    """Returns the unit directions that change the output of the first layer most, `(count, dim)`.

    They are the first eigenvectors of AᵀA, where the layer computes A z + b: no sample is drawn.

    Args:
        kernel: array `(dim, units)`, the transpose of A.
        count: integer.

    Reference: Shen and Zhou, 2021, https://arxiv.org/abs/2007.06600 (SeFa).
    """
    _, vectors = np.linalg.eigh(kernel @ kernel.T)
    return vectors[:, ::-1].T[:count]


def principal_directions(vectors, activations, count):
    """Returns the unit directions in latent space of the principal components of a layer, `(count, dim)`.

    Args:
        vectors: array `(samples, dim)`, latents.
        activations: array `(samples, ...)`, what a layer makes of them.
        count: integer.

    There are fewer if the layer has fewer components.

    Raises:
        InputError: if the activations are the same for all samples.

    Reference: Härkönen et al., 2020, https://arxiv.org/abs/2004.02546 (GANSpace): the components of the activations,
    carried over to the latents by regression.
    """
    flat = activations.reshape(len(activations), -1)
    flat = flat - flat.mean(axis=0)
    if flat.shape[1] > len(flat):  # the smaller of the two matrices of products has the same components
        eigenvalues, left = np.linalg.eigh(flat @ flat.T)
        coordinates = left[:, ::-1][:, :count]
    else:
        eigenvalues, right = np.linalg.eigh(flat.T @ flat)
        coordinates = flat @ right[:, ::-1][:, :count]
    deviations = coordinates.std(axis=0)
    kept = eigenvalues[::-1][:count] > 1e-9 * max(eigenvalues[-1], TINY)
    if not kept.any():
        raise InputError("GANSpace decomposes what a layer makes of latents, but this layer makes the same of all.")
    coordinates = coordinates[:, kept] / deviations[kept]
    centred = vectors - vectors.mean(axis=0)
    return np.stack([unit(direction) for direction in np.linalg.lstsq(coordinates, centred, rcond=None)[0]])


def truncated(vectors, share, mean=0.0):
    """Returns latent vectors moved towards the mean latent; a share of 1 leaves them, 0 gives the mean.

    Reference: Karras et al., 2019, https://arxiv.org/abs/1812.04948, appendix B, in the space of the latents.
    """
    return mean + share * (vectors - mean)
