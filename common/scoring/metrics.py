"""Metrics of samples against data, computed from features with NumPy and SciPy only.

Features are arrays `(count, dimensions)` of an extractor (`extractors.py`); `evaluator.py` records the protocol of
every score.
"""

import functools

import numpy as np
import scipy.linalg
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

BLOCK = 1000  # rows of a distance matrix in memory at a time
NEIGHBOURS = 5  # the k of precision, recall, density and coverage


# Fréchet distance -------------------------------------------------------------------------------------------------


class Moments:
    """Mean and covariance of features, accumulated batch by batch in constant memory.

    >>> moments = Moments().add(np.array([[0.0, 0.0], [2.0, 0.0]])).add(np.array([[1.0, 3.0]]))
    >>> moments.count, moments.mean.tolist()
    (3, [1.0, 1.0])
    """

    def __init__(self):
        self.count = 0
        self.mean = self._scatter = 0.0

    def add(self, features):
        """Adds a batch and returns itself. (Chan et al., 1983, Updating formulae for sample variances.)"""
        features = np.asarray(features, np.float64)
        count, mean = len(features), features.mean(axis=0)
        shift, total = mean - self.mean, self.count + len(features)
        self._scatter = (
            self._scatter
            + (features - mean).T @ (features - mean)
            + np.multiply.outer(shift, shift) * (self.count * count / total)
        )
        self.mean = self.mean + shift * (count / total)
        self.count = total
        return self

    @property
    def covariance(self):
        return self._scatter / (self.count - 1)


def frechet_distance(real, fake):
    """Returns the squared Fréchet distance of two Gaussians with the moments of the features; 0 is best.

    Args:
        real, fake: features, or `Moments`.

    Reference: Heusel et al., 2017, https://arxiv.org/abs/1706.08500, eq. 6.

    >>> rng = np.random.default_rng(0)
    >>> features = rng.normal(size=(1000, 3))
    >>> round(frechet_distance(features, features + [3.0, 0.0, 4.0]), 6)
    25.0
    """
    real, fake = (part if isinstance(part, Moments) else Moments().add(part) for part in (real, fake))
    # The trace of the root of the product, from the eigenvalues of a symmetric matrix: real and nonnegative.
    root = symmetric_root(real.covariance)
    eigenvalues = np.linalg.eigvalsh(root @ fake.covariance @ root)
    traces = np.trace(real.covariance) + np.trace(fake.covariance)
    return float(np.sum((real.mean - fake.mean) ** 2) + traces - 2 * np.sqrt(np.clip(eigenvalues, 0, None)).sum())


def symmetric_root(matrix):
    values, vectors = scipy.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


# Kernel distance ----------------------------------------------------------------------------------------------------


def kernel_distance(real, fake, subsets=50, size=1000, seed=0):
    """Returns mean and standard deviation, over random subsets, of the unbiased squared MMD; near or below 0 is best.

    The kernel is the cubic polynomial (xᵀy / dimensions + 1)³.

    Reference: Bińkowski et al., 2018, https://arxiv.org/abs/1801.01401, section 4.
    """
    rng = np.random.default_rng(seed)
    size = min(size, len(real), len(fake))
    values = [
        squared_mmd(real[rng.choice(len(real), size, False)], fake[rng.choice(len(fake), size, False)])
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values, ddof=1))  # as everywhere, the sample standard deviation


def squared_mmd(x, y):
    """Returns the unbiased estimate (Gretton et al., 2012, eq. 3) with the cubic kernel."""

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def mean_off_diagonal(matrix):
        return (matrix.sum() - np.trace(matrix)) / (len(matrix) * (len(matrix) - 1))

    return mean_off_diagonal(kernel(x, x)) + mean_off_diagonal(kernel(y, y)) - 2 * kernel(x, y).mean()


# Manifolds ----------------------------------------------------------------------------------------------------------


def manifold_scores(real, fake, neighbours=NEIGHBOURS):
    """Returns precision, recall, density and coverage, a dictionary of floats.

    The ball of a feature reaches to its k-th nearest neighbour. Precision is the share of samples within the ball of a
    real feature; recall swaps the two. Density counts the real balls that contain a sample, coverage is the share of
    real balls that contain any.

    Args:
        real, fake: features.
        neighbours: integer, the k of all four.

    References: Kynkäänniemi et al., 2019, https://arxiv.org/abs/1904.06991 (precision, recall); Naeem et al., 2020,
    https://arxiv.org/abs/2002.09797 (density, coverage), whose code `prdc` gives the same numbers.
    """
    real_radii, fake_radii = nearest_radii(real, neighbours), nearest_radii(fake, neighbours)
    in_balls = np.zeros(len(fake))
    recalled, covered = [], []
    for start in range(0, len(real), BLOCK):
        distances = cdist(real[start : start + BLOCK], fake)
        inside = distances < real_radii[start : start + BLOCK, None]
        in_balls += inside.sum(axis=0)
        recalled.append((distances < fake_radii).any(axis=1))
        covered.append(inside.any(axis=1))
    return {
        "precision": float((in_balls > 0).mean()),
        "recall": float(np.concatenate(recalled).mean()),
        "density": float(in_balls.mean() / neighbours),
        "coverage": float(np.concatenate(covered).mean()),
    }


