"""The players of a GAN: which networks learn from which loss, with which optimizer."""

import keras


class Optimizers(keras.optimizers.MultiOptimizer):
    """The optimizers of all players as the single optimizer that Keras tracks and saves."""

    def finalize_variable_values(self, var_list):
        """Does nothing: at the end of `fit`, Keras would replace the weights by their averages."""


def refuse_mismatch(gan, optimizers):
    """Raises a `ValueError` unless each player has an optimizer of its own, and each weight one player.

    Args:
        gan: a `GAN`.
        optimizers: dictionary from its players to optimizers, or to what was given instead.
    """
    for player, names in gan.players.items():
        if not isinstance(optimizers[player], keras.optimizers.Optimizer):
            raise ValueError(f"Expected an optimizer as {player}_optimizer, but got {optimizers[player]!r}.")
        unknown = [name for name in names if name not in gan.networks]
        if unknown:
            raise ValueError(
                f"The player {player} trains {unknown[0]!r}, but the networks are {', '.join(gan.networks)}."
            )
    if len({id(optimizer) for optimizer in optimizers.values()}) < len(optimizers):
        raise ValueError(
            "Expected two optimizers, got one for two players: their moments must not mix. Create each anew."
        )
    owned = [id(variable) for player in gan.players for variable in gan.variables_of(player)]
    if len(set(owned)) < len(owned):
        raise ValueError(f"Expected one player for each weight, but some have two; the players are {gan.players}.")
    free = next((variable.path for variable in gan.trainable_variables if id(variable) not in owned), None)
    if free:
        raise ValueError(
            f"No player trains {free}: pass its network in `networks` and name it in `players` of "
            f"{type(gan).__name__}, or set its layer's trainable=False."
        )


def refuse_others(what, expected, given):
    """Raises a `ValueError` for something that is no instance of a class, such as the class itself.

    Args:
        what: string, such as "a Latents".
        expected: class.
        given: dictionary from the names of arguments to their values, which may be None.
    """
    for name, value in given.items():
        if value is not None and not isinstance(value, expected):
            raise ValueError(f"Expected {what} as {name}, but got {value!r}.")


def refuse_other_parts(network, samples):
    """Raises a `ValueError` if samples have another number of parts than a network has inputs."""
    count, inputs = len(keras.tree.flatten(samples)), getattr(network, "inputs", None)
    if inputs and len(inputs) != count:
        raise ValueError(
            f"{network.name} has {len(inputs)} input(s), but is given samples of {count} part(s); where a batch is "
            "(images, labels), take ConditionalGAN, or override `real` and `fake`."
        )


def refuse_raw_images(batch):
    """Raises a `ValueError` for images in 0 … 255."""
    for array in keras.tree.flatten(batch):
        if len(array.shape) > 2 and keras.backend.standardize_dtype(array.dtype) == "uint8":
            raise ValueError(
                "A batch has images in uint8, 0 to 255, but the networks expect [-1, 1]: pass them as "
                "data_prep.batches.Batches, or scale them with common.base.pictures.scale."
            )


def refuse_float16(model):
    for layer in model._flatten_layers():
        if layer.compute_dtype == "float16":
            raise ValueError(
                f"Expected a policy of float32 or mixed_bfloat16, but layer {layer.name!r} computes in float16: "
                "its small gradients vanish without loss scaling. "
                "Set keras.config.set_dtype_policy('mixed_bfloat16') before building the networks."
            )
