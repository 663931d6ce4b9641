"""Imports Keras without the messages that TensorFlow's C++ code prints while loading, which no setting turns off.

Settings that Keras does not accept end the program with a sentence.
"""

import contextlib
import os
import sys
import tempfile
import traceback
from pathlib import Path

from common.base.errors import open_closed_streams


@contextlib.contextmanager
def quiet_unless_failing():
    """Captures standard error, including that of C++ code, and shows it only if an exception is raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            captured.seek(0)
            sys.stderr.write(captured.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


@contextlib.contextmanager
def sentence_about_settings():
    """Ends the program with one sentence and exit code 2 if Keras cannot use what is in its keras.json."""
    try:
        yield
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1].filename
        if not place.endswith("keras/src/backend/config.py"):
            raise
        path = Path(os.environ.get("KERAS_HOME", "~/.keras"), "keras.json")
        reason = " ".join(str(error).split())
        print(f"Error: Keras cannot use its settings ({reason}); correct {path}, or remove it.", file=sys.stderr)
        sys.exit(2)


open_closed_streams()
# By itself TensorFlow uses oneDNN only on CPUs with AVX-512 VNNI; 3D convolutions take ten times as long without it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with quiet_unless_failing(), sentence_about_settings():
    import keras

    if keras.backend.backend() == "tensorflow":
        # TensorFlow prints more at its first computation. JAX must not compute before the hosts connect.
        keras.ops.zeros(())
