"""What only a VAE shows: its bound on the log-likelihood, its reconstructions, and its latent space.

`evaluate` adds them to the scores of the samples, and writes reconstructions.png and latents.png into the run folder.
"""

import math
from functools import partial

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from common.cli.evaluate import evaluate_action
from common.sampling import draw_samples
from common.scoring.reconstructions import Reconstructions
from common.training.trained_run import load_generator, read_config

SIDE = 16  # rows and columns of the picture of a two-dimensional latent space
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
    found = Reconstructions(encoder, generator, evaluator)
    found.draw(folder)
    some = np.random.default_rng(0).permutation(len(found.real))[:IMAGES]
    weights = log_weights(generator, found.real[some], found.mean[some], found.log_variance[some], sigma)
    return {
        **found.scores(),
        "bound on log p(x), nats": float(weights.mean()),
        f"bound of {DRAWN} latents, nats": float(np.mean(logsumexp(weights, axis=0) - math.log(len(weights)))),
        "latent dimensions used": float(np.sum(found.mean.var(axis=0) > USED)),
    }


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


def manifold(vae):
    """Returns the images of a grid over a two-dimensional latent space, spaced so that each cell is equally likely."""
    values = norm.ppf((np.arange(SIDE) + 0.5) / SIDE)
    across, down = np.meshgrid(values, values[::-1])
    return vae.sample(np.stack([across.ravel(), down.ravel()], axis=1).astype("float32"))
