"""Data that changed between two starts of a run is noticed."""

import json
import os

import numpy as np
import pytest

from common.training import data_record
from recipes.pix2pix.data import SourceOptions
from recipes.pix2pix.train import Config
from tests.conftest import call_recipe, is_one_sentence
from tests.files import write_many

pytestmark = pytest.mark.once


def test_what_a_record_depends_on(tmp_path):
    write_many(tmp_path / "a" / "cats", 3)
    np.save(tmp_path / "b.npy", np.zeros(3))
    config = Config(pairs=SourceOptions(data=tmp_path / "a", data_b=tmp_path / "b.npy"))
    first = data_record.record_of(config)
    assert {name: facts["files"] for name, facts in first.items()} == {"data": 3, "data_b": 1}
    (tmp_path / "a" / "notes.txt").write_text("no image")
    assert data_record.record_of(config) == first
    os.utime(tmp_path / "a" / "cats" / "001.png", (1, 1))
    times = data_record.record_of(config)
    assert times["data"]["bytes"] == first["data"]["bytes"]
    assert "--data have other names or times" in data_record.difference("data", first["data"], times["data"])
    (tmp_path / "a" / "cats").rename(tmp_path / "a" / "dogs")
    assert data_record.record_of(config)["data"] != times["data"]
    np.save(tmp_path / "b.npy", np.zeros(4))
    assert data_record.record_of(config)["data_b"]["bytes"] == first["data_b"]["bytes"] + 8
    assert data_record.record_of(Config()) == {}  # the embedded data


def test_a_folder_of_arrays_is_recorded(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros(3))
    assert data_record.record_of_path(tmp_path)["files"] == 1


def test_a_run_does_not_continue_with_other_data_unnoticed(tmp_path):
    write_many(tmp_path / "images", 8)
    options = ("--data", tmp_path / "images", "--size", 8, "--batch-size", 4, "--units", 8)
    options += ("--run-folder", tmp_path / "run", "--epochs")
    assert call_recipe("vanilla", *options, 1).returncode == 0
    record = tmp_path / "run" / "data.json"
    first = record.read_text()
    assert json.loads(first)["data"]["files"] == 8
    write_many(tmp_path / "images", 1, first=8)
    assert "is finished" in call_recipe("vanilla", *options, 1).stdout
    answer = call_recipe("vanilla", *options, 2)
    assert is_one_sentence(answer, "The data has changed since the last start of this run: --data had 8 files of")
    assert "--allow-changed-data" in answer.stderr
    assert record.read_text() == first
    record.write_text("{")
    assert is_one_sentence(call_recipe("vanilla", *options, 2), "data.json is damaged")
    answer = call_recipe("vanilla", *options, 2, "--allow-changed-data")
    assert answer.returncode == 0, answer.stderr
    assert "--allow-changed-data" not in answer.stdout  # in the command that trains for more epochs
    assert json.loads(record.read_text())["data"]["files"] == 9  # what was allowed is compared with from now on


def test_a_run_of_an_earlier_version_has_no_record(tmp_path):
    data_record.refuse_changed(tmp_path / "data.json", {"data": data_record.record_of_path(tmp_path)})
