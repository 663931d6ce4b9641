"""Files of networks from elsewhere."""

import keras
import pytest

from common.base.errors import InputError
from common.scoring import extractors
from common.training.trained_run import load_generator


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
