"""What an encoder beside a generator shows: reconstructions of images, and where they are in latent space."""

import cv2
import numpy as np
from scipy.spatial.distance import cdist

from common.base import pictures
from common.base.pictures import save_figure, scale, unscale
from common.sampling import draw_samples

SHOWN = 32  # images that are shown beside their reconstructions
MOST = 2000  # images that are reconstructed


class Reconstructions:
    """Held-out images, at most 2,000, with their latents and their reconstructions.

    Args:
        encoder: `keras.Model` from images to the mean and the logarithm of the variance of their latents.
        generator: `keras.Model`, its decoder.
        evaluator: `Evaluator`, with the held-out images and their classes.

    Attributes:
        real, reconstructed: arrays `(count, height, width, channels)` in [-1, 1]; of the means of the latents.
        samples: as many images of latents drawn from a standard normal distribution.
        mean, log_variance: arrays `(count, latent_dim)`.
        labels: integer array `(count,)`.
    """

    def __init__(self, encoder, generator, evaluator):
        rows = np.sort(np.random.default_rng(0).permutation(len(evaluator.images))[:MOST])
        self.evaluator = evaluator
        self.real, self.labels = scale(evaluator.images[rows]), evaluator.labels[rows]
        self.mean, self.log_variance = encode(encoder, self.real)
        self.reconstructed = draw_samples(generator, self.mean)
        latents = np.random.default_rng(0).standard_normal(self.mean.shape).astype("float32")
        self.samples = draw_samples(generator, latents)

    def scores(self):
        """Returns how near the reconstructions are to the images, and how sharp they and samples are."""
        sharpness = mean_sharpness(unscale(self.real))
        return {
            "reconstruction, MSE": float(np.mean((self.real - self.reconstructed) ** 2)),
            "reconstruction, features": self.feature_distance(),
            "sharpness of reconstructions": mean_sharpness(unscale(self.reconstructed)) / sharpness,
            "sharpness of samples": mean_sharpness(unscale(self.samples)) / sharpness,
        }

    def feature_distance(self):
        """Returns how far reconstructions are from their images, in the features of the extractor, as a share of how
        far two images are from each other; means."""
        real, reconstructed = (self.evaluator.extractor(unscale(x))[0] for x in (self.real, self.reconstructed))
        distances = cdist(real, real)
        between = distances.sum() / (len(real) * (len(real) - 1))
        return float(np.linalg.norm(real - reconstructed, axis=1).mean() / between)

    def draw(self, folder):
        """Draws reconstructions.png, images and their reconstructions side by side, and latents.png."""
        pairs = pictures.side_by_side(self.real[:SHOWN], self.reconstructed[:SHOWN])
        pictures.save_png(folder / "reconstructions.png", pictures.grid(pairs, columns=8))
        draw_latents(folder / "latents.png", self.mean, self.labels, self.evaluator.class_names)


def encode(encoder, images, batch_size=256):
    """Returns mean and log-variance of the latents of images, arrays `(count, latent_dim)`."""
    return draw_samples(encoder, images, batch_size)


def mean_sharpness(images):
    """Returns the mean variance of the Laplacian of uint8 images: of edges and details, but also of noise and grids."""
    return float(np.mean([cv2.Laplacian(image, cv2.CV_32F).var() for image in images]))


def draw_latents(path, mean, labels, class_names):
    """Draws the latents of images in the colours of their classes: the two dimensions, or principal components."""
    from matplotlib.figure import Figure

    centred = mean - mean.mean(axis=0)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2].T if mean.shape[1] > 2 else np.eye(mean.shape[1])
    places = (centred if mean.shape[1] > 2 else mean) @ directions
    figure = Figure(figsize=(8, 7), layout="constrained")
    axes = figure.subplots()
    for label, name in enumerate(class_names):
        of_class = places[labels == label]
        axes.scatter(of_class[:, 0], of_class[:, -1], s=6, color=f"C{label % 10}", label=name)
    if len(class_names) > 1:
        axes.legend(markerscale=3, fontsize="small")
    axes.set_title("latents of held-out images" + (", first two principal components" if mean.shape[1] > 2 else ""))
    save_figure(path, figure)
