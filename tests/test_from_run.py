"""A run may begin with the weights of another: `--from-run`."""

import json
import shutil

import numpy as np
import pytest

from tests.conftest import call_recipe

pytestmark = [pytest.mark.once, pytest.mark.xdist_group("from_run")]  # in one process, so that "a" is trained once
TINY = ("--filters", 2, "--latent-dim", 4, "--batch-size", 32, "--epochs", 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Images of sixteen pixels, light and dark, and a run "a" on the light ones."""
    folder, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(0)
    for name, low in (("light", 128), ("dark", 0)):
        np.save(folder / f"{name}.npy", rng.integers(low, low + 128, (64, 16, 16, 1), "uint8"))
    first = call_recipe("dcgan", "--data", folder / "light.npy", "--run-folder", folder / "a", *TINY)
    assert first.returncode == 0, first.stderr
    return folder


@pytest.fixture
def data(made, tmp_path):
    """A copy, in which a test makes a run "b"."""
    return shutil.copytree(made, tmp_path / "data")


def weights(folder):
    """Returns the kernels in the checkpoint of a run."""
    with np.load(folder / "checkpoint.npz") as file:
        return [file[key] for key, path in zip(sorted(file)[:-3], file["paths"], strict=True) if "kernel" in path][:6]


@pytest.mark.slow
def test_begins_with_the_weights_of_another_run(data):
    options = ("--data", data / "dark.npy", "--run-folder", data / "b", "--from-run", data / "a", *TINY)
    rate = ("--learning-rate", 1e-9)  # so that the weights stay near those they begin with
    second = call_recipe("dcgan", *options, *rate)
    assert second.returncode == 0, second.stderr
    assert json.loads((data / "b" / "config.json").read_text())["from_run"] == str(data / "a")
    for one, other in zip(weights(data / "a"), weights(data / "b"), strict=True):
        assert np.allclose(one, other, atol=1e-6)
    again = call_recipe("dcgan", *options, *rate)  # the same command continues, here after the last epoch
    assert "is finished: 1 epoch." in again.stdout
    other = call_recipe("dcgan", *options[:4], "--from-run", data / "b", *TINY, *rate)
    assert "another configuration (from_run was" in other.stderr


@pytest.mark.slow
def test_frozen_layers_keep_the_weights_of_the_other_run(data):
    options = ("--data", data / "dark.npy", "--run-folder", data / "b", "--from-run", data / "a", "--freeze-d", 1)
    first = call_recipe("dcgan", *options, *TINY)
    assert first.returncode == 0, first.stderr
    again = call_recipe("dcgan", *options, *TINY[:-1], 2)
    assert "Continuing" in again.stdout, again.stderr
    same = [np.array_equal(one, other) for one, other in zip(weights(data / "a"), weights(data / "b"), strict=True)]
    assert sum(same) == 1  # the first of D, also after the run was continued


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "--freeze-d keeps weights of another run; name it with --from-run"),
        (("--from-run", "a"), "has 3 layers with weights; expected at most 2"),
    ],
)
def test_what_cannot_be_frozen_is_refused(data, options, sentence):
    if options:
        options = ("--from-run", data / "a")
    b = ("--data", data / "dark.npy", "--run-folder", data / "b", *TINY)
    answer = call_recipe("dcgan", "--freeze-d", 3, *options, *b)
    assert answer.returncode == 2
    assert sentence in answer.stderr
    assert not (data / "b" / "config.json").exists()


@pytest.mark.slow
def test_other_networks_are_refused(data):
    options = ("--data", data / "dark.npy", "--from-run", data / "a", "--run-folder", data / "b", *TINY)
    answer = call_recipe("dcgan", *options, "--filters", 3)
    assert answer.returncode == 2
    assert (
        "are others (dense/kernel of 4×64, here dense/kernel of 4×96); both runs need the same recipe" in answer.stderr
    )
    assert not (data / "b" / "config.json").exists()


def test_a_folder_without_a_run_is_refused(tmp_path):
    answer = call_recipe("dcgan", "--from-run", tmp_path, "--run-folder", tmp_path / "b")
    assert answer.returncode == 2
    assert "--from-run expects the folder of a run, but" in answer.stderr
