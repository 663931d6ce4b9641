"""The length of a training: in steps it does not depend on the number of images."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from common.base.errors import InputError
from common.base.ranges import check_ranges
from common.cli.main import longer
from common.training import callbacks
from common.training.length import Length
from common.training.run import Run
from data_prep import balance
from data_prep.batches import Batches
from tests.conftest import call_recipe, values


@dataclasses.dataclass(frozen=True)
class Config:
    length: Length = Length(steps=200)
    seed: int = 0


def small_batches():
    """Sixteen points: two training steps a pass, and fifty passes an epoch of a hundred steps."""
    return Batches(np.random.default_rng(0).normal(size=(16, 2)).astype("float32"), 8, transform=lambda batch: batch)


def as_images(gan):
    return np.tile(gan.sample(gan.latents.grid(0))[:, :, None, None], (1, 1, 2, 1))


@pytest.fixture
def train(small_gan, tmp_path):
    def train(length, folder="run"):
        run = Run(tmp_path / folder, "small", Config(length))
        gan = small_gan(use_ema=True)
        run.fit(gan, small_batches(), draw=as_images, show=lambda batches: batches[0][:, :, None, None])
        run.finish()
        run.close()
        return gan

    return train


def stored(folder):
    return json.loads((folder / "config.json").read_text("utf-8"))


@pytest.mark.once
@pytest.mark.slow
def test_a_small_folder_trains_for_as_many_steps_and_resumes_exactly(train, tmp_path, capsys):
    whole = train(Length(steps=300), "whole")
    assert "300 training steps: 3 epochs of 100, about 50 passes each." in capsys.readouterr().out
    train(Length(steps=200))
    assert stored(tmp_path / "run")["steps_per_epoch"] == 100
    assert stored(tmp_path / "run")["finished_epochs"] == 2
    both = train(Length(steps=300))
    assert all(np.array_equal(a, b) for a, b in zip(values(whole.variables), values(both.variables), strict=True))


@pytest.mark.once
def test_a_run_keeps_its_steps_per_epoch(train, tmp_path):
    train(Length(steps=100))
    train(Length(epochs=2))
    assert stored(tmp_path / "run")["steps_per_epoch"] == 100
    assert stored(tmp_path / "run")["finished_epochs"] == 2


@pytest.mark.once
def test_epochs_are_passes(train, tmp_path):
    train(Length(epochs=3))
    assert (stored(tmp_path / "run")["steps_per_epoch"], stored(tmp_path / "run")["finished_epochs"]) == (2, 3)


@pytest.mark.once
def test_a_finished_run_is_known_before_its_data_is_read(train, tmp_path):
    train(Length(steps=200))
    for length, is_finished in ((Length(steps=200), True), (Length(steps=400), False), (Length(epochs=2), True)):
        run = Run(tmp_path / "run", "small", Config(length))
        assert run.is_finished == is_finished
        run.close()


@pytest.mark.once
@pytest.mark.parametrize("steps", [1, 4, 5, 12])
def test_each_pass_of_an_epoch_shows_every_sample_once(steps):
    batches = Batches(np.arange(10), 2, transform=lambda batch: batch)
    batches.set_steps_per_epoch(steps)
    drawn = np.concatenate([batches[index] for index in range(len(batches))])
    assert len(batches) == steps
    for start in range(0, len(drawn), 10):
        assert len(set(drawn[start : start + 10].tolist())) == len(drawn[start : start + 10])
    batches.on_epoch_begin()
    assert len(batches) == steps


@pytest.mark.once
def test_several_passes_are_balanced_too():
    labels = np.array([0] * 8 + [1] * 2)
    batches = Batches(labels, 2, transform=lambda batch: batch, order=balance.EqualShares(labels))
    batches.set_steps_per_epoch(20)
    assert np.mean([batches[index] for index in range(20)]) == 0.5


@pytest.mark.once
def test_unpaired_parts_of_several_passes():
    batches = Batches((np.arange(4), np.arange(10)), 2, transform=lambda batch: batch, paired=False)
    batches.set_steps_per_epoch(20)
    first, second = zip(*(batches[index] for index in range(20)), strict=True)
    assert set(np.bincount(np.concatenate(first))) == {10}
    assert set(np.bincount(np.concatenate(second))) == {4}


@pytest.mark.once
def test_the_suggested_length_is_twice_what_was_trained():
    def suggested(length, epochs):
        return longer(SimpleNamespace(length=length, epochs=epochs, steps_per_epoch=100))

    assert suggested(Length(steps=300), 3) == ("--steps", 600)
    assert suggested(Length(steps=5), 1) == ("--steps", 200)  # an epoch is longer than that
    assert suggested(Length(epochs=4), 4) == ("--epochs", 8)


def test_one_of_steps_and_epochs():
    answer = call_recipe("dcgan", "--steps", 10, "--epochs", 2)
    assert answer.returncode == 2
    assert "--steps and --epochs both say how long to train; leave one of them out." in answer.stderr
    with pytest.raises(InputError, match="both say"):
        Length(steps=10, epochs=2).check_given({"steps", "epochs"})
    with pytest.raises(InputError, match="--epochs must be at least 1"):
        check_ranges(Config(Length(epochs=0)))


@pytest.mark.once
def test_says_how_long_it_will_take(small_gan, capsys):
    gan, batches = small_gan(), small_batches()
    gan.fit(batches, epochs=30, shuffle=False, verbose=0, callbacks=[callbacks.Duration(seconds=0.0)])
    said = [line for line in capsys.readouterr().out.splitlines() if "steps/s" in line]
    assert len(said) == 1
    assert "about 1 minute more, until " in said[0]
