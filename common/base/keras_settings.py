"""The settings of Keras for which the networks are written, whatever keras.json says in ~/.keras or in KERAS_HOME.

They take effect when this module is imported. `keras.config.set_dtype_policy` still chooses mixed precision.
"""

import sys

import keras

EXPECTED = {"floatx": "float32", "image_data_format": "channels_last"}


def adopt():
    for name, expected in EXPECTED.items():
        found = getattr(keras.config, name)()
        if found != expected:
            getattr(keras.config, f"set_{name}")(expected)
            print(f"Keras is set to {name} {found}, but the networks need {expected}, which is used.", file=sys.stderr)


adopt()
