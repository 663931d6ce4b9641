"""Seven GANs of the literature are short on the templates, train, are saved, loaded, and resumed to the same bits."""

import re

import keras
import numpy as np
import pytest

from common import backend
from common.training import checkpoint, trained_run
from tests import seven_gans
from tests.conftest import PROJECT, eager, equal, tried_again, values
from tests.seven_gans import SEVEN

TERMS = {
    "ACGAN": {"d_adversarial", "d_r1", "d_class", "g_adversarial", "g_class"},
    "InfoGAN": {"d_adversarial", "d_gp", "d_code", "g_adversarial", "g_code"},
    "BiGAN": set(),
    "VAE-GAN": {"encoder_loss", "encoder_divergence", "encoder_reconstruction", "g_adversarial", "g_reconstruction"},
    "Semi-supervised": {"d_adversarial", "d_r1", "d_r2", "d_class"},
    "Two discriminators": {"d_adversarial", "d_r1"},
    "StyleGAN": {"d_adversarial", "d_r1", "g_adversarial", "g_path"},
}
SOURCE = (PROJECT / "tests" / "seven_gans.py").read_text("utf-8")


def lines(text):
    return len([line for line in text.splitlines() if line.strip()])


def classes(text):
    """Returns the sources of the classes in a text, a dictionary from names."""
    return dict(re.findall(r"^(?=class (\w+))(.*?)(?=^class |^def |^# |\Z)", text, re.MULTILINE | re.DOTALL))


@pytest.mark.once
def test_they_are_short():
    """Their networks included; not how they are compiled. The map of the templates shows three as they stand."""
    sections = re.findall(r"^# ([\w -]+?) -{20,}\n(.*?)^(def \w+\(\):.*?)(?=^# )", SOURCE, re.MULTILINE | re.DOTALL)
    found = {name: (own, make) for name, own, make in sections if name in SEVEN}
    assert found.keys() == SEVEN.keys()
    everything = classes(SOURCE)
    page = (PROJECT / "common" / "README.md").read_text("utf-8")
    shown = re.findall(r"^<!-- ([\w -]+) -->\n```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert {name: code.strip() for name, code in shown if name in found} == {
        name: found[name][0].strip() for name in ("ACGAN", "BiGAN", "Semi-supervised")
    }
    for name, (own, make) in found.items():
        elsewhere = [
            each for each in re.findall(r"(\w+)\(", own + make) if each in everything and each not in classes(own)
        ]
        count = lines(own) + sum(lines(everything[each]) for each in sorted(set(elsewhere)))
        print(f"{name}: {count} lines")
        assert count <= SEVEN[name][2], (name, count)


def take_step(gan, batch):
    return gan.train_on_batch(batch, return_dict=True)


@pytest.mark.parametrize("name", SEVEN)
@tried_again
def test_trains_and_goes_on_when_loaded_or_resumed(name, tmp_path):
    tmp_path.mkdir()
    make, batch, _ = SEVEN[name]
    keras.utils.set_random_seed(0)
    gan = eager(make())
    before = {key: values(network.trainable_variables) for key, network in gan.networks.items()}
    logs = take_step(gan, batch())
    assert logs.keys() == {"d_loss", "g_loss"} | TERMS[name]
    assert np.isfinite(list(logs.values())).all()
    for key, network in gan.networks.items():
        assert not equal(before[key], values(network.trainable_variables)), key

    gan.save(tmp_path / "gan.keras")
    checkpoint.save(tmp_path / "checkpoint.npz", gan, 1)
    trained_run.store_networks(tmp_path, gan)
    random_state = backend.random_state()
    take_step(gan, batch())
    loaded, resumed = map(eager, (keras.saving.load_model(tmp_path / "gan.keras"), make()))
    assert type(loaded) is type(gan)
    checkpoint.load(tmp_path / "checkpoint.npz", resumed)
    for other in (loaded, resumed):
        backend.set_random_state(random_state)
        take_step(other, batch())
        assert equal(values(checkpoint.variables(gan)), values(checkpoint.variables(other)))

    generator = keras.saving.load_model(tmp_path / "generator.keras")
    latents = trained_run.load_latents(tmp_path, generator)
    assert type(latents) is type(gan.latents)
    assert generator(latents.fixed(5, seed=0)).shape == (5, *seven_gans.SHAPE)
    assert (tmp_path / "encoder.keras").exists() == ("encoder" in gan.networks)
