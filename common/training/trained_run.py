"""Reads the folder of a trained run: its generator, its configuration, its sample grids."""

import json
import zipfile
from pathlib import Path
from typing import get_args, get_type_hints

import keras

from common.base.errors import InputError
from common.base.paths import run_folder, shown
from data_prep import images


def open_run(name, folder, options_class):
    """Returns what an action needs from a trained run: its folder, its generator and the options of its data.

    Args:
        name: string, the recipe.
        folder: path, or None for the default one.
        options_class: the dataclass of the data options in the recipe's `Config`.

    Raises:
        InputError: if there is no trained run, or one of its files is damaged.
    """
    folder = folder or run_folder(name)
    generator = load_generator(folder / "generator.keras", name)
    return folder, generator, options_of(read_config(folder / "config.json"), options_class)


def load_generator(path, name):
    """Returns the generator of a file, opened in Keras' safe mode, which runs no code of the file.

    Raises:
        InputError: if the file is missing or damaged.
    """
    if not path.exists():
        raise InputError(f"There is no {shown(path)} yet; train first: ./run_recipe.sh {name}")
    try:
        return keras.saving.load_model(path, compile=False)
    except (zipfile.BadZipFile, ValueError, OSError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{shown(path)} is damaged ({reason}); train one more epoch to rewrite it, or start over with --restart."
        ) from error


def read_config(path):
    """Returns the configuration of a run, a flat dictionary.

    Raises:
        InputError: if the file cannot be read.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); the action needs the whole run folder.") from error


def options_of(config, options_class):
    """Returns a dataclass of options from a run's flat configuration, with paths and tuples restored."""
    types = get_type_hints(options_class)
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
    return options_class(
        **{
            name: Path(values[name]) if values[name] and Path in get_args(types[name]) else values[name]
            for name in values.keys() & types.keys()
        }
    )


def class_names_of(folder):
    """Returns the class names of a run's training data."""
    return images.class_names(options_of(read_config(folder / "config.json"), images.ImageOptions))


def grids_of(folder):
    """Returns the paths of a run's sample grids, ordered by epoch."""
    return sorted((folder / "samples").glob("epoch_*.png"), key=lambda path: int(path.stem.split("_")[1]))
