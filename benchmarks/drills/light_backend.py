"""Chooses the backend of the drills; to be imported before Keras.

The cases are forks of one process that has loaded Keras and computes nothing, as threads do not survive a fork. So it
is not TensorFlow, whose threads start when it is loaded. PyTorch has nothing to compile.
"""

import importlib.util
import os
import sys

os.environ["KERAS_BACKEND"] = "torch" if importlib.util.find_spec("torch") else "jax"
sys.modules["tensorflow"] = None  # or Keras would load it in every fork that saves a network
