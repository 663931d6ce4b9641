"""Runs a module on a CPU that the framework takes for several devices, as several GPUs would be.

    python -m tests.on_virtual_devices COUNT MODULE [OPTIONS]

With `GAN_COOKBOOK_WITHOUT_BATCH_NORM` set, the layers of that name do nothing.
"""

import os
import runpy
import sys


def set_devices(count):
    """To be called before the framework computes anything."""
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    else:
        import jax

        # On two cores the devices of one process wait for each other with all threads there are, now and then for ever.
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
