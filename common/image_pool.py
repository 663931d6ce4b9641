"""A pool of earlier fake images, from which the discriminator is reminded of what the generator did before."""

import warnings

import keras
from keras import layers, ops


# The name under which files of the first version store it.
@keras.saving.register_keras_serializable(package="common.history", name="History")
class ImagePool(layers.Layer):
    """Returns each fake image or, half of the time, an earlier one from the pool, whose place it then takes.

    While the pool fills up, images are stored and returned as they are. Its content is a variable of the model that has
    the pool, so checkpoints contain it.

    Args:
        size: integer, images in the pool, at least as many as in a batch.
        shape: tuple of integers, of an image.
        exact: bool; True replaces exactly half of each batch, as SimGAN; False each image with probability ½, as
            CycleGAN, which works with batches of one, too.

    Raises:
        ValueError: if a batch is larger than the pool.

    Reference: Shrivastava et al., 2017, https://arxiv.org/abs/1612.07828, section 2.3; with swaps of single images as
    in Zhu et al., 2017, https://arxiv.org/abs/1703.10593, section 4.
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
        earlier = ops.take(self.pool, slots, axis=0)
        if self.exact:
            is_chosen = ops.arange(batch) < batch // 2
        else:
            is_chosen = keras.random.uniform((batch,), seed=self.seed_generator) < 0.5
        is_chosen = ops.reshape(is_chosen, (-1,) + (1,) * (len(fakes.shape) - 1))
        is_swapped = ops.logical_and(ops.logical_not(is_filling), is_chosen)
        stored = ops.where(ops.logical_or(is_filling, is_swapped), fakes, earlier)
        self.pool.assign(ops.scatter_update(self.pool, slots[:, None], stored))
        self.count.assign(ops.minimum(self.count + batch, self.size))
        return ops.where(is_swapped, earlier, fakes)

    def load_own_variables(self, store):
        if not list(store.keys()):  # a CycleGAN of version 0.1.0, which stored its pools under another path
            warnings.warn("The image pool starts empty: the file does not contain it.", stacklevel=2)
        else:
            super().load_own_variables(store)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "shape": self.pool.shape[1:], "exact": self.exact}
