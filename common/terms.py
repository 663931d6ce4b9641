"""The terms of a loss: their names, their sum, and their means over an epoch."""

import keras
from keras import ops

PREFIXES = {"discriminator": "d", "generator": "g"}  # of players in the logs; other players have their own names


def prefix_of(player):
    return PREFIXES.get(player, player)


def named(loss):
    """Returns a loss as a dictionary of its terms, scalars in float32; a scalar is the term `adversarial`."""
    terms = loss if isinstance(loss, dict) else {"adversarial": loss}
    for name, term in terms.items():
        if term is None or getattr(term, "shape", ()) != ():
            found = "nothing" if term is None else f"a tensor of shape {tuple(term.shape)}"
            raise ValueError(f"The term {name!r} of a loss is {found}, but a scalar is expected: return its ops.mean.")
    if "loss" in terms:
        raise ValueError("A term cannot have the name 'loss', which in the logs is that of the sum; give it another.")
    return {name: ops.cast(term, "float32") for name, term in terms.items()}


def refuse_weights_of_nobody(players, weights):
    """Raises a `ValueError` for a weight whose name begins with no player's prefix, such as `cycle` for `g_cycle`."""
    prefixes = tuple(f"{prefix_of(player)}_" for player in players)
    for name in weights:
        if not name.startswith(prefixes):
            raise ValueError(f"loss_weights has a weight for {name}, but a term begins with {', '.join(prefixes)}.")


def weighted_sum(player, terms, weights, iterations):
    """Returns the sum of the terms of a player.

    Args:
        player: string.
        terms: dictionary from names to scalars.
        weights: dictionary from logged names, such as `g_cycle`, to weights, or schedules of them; 1 for a term that is
            not in it.
        iterations: variable, the number of updates of the player.

    Raises:
        ValueError: if a weight of this player belongs to no term.
    """
    names = [f"{prefix_of(player)}_{name}" for name in terms]
    for name in weights:
        if weights[name] and name.startswith(f"{prefix_of(player)}_") and name not in names:
            raise ValueError(f"loss_weights has a weight for {name}, but the terms of the {player} are {names}.")
    present = {name: weight(iterations) if callable(weight) else weight for name, weight in weights.items()}
    return sum(present.get(name, 1.0) * term for name, term in zip(names, terms.values(), strict=True))


def logged(player, total, terms):
    """Returns a loss and, if there are several, its terms, under their names in the logs: `d_loss`, `d_gp` …"""
    several = terms if len(terms) > 1 else {}
    values = {"loss": total, **several}
    return {f"{prefix_of(player)}_{name}": value for name, value in values.items()}


def regularizations(network):
    """Returns the terms of a network's weight regularizers, a list of scalars."""
    variables = [variable for variable in network.trainable_variables if variable.regularizer is not None]
    return [variable.regularizer(variable.value) for variable in variables]


def added_losses(network):
    """Returns what the layers of a network gave to `add_loss` in its last call, such as activity regularizers."""
    return network.losses[: len(network.losses) - len(regularizations(network))]


def forget_added_losses(networks):
    """Lets networks that are not called from now on have no `added_losses`: those of an earlier step are stale."""
    for network in networks:
        network._clear_losses()


class Terms(keras.metrics.Metric):
    """The means over the updates of an epoch of the losses and their terms.

    Which ones there are is known in the first training step, which may not create variables: all share two.
    """

    CAPACITY = 64

    def __init__(self, name="terms", **kwargs):
        super().__init__(name=name, **kwargs)
        self.names = []
        self.sums = self.add_variable((self.CAPACITY,), initializer="zeros", name="sums")
        self.counts = self.add_variable((self.CAPACITY,), initializer="zeros", name="counts")

    def update_state(self, values):
        """Adds the losses and terms of an update, a dictionary from names to scalars."""
        self.names += [name for name in values if name not in self.names]
        if len(self.names) > self.CAPACITY:
            raise ValueError(f"Expected at most {self.CAPACITY} losses and terms, but got {len(self.names)}.")
        row = ops.stack([ops.cast(values.get(name, 0.0), "float32") for name in self.names])
        padding = self.CAPACITY - len(self.names)
        self.sums.assign_add(ops.pad(row, [(0, padding)]))
        self.counts.assign_add([float(name in values) for name in self.names] + [0.0] * padding)

    def result(self):
        means = self.sums / ops.maximum(self.counts, 1)
        return {name: means[index] for index, name in enumerate(self.names)}
