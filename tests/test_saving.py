"""Files of networks, of one's own and from elsewhere."""

import gc
import weakref

import keras
import pytest

from common import saving
from common.base.errors import InputError
from common.scoring import extractors
from common.training.trained_run import load_generator, read_config
from tests.seven_gans import two_discriminators


def test_networks_of_a_file_are_not_taken_for_one(monkeypatch):
    """Keras knows an object by its address, which one that is no longer needed leaves to the next."""
    plain, references = saving.plain, []

    def recorded(network):
        gc.collect()
        assert all(reference() is not None for reference in references)
        made = plain(network)
        references.append(weakref.ref(made))
        return made

    monkeypatch.setattr(saving, "plain", recorded)
    two_discriminators().get_config()
    assert len(references) == 3


@pytest.fixture(scope="module")
def with_code(tmp_path_factory):
    """The path of a network whose file contains Python code."""
    path = tmp_path_factory.mktemp("from elsewhere") / "generator.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: 2 * x)]).save(path)
    return path


@pytest.mark.parametrize(
    "open_file",
    [lambda path: load_generator(path, "dcgan"), lambda path: extractors.load(str(path))],
    ids=["generator", "extractor"],
)
def test_a_file_with_python_code_is_not_opened(with_code, open_file):
    with pytest.raises(InputError, match=r"generator\.keras has a Lambda layer, with Python code .* is not opened"):
        open_file(with_code)


@pytest.mark.once
@pytest.mark.parametrize("text", ["", "[1]", "null", '"dcgan"', '{"recipe": '])
def test_a_configuration_that_is_none_is_said(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"config\.json cannot be read \(.+\); the action needs the whole run folder"):
        read_config(tmp_path / "config.json")
