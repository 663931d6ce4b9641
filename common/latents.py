"""Latents that depend on a seed alone, the same on every backend."""

import numpy as np


def draw_latents(count, latent_dim, seed):
    """Returns `count` latents of a standard normal distribution, float32 `(count, latent_dim)`."""
    return np.random.default_rng(seed).standard_normal((count, latent_dim), dtype="float32")
