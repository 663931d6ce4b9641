"""Options that have no effect, or no value: one sentence before any work, not a training with other data."""

import numpy as np
import pytest

from common.base.arguments import parse
from common.base.errors import InputError
from recipes.style_transfer.data import DomainOptions
from tests.conftest import call_recipe, is_one_sentence
from tests.tiny_recipes import TINY
from tests.tiny_recipes import options as tiny_options

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the array file `images.npy` and the empty folder `images`."""
    folder = tmp_path_factory.mktemp("data")
    np.save(folder / "images.npy", np.zeros((30, 28, 28), "uint8"))
    (folder / "images").mkdir()
    return folder


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("dcgan --classes", "--classes has no value; give it one or more"),
        ("dcgan --augment --epochs 1", "--augment has no value"),
        ("dcgan --data images.npy --dataset mnist", "--dataset has no effect with --data, except for IDX files"),
        ("dcgan --fit pad", "--fit has no effect without --size"),
        ("dcgan --extractor garments", "--extractor has no effect without --evaluate-every"),
        ("dcgan --extractor typo --evaluate-every 1", "There is no extractor 'typo'; there are garments"),
        ("stacked_mnist --balance cap", "--balance has no effect here"),
        ("style_transfer --paintings missing", "Two domains are needed: name both, --photos"),
        (
            "style_transfer --paintings missing --photos images",
            "--paintings expects images, but missing",
        ),
        ("style_transfer --photos images --paintings images --dataset monet2photo", "--dataset has no effect with"),
        ("style_transfer --fit pad", "--fit has no effect without --size"),
        ("style_transfer --augment none flip", "--augment none goes with no other change, but is none flip"),
        ("pix2pix --data-b images", "--data-b is the second of two folders; name the first one"),
        ("pix2pix --data images --data-b missing", "--data-b expects images, but missing does not exist"),
        ("pix2pix --data images --data-b images --task edges", "--data-b has no effect with --task edges"),
        ("pix2pix --data images --dataset facades", "--dataset has no effect with --data"),
        ("pix2pix --dataset facades --task edges", "--task edges is for single images, but facades are pairs"),
        ("pix2pix --data images --task colorize --channels 1", "--task colorize needs colour images"),
        ("pix2pix --fit pad", "--fit has no effect without --size"),
        ("simgan --simulated missing --real images.npy", "--simulated expects images, but missing does not exist"),
        ("simgan --simulated images.npy --real images.npy --count 3", "--count has no effect with --simulated"),
        ("vanilla evaluate --extractor typo", "There is no extractor 'typo'"),
        ("pix2pix evaluate --extractor typo", "There is no extractor 'typo'"),
        ("style_transfer evaluate --extractor typo", "There is no extractor 'typo'"),
        ("simgan evaluate --extractor typo", "There is no extractor 'typo'"),
        ("simgan evaluate --extractor images.npy", "images.npy cannot be opened as a Keras model"),
        ("vanilla evaluate --split tset", "invalid choice 'tset' for argument '--split'"),
        ("vanilla evaluate --samples 1", "--samples must be at least 6"),
    ],
)
def test_options_without_effect_are_refused(folder, tmp_path, monkeypatch, command, words):
    monkeypatch.setenv("GAN_COOKBOOK_RUNS", str(tmp_path))
    assert is_one_sentence(call_recipe(*command.split(), cwd=folder), words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", TINY)
def test_options_with_effect_are_not(name, tmp_path):
    config = TINY[name].module.Config
    parse(name, "", {"recipe": config}, list(map(str, tiny_options(tmp_path)[name])))


def test_other_options_that_go_together(tmp_path):
    np.savez(tmp_path / "images.npz", images=np.zeros((20, 28, 28), "uint8"), labels=np.arange(20) % 2)
    for name, options in (
        ("dcgan", ("--data", tmp_path / "images.npz", "--size", 16, "--fit", "pad", "--classes", 0)),
        ("pix2pix", ("--data", tmp_path, "--fit", "pad", "--data-b", tmp_path)),
        ("simgan", ("--simulated", tmp_path, "--real", tmp_path, "--channels", 3, "--simulator", "eyes")),
        ("dcgan", ("--fit", "crop", "--dataset", "fashion_mnist", "--data", tmp_path / "images.npz")),  # as by default
        ("style_transfer", ("--size", "28x40", "--fit", "pad", "--augment", "none")),
    ):
        parse(name, "", {"recipe": TINY[name].module.Config}, list(map(str, options)))


def test_a_dataset_names_the_classes_of_idx_files(tmp_path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / name).touch()
    arguments = ["--data", str(tmp_path), "--dataset", "fashion_mnist_full"]
    (config,) = parse("dcgan", "", {"recipe": TINY["dcgan"].module.Config}, arguments)
    assert config.images.dataset == "fashion_mnist_full"


def test_no_augmentation_of_photos_and_paintings(tmp_path):
    paths = {"photos": tmp_path, "paintings": tmp_path}
    assert DomainOptions(**paths).changes == ("flip", "crop")
    assert DomainOptions(**paths, augment=("none",)).changes == ()
    with pytest.raises(InputError, match="--augment none goes with no other"):
        DomainOptions(**paths, augment=("none", "crop")).check_given(())
