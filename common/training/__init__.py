"""A run and its folder: training, checkpoints, callbacks, devices."""
