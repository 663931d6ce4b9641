"""A pool of earlier fakes, from which a discriminator is reminded of what the generator did before."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="common.history")
class History(layers.Layer):
    """Hands every fake on, or, half of the time, an earlier one in its place, which it then replaces in the pool.

    While the pool fills, fakes are stored and handed on. What it holds is a variable of the model that has it, so that
    checkpoints hold it too.

    Args:
        size: integer, fakes in the pool, at least as many as in a batch.
        shape: tuple of integers, of a fake.
        exact: bool; True for half of each batch, as SimGAN; False for each fake with probability ½, which works with
            batches of one too, as CycleGAN.

    Raises:
        ValueError: if called with more fakes than the pool has places.

    Reference: Shrivastava et al., 2017, https://arxiv.org/abs/1612.07828, section 2.3; with swaps of single fakes as in
    Zhu et al., 2017, https://arxiv.org/abs/1703.10593, section 4.
    """

    def __init__(self, size, shape, exact=False, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.exact = exact
        self.pool = self.add_weight(shape=(size, *shape), initializer="zeros", trainable=False, name="pool")
        self.count = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False, name="count")
        self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def call(self, fakes):
        if (fakes.shape[0] or 0) > self.size:
            raise ValueError(f"Expected at most {self.size} fakes, the size of the pool, but got {fakes.shape[0]}.")
        batch = ops.shape(fakes)[0]
        fakes = ops.cast(fakes, self.pool.dtype)
        is_filling = self.count < self.size
        in_turn = (self.count + ops.arange(batch, dtype="int32")) % self.size
        at_random = keras.random.shuffle(ops.arange(self.size, dtype="int32"), seed=self.seed_generator)[:batch]
        slots = ops.where(is_filling, in_turn, at_random)
        held = ops.take(self.pool, slots, axis=0)
        if self.exact:
            is_chosen = ops.arange(batch) < batch // 2
        else:
            is_chosen = keras.random.uniform((batch,), seed=self.seed_generator) < 0.5
        is_chosen = ops.reshape(is_chosen, (-1,) + (1,) * (len(fakes.shape) - 1))
        swaps = ops.logical_and(ops.logical_not(is_filling), is_chosen)
        stored = ops.where(ops.logical_or(is_filling, swaps), fakes, held)
        self.pool.assign(ops.scatter_update(self.pool, slots[:, None], stored))
        self.count.assign(ops.minimum(self.count + batch, self.size))
        return ops.where(swaps, held, fakes)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "shape": self.pool.shape[1:], "exact": self.exact}
