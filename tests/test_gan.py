"""The GAN: which network a step updates, what is drawn, what is stored."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from common.diff_augment import DiffAugment
from common.gan import GAN, ConditionalGAN, count_of
from common.losses import Hinge, NonSaturating, RelativisticPairing, Wasserstein
from common.networks import Generator
from common.penalties import R1, R2, GradientPenalty
from common.training import checkpoint
from tests.conftest import SmallDiscriminator, SmallGenerator, eager, equal, update_only, values

LATENTS = np.random.default_rng(1).normal(size=(5, 4)).astype("float32")


def take_step(gan, data):
    return gan.fit(data, batch_size=len(data), epochs=1, shuffle=False, verbose=0).history


class OnlyDiscriminator(GAN):
    def update(self, batch):
        return update_only(self, "discriminator", batch)


class OnlyGenerator(GAN):
    def update(self, batch):
        return update_only(self, "generator", batch)


@pytest.mark.parametrize(("kind", "updated"), [(OnlyDiscriminator, "discriminator"), (OnlyGenerator, "generator")])
def test_a_step_updates_only_its_own_network(points, kind, updated):
    gan = kind(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    before = {name: values(getattr(gan, name).trainable_variables) for name in ("generator", "discriminator")}
    take_step(gan, points)
    for name, weights in before.items():
        has_changed = not equal(weights, values(getattr(gan, name).trainable_variables))
        assert has_changed == (name == updated)


def test_steps_lower_the_loss(small_gan, points):
    """The steps of each network lower its own loss: neither the sign nor the network is confused."""
    for kind, name in ((OnlyDiscriminator, "d_loss"), (OnlyGenerator, "g_loss")):
        keras.utils.set_random_seed(0)
        gan = kind(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
        gan.compile(NonSaturating(), keras.optimizers.Adam(3e-2), keras.optimizers.Adam(3e-2))
        history = gan.fit(points + 3, batch_size=32, epochs=20, verbose=0).history[name]
        assert history[-1] < history[0] - 0.1


class Recorder(GAN):
    """Stores the latents of the last step in a variable."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.drawn = self.add_weight(shape=(8, 4), initializer="zeros", trainable=False, name="drawn")

    def draw(self, count):
        latents = super().draw(count)
        self.drawn.assign(latents)
        return latents


def test_each_step_draws_different_latents():
    gan = Recorder(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam())
    drawn = []
    for _ in range(3):
        take_step(gan, np.zeros((8, 2), "float32"))
        drawn.append(ops.convert_to_numpy(gan.drawn.value).copy())
    assert all(np.std(latents) > 0.5 for latents in drawn)
    assert not np.allclose(drawn[0], drawn[1])
    assert not np.allclose(drawn[1], drawn[2])


