"""What differs between TensorFlow, JAX and PyTorch: differentiation, and what the hardware is.

This is the only module that imports a framework. Keras does everything else on all three.

- `value_and_gradients(loss, variables, state)`: the value of `loss()` and its gradients with respect to `variables`.
- `input_gradients(function, inputs)`: the gradients of a sum of outputs with respect to `inputs`, themselves
  differentiable, for penalties on the discriminator's slope.
- `Model`: a `keras.Model` whose `train_step` calls `update(batch)`.
- `plays_many_rounds()`: whether Keras' trainer takes more than one step at a time.
- `fetch_state(model)`: writes the state of a training under way into the model's variables, before a callback reads or
  sets them.
- `compiles_with_xla()`, `device()`: whether XLA pays here, and the name of what computes.
- `device_count()`, `distributed(count)`: how many devices this host has; the context in which networks are built and
  trained so that each batch is spread over so many of them.
- `draw_rows(draw, shape, **options)`: `draw(shape, **options)`, of which each device gets other rows.
- `join(address, hosts, host, …)`, `hosts()`, `gather(array)`, `from_first(array)`, `tells_of_lost_host(error)`: several
  hosts that train together; which one this is of how many; what each of them has, what the first one has; whether an
  error means that one is gone.
- `set_random_seed(seed)`: as `keras.utils.set_random_seed`, which imports TensorFlow on every backend.
- `random_state()`, `set_random_state(state)`: what the framework draws from when a layer has no seed of its own.
"""

import contextlib
import random

import keras
import numpy as np


def samples(batch):
    """Returns the samples of a batch as Keras hands it to `train_step`, where None stands for a target not given."""
    if not isinstance(batch, (list, tuple)):
        return batch
    parts = tuple(part for part in batch if part is not None)
    return parts[0] if len(parts) == 1 else parts


# What is so wherever there is one device or one host.


def distributed(count):
    return contextlib.nullcontext()


def draw_rows(draw, shape, **options):
    return draw(shape, **options)


def join(address, hosts, host, patience, seconds):
    raise NotImplementedError


def hosts():
    return 0, 1


def gather(array):
    return array[None]


def from_first(array):
    return array


def tells_of_lost_host(error):
    return False


if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    version = tf.__version__

    def value_and_gradients(loss, variables, state):
        values = [variable.value for variable in variables]
        # Watching only these keeps the other network's gradients out of the graph.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            value = loss()
            # Keras' optimizers add up the gradients of all devices, each of which sees its part of the batch.
            share = value / tf.distribute.get_strategy().num_replicas_in_sync
        return value, tape.gradient(share, values)

    def input_gradients(function, inputs):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            outputs = keras.ops.sum(function(inputs))
        return tape.gradient(outputs, inputs)

    class Model(keras.Model):
        def train_step(self, batch):
            return self.update(samples(batch))

    def plays_many_rounds():
        return not is_distributed()  # the loop of steps cannot hold what the devices exchange

    def compiles_with_xla():
        # On a CPU the plain graph has the faster convolutions, on an accelerator XLA (benchmarks/throughput.py).
        return bool(tf.config.list_physical_devices("GPU")) and not is_distributed()

    def is_distributed():
        return tf.distribute.get_strategy().num_replicas_in_sync > 1

    def device():
        gpus = tf.config.list_physical_devices("GPU")
        return tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU"

    def device_count():
        return len(logical_devices())

    def logical_devices():
        return tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")

    def distributed(count):
        if count == 1:
            return contextlib.nullcontext()
        return tf.distribute.MirroredStrategy([device.name for device in logical_devices()[:count]]).scope()

    def draw_rows(draw, shape, **options):
        # Every device has the same seed: each draws for the whole batch and takes its part.
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return draw(shape, **options)
        count, *rest = shape
        start = context.replica_id_in_sync_group * count
        return draw((count * context.num_replicas_in_sync, *rest), **options)[start : start + count]

    def fetch_state(model):
        pass

    set_random_seed = keras.utils.set_random_seed

    def random_state():
        return ()  # Keras' layers draw from their own seeds only

    def set_random_state(state):
        pass

