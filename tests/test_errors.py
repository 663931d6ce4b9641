"""Errors of the system end a command with one sentence and exit code 2, not with a traceback."""

import errno
import os
import shlex
import subprocess
import sys
from unittest import mock

import pytest

from common.base import errors
from common.base.errors import InputError, in_sentences
from common.base.paths import shown
from tests.conftest import PROJECT, call_recipe, is_one_sentence

pytestmark = pytest.mark.once
TINY = ("--classes", "bag", "--batch-size", 250, "--units", 8, "--epochs", 1)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "a/b"),
            "a/b: No space left on device; make room on the disk",
        ),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system; choose a folder that can be"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x"), "x: File name too long; use a shorter path"),
        (PermissionError(errno.EACCES, "Permission denied", "y"), "y: Permission denied; choose a folder that can be"),
        (MemoryError(), "The memory is not sufficient; use a smaller --size"),
        (RecursionError("maximum depth"), "RecursionError: maximum depth; with GAN_COOKBOOK_TRACEBACK=1"),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), "surrogates not allowed; with"),
    ],
)
def test_errors_of_the_system_are_sentences(error, words, monkeypatch):
    with pytest.raises(InputError) as caught, in_sentences():
        raise error
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("GAN_COOKBOOK_TRACEBACK", "1")
    with pytest.raises(type(error)), in_sentences():
        raise error


def test_mistakes_of_the_project_keep_their_traceback():
    with pytest.raises(KeyError), in_sentences():
        raise KeyError("a mistake")


def test_a_disk_that_is_full_in_training(tmp_path):
    """Which ends at the last write of an epoch; what was there stays."""
    assert call_recipe("vanilla", *TINY, "--run-folder", tmp_path / "run").returncode == 0
    before = (tmp_path / "run" / "checkpoint.npz").read_bytes()
    full = OSError(errno.ENOSPC, "No space left on device")
    with mock.patch("common.training.checkpoint.np.savez", side_effect=full):
        answer = call_recipe("vanilla", *TINY[:-1], 2, "--run-folder", tmp_path / "run")
    assert is_one_sentence(answer, "No space left on device; make room on the disk")
    assert (tmp_path / "run" / "checkpoint.npz").read_bytes() == before
    assert not list((tmp_path / "run").glob(".part-*"))


def test_a_name_that_is_too_long(tmp_path):
    assert is_one_sentence(call_recipe("vanilla", *TINY, "--run-folder", tmp_path / ("x" * 300)), "too long")
    answer = call_recipe("vanilla", "--data", tmp_path / ("x" * 300), "--run-folder", tmp_path / "run")
    assert is_one_sentence(answer, "")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_scores_are_shown_though_they_cannot_be_stored(tmp_path):
    assert call_recipe("vanilla", *TINY, "--run-folder", tmp_path / "run").returncode == 0
    (tmp_path / "run").chmod(0o500)
    answer = call_recipe("vanilla", "evaluate", "--samples", 100, "--run-folder", tmp_path / "run")
    (tmp_path / "run").chmod(0o700)
    assert "Fréchet distance" in answer.stdout
    assert is_one_sentence(answer, "Permission denied")


def test_a_reader_that_stops_reading():
    imports = "from common.base.errors import in_sentences\nfrom common.launch.launcher import table"
    code = f"{imports}\nwith in_sentences():\n    print(table() * 1000)"
    command = f"{shlex.quote(sys.executable)} -c '{code}' | head -1"
    answer = subprocess.run(["bash", "-c", command], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert answer.stdout.startswith("Usage:")
    assert answer.stderr == ""


def test_output_that_cannot_show_a_character_escapes_it():
    code = "from common.base.errors import *\nwith in_sentences():\n    print('Fr\\u00e9chet \\udcff')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(PROJECT)}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "Fr\\xe9chet \\udcff\n"


def test_every_known_error_has_advice():
    for number, advice in errors.ADVICE.items():
        assert advice in errors.sentence_of(OSError(number, os.strerror(number)))


def test_names_of_files_do_not_control_the_terminal():
    error = InputError("a/\x1b[2J\x9b\r\nError: forged\u202e\udcff.png is ×ß 你好")
    assert str(error) == r"a/\x1b[2J\x9b\r\nError: forged\u202e\udcff.png is ×ß 你好"
    assert shown("/x/\x1b[2J") == r"/x/\x1b[2J"
