"""vae: its two terms, the bound on the likelihood, and a model without a discriminator."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from common import backend
from common.losses import NonSaturating, kl_divergence
from common.networks import Network
from common.saving import open_network
from recipes.vae import actions
from recipes.vae.train import Config, build, negative_log_likelihood
from tests.conftest import call_recipe, is_one_sentence, values

RNG = np.random.default_rng(0)


def tiny(**options):
    backend.set_random_seed(0)
    return build(Config(filters=2, latent_dim=4, **options), (16, 16, 1), steps=100)


def images(count=8):
    return RNG.uniform(-1, 1, (count, 16, 16, 1)).astype("float32")


# Terms ----------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_kl_divergence_is_that_of_two_normal_distributions():
    mean, log_variance = np.array([[0.0, 1.5], [0.3, 0.0]], "float32"), np.array([[0.0, -0.8], [0.5, 0.0]], "float32")
    found = ops.convert_to_numpy(kl_divergence(ops.convert_to_tensor(mean), ops.convert_to_tensor(log_variance)))
    expected = 0
    x = np.linspace(-12, 12, 200_001)
    for center, deviation in zip(mean.ravel(), np.exp(log_variance / 2).ravel(), strict=True):
        q = np.exp(-(((x - center) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))
        ratio = -(((x - center) / deviation) ** 2) / 2 - np.log(deviation) + x**2 / 2
        expected += np.trapezoid(q * ratio, x) / len(mean)
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.once
def test_reconstruction_is_a_log_likelihood_summed_over_the_pixels():
    """Of a sum, not of a mean: a mean over 784 pixels would make the KL divergence 784 times as heavy."""
    real, other = images(3), images(3)
    found = ops.convert_to_numpy(negative_log_likelihood(real, ops.convert_to_tensor(other), 0.4))
    density = np.exp(-(((real - other) / 0.4) ** 2) / 2) / (0.4 * np.sqrt(2 * np.pi))
    assert np.allclose(found, -np.log(density).sum(axis=(1, 2, 3)), rtol=1e-5)


@pytest.mark.once
def test_the_weight_of_the_kl_divergence_warms_up():
    gan, other = tiny(beta=0.5, warm_up=2), tiny()
    x = images()
    for weight in (0.0, 0.25, 0.5, 0.5):
        logs = gan.train_on_batch(x, return_dict=True)
        assert set(logs) == {"g_loss", "g_reconstruction", "g_kl"}
        gan.reset_metrics()
        assert logs["g_loss"] == pytest.approx(logs["g_reconstruction"] + weight * logs["g_kl"], rel=1e-5)
    logs = other.train_on_batch(x, return_dict=True)
    assert logs["g_loss"] == pytest.approx(logs["g_reconstruction"] + logs["g_kl"], rel=1e-5)


@pytest.mark.once
def test_without_a_discriminator_a_loss_is_refused():
    with pytest.raises(ValueError, match="Without a discriminator nothing has an adversarial loss"):
        tiny().compile(NonSaturating(), keras.optimizers.Adam(1e-3))


@pytest.mark.once
def test_noise_reaches_the_decoder_and_its_gradient_the_encoder():
    gan, x = tiny(), images()
    first, second = (ops.convert_to_numpy(gan.fake(x)[0]) for _ in range(2))
    assert not np.allclose(first, second)
    encoder = gan.networks["encoder"]
    before = values(encoder.trainable_variables)
    gan.loss_weights = {"g_kl": 0.0}  # so that nothing but the reconstruction teaches it
    gan.train_on_batch(x)
    moved = [not np.array_equal(*pair) for pair in zip(values(encoder.trainable_variables), before, strict=True)]
    assert np.mean(moved) > 0.5


# The bound ------------------------------------------------------------------------------------------------------------


class LinearDecoder(Network):
    def network(self, latents, directions):
        x = layers.Dense(len(directions.T), use_bias=False)(latents)
        return layers.Reshape((2, 3, 1))(x)


@pytest.mark.once
def test_the_bound_is_the_likelihood_where_the_posterior_is_exact_and_below_it_elsewhere():
    """For a linear decoder with orthogonal columns the posterior is normal, with a diagonal covariance."""
    directions, _ = np.linalg.qr(RNG.normal(size=(6, 2)))
    directions, sigma = (directions * (1.0, 0.5)).T.astype("float32"), 0.3
    decoder = LinearDecoder(keras.Input((2,)), directions=directions)
    decoder.set_weights([directions])
    x = RNG.normal(size=(40, 6)).astype("float32")
    covariance = directions.T @ directions + sigma**2 * np.eye(6)
    exact = -(np.einsum("ni,ij,nj->n", x, np.linalg.inv(covariance), x) + np.linalg.slogdet(covariance)[1]) / 2
    exact -= 6 * np.log(2 * np.pi) / 2
    variance = 1 / (1 + (directions**2).sum(axis=1) / sigma**2)
    mean = (x @ directions.T) * variance / sigma**2
    log_variance = np.broadcast_to(np.log(variance), mean.shape)
    weights = actions.log_weights(decoder, x.reshape(40, 2, 3, 1), mean, log_variance, sigma)
    assert np.allclose(weights, exact, atol=1e-3)
    worse = actions.log_weights(decoder, x.reshape(40, 2, 3, 1), mean + 0.1, log_variance + 0.5, sigma, count=500)
    tighter = np.log(np.exp(worse - exact).mean(axis=0)) + exact
    assert (worse.mean(axis=0) < exact - 0.01).all()
    assert np.abs(tighter - exact).mean() < np.abs(worse.mean(axis=0) - exact).mean() / 3


# As a run -------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_whole_of_a_two_dimensional_latent_space():
    shown = actions.manifold(build(Config(filters=2, latent_dim=2), (16, 16, 1), steps=100))
    assert shown.shape == (actions.SIDE**2, 16, 16, 1)
    assert not np.allclose(shown[0], shown[-1])


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("latent_dim", [2, 3])
def test_evaluate_adds_what_only_a_vae_has(tmp_path, latent_dim):
    arrays = RNG.integers(0, 256, (80, 28, 28, 1), "uint8")
    np.savez(tmp_path / "images.npz", images=arrays, labels=np.arange(80) % 3)
    run = ("--run-folder", tmp_path / "run")
    options = ("--data", tmp_path / "images.npz", "--filters", 2, "--latent-dim", latent_dim, "--epochs", 1, *run)
    assert call_recipe("vae", *options).returncode == 0
    answer = call_recipe("vae", "evaluate", "--samples", 20, "--extractor", "garments", *run)
    assert answer.returncode == 0, answer.stderr
    for words in ("Fréchet distance", "reconstruction, MSE", "bound on log p(x), nats", "latent dimensions used"):
        assert words in answer.stdout
    assert {"reconstructions.png", "latents.png", "encoder.keras"} <= {
        path.name for path in (tmp_path / "run").iterdir()
    }
    assert [x.shape for x in open_network(tmp_path / "run" / "encoder.keras").outputs] == [(None, latent_dim)] * 2
    (tmp_path / "run" / "encoder.keras").unlink()
    answer = call_recipe("vae", "evaluate", "--samples", 20, "--extractor", "garments", *run)
    assert is_one_sentence(answer, "encoder.keras yet; train first")
    assert call_recipe("vae", "sample", "--count", 4, "--out", tmp_path / "a.png", *run).returncode == 0
