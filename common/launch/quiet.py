"""Imports Keras without the messages that TensorFlow's C++ code prints while loading, which no setting turns off."""

import contextlib
import os
import sys
import tempfile


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


with quiet_unless_failing():
    import keras

    if keras.backend.backend() == "tensorflow":
        # TensorFlow prints more at its first computation. JAX must not compute before the hosts connect.
        keras.ops.zeros(())
