"""A generator's hidden layers as features of an image: at the latents that an encoder finds for it."""

import keras
from keras import layers

from common import backend
from common.base.errors import InputError
from common.base.pictures import unscale
from common.networks import downsample
from common.sampling import draw_samples
from common.scoring.probes import stages
from data_prep.batches import Batches

DRAWN = 20_000  # samples that the encoder is trained on
STEPS = 2000
FILTERS = 32


def encoder_of(generator, latents, seed, steps=STEPS, drawn=DRAWN):
    """Returns an encoder from images in [-1, 1] to latents, which inverts a generator as far as it can be inverted.

    It is trained on samples to minimize the squared error of the latents that they were drawn from: a latent regressor,
    one of the baselines of Donahue et al., 2017, https://arxiv.org/abs/1605.09782. No real image takes part.

    Args:
        generator: `keras.Model` of latents alone.
        latents: `Latents`, what it is fed.
        seed: integer, of weights, latents and order.
        steps: integer, training steps of 64 samples.
        drawn: integer, different samples.

    Raises:
        InputError: if the generator has more inputs than a latent vector.
    """
    if len(generator.inputs) > 1 or len(generator.inputs[0].shape) != 2:
        raise InputError(
            "--network generator expects a generator that is fed latents alone, but this one is fed more, such as a "
            "class; use a run without classes, or --network discriminator."
        )
    vectors = latents.fixed(drawn, seed)
    batches = Batches((unscale(draw_samples(generator, vectors)), vectors), 64, seed)
    batches.set_steps_per_epoch(steps)
    backend.set_random_seed(seed)
    images = keras.Input(generator.output_shape[1:], name="images")
    encoder = keras.Model(images, layers.Dense(vectors.shape[1])(downsample(images, FILTERS)), name="encoder")
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    steps_at_once = backend.steps_per_execution(8)
    encoder.compile(keras.optimizers.Adam(rate), "mean_squared_error", steps_per_execution=steps_at_once)
    encoder.fit(batches, shuffle=False, verbose=0)
    return encoder


def hidden_of(generator, encoder):
    """Returns a network from images to the latents of an encoder and to what a generator's hidden layers make of them.

    Its output is a dictionary from names to tensors, those of `probes.stages`.
    """
    images = keras.Input(encoder.input_shape[1:], name="images")
    found = encoder(images)
    # One part for each layer: a classifier of that layer then has no layers behind it.
    hidden = {name: keras.Model(generator.inputs[0], x, name=f"to_{name}") for name, x in stages(generator).items()}
    outputs = {"latents": found, **{name: part(found) for name, part in hidden.items()}}
    return keras.Model(images, outputs, name="inverted_generator")
