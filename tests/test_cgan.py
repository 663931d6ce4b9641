"""Both networks of cgan are told the class, and nothing else differs from the game of the templates."""

import keras
import numpy as np
import pytest

from common import backend
from common.gan import class_count_of, sample
from common.losses import NonSaturating
from common.penalties import R1
from common.run import by_class
from recipes.cgan.interpolate import STEPS, between
from recipes.cgan.train import ConditionalDiscriminator, ConditionalGAN, ConditionalGenerator
from tests.conftest import equal, values


def game(condition="projection", penalty=None):
    backend.set_random_seed(0)
    label = keras.Input((), name="labels", dtype="int32")
    generator = ConditionalGenerator(
        (keras.Input((5,), name="latents"), label), image_shape=(28, 28, 1), filters=2, class_count=3, embedding_dim=4
    )
    discriminator = ConditionalDiscriminator(
        (keras.Input((28, 28, 1), name="images"), label), filters=2, class_count=3, condition=condition
    )
    gan = ConditionalGAN(generator, discriminator, seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2), penalty)
    return gan


@pytest.fixture
def real():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (12, 28, 28, 1)).astype("float32"), np.arange(12, dtype="int32") % 3


@pytest.mark.parametrize("condition", ["projection", "concatenation"])
def test_the_logit_depends_on_the_class(condition, real):
    gan = game(condition)
    images, labels = real
    logits = keras.ops.convert_to_numpy(gan.judge(real))
    others = keras.ops.convert_to_numpy(gan.judge((images, (labels + 1) % 3)))
    assert logits.shape == (12, 1)
    assert np.abs(logits - others).min() > 1e-6


def test_fakes_have_the_classes_of_the_real_ones(real):
    fakes, labels = game().fake(keras.tree.map_structure(keras.ops.convert_to_tensor, real))
    assert tuple(fakes.shape) == (12, 28, 28, 1)
    assert np.array_equal(keras.ops.convert_to_numpy(labels), real[1])


@pytest.mark.parametrize("penalty", [None, R1(1.0)])
def test_a_round_moves_the_vectors_of_the_classes(real, penalty):
    gan = game(penalty=penalty)
    embeddings = [
        layer.embeddings
        for network in (gan.generator, gan.discriminator)
        for layer in network.layers
        if isinstance(layer, keras.layers.Embedding)
    ]
    before = values(embeddings)
    logs = gan.fit(Pairs(real), verbose=0)
    assert np.isfinite(logs.history["d_loss"]).all()
    assert len(before) == 2
    assert not any(np.array_equal(a, b) for a, b in zip(before, values(embeddings), strict=True))


class Pairs(keras.utils.PyDataset):
    """One batch of images with their classes."""

    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


def test_samples_of_a_class_and_of_each_in_turn(tmp_path):
    gan = game()
    latents = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    assert class_count_of(gan.generator) == 3
    in_turn = gan.sample(latents)
    assert np.array_equal(in_turn, gan.sample(latents, np.arange(6) % 3))
    assert not np.allclose(in_turn, gan.sample(latents, np.zeros(6, "int32")))
    gan.generator.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras")
    assert np.allclose(sample(loaded, latents), in_turn, atol=1e-6)


def test_the_grid_has_a_class_a_row_and_a_latent_vector_a_column():
    latents, labels = by_class(np.arange(10)[:, None], 3)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert latents[:, 0].tolist() == [0, 1, 2] * 3


def test_interpolation_begins_and_ends_at_the_classes():
    gan = game()
    latents = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    found = between(gan.generator, latents, 2, 0)
    assert found.shape == (2 * STEPS, 28, 28, 1)
    for row in range(2):
        for place, label in ((row * STEPS, 2), ((row + 1) * STEPS - 1, 0)):
            alone = sample(gan.generator, latents[row : row + 1], np.array([label], "int32"))
            assert np.allclose(found[place], alone[0], atol=1e-5)


def test_saved_and_loaded_it_plays_on(tmp_path, real):
    gan = game()
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    for one in (gan, loaded):
        one.fit(Pairs(real), verbose=0)
    assert equal(values(gan.weights), values(loaded.weights))
