"""What differs between TensorFlow, JAX and PyTorch: differentiation, devices and random state.

This is the only module that imports a framework; everything else goes through Keras. In the order of the code:

- `version`: the version of the framework.
- `value_and_gradients(loss, variables, state)`: `loss()`, a scalar and whatever else, and the gradients of the scalar
  with respect to `variables`; `state` are the variables that `loss` may change.
- `ForwardPass(function, variables, state)`: `outputs`, those of `function()`, kept with what differentiates them with
  respect to `variables`, so that several losses can be taken of them one after the other: `gradients(loss, variables)`
  returns what `value_and_gradients` returns for `loss(outputs)`, and so does `detached_gradients(loss, variables)`, for
  which the outputs are constants.
- `input_gradients(function, inputs)`: the gradients of the sum of the outputs with respect to `inputs`, themselves
  differentiable, for gradient penalties.
- `every(count, step, function)`: `function()`, a scalar in float32, where the variable `step` is a multiple of `count`;
  else 0, without computing it. `function` may change state.
- `inference(function)`: `function`, of tensors, compiled where that is faster; for what is never differentiated.
- `Model`: a `keras.Model` whose `train_step` calls `update(batch)`.
- `supports_steps_per_execution()`: whether Keras' trainer can take several steps per execution.
- `steps_per_execution(most)`: so many steps, or 1 where the trainer takes no more.
- `compiles_with_xla()`: whether to compile with XLA here.
- `device()`, `device_count()`: the name of the first device; the number of devices of this host.
- `distributed(count)`: the context in which networks are built and trained so that `count` devices share each batch.
- `draw_rows(draw, shape, **options)`: `draw(shape, **options)`, with different rows on each device.
- `replicas()`: the number of devices that each take this training step with a part of the batch.
- `join(address, hosts, host, patience, seconds)`: connects the hosts of a run, on JAX only.
- `hosts()`: the index of this host and the number of hosts.
- `gather(array)`, `from_first(array)`: the arrays of all hosts, stacked; the array of the first host.
- `is_lost_host_error(error)`: whether an error means that another host has ended.
- `fetch_state(model)`: writes the state of a running `fit` into the model's variables, before a callback reads or sets
  them.
- `set_random_seed(seed)`: like `keras.utils.set_random_seed`, which imports TensorFlow on every backend.
- `random_state()`, `set_random_state(state)`: the random state that layers without a seed of their own draw from.
"""

import contextlib
import random
from functools import partial

import keras
import numpy as np

from common.base import keras_settings, strided_convolutions  # noqa: F401 (before a network is built)


def samples(batch):
    """Returns the samples of a batch that Keras passes to `train_step`, without the None of a missing target.

    They are tensors: `fit` hands over such, and `train_on_batch`, where it runs eagerly, whatever it was given.
    """
    batch = keras.tree.map_structure(lambda part: None if part is None else keras.ops.convert_to_tensor(part), batch)
    if not isinstance(batch, (list, tuple)):
        return batch
    parts = tuple(part for part in batch if part is not None)
    return parts[0] if len(parts) == 1 else parts


def detached(structure):
    return keras.tree.map_structure(lambda x: x if x is None else keras.ops.stop_gradient(x), structure)


# Defaults for one device and one host; a backend that supports more overrides them.


def distributed(count):
    return contextlib.nullcontext()


def steps_per_execution(most):
    return most if supports_steps_per_execution() else 1


def draw_rows(draw, shape, **options):
    return draw(shape, **options)


def replicas():
    return 1  # on JAX a step is written for the whole batch


def join(address, hosts, host, patience, seconds):
    raise NotImplementedError


def hosts():
    return 0, 1


def gather(array):
    return array[None]


def from_first(array):
    return array


def is_lost_host_error(error):
    return False


