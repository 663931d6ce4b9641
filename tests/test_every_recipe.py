"""What holds for every recipe: what an update changes, what is saved, and that the backends agree."""

import keras
import numpy as np
import pytest

from common import backend
from common.training import checkpoint
from tests.conftest import eager, equal, tried_again, update_only, values
from tests.golden_losses import GOLDEN
from tests.tiny_recipes import TINY, WITHOUT_DISCRIMINATOR, batch, build

every_recipe = pytest.mark.parametrize("name", TINY)
PLAYERS = [
    (name, player)
    for name in TINY
    for player in ("generator", "discriminator")
    if player == "generator" or name not in WITHOUT_DISCRIMINATOR
]


def take_step(gan, name, seed=0):
    """Takes a training step and returns the logs."""
    samples = batch(name, seed=seed)
    return gan.train_on_batch(*(samples if isinstance(samples, tuple) else (samples,)), return_dict=True)


@pytest.mark.once  # that every backend updates them alike, the losses of a second step show: test_backends_agree
@pytest.mark.parametrize(("name", "player"), PLAYERS)
def test_an_update_changes_the_networks_of_one_player(name, player, monkeypatch):
    keras.utils.set_random_seed(0)
    gan = eager(build(name))
    for variable in gan.trainable_variables:
        if len(variable.shape) > 1 and not values([variable])[0].any():
            variable.assign(np.full(variable.shape, 0.1))  # at 0 it stops the gradients of the layers before it
    monkeypatch.setattr(type(gan), "update", lambda self, samples: update_only(self, player, samples))
    before = {other: values(gan.variables_of(other)) for other in gan.players}
    take_step(gan, name)
    for other, weights in before.items():
        moved = [not np.array_equal(*pair) for pair in zip(weights, values(gan.variables_of(other)), strict=True)]
        # All kernels move; a bias before a norm, or of a critic's output, has no gradient.
        assert (np.mean(moved) > 0.5) if other == player else not any(moved), other


@every_recipe
@tried_again
def test_saved_and_continued_to_the_same_bits(name, tmp_path):
    """As a model file of Keras; as the checkpoint of a run: test_recipe_trains_and_resumes."""
    tmp_path.mkdir()
    gan = trained(name)
    gan.save(tmp_path / "gan.keras")
    random_state = backend.random_state()
    take_step(gan, name, seed=1)
    loaded = eager(keras.saving.load_model(tmp_path / "gan.keras"))
    assert type(loaded) is type(gan)
    assert loaded.options == gan.options
    backend.set_random_state(random_state)  # of PyTorch, which a checkpoint contains and a model file does not
    take_step(loaded, name, seed=1)
    assert equal(values(checkpoint.variables(gan)), values(checkpoint.variables(loaded)))


def trained(name):
    keras.utils.set_random_seed(0)
    gan = eager(build(name))
    take_step(gan, name)
    return gan


@every_recipe
def test_backends_agree(name, monkeypatch):
    """From the same weights and random numbers every backend has the same losses, those of `golden_losses.py`."""
    for draw in ("normal", "uniform"):
        monkeypatch.setattr(keras.random, draw, lambda shape, *_, kind=draw, **__: fixed(kind, shape))
    gan = build(name, **({"dropout": 0.0} if name == "pix2pix" else {}))
    without_noise(gan)
    rng = np.random.default_rng(7)
    frozen = gan.discriminator.non_trainable_variables if gan.discriminator else []  # such as projections
    for variable in [*gan.trainable_variables, *frozen]:
        if len(variable.shape) > 1:
            variable.assign(rng.normal(size=variable.shape, scale=0.2))
    steps = [take_step(gan, name, seed) for seed in (0, 1)]
    losses = [tuple(float(logs[loss]) for loss in ("d_loss", "g_loss") if loss in logs) for logs in steps]
    print(name, [tuple(float(f"{loss:.8g}") for loss in pair) for pair in losses])
    assert np.allclose(losses, GOLDEN[name], rtol=2e-5)


def fixed(kind, shape):
    """Returns the same numbers for a shape whenever they are drawn, whatever draws them."""
    shape = tuple(int(side) for side in shape)
    return keras.ops.convert_to_tensor(getattr(np.random.default_rng(5), kind)(size=shape).astype("float32"))


def without_noise(gan):
    for network in gan.networks.values():
        for layer in network._flatten_layers():
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
            if isinstance(layer, keras.layers.GaussianNoise):
                layer.stddev = 0.0