class Spy(GAN):
    """Adds up the mean of the real samples in each update of the discriminator."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.seen = self.add_weight(shape=(4,), initializer="zeros", trainable=False, name="seen")
        self.step = self.add_weight(shape=(), initializer="zeros", trainable=False, name="step")

    def discriminator_loss(self, real, fake):
        self.seen.assign(self.seen + ops.one_hot(ops.cast(self.step, "int32"), 4) * ops.mean(real))
        self.step.assign_add(1)
        return super().discriminator_loss(real, fake)


def test_every_discriminator_update_gets_different_data():
    gan = Spy(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam(), discriminator_steps=3)
    data = np.tile([1.0, 2.0, 3.0], 4)[:, None] * np.ones((12, 2))
    gan.fit(data.astype("float32"), batch_size=12, shuffle=False, verbose=0)
    assert np.allclose(ops.convert_to_numpy(gan.seen.value), [1, 2, 3, 0])


@pytest.mark.parametrize("use_ema", [False, True])
def test_a_loaded_gan_takes_an_identical_next_step(small_gan, points, tmp_path, use_ema):
    gan = small_gan(Hinge(), use_ema=use_ema, penalty=[R1(0.1), R2(0.1)])
    take_step(gan, points)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert type(loaded) is GAN
    assert equal(values(checkpoint.variables(gan)), values(checkpoint.variables(loaded)))
    assert take_step(gan, points) == take_step(loaded, points)
    assert equal(values(checkpoint.variables(gan)), values(checkpoint.variables(loaded)))


def test_checkpoint_restores_the_whole_state(small_gan, points, tmp_path):
    """Including the random state of a layer without a seed of its own."""
    gan, fresh = (
        small_gan(use_ema=True, seed=seed, discriminator=SmallDiscriminator((2,), seed=None)) for seed in (1, 2)
    )
    take_step(gan, points)
    checkpoint.save(tmp_path / "checkpoint.npz", gan, 7)
    expected = take_step(gan, points)
    assert checkpoint.load(tmp_path / "checkpoint.npz", fresh) == 7
    assert take_step(fresh, points) == expected
    assert equal(values(checkpoint.variables(gan)), values(checkpoint.variables(fresh)))


def test_checkpoint_of_other_networks_is_refused(small_gan, tmp_path):
    checkpoint.save(tmp_path / "checkpoint.npz", small_gan(), 1)
    other = small_gan(discriminator=SmallDiscriminator((3,)))
    with pytest.raises(ValueError, match=r"other networks .*--restart"):
        checkpoint.load(tmp_path / "checkpoint.npz", other)


def test_a_checkpoint_of_very_many_variables_keeps_their_order(monkeypatch, tmp_path):
    """The numbers of its arrays have four digits, or more."""

    class Stub:
        def __init__(self, value):
            self.value, self.shape, self.path = np.float32(value), (), f"v{value}"

        def numpy(self):
            return self.value

        def assign(self, value):
            self.value = value

    stubs = [Stub(value) for value in range(10_003)]
    monkeypatch.setattr(checkpoint, "variables", lambda gan: stubs)
    checkpoint.save(tmp_path / "checkpoint.npz", None, 1)
    assert checkpoint.load(tmp_path / "checkpoint.npz", None) == 1
    assert [int(stub.value) for stub in stubs] == list(range(10_003))


def test_truncated_checkpoint_is_refused(small_gan, tmp_path):
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, small_gan(), 1)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"damaged .*--restart"):
        checkpoint.load(path, small_gan())


def test_generator_file_opens_without_this_project(small_gan, tmp_path):
    gan = small_gan()
    gan.generator.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras")
    assert type(loaded).__module__.startswith("keras.")
    assert np.allclose(gan.sample(LATENTS), ops.convert_to_numpy(ops.stop_gradient(loaded(LATENTS))))


def test_the_average_follows_the_weights_with_a_rising_momentum(small_gan, points):
    gan = small_gan(use_ema=True)
    optimizer, kernel = gan.generator_optimizer, gan.generator.trainable_variables[0]
    optimizer.ema_momentum = 0.3
    gan.make_train_function()
    expected = None
    for momentum in (0.0, 2 / 11, 3 / 12, 0.3):  # Keras begins with the weights after the first step
        gan.train_on_batch(points)
        raw = ops.convert_to_numpy(kernel.value).copy()
        expected = raw if expected is None else momentum * expected + (1 - momentum) * raw
        with gan.averaged():
            assert np.allclose(ops.convert_to_numpy(kernel.value), expected, atol=1e-6)
        assert np.array_equal(ops.convert_to_numpy(kernel.value), raw)  # the raw weights are back
    assert optimizer.ema_momentum == 0.3  # as it is stored


def test_early_samples_are_those_of_the_raw_weights(small_gan, points):
    """With a constant momentum the average would still be that of the initial weights after twenty steps."""
    gan = small_gan(use_ema=True)
    gan.generator_optimizer.ema_momentum = 0.999
    kernel = gan.generator.trainable_variables[0]
    initial = ops.convert_to_numpy(kernel.value).copy()
    for _ in range(20):
        gan.train_on_batch(points)
    raw = ops.convert_to_numpy(kernel.value).copy()
    with gan.averaged():
        average = ops.convert_to_numpy(kernel.value).copy()
    assert np.linalg.norm(average - raw) < 0.25 * np.linalg.norm(raw - initial)


def test_keras_own_averaging_callback_works(small_gan, points):
    gan = small_gan(use_ema=True)
    gan.fit(points, batch_size=16, epochs=2, verbose=0, callbacks=[keras.callbacks.SwapEMAWeights(swap_on_epoch=True)])
    assert np.all(np.isfinite(gan.sample(LATENTS)))


def test_sample_depends_only_on_the_latents(small_gan):
    gan = small_gan()
    assert np.array_equal(gan.sample(LATENTS), gan.sample(LATENTS))
    assert np.allclose(gan.sample(LATENTS, batch_size=2), gan.sample(LATENTS), atol=1e-6)
    assert gan.sample(LATENTS).shape == (5, 2)


def test_predict_maps_latents_to_samples(small_gan):
    gan = small_gan()
    assert np.allclose(gan.predict(LATENTS, verbose=0), gan.sample(LATENTS), atol=1e-6)


def test_history_has_only_the_two_losses(small_gan, points):
    assert set(take_step(small_gan(), points)) == {"d_loss", "g_loss"}


def test_summary_shows_both_networks(small_gan):
    lines = []
    small_gan().summary(print_fn=lines.append)
    assert all(name in "\n".join(lines) for name in ("generator", "discriminator"))


@pytest.mark.parametrize("name", ["generator_optimizer", "discriminator_optimizer"])
def test_a_schedule_on_either_optimizer(points, name):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.0])
    optimizers = {key: keras.optimizers.SGD(0.1) for key in ("generator_optimizer", "discriminator_optimizer")}
    optimizers[name] = keras.optimizers.SGD(schedule)
    gan = GAN(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
    gan.compile(NonSaturating(), **optimizers)
    network = getattr(gan, name.removesuffix("_optimizer"))
    gan.fit(points, batch_size=32, epochs=1, verbose=0)  # two steps: the schedule is at 0 now
    before = values(network.trainable_variables)
    gan.fit(points, batch_size=32, epochs=1, verbose=0)
    assert equal(before, values(network.trainable_variables))


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras' PyTorch trainer takes one step per execution")
def test_steps_per_execution_change_nothing(small_gan, points):
    one, four = small_gan(), small_gan(steps_per_execution=4)
    first, second = (gan.fit(points, batch_size=8, epochs=2, verbose=0, shuffle=False).history for gan in (one, four))
    assert first["d_loss"] == pytest.approx(second["d_loss"], rel=1e-4)
    assert first["g_loss"] == pytest.approx(second["g_loss"], rel=1e-4)


def test_float16_is_refused():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with pytest.raises(ValueError, match="mixed_bfloat16"):
            GAN(SmallGenerator(4), SmallDiscriminator((2,)))
    finally:
        keras.config.set_dtype_policy("float32")


def test_mixed_bfloat16_trains(points):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        gan = GAN(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
        gan.compile(Wasserstein(), keras.optimizers.Adam(), keras.optimizers.Adam(), penalty=GradientPenalty())
        assert np.all(np.isfinite(take_step(gan, points)["d_loss"]))
        assert {v.dtype for v in gan.trainable_variables} == {"float32"}
        assert gan.sample(LATENTS).dtype == np.float32
    finally:
        keras.config.set_dtype_policy("float32")


def test_one_optimizer_for_both_is_refused():
    gan = GAN(SmallGenerator(4), SmallDiscriminator((2,)))
    optimizer = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="two optimizers"):
        gan.compile(NonSaturating(), optimizer, optimizer)


def test_a_loss_of_keras_is_refused(small_gan):
    with pytest.raises(ValueError, match=r"Expected a Loss .*binary_crossentropy"):
        small_gan("binary_crossentropy")


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"generator": SmallGenerator}, "Expected a network as generator, but got <class"),
        ({"discriminator": (2,)}, "Expected a network as discriminator"),
        ({"networks": {"encoder": 3}}, "Expected a network as encoder, but got 3"),
        ({"latents": 4}, "Expected a Latents as latents, but got 4"),
        ({"augmentation": DiffAugment}, "Expected an Augmentation as augmentation"),
    ],
)
def test_parts_of_other_kinds_are_refused(arguments, words):
    parts = {"generator": SmallGenerator(4), "discriminator": SmallDiscriminator((2,)), **arguments}
    with pytest.raises(ValueError, match=words):
        GAN(**parts)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"penalty": GradientPenalty}, r"Expected a Penalty .* as penalty, but got <class"),
        ({"penalty": [R1(1.0), "gp"]}, r"Expected a Penalty .* but got 'gp'"),
        ({"metrics": ["accuracy"]}, "takes no metrics"),
    ],
)
def test_compile_refuses_what_no_gan_has(options, words):
    gan = GAN(SmallGenerator(4), SmallDiscriminator((2,)))
    with pytest.raises(ValueError, match=words):
        gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam(), **options)


@pytest.mark.once
@pytest.mark.parametrize(
    ("network", "words"),
    [
        (lambda: SmallDiscriminator(8), r"begins with a whole number or a shape .* but got 8"),
        (lambda: SmallGenerator(4.0), "but got 4.0"),
        (lambda: Nothing(4), "Nothing.network returns nothing"),
    ],
)
def test_networks_of_nothing_are_refused(network, words):
    with pytest.raises(ValueError, match=words):
        network()


def test_a_shape_may_be_a_list():
    assert SmallDiscriminator([2]).input_shape == (None, 2)


class Nothing(Generator):
    def network(self, latents):
        layers.Dense(1)(latents)


@pytest.mark.once
@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda real, fake: fake, r"The term 'adversarial' of a loss is a tensor of shape \(64, 2\).* its ops.mean"),
        (lambda real, fake: {"x": None}, "The term 'x' of a loss is nothing"),
    ],
)
def test_a_term_that_is_no_scalar_is_refused(small_gan, points, loss, words):
    gan = eager(small_gan())
    gan.generator_loss = loss
    with pytest.raises(ValueError, match=words):
        gan.train_on_batch(points)


@pytest.mark.once
def test_batches_of_other_kinds_are_refused(small_gan, points):
    gan = eager(small_gan())
    with pytest.raises(ValueError, match=r"1 input\(s\), but is given samples of 2 part\(s\); .* take ConditionalGAN"):
        gan.train_on_batch(points, np.zeros(len(points)))
    with pytest.raises(ValueError, match=r"images in uint8, 0 to 255, but the networks expect \[-1, 1\]"):
        gan.train_on_batch(np.zeros((4, 8, 8, 1), "uint8"))
    conditional = ConditionalGAN(SmallGenerator(4), SmallDiscriminator((2,)))
    with pytest.raises(ValueError, match="images and their labels, but got only images"):
        conditional.fake(points)
    with pytest.raises(ValueError, match="no loss that says how good its samples are"):
        gan.fit(points, validation_data=points, verbose=0)


class PairDiscriminator(SmallDiscriminator):
    """Takes samples with two parts."""

    def network(self, samples, seed=3):
        return super().network(layers.Concatenate()(samples))


class PairGAN(GAN):
    """A conditional GAN: the discriminator receives (sample, condition)."""

    def fake(self, batch):
        _, condition = batch
        return self.generator(self.draw(count_of(batch)), training=True), condition


@pytest.mark.parametrize("penalty", [None, GradientPenalty()])
def test_a_conditional_gan_overrides_only_fake(points, penalty):
    discriminator = PairDiscriminator([keras.Input((2,)), keras.Input((3,))])
    gan = PairGAN(SmallGenerator(4), discriminator, seed=0)
    gan.compile(
        RelativisticPairing(), keras.optimizers.Adam(), keras.optimizers.Adam(), penalty=penalty, discriminator_steps=2
    )
    history = gan.fit(points, np.ones((64, 3), "float32"), batch_size=16, verbose=0).history
    assert np.all(np.isfinite(history["g_loss"]))
