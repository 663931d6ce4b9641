"""How a GAN becomes a `.keras` file, and is loaded from it: networks, optimizers, latents, settings, random states.

`open_network` opens the file of a single network, and `digest_of` tells its weights from others.
"""

import hashlib

import keras
import numpy as np

from common import backend
from common.base.errors import InputError
from common.base.renamed import renamed
from common.networks import plain


def open_network(path):
    """Returns the network of a `.keras` file, opened in Keras' safe mode, which runs no code of the file.

    Raises:
        InputError: if there is Python code in the file. For a file that is no network Keras raises various errors.
    """
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except ValueError as error:
        if "Lambda" not in str(error):
            raise
        raise InputError(
            f"{path} has a Lambda layer, with Python code that would run here, and is not opened; "
            "make the network of layers of Keras alone."
        ) from error


def digest_of(model):
    """Returns the first digits of the SHA-256 of all weights of a model, in their order."""
    digest = hashlib.sha256()
    for variable in model.weights:  # `variables` also has the states of random seeds, which differ in each loaded model
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value)).tobytes())
    return digest.hexdigest()[:16]


class SavableModel(backend.Model):
    """The methods of a `GAN` that Keras calls to save and to load it."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(package=cls.__module__)(cls)

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        # All exist at once: Keras takes two objects for one where the second has the freed address of the first.
        plain_networks = {name: plain(network) for name, network in self.networks.items()}
        networks = {name: serialize(network) for name, network in plain_networks.items()}
        return {
            "generator": networks.pop("generator"),
            "discriminator": networks.pop("discriminator", None),
            "networks": networks,
            "latents": serialize(self.latents),
            "seed": self.seed,
            "options": dict(self.options),
            "augmentation": serialize(self.augmentation),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        for part in ("generator", "discriminator", "networks", "latents", "augmentation"):
            config[part] = keras.saving.deserialize_keras_object(config.get(part))  # not all are in older files
        return cls(**{**config, "options": renamed(config.get("options", {}))})

    # Keras does not store the states of random seeds, without which a loaded GAN would draw other noise.

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for index, state in enumerate(self._random_states()):
            store[f"random_{index}"] = state.numpy()

    def load_own_variables(self, store):
        own = [key for key in store.keys() if not key.startswith("random_")]  # noqa: SIM118 (an HDF5 group)
        super().load_own_variables({key: store[key] for key in own})
        for index, state in enumerate(self._random_states()):
            state.assign(store[f"random_{index}"])

    def _random_states(self):
        return [variable for variable in self.variables if variable.name == "seed_generator_state"]

    def get_compile_config(self):
        return keras.saving.serialize_keras_object(
            {
                "loss": self.adversarial_loss,
                **{f"{player}_optimizer": optimizer for player, optimizer in self.optimizers.items()},
                "penalty": self.penalties,
                "loss_weights": dict(self.loss_weights),
                "discriminator_steps": self.discriminator_steps,
                "generator_steps": self.generator_steps,
                "steps_per_execution": self.steps_per_execution,
            }
        )

    def compile_from_config(self, config):
        # In files of version 0.1.0 the weights of the generator's terms are options.
        weights = {f"g_{key}": value for key, value in self.options.items() if isinstance(value, float)}
        self.compile(**{"loss_weights": weights, **keras.saving.deserialize_keras_object(config)})