elif keras.backend.backend() == "jax":
    import jax
    from jax.experimental import multihost_utils

    version = jax.__version__
    _state = []  # the variables that the loss being differentiated may change

    def value_and_gradients(loss, variables, state):
        # JAX differentiates pure functions only: run `loss` on a copy of the
        # state, then assign what it changed (moving averages, random seeds).
        def pure(values):
            copy = [(v, v.value) for v in state] + list(zip(variables, values, strict=True))
            with keras.StatelessScope(copy):
                value = loss()
                return value, [v.value for v in state]

        values = [variable.value for variable in variables]
        _state[:] = state
        (value, changed), gradients = jax.value_and_grad(pure, has_aux=True)(values)
        _assign(state, changed)
        return value, gradients

    def input_gradients(function, inputs):
        # What `function` assigns (a batch norm's averages) belongs to the inner
        # trace: hand it out as an output, then assign it outside.
        def pure(inputs):
            outputs = keras.ops.sum(function(inputs))
            return outputs, [v.value for v in _state]

        gradients, changed = jax.grad(pure, has_aux=True)(inputs)
        _assign(_state, changed)
        return gradients

    def _assign(variables, values):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    class Model(keras.Model):
        def train_step(self, state, batch):
            groups = (
                self.trainable_variables,
                self.non_trainable_variables,
                self.optimizer.variables,
                self.metrics_variables,
            )
            copy = [pair for group in zip(groups, state, strict=True) for pair in zip(*group, strict=True)]
            with keras.StatelessScope(copy):
                logs = self.update(samples(batch))
                return logs, tuple([v.value for v in group] for group in groups)

    def plays_many_rounds():
        return True

    def compiles_with_xla():
        return True  # JAX compiles with nothing else

    def device():
        first = jax.devices()[0]
        return "CPU" if first.platform == "cpu" else first.device_kind

    def device_count():
        return jax.local_device_count()

    def distributed(count):
        if count == 1 and hosts()[1] == 1:
            return contextlib.nullcontext()
        chosen = [
            f"{device.platform}:{device.id}"
            for host in range(hosts()[1])
            for device in [device for device in jax.devices() if device.process_index == host][:count]
        ]
        # `Batches` hands each host its own part.
        return keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False).scope()

    def draw_rows(draw, shape, **options):
        # Left to itself the compiler spreads real samples only, and every device makes all of the fake ones.
        rows = draw(shape, **options)
        distribution = keras.distribution.distribution()
        if distribution is None:
            return rows
        return keras.distribution.distribute_tensor(rows, distribution.get_data_layout(rows.shape))

    def join(address, hosts, host, patience, seconds):
        jax.distributed.initialize(
            address, hosts, host, initialization_timeout=seconds, heartbeat_timeout_seconds=patience
        )

    def hosts():
        if not jax.distributed.is_initialized():
            return 0, 1  # not asked of JAX, which would take hold of the hardware
        return jax.process_index(), jax.process_count()

    def gather(array):
        return np.asarray(multihost_utils.process_allgather(array)).reshape(hosts()[1], *array.shape)

    def from_first(array):
        return np.asarray(multihost_utils.broadcast_one_to_all(array))

    def tells_of_lost_host(error):
        # They come as errors of JAX or as a plain ValueError.
        return any(engine in str(error) for engine in ("Gloo", "NCCL"))

    def fetch_state(model):
        model.jax_state_sync()  # within an epoch Keras keeps the state outside of the model

    def set_random_seed(seed):
        random.seed(seed)  # from which Keras draws the seeds of layers and initial weights
        np.random.seed(seed)

    def random_state():
        return ()  # Keras' layers draw from their own seeds only

    def set_random_state(state):
        pass

elif keras.backend.backend() == "torch":
    import torch

    version = torch.__version__

    def value_and_gradients(loss, variables, state):
        value = loss()
        values = [variable.value for variable in variables]
        return value.detach(), list(torch.autograd.grad(value, values))

    def input_gradients(function, inputs):
        inputs = keras.tree.map_structure(lambda x: x.detach().requires_grad_(), inputs)
        outputs = keras.ops.sum(function(inputs))
        gradients = torch.autograd.grad(outputs, keras.tree.flatten(inputs), create_graph=True)
        return keras.tree.pack_sequence_as(inputs, gradients)

    class Model(keras.Model):
        def train_step(self, batch):
            return self.update(samples(batch))

    def plays_many_rounds():
        return False

    def compiles_with_xla():
        return False

    def device():
        return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"

    def device_count():
        return 1  # Keras distributes no training on PyTorch

    def fetch_state(model):
        pass

    def set_random_seed(seed):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def random_state():
        return torch.get_rng_state().numpy()  # Dropout without a seed draws from here

    def set_random_state(state):
        torch.set_rng_state(torch.from_numpy(state.astype("uint8")))

else:
    raise ImportError(
        f"The GAN cookbook runs on Keras with TensorFlow, JAX or PyTorch, but KERAS_BACKEND is "
        f"{keras.backend.backend()!r}: set it to tensorflow, jax or torch."
    )
