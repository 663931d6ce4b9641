"""Reads the folder of a trained run: its generator, its configuration, its sample grids."""

import json
import re
import zipfile
from pathlib import Path
from typing import get_args, get_type_hints

from common import latents
from common.averages import kind_of_weights
from common.base.errors import InputError
from common.base.files import whole, write_json
from common.base.paths import shown
from common.latent_space import LatentSpace
from common.networks import plain
from common.saving import digest_of, open_network
from common.training.generator_check import (
    are_one_image,
    other_generator,
    refuse_no_images,
    refuse_other_inputs,
    shapes_of,
)
from data_prep import images


def open_run(name, folder, options_class):
    """Returns what an action needs from a trained run: its folder, its generator and the options of its data.

    Args:
        name: string, the recipe.
        folder: path.
        options_class: the dataclass of the data options in the recipe's `Config`.

    Raises:
        InputError: if there is no trained run, or one of another recipe, or one of its files is damaged.
    """
    refuse_other_recipe(folder, name)
    generator = load_generator(folder / "generator.keras", name)
    return folder, generator, options_of(read_config(folder / "config.json"), options_class)


def recipe_of(folder, name):
    """Returns the name of the recipe whose run is in a folder: what its configuration says, or else `name`."""
    path = folder / "config.json"
    return read_config(path).get("recipe", name) if path.exists() else name


def refuse_other_recipe(folder, name):
    """Raises an `InputError` if the run in a folder is of another recipe, which has other networks and options."""
    recipe = recipe_of(folder, name)
    if recipe != name:
        raise InputError(
            f"The run in {shown(folder)} is of the recipe {recipe}; use ./run_recipe.sh {recipe}, or name another "
            "--run-folder."
        )


def load_generator(path, name):
    """Returns the generator of a file, opened in Keras' safe mode.

    Raises:
        InputError: if the file is missing or damaged, or contains Python code.
    """
    if not path.exists():
        raise InputError(f"There is no {shown(path)} yet; train first: ./run_recipe.sh {name}")
    try:
        return open_network(path)
    except InputError:
        raise
    except (zipfile.BadZipFile, ValueError, OSError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{shown(path)} is damaged ({reason}); train one more epoch to rewrite it, or start over with --restart."
        ) from error


def store_networks(folder, gan):
    """Writes what the uses of a GAN need, with averaged weights, if any.

    That is `generator.keras`; `generator.json`, what it is fed and makes, and what its weights are; and a file for each
    further network, such as `discriminator.keras`.
    """
    with gan.averaged():
        for name, network in gan.networks.items():
            with whole(folder / f"{name}.keras") as part:
                plain(network).save(part)
        facts = facts_of(gan)
    write_json(folder / "generator.json", facts)


def facts_of(gan):
    """Returns what `generator.json` says about the generator of a GAN.

    Raises:
        ValueError: if its `Latents` cannot be stored.
    """
    made = shapes_of(gan.generator, "outputs")
    return {
        "latents": latents.as_stored(gan.latents) if gan.latents else None,
        "makes_images": bool(made) and all(are_one_image([shape]) for shape in made),
        "parameters": gan.generator.count_params(),
        "weights": kind_of_weights(gan),
        "digest": digest_of(gan.generator),
    }


def load_latents(folder, generator):
    """Returns the `Latents` with which a run fed its generator.

    Raises:
        InputError: if the run's `generator.json` is damaged, or the generator is fed something else than latents, or is
            that of another recipe.
    """
    path = folder / "generator.json"
    if not path.exists():  # a run of version 0.1.0
        found = latents.latents_for(generator)
    else:
        stored = read_config(path)
        try:
            found = latents.from_stored(stored["latents"]) if stored["latents"] else None
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged ({error}); train one more epoch to rewrite it.") from error
    if found is None:
        raise InputError(f"The generator of {shown(folder)} is not fed latents; if it translates images, use apply.")
    refuse_other_inputs(generator, found.fixed(1, seed=0))
    embedding = latents.embedding_of(generator) if found.class_count else None
    if embedding and embedding.input_dim < found.class_count:  # one may be for "no class"
        raise other_generator(f"it has {embedding.input_dim} classes, and the run {found.class_count}")
    return found


def open_generator(name, folder):
    """Returns the generator of a trained run, which makes images of latents, and its `Latents`.

    Args:
        name: string, the recipe.
        folder: path.

    Raises:
        InputError: if there is no trained run, or its generator is not fed latents, or makes no images.
    """
    generator = load_generator(folder / "generator.keras", name)
    found = load_latents(folder, generator)
    refuse_no_images(generator)
    return generator, found


def open_space(name, folder):
    """Returns the `LatentSpace` of a trained run; see `open_generator`."""
    return LatentSpace(*open_generator(name, folder))


def weights_of(folder):
    """Returns "averaged" or "raw", which the weights in a run's `generator.keras` are."""
    path = folder / "generator.json"
    if path.exists():
        return read_config(path).get("weights", "raw")
    return "averaged" if read_config(folder / "config.json").get("ema") else "raw"  # a run of version 0.1.0


def read_config(path):
    """Returns the configuration of a run, a flat dictionary.

    Raises:
        InputError: if the file cannot be read.
    """
    try:
        config = json.loads(path.read_text("utf-8"))
        if not isinstance(config, dict):
            raise ValueError(f"it holds a {type(config).__name__} where an object is expected")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); the action needs the whole run folder.") from error
    return config


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


def image_options(folder):
    """Returns the `ImageOptions` of a run."""
    return options_of(read_config(folder / "config.json"), images.ImageOptions)


def class_names_of(folder):
    """Returns the class names of a run's training data."""
    return images.class_names(image_options(folder))


def grids_of(folder):
    """Returns the paths of a run's sample grids, ordered by epoch; other files are ignored."""
    epochs = {path: re.fullmatch(r"epoch_(\d+)", path.stem) for path in (folder / "samples").glob("epoch_*.png")}
    return sorted((path for path, match in epochs.items() if match), key=lambda path: int(epochs[path][1]))