def nearest_radii(features, neighbours):
    """Returns the distance of each feature to its k-th nearest neighbour, itself not counted."""
    blocks = (cdist(features[start : start + BLOCK], features) for start in range(0, len(features), BLOCK))
    return np.concatenate([np.partition(block, neighbours, axis=1)[:, neighbours] for block in blocks])


# Classes ------------------------------------------------------------------------------------------------------------


def class_scores(real, fake, count):
    """Returns the `mode_scores` of the samples' classes against the class shares of the data.

    Args:
        real, fake: integer arrays, the classes that one extractor assigned to data and to samples.
        count: integer, number of classes.

    >>> round(class_scores(np.array([0, 1]), np.array([0, 0]), 2)["kl"], 4)
    0.6931
    """
    shares = np.bincount(real, minlength=count) / len(real)
    # A class missing in the data would make the divergence infinite; it counts as half an image.
    return mode_scores(fake, np.maximum(shares, 0.5 / len(real)))


def mode_scores(labels, shares):
    """Returns how samples are distributed over modes, a dictionary of floats.

    `label_entropy` is in nats, at most ln of the number of modes; `modes` is the number of modes with a sample; `kl` is
    KL(samples‖data). A perfect generator has a `kl` of about (modes - 1) / (2 * count of samples), by chance alone.

    Args:
        labels: integer array, the modes of the samples.
        shares: float array, the probability of each mode in the data.

    Reference: Metz et al., 2017, https://arxiv.org/abs/1611.02163, appendix D (Stacked MNIST: 1,000 modes, 26,000
    samples).
    """
    p = np.bincount(labels, minlength=len(shares)) / len(labels)
    drawn = p > 0
    return {
        "label_entropy": float(-np.sum(p[drawn] * np.log(p[drawn]))),
        "modes": float(drawn.sum()),
        "kl": float(np.sum(p[drawn] * np.log(p[drawn] / shares[drawn]))),
    }


# Pairs of images ----------------------------------------------------------------------------------------------------


def target_scores(images, targets):
    """Returns the L1 distance, of images in [-1, 1], and the mean structural similarity of images to their targets.

    Args:
        images, targets: uint8 arrays `(count, height, width, channels)`.
    """
    similarities = [structural_similarity(*pair) for pair in zip(images, targets, strict=True)]
    return {"l1": mean_difference(images, targets), "ssim": float(np.mean(similarities))}


def mean_difference(first, second):
    """Returns the mean absolute difference of uint8 images after scaling to [-1, 1], a float."""
    return float(np.abs(first.astype(np.float32) - second).mean() / 127.5)


def structural_similarity(first, second):
    """Returns the mean of `similarity_map` where its window is inside the image, a float; 1 for equal images.

    Args:
        first, second: uint8 arrays `(height, width, channels)`, at least 11 pixels high and wide.
    """
    return float(similarity_map(first, second)[5:-5, 5:-5].mean())


def similarity_map(first, second):
    """Returns the similarity of two images in luminance, contrast and structure, around each pixel.

    Args:
        first, second: uint8 arrays `(height, width, channels)`.

    Returns:
        array `(height, width, channels)`, at most 1.

    Reference: Wang et al., 2004, https://doi.org/10.1109/TIP.2003.819861, equation 13, with its Gaussian window
    of 11×11 pixels and its constants. scikit-image gives the same numbers.
    """
    blur = functools.partial(gaussian_filter, sigma=(1.5, 1.5, 0), truncate=3.5)
    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y, covariance = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2, blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return similarity / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))


# Mixtures of Gaussians ----------------------------------------------------------------------------------------------


def mixture_scores(samples, centres, deviation, least=20):
    """Returns the number of modes covered by points, and the share of high-quality points, a dictionary of floats.

    A point is of high quality within three standard deviations of a centre; `least` of these cover a mode.

    Args:
        samples: array `(count, 2)`.
        centres: array `(modes, 2)`.
        deviation: float, standard deviation of each Gaussian in each direction.
        least: integer, high-quality points that cover a mode.

    Reference: Srivastava et al., 2017, https://arxiv.org/abs/1705.07761, section 5 (the share within three deviations).
    """
    distances = cdist(samples, centres)
    nearest = distances.argmin(axis=1)
    good = distances.min(axis=1) <= 3 * deviation
    counts = np.bincount(nearest[good], minlength=len(centres))
    return {"modes": float((counts >= least).sum()), "high_quality": float(good.mean())}
