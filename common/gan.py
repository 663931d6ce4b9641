"""The GAN: a discriminator learns to tell real samples from fake ones, a generator learns to fool it."""

import contextlib

import keras
from keras import ops

from common import backend
from common.base.renamed import renamed
from common.losses import Loss
from common.networks import plain
from common.sampling import draw_samples, latent_dim_of


class Optimizers(keras.optimizers.MultiOptimizer):
    """The optimizers of both networks as the single optimizer that Keras tracks and saves."""

    def finalize_variable_values(self, var_list):
        super().finalize_variable_values(var_list)
        # A weight and its average would share one buffer, which JAX cannot donate twice.
        for variable in var_list:
            variable.assign(ops.copy(variable.value))


@keras.saving.register_keras_serializable(package="common.gan")
class GAN(backend.Model):
    """Trains a generator against a discriminator; a `keras.Model` with `compile`, `fit`, callbacks and `save`.

    A sample is whatever the discriminator judges: an image, `(image, label)`, `(source, target)`. `fit` takes real
    samples. Called like a model, a GAN maps latents to samples.

    Override `fake` for a conditional GAN, `judge` for augmentation, `discriminator_loss` or `generator_loss` to add a
    term, `update` for another training step.

    Args:
        generator: a `Generator`, or any built `keras.Model`.
        discriminator: a `Discriminator`, or any built `keras.Model` that gives logits.
        seed: integer or None, of the latents and of everything else that a training step draws.
        options: dictionary of a subclass's settings, such as the weights of its loss terms; kept as `self.options` and
            saved with the model.

    Raises:
        ValueError: if a network computes in float16, since Keras' loss scaling supports one loss and one optimizer.

    Reference: Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661, algorithm 1.
    """

    def __init__(self, generator, discriminator, seed=None, options=None, **kwargs):
        super().__init__(**kwargs)
        self.options = options or {}
        self.generator = generator
        self.discriminator = discriminator
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.discriminator_tracker = keras.metrics.Mean(name="d_loss")
        self.generator_tracker = keras.metrics.Mean(name="g_loss")
        self.built = True
        refuse_float16(self)

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(package=cls.__module__)(cls)

    @property
    def metrics(self):
        # Keras would log its own `loss`, which a GAN does not have.
        return [metric for metric in super().metrics if metric.name != "loss"]

    def call(self, latents, training=False):
        return self.generator(latents, training=training)

    def compile(
        self,
        loss,
        generator_optimizer,
        discriminator_optimizer,
        penalty=None,
        discriminator_steps=1,
        generator_steps=1,
        steps_per_execution=1,
        jit_compile="auto",
        **kwargs,
    ):
        """Sets what the two networks minimize, and how.

        Args:
            loss: a `Loss`.
            generator_optimizer, discriminator_optimizer: two `keras.optimizers.Optimizer`s. With `use_ema=True` the
                generator's optimizer keeps an average of the weights: see `averaged`.
            penalty: a `Penalty` on the discriminator, or a list of them.
            discriminator_steps, generator_steps: integers, updates of each network in a training step. A batch is split
                into as many equal parts as the larger number, so that every update of a network sees fresh data.
            steps_per_execution: integer, training steps between two calls of the callbacks; more is faster where a step
                takes few milliseconds. PyTorch always takes one.
            jit_compile: bool, or "auto" to let the device decide.
            **kwargs: `run_eagerly`.

        Raises:
            ValueError: if the loss is no `Loss`, or both optimizers are one.
        """
        if not isinstance(loss, Loss):
            raise ValueError(f"Expected a Loss of common.losses, such as NonSaturating(), but got {loss!r}.")
        if generator_optimizer is discriminator_optimizer:
            raise ValueError(
                "Expected two optimizers, got one for both networks: their moments must not mix. Create each anew."
            )
        self.adversarial_loss = loss
        loss.seed_generator = self.seed_generator
        self.penalties = keras.tree.flatten(penalty) if penalty else []
        self.generator_optimizer = generator_optimizer
        self.discriminator_optimizer = discriminator_optimizer
        self.discriminator_steps, self.generator_steps = discriminator_steps, generator_steps
        generator_ids = {id(v) for v in self.generator.trainable_variables}
        optimizer = Optimizers(lambda v: generator_optimizer if id(v) in generator_ids else discriminator_optimizer)
        optimizer.build(self.trainable_variables)
        if jit_compile == "auto":
            jit_compile = backend.compiles_with_xla() and not kwargs.get("run_eagerly", False)
        if not backend.supports_steps_per_execution():
            steps_per_execution = 1
        super().compile(optimizer=optimizer, jit_compile=jit_compile, steps_per_execution=steps_per_execution, **kwargs)

    # The training step ------------------------------------------------------------------------------------------

    def fake(self, real):
        """Returns as many fake samples as there are `real` ones."""
        return self.generator(self.latents(ops.shape(keras.tree.flatten(real)[0])[0]), training=True)

    def judge(self, samples):
        """Returns the discriminator's logits, in float32 whatever the networks compute in."""
        logits = self.discriminator(samples, training=True)
        return keras.tree.map_structure(lambda x: ops.cast(x, "float32"), logits)

    def discriminator_loss(self, real):
        fake = keras.tree.map_structure(ops.stop_gradient, self.fake(real))
        loss = self.adversarial_loss.discriminator(self.judge(real), self.judge(fake))
        for penalty in self.penalties:
            loss += penalty(self.judge, real, fake, seed=self.seed_generator)
        return loss

    def generator_loss(self, real):
        logits = self.judge(self.fake(real))
        if self.adversarial_loss.relativistic:
            return self.adversarial_loss.generator(logits, self.judge(real))
        return self.adversarial_loss.generator(logits)

    def update(self, batch):
        """Takes one training step, the discriminator first, and returns its logs."""
        parts = split(batch, max(self.discriminator_steps, self.generator_steps))
        for real in parts[: self.discriminator_steps]:
            discriminator_loss = self.minimize(
                self.discriminator_loss, real, self.discriminator, self.discriminator_optimizer
            )
        for real in parts[-self.generator_steps :]:
            generator_loss = self.minimize(self.generator_loss, real, self.generator, self.generator_optimizer)
        self.discriminator_tracker.update_state(discriminator_loss)
        self.generator_tracker.update_state(generator_loss)
        return self.get_metrics_result()

    def minimize(self, loss, real, network, optimizer):
        """Updates `network` by the gradients of `loss(real)` and returns the loss; the other network stays fixed."""
        variables = network.trainable_variables
        value, gradients = backend.value_and_gradients(lambda: loss(real), variables, self.variables)
        optimizer.apply(gradients, variables)
        return value

    # Drawing samples --------------------------------------------------------------------------------------------

    def latents(self, count):
        """Draws `count` latents from a standard normal distribution, new ones on every call."""
        shape = (count, latent_dim_of(self.generator))
        return backend.draw_rows(keras.random.normal, shape, seed=self.seed_generator)

    def sample(self, latents, labels=None, batch_size=256, training=False):
        """Returns the samples that the generator maps `latents` to, as a NumPy array; from averaged weights, if any.

        Args:
            latents: array `(count, latent_dim)`.
            labels: integer array `(count,)`, the classes for a class-conditional generator; by default each in turn.
            batch_size: integer, samples generated at once.
            training: bool; True for a generator whose noise is dropout.
        """
        with self.averaged():
            return draw_samples(self.generator, latents, labels, batch_size, training)

    @contextlib.contextmanager
    def averaged(self):
        """Within this context the generator has its averaged weights, if its optimizer keeps an average.

        The moving averages of batch norm are those of the raw weights.

        Reference: Yazıcı et al., 2019, https://arxiv.org/abs/1806.04498.
        """
        optimizer = getattr(self, "generator_optimizer", None)
        if optimizer is None or not optimizer.use_ema:
            yield self
            return
        variables = self.generator.trainable_variables
        raw = [ops.copy(v.value) for v in variables]
        optimizer.finalize_variable_values(variables)
        try:
            yield self
        finally:
            for variable, value in zip(variables, raw, strict=True):
                variable.assign(value)

    # Saving -----------------------------------------------------------------------------------------------------

    def get_config(self):
        generator = keras.saving.serialize_keras_object(plain(self.generator))
        discriminator = keras.saving.serialize_keras_object(plain(self.discriminator))
        networks = {"generator": generator, "discriminator": discriminator}
        return {**networks, "seed": self.seed, "options": dict(self.options), "name": self.name}

    @classmethod
    def from_config(cls, config):
        generator = keras.saving.deserialize_keras_object(config.pop("generator"))
        discriminator = keras.saving.deserialize_keras_object(config.pop("discriminator"))
        options = renamed(config.pop("options", {}))
        return cls(generator, discriminator, options=options, **config)

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
                "generator_optimizer": self.generator_optimizer,
                "discriminator_optimizer": self.discriminator_optimizer,
                "penalty": self.penalties,
                "discriminator_steps": self.discriminator_steps,
                "generator_steps": self.generator_steps,
                "steps_per_execution": self.steps_per_execution,
            }
        )

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))


def split(batch, parts):
    """Splits every array of a structure into `parts` equal parts; returns a list of structures."""
    if parts == 1:
        return [batch]
    pieces = [ops.split(array, parts) for array in keras.tree.flatten(batch)]
    return [keras.tree.pack_sequence_as(batch, piece) for piece in zip(*pieces, strict=True)]


def refuse_float16(model):
    for layer in model._flatten_layers():
        if layer.compute_dtype == "float16":
            raise ValueError(
                f"Expected a policy of float32 or mixed_bfloat16, but layer {layer.name!r} computes in float16: "
                "its small gradients vanish without loss scaling. "
                "Set keras.config.set_dtype_policy('mixed_bfloat16') before building the networks."
            )
