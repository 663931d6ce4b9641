"""Draws six rows on two devices: prints how many each device drew, and whether they equal those of one device.

Then prints whether the features of four images are the same within the context of two devices as outside.
"""

import keras
import numpy as np

from common import backend
from common.scoring import extractors


def draw(count):
    seed = keras.random.SeedGenerator(3)
    return backend.draw_rows(keras.random.normal, (count, 4), seed=seed)


def parts():
    """Returns the rows of each device."""
    if keras.backend.backend() == "jax":
        return [np.asarray(shard.data) for shard in draw(6).addressable_shards]
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    return [np.asarray(part) for part in strategy.experimental_local_results(strategy.run(lambda: draw(3)))]


if __name__ == "__main__":
    extractor = extractors.load("garments")
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), "uint8")
    alone, features = keras.ops.convert_to_numpy(draw(6)), extractor(images)[0]
    with backend.distributed(2):
        found, seen = parts(), extractor(images)[0]
    print(*map(len, found), np.allclose(np.concatenate(found), alone), np.allclose(seen, features))