if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    version = tf.__version__
    # It may drop that a read comes before an update: gradient penalties at times read a bias of the next step.
    tf.config.optimizer.set_experimental_options({"dependency_optimization": False})

    def value_and_gradients(loss, variables, state):
        return ForwardPass(lambda: None, variables, state).gradients(lambda _: loss(), variables)

    class ForwardPass:
        def __init__(self, function, variables, state):
            self.state = state
            # Watching only these variables keeps the gradients of the other network out of the graph.
            self.tape = tf.GradientTape(persistent=True, watch_accessed_variables=False)
            with self.tape:
                self.tape.watch([variable.value for variable in variables])
                self.outputs = function()

        def gradients(self, loss, variables):
            with self.tape:  # goes on recording
                value, rest = loss(self.outputs)
                # Each device computes the mean over its part of the batch, and Keras' optimizers sum over devices.
                share = value / replicas()
            gradients = self.tape.gradient(
                share, [variable.value for variable in variables], unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            # Of an embedding they are one row for each sample, which Adam would square one by one.
            return value, rest, [tf.convert_to_tensor(gradient) for gradient in gradients]

        def detached_gradients(self, loss, variables):
            return value_and_gradients(lambda: loss(detached(self.outputs)), variables, self.state)

    def every(count, step, function):
        return tf.cond(step.value % count == 0, function, lambda: tf.zeros(()))

    def input_gradients(function, inputs):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            outputs = keras.ops.sum(function(inputs))
        return tape.gradient(outputs, inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    inference = partial(tf.function, reduce_retracing=True)

    class Model(keras.Model):
        def train_step(self, batch):
            return self.update(samples(batch))

    def supports_steps_per_execution():
        return not is_distributed()  # devices cannot communicate within the loop of steps

    def compiles_with_xla():
        # On a CPU convolutions are faster in the plain graph, on an accelerator with XLA (benchmarks/throughput.py).
        return bool(tf.config.list_physical_devices("GPU")) and not is_distributed()

    def is_distributed():
        return replicas() > 1

    def replicas():
        return tf.distribute.get_strategy().num_replicas_in_sync

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
        # All devices have the same seed: each draws the rows of the whole batch and keeps its part.
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
        return ()  # Keras' layers draw only from their own seeds

    def set_random_state(state):
        pass

elif keras.backend.backend() == "jax":
    import jax
    from jax.experimental import multihost_utils

    version = jax.__version__
    _state = []  # the variables that the loss being differentiated may change

    def value_and_gradients(loss, variables, state):
        # JAX differentiates only pure functions: run `loss` on a copy of the
        # state, then assign what it changed (moving averages, random seeds).
        def pure(values):
            with _scope(state, variables, values):
                value, rest = loss()
                return value, (rest, [v.value for v in state])

        values = [variable.value for variable in variables]
        (value, (rest, changed)), gradients = jax.value_and_grad(pure, has_aux=True)(values)
        _assign(state, changed)
        return value, rest, gradients

    class ForwardPass:
        def __init__(self, function, variables, state):
            def pure(values):
                with _scope(state, variables, values):
                    return function(), [v.value for v in state]

            self.variables, self.state = variables, state
            values = [variable.value for variable in variables]
            self.outputs, self.backward, changed = jax.vjp(pure, values, has_aux=True)
            _assign(state, changed)

        def gradients(self, loss, variables):
            def pure(outputs, values):
                with _scope(self.state, variables, values):
                    value, rest = loss(outputs)
                    return value, (rest, [v.value for v in self.state])

            values = [variable.value for variable in variables]
            # Integer outputs, such as labels, have gradients of a type of their own, which `backward` knows.
            differentiated = jax.value_and_grad(pure, argnums=(0, 1), has_aux=True, allow_int=True)
            (value, (rest, changed)), (of_outputs, direct) = differentiated(self.outputs, values)
            _assign(self.state, changed)
            (through,) = self.backward(of_outputs)
            through = {id(variable): gradient for variable, gradient in zip(self.variables, through, strict=True)}
            gradients = [gradient + through[id(v)] for v, gradient in zip(variables, direct, strict=True)]
            return value, rest, gradients

        def detached_gradients(self, loss, variables):
            return value_and_gradients(lambda: loss(detached(self.outputs)), variables, self.state)

    def _scope(state, variables, values):
        _state[:] = state
        copy = [(v, v.value) for v in state] + list(zip(variables, values, strict=True))
        return keras.StatelessScope(copy, collect_losses=True)

    def every(count, step, function):
        def called():
            with _scope(_state, [], []):
                return function(), [v.value for v in _state]

        def skipped():
            return keras.ops.zeros(()), [v.value for v in _state]

        value, changed = jax.lax.cond(step.value % count == 0, called, skipped)
        _assign(_state, changed)
        return value

    def input_gradients(function, inputs):
        # What `function` assigns (moving averages of batch norm) belongs to the
        # inner trace: return it as an output, then assign it outside.
        def pure(inputs):
            outputs = keras.ops.sum(function(inputs))
            return outputs, [v.value for v in _state]

        gradients, changed = jax.grad(pure, has_aux=True)(inputs)
        _assign(_state, changed)
        return gradients

    inference = jax.jit

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

    def supports_steps_per_execution():
        return True

    def compiles_with_xla():
        return True  # JAX always compiles with XLA

    def device():
        first = jax.devices()[0]
        return "CPU" if first.platform == "cpu" else first.device_kind

    strided_convolutions.adopt(applies=lambda: device() == "CPU")

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
        # `Batches` already gives each host its own part.
        return keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False).scope()

    def draw_rows(draw, shape, **options):
        # By default only real samples are sharded, and every device would generate all of the fake ones.
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
            return 0, 1  # asking JAX would initialize the hardware
        return jax.process_index(), jax.process_count()

    def gather(array):
        return np.asarray(multihost_utils.process_allgather(array)).reshape(hosts()[1], *array.shape)

    def from_first(array):
        return np.asarray(multihost_utils.broadcast_one_to_all(array))

    def is_lost_host_error(error):
        # They have no type of their own: some are errors of JAX, some a plain ValueError.
        return any(engine in str(error) for engine in ("Gloo", "NCCL"))

    def fetch_state(model):
        model.jax_state_sync()  # during an epoch Keras keeps the state outside the model

    def set_random_seed(seed):
        random.seed(seed)  # Keras draws the seeds of layers and initial weights from it
        np.random.seed(seed)

    def random_state():
        return ()  # Keras' layers draw only from their own seeds

    def set_random_state(state):
        pass

elif keras.backend.backend() == "torch":
    import torch

    version = torch.__version__

    def value_and_gradients(loss, variables, state):
        return ForwardPass(lambda: None, variables, state).gradients(lambda _: loss(), variables)

    class ForwardPass:
        def __init__(self, function, variables, state):
            self.state = state
            self.outputs = function()

        def gradients(self, loss, variables):
            value, rest = loss(self.outputs)
            values = [variable.value for variable in variables]
            # The graph is kept for the losses of other networks. A weight that the loss does not depend on gets zeros.
            gradients = torch.autograd.grad(value, values, retain_graph=True, materialize_grads=True)
            return value.detach(), detached(rest), list(gradients)

        def detached_gradients(self, loss, variables):
            return value_and_gradients(lambda: loss(detached(self.outputs)), variables, self.state)

    def every(count, step, function):
        return function() if int(step.value) % count == 0 else keras.ops.zeros(())

    def input_gradients(function, inputs):
        inputs = keras.tree.map_structure(lambda x: x.detach().requires_grad_(), inputs)
        outputs = keras.ops.sum(function(inputs))
        gradients = torch.autograd.grad(outputs, keras.tree.flatten(inputs), create_graph=True, materialize_grads=True)
        return keras.tree.pack_sequence_as(inputs, gradients)

    inference = torch.no_grad()

    class Model(keras.Model):
        def train_step(self, batch):
            return self.update(samples(batch))

    def supports_steps_per_execution():
        return False

    def compiles_with_xla():
        return False

    def device():
        return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"

    def device_count():
        return 1  # Keras does not distribute training on PyTorch

    def fetch_state(model):
        pass

    def set_random_seed(seed):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)

    def random_state():
        return torch.get_rng_state().numpy()  # Dropout without a seed draws from this state

    def set_random_state(state):
        torch.set_rng_state(torch.from_numpy(state.astype("uint8")))

else:
    raise ImportError(
        f"The GAN cookbook runs on Keras with TensorFlow, JAX or PyTorch, but KERAS_BACKEND is "
        f"{keras.backend.backend()!r}: set it to tensorflow, jax or torch."
    )
