"""r3gan: networks without norm that begin as the identity, schedules, classes."""

import keras
import numpy as np
import pytest
from keras import layers

from common import backend
from common.losses import RelativisticPairing
from common.penalties import R1, R2
from recipes.r3gan import data
from recipes.r3gan.schedules import ScheduledAdam, cosine
from recipes.r3gan.train import LATENT_DIM, Config, ResidualDiscriminator, ResidualGenerator, build
from tests.conftest import values

SHAPE = (16, 16, 1)


def tiny(class_count=0, steps=4, **options):
    backend.set_random_seed(0)
    return build(Config(filters=4, **options), SHAPE, class_count, steps)


def images(count=8, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, *SHAPE)).astype("float32")


@pytest.mark.once
def test_batches_have_labels_if_asked_for():
    alone, class_count = data.load(Config())
    assert (alone.sample_shape, class_count) == ((28, 28, 1), 0)
    labelled, class_count = data.load(Config(labels=True))
    assert (labelled.sample_shape, class_count) == (((28, 28, 1), ()), 10)
    assert np.array_equal(alone[0], labelled[0][0])


@pytest.mark.once
@pytest.mark.parametrize(("shape", "count"), [((28, 28, 1), 2), ((32, 32, 3), 3), ((64, 64, 3), 4), ((48, 96, 1), 3)])
def test_networks_grow_with_the_image(shape, count):
    generator = ResidualGenerator(LATENT_DIM, image_shape=shape, filters=4, blocks=1)
    discriminator = ResidualDiscriminator(shape, filters=4, blocks=1)
    assert (generator.output_shape, discriminator.output_shape) == ((None, *shape), (None, 1))
    for network, blocks in ((generator, count + 1), (discriminator, count)):
        kinds = [type(layer) for layer in network.layers]
        assert kinds.count(layers.Add) == blocks
        assert not {layers.BatchNormalization, layers.GroupNormalization, layers.LayerNormalization} & {*kinds}


@pytest.mark.once
def test_a_block_is_the_identity_at_first():
    gan = tiny(blocks=2)
    for network, sizes in ((gan.generator, 3), (gan.discriminator, 2)):
        sums = [layer for layer in network.layers if isinstance(layer, layers.Add)]
        assert len(sums) == 2 * sizes
        x = np.random.default_rng(0).normal(size=(3, *network.input_shape[1:])).astype("float32")
        for branch in keras.Model(network.inputs[0], [layer.input[1] for layer in sums])(x):
            assert not keras.ops.convert_to_numpy(branch).any()


@pytest.mark.once
def test_initial_logits_have_the_size_of_1():
    """However large and deep the network: each layer keeps the size of what it is given."""
    backend.set_random_seed(0)
    discriminator = ResidualDiscriminator((64, 64, 3), filters=16, blocks=2)
    x = np.random.default_rng(0).normal(size=(64, 64, 64, 3)).astype("float32")
    assert 0.01 < np.std(keras.ops.convert_to_numpy(discriminator(x))) < 2


@pytest.mark.once
def test_initial_samples_differ_by_their_latents_more_than_by_their_label():
    """Otherwise the generator learns the mean of each class, and never again to use its latents."""
    backend.set_random_seed(0)
    generator = tiny(class_count=10).generator
    rng, labels = np.random.default_rng(0), np.arange(10, dtype="int32")
    latents = rng.normal(size=(10, 1, LATENT_DIM)).astype("float32")

    def samples(latents, labels):
        made = generator([latents.reshape(-1, LATENT_DIM), labels.reshape(-1)])
        return keras.ops.convert_to_numpy(made).reshape(10, 10, -1)

    table = samples(np.repeat(latents, 10, axis=1), np.tile(labels, (10, 1)))  # rows of latents, columns of labels
    assert table.var(axis=0).mean() > 5 * table.var(axis=1).mean()


@pytest.mark.once
def test_both_penalties_are_in_the_loss_and_gamma_follows_its_schedule():
    gan = tiny(steps=8, gamma=2.0, learning_rate=1e-12)  # D does not learn: the gradients at real images stay the same
    assert isinstance(gan.adversarial_loss, RelativisticPairing)
    assert [type(each.penalty) for each in gan.penalties] == [R1, R2]
    first = gan.train_on_batch(images(), return_dict=True)
    assert first["d_r2"] > 0
    assert first["d_loss"] == pytest.approx(first["d_adversarial"] + first["d_r1"] + first["d_r2"], rel=1e-5)
    for step, gamma in ((4, 1.1), (8, 0.2)):
        gan.reset_metrics()
        gan.discriminator_optimizer.iterations.assign(step)
        later = gan.train_on_batch(images(), return_dict=True)
        assert later["d_r1"] / first["d_r1"] == pytest.approx(gamma / 2, rel=1e-4)


def test_beta_2_follows_its_schedule():
    """Against the formula of Adam, with another beta_2 in each step."""
    variable, rate = keras.Variable(np.ones(3, "float32")), 0.1
    optimizer = ScheduledAdam(rate, beta_1=0.0, beta_2=cosine(0.5, 0.9, 2))
    expected, second = np.ones(3), np.zeros(3)
    for step, beta_2 in enumerate((0.5, 0.7, 0.9, 0.9)):
        gradient = np.arange(1, 4) * (step + 1.0)
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype("float32"))], [variable])
        second = beta_2 * second + (1 - beta_2) * gradient**2
        expected -= rate * gradient / (np.sqrt(second / (1 - beta_2 ** (step + 1))) + 1e-7)
        assert np.allclose(values([variable])[0], expected, atol=1e-4)
    loaded = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert loaded.get_config() == optimizer.get_config()


def test_the_schedules_continue_with_the_updates_of_a_checkpoint():
    gan = tiny(steps=4)
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        optimizer.iterations.assign(2)
        assert float(optimizer.beta_2) == pytest.approx((0.9 + 0.99) / 2)
        assert float(optimizer.learning_rate) == pytest.approx(Config().learning_rate * 0.55)


@pytest.mark.once
def test_both_networks_receive_the_label():
    gan = tiny(class_count=3)
    real = images(), np.arange(8, dtype="int32") % 3
    gan.train_on_batch(*real)  # before it the last convolutions are 0
    logits, others = (
        keras.ops.convert_to_numpy(gan.judge((real[0], labels))) for labels in (real[1], (real[1] + 1) % 3)
    )
    assert logits.shape == (8, 1)
    assert np.abs(logits - others).min() > 1e-6
    latents = gan.latents.fixed(6, seed=0)
    assert (gan.latents.dim, gan.latents.class_count) == (LATENT_DIM, 3)
    same = gan.latents.fixed(6, seed=0, labels=np.zeros(6, "int32"))
    samples, of_one = gan.sample(latents), gan.sample(same)
    assert np.allclose(samples[0], of_one[0], atol=1e-6)
    assert not np.allclose(samples[1], of_one[1], atol=1e-3)
