"""Imports Keras without the lines that TensorFlow's C++ side prints while it loads, which no setting turns off."""

import contextlib
import os
import sys
import tempfile


@contextlib.contextmanager
def quiet_unless_failing():
    """Holds back what is written to standard error, C++ code included, and shows it only if an exception comes."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


with quiet_unless_failing():
    import keras

    if keras.backend.backend() == "tensorflow":
        keras.ops.zeros(())  # it greets a second time when it first computes; JAX must not yet, if hosts are to meet
