"""The examples of own GANs in the READMEs run as they stand, on every backend."""

import re

import keras
import numpy as np
import pytest

from tests.conftest import PROJECT


@pytest.mark.parametrize("page", ["README.md", "common/README.md"])
def test_own_gan_in_thirty_lines(tmp_path, monkeypatch, page):
    text = (PROJECT / page).read_text("utf-8")
    code = re.search(r"<!-- example -->\n```python\n(.*?)```", text, re.DOTALL).group(1)
    assert len([line for line in code.splitlines() if line.strip()]) <= 30
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    exec(compile(code, page, "exec"), names)
    history = names["gan"].history.history
    assert np.isfinite([history["d_loss"], history["g_loss"]]).all()
    painter = keras.saving.load_model(tmp_path / "painter.keras")
    assert painter.output_shape == (None, 28, 28, 1)
