"""The README's example of an own GAN runs as it stands, on every backend."""

import re

import keras
import numpy as np

from tests.conftest import PROJECT


def example():
    text = (PROJECT / "README.md").read_text("utf-8")
    return re.search(r"<!-- example -->\n```python\n(.*?)```", text, re.DOTALL).group(1)


def test_own_gan_in_thirty_lines(tmp_path, monkeypatch):
    code = example()
    assert len([line for line in code.splitlines() if line.strip()]) <= 30
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "example"}
    exec(compile(code, "README.md", "exec"), names)
    history = names["gan"].history.history
    assert np.isfinite([history["d_loss"], history["g_loss"]]).all()
    painter = keras.saving.load_model(tmp_path / "painter.keras")
    assert painter.output_shape == (None, 28, 28, 1)
