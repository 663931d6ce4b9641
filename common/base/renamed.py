"""Keys that earlier versions stored under other names, so that old runs continue and old GANs load."""

RENAMED = {
    "hold_below": "freeze_below",  # an option, in config.json
    "history": "pool_size",  # an option of CycleGAN and SimGAN, in their .keras files
    "contract": "protocol",  # in scores.json
}


def renamed(stored):
    """Returns a dictionary read from a file with its old keys replaced by the current ones.

    Raises:
        ValueError: if what was read is no dictionary.

    >>> renamed({"hold_below": 1.0, "epochs": 3})
    {'freeze_below': 1.0, 'epochs': 3}
    """
    if not isinstance(stored, dict):
        raise ValueError(f"a dictionary is expected, not {type(stored).__name__}")
    found = {RENAMED.get(key, key): value for key, value in stored.items()}
    if isinstance(found.get("steps"), list):  # of simgan; elsewhere "steps" is a number, the length of the training
        found["updates"] = found.pop("steps")
    return found
