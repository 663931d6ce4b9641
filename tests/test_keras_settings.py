"""What keras.json may say does not reach the networks."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

NETWORK = (
    "from keras import layers\n"
    "from {module}\n"
    "import keras\n"
    "convolution = layers.Conv2D(1, 1)\n"
    "print(convolution.data_format, convolution.dtype_policy.name, keras.config.floatx())\n"
)


def with_settings(folder, settings, code):
    """Runs code with a keras.json; returns the finished process."""
    (folder / "keras.json").write_text(json.dumps(settings))
    environment = {**os.environ, "KERAS_HOME": str(folder), "PYTHONPATH": str(PROJECT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "module", ["common.gan import GAN", pytest.param("common.networks import Generator", marks=pytest.mark.once)]
)
def test_networks_have_their_own_settings(tmp_path, module):
    settings = {"floatx": "float16", "image_data_format": "channels_first"}
    answer = with_settings(tmp_path, settings, NETWORK.format(module=module))
    assert answer.stdout == "channels_last float32 float32\n", answer.stderr
    notes = [line for line in answer.stderr.splitlines() if line.startswith("Keras is set to")]
    assert len(notes) == 2
    assert "to floatx float16, but the networks need float32, which is used." in notes[0]
    assert "image_data_format channels_first, but the networks need channels_last" in notes[1]


@pytest.mark.once
def test_mixed_precision_of_a_program_stays(tmp_path):
    code = "import keras; keras.config.set_dtype_policy('mixed_bfloat16')\n"
    answer = with_settings(tmp_path, {"floatx": "float16"}, code + NETWORK.format(module="common.gan import GAN"))
    assert answer.stdout == "channels_last mixed_bfloat16 float32\n", answer.stderr


@pytest.mark.once
@pytest.mark.parametrize(
    ("settings", "reason"), [({"floatx": "bfloat16"}, "Invalid `floatx`"), ([], "'list' object has no attribute")]
)
def test_settings_that_keras_refuses_are_reported_in_a_sentence(tmp_path, settings, reason):
    answer = with_settings(tmp_path, settings, "import recipes.vanilla.train")
    assert answer.returncode == 2
    (line,) = answer.stderr.strip().splitlines()
    assert line.startswith(f"Error: Keras cannot use its settings ({reason}")
    assert line.endswith(f"; correct {tmp_path}/keras.json, or remove it.")
