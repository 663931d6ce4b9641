"""Runs a module on a CPU that is split into several virtual devices, in place of several GPUs.

    python -m tests.on_virtual_devices COUNT MODULE [OPTIONS]

With `GAN_COOKBOOK_WITHOUT_BATCH_NORM` set, batch norm does nothing.
"""

import os
import runpy
import sys


def set_devices(count):
    """Splits the CPU into virtual devices. Call it before the framework computes anything."""
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    else:
        import jax

        # On two cores, devices that wait for each other can occupy all threads of the process: a deadlock.
        os.environ["NPROC"] = "8"
        jax.config.update("jax_num_cpu_devices", count)


def leave_batch_norm_out():
    import keras

    keras.layers.BatchNormalization = lambda **_: lambda x: x


if __name__ == "__main__":
    set_devices(int(sys.argv[1]))
    if "GAN_COOKBOOK_WITHOUT_BATCH_NORM" in os.environ:
        leave_batch_norm_out()
    module = sys.argv[2]
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
