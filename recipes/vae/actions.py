"""What only a VAE shows: its bound on the log-likelihood, its reconstructions, and its latent space.

`evaluate` adds them to the scores of the samples, and writes reconstructions.png and latents.png into the run folder.
"""

import math
from functools import partial

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from common.base import pictures
from common.base.files import whole
from common.base.pictures import scale
from common.cli.evaluate import evaluate_action
from common.sampling import as_array, draw_samples
from common.training.trained_run import load_generator, read_config

SIDE = 16  # rows and columns of the picture of a two-dimensional latent space
SHOWN = 32  # images that are shown beside their reconstructions
MOST = 2000  # held-out images that are reconstructed
IMAGES, DRAWN = 1000, 50  # of the bound: images among them, and latents for each
USED = 0.01  # variance of its mean over the images above which a dimension of the latents counts as used


def evaluate(name, arguments):
    """Scores the samples of a run and its reconstructions, and draws reconstructions.png and latents.png."""
    evaluate_action(name, arguments, further=partial(measure, name))


def measure(name, folder, generator, evaluator):
    """Returns the scores that only a VAE has, a dictionary of floats, and draws the pictures.

    Args:
        name: string, the recipe.
        folder: path of the run.
        generator: `keras.Model`, its decoder.
        evaluator: `Evaluator`, with the held-out images and their classes.
    """
    encoder, sigma = load_generator(folder / "encoder.keras", name), read_config(folder / "config.json")["sigma"]
    rows = np.sort(np.random.default_rng(0).permutation(len(evaluator.images))[:MOST])
    real = scale(evaluator.images[rows])
    mean, log_variance = encode(encoder, real)
    reconstructed = draw_samples(generator, mean)
    pairs = pictures.side_by_side(real[:SHOWN], reconstructed[:SHOWN])
    pictures.save_png(folder / "reconstructions.png", pictures.grid(pairs, columns=8))
    draw_latents(folder / "latents.png", mean, evaluator.labels[rows], evaluator.class_names)
    some = np.random.default_rng(0).permutation(len(real))[:IMAGES]
    weights = log_weights(generator, real[some], mean[some], log_variance[some], sigma)
    return {
        "reconstruction, MSE": float(np.mean((real - reconstructed) ** 2)),
        "bound on log p(x), nats": float(weights.mean()),
        f"bound of {DRAWN} latents, nats": float(np.mean(logsumexp(weights, axis=0) - math.log(len(weights)))),
        "latent dimensions used": float(np.sum(mean.var(axis=0) > USED)),
    }


def encode(encoder, images, batch_size=256):
    """Returns mean and log-variance of the latents of images, arrays `(count, latent_dim)`."""
    parts = [encoder(images[start : start + batch_size], training=False) for start in range(0, len(images), batch_size)]
    return [np.concatenate([as_array(part[index]) for part in parts]) for index in (0, 1)]


def log_weights(generator, images, mean, log_variance, sigma, count=DRAWN, seed=0):
    """Returns log p(x, z) - log q(z|x), in nats, of latents z drawn from q(z|x), an array `(count, images)`.

    Their mean is the bound that a VAE maximizes; the logarithm of the mean of their exponentials is a higher one, that
    of an importance-weighted autoencoder (Burda et al., 2015, https://arxiv.org/abs/1509.00519, equation 8).
    """
    rng = np.random.default_rng(seed)
    deviation = np.exp(log_variance / 2)
    found = []
    for _ in range(count):
        noise = rng.standard_normal(mean.shape).astype("float32")
        latents = mean + deviation * noise
        pixels = norm.logpdf(images, draw_samples(generator, latents), sigma).reshape(len(images), -1).sum(axis=1)
        prior, posterior = norm.logpdf(latents).sum(axis=1), (norm.logpdf(noise) - log_variance / 2).sum(axis=1)
        found.append(pixels + prior - posterior)
    return np.stack(found)


# Pictures -------------------------------------------------------------------------------------------------------------


def manifold(vae):
    """Returns the images of a grid over a two-dimensional latent space, spaced so that each cell is equally likely."""
    values = norm.ppf((np.arange(SIDE) + 0.5) / SIDE)
    across, down = np.meshgrid(values, values[::-1])
    return vae.sample(np.stack([across.ravel(), down.ravel()], axis=1).astype("float32"))


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
    with whole(path) as part:
        figure.savefig(part, dpi=80)
