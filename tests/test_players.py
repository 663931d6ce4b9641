"""Players: the networks that each trains, with which optimizer; averages of their weights."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from common.base.errors import InputError
from common.gan import GAN, count_of
from common.latents import Latents
from common.losses import NonSaturating, Wasserstein
from common.networks import Discriminator, Generator, Network, freeze_lower
from common.training import checkpoint
from common.training.run import freeze_discriminators
from tests.conftest import PROJECT, SmallDiscriminator, SmallGenerator, equal, values


class SmallEncoder(Network):
    def network(self, samples):
        return layers.Dense(4)(samples)


class Both(GAN):
    """The generator's player trains an encoder as well: it has to find the latents."""

    players = {"discriminator": ("discriminator",), "generator": ("encoder", "generator")}

    def fake(self, batch):
        self.drawn = self.draw(count_of(batch))
        latents = self.drawn
        return self.generator(latents, training=True), latents

    def judge(self, samples):
        return super().judge(samples[0] if isinstance(samples, tuple) else samples)

    def generator_loss(self, real, fake):
        samples, latents = fake
        found = self.networks["encoder"](samples, training=True)
        return {**super().generator_loss(real, fake), "code": ops.mean((found - latents) ** 2)}


class Apart(Both):
    players = {"discriminator": ("discriminator",), "generator": ("generator",), "encoder": ("encoder",)}

    def generator_loss(self, real, fake):
        return self.adversarial_generator_loss(real, fake)

    def encoder_loss(self, real, fake):
        samples, latents = fake
        return ops.mean((self.networks["encoder"](samples, training=True) - latents) ** 2)


def make(kind=Both, networks=True, **optimizers):
    keras.utils.set_random_seed(0)
    encoder = {"encoder": SmallEncoder(keras.Input((2,), name="samples"))} if networks else None
    gan = kind(SmallGenerator(4), SmallDiscriminator((2,)), encoder, seed=1)
    defaults = {"generator_optimizer": keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.5)}
    gan.compile(NonSaturating(), **{**defaults, "discriminator_optimizer": keras.optimizers.Adam(1e-2), **optimizers})
    return gan


def take_step(gan, data):
    return gan.train_on_batch(data, return_dict=True)


@pytest.mark.parametrize(
    ("kind", "optimizers", "names"),
    [
        (Both, {}, {"g_code", "g_adversarial"}),
        (Apart, {"encoder_optimizer": keras.optimizers.SGD}, {"encoder_loss"}),
    ],
)
def test_a_third_network_trains_with_its_player(points, kind, optimizers, names):
    gan = make(kind, **{name: optimizer(0.1) for name, optimizer in optimizers.items()})
    before = {name: values(network.trainable_variables) for name, network in gan.networks.items()}
    logs = take_step(gan, points)
    assert set(logs) == {"d_loss", "g_loss"} | names
    assert all(not equal(before[name], values(network.trainable_variables)) for name, network in gan.networks.items())


def test_the_optimizer_of_a_third_player_is_in_a_checkpoint(points, tmp_path):
    gan, fresh = (make(Apart, encoder_optimizer=keras.optimizers.Adam(1e-2)) for _ in range(2))
    take_step(gan, points)
    checkpoint.save(tmp_path / "checkpoint.npz", gan, 1)
    assert checkpoint.load(tmp_path / "checkpoint.npz", fresh) == 1
    assert int(ops.convert_to_numpy(fresh.encoder_optimizer.iterations)) == 1
    expected = take_step(gan, points)
    assert take_step(fresh, points) == expected
    assert equal(values(checkpoint.variables(gan)), values(checkpoint.variables(fresh)))


def test_what_does_not_fit_is_refused(points):
    with pytest.raises(ValueError, match=r"Expected an optimizer as encoder_optimizer, but got None"):
        make(Apart)
    with pytest.raises(ValueError, match=r"player generator trains 'encoder', but the networks are generator, discrim"):
        make(Both, networks=False)
    with pytest.raises(ValueError, match=r"No player trains .*kernel: pass its network in `networks`"):
        make(GAN)
    one = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="two optimizers, got one"):
        make(generator_optimizer=one, discriminator_optimizer=one)

    class Twice(Both):
        players = {"discriminator": ("discriminator", "encoder"), "generator": ("generator", "encoder")}

    with pytest.raises(ValueError, match="one player for each weight"):
        make(Twice)


def test_a_frozen_network_needs_no_player(points):
    keras.utils.set_random_seed(0)
    encoder = SmallEncoder(keras.Input((2,)))
    encoder.trainable = False
    gan = GAN(SmallGenerator(4), SmallDiscriminator((2,)), {"encoder": encoder}, seed=1)
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam())
    before = values(encoder.variables)
    take_step(gan, points)
    assert equal(before, values(encoder.variables))


class SharedTrunk(GAN):
    players = {"discriminator": ("discriminator", "head"), "generator": ("generator",)}


def test_networks_of_one_player_may_share_a_layer(points):
    inputs = keras.Input((2,))
    trunk = layers.Dense(3)(inputs)
    discriminator, head = (keras.Model(inputs, layers.Dense(1)(trunk)) for _ in range(2))
    gan = SharedTrunk(SmallGenerator(4), discriminator, {"head": head}, seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam())
    assert len(gan.variables_of("discriminator")) == 6
    take_step(gan, points)


def test_any_built_model_is_a_generator(points):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def build(self, shape):
            self.dense.build(shape)
            self.built = True

        def call(self, latents, training=False):
            return self.dense(latents)

    generator = Subclassed()
    generator.build((None, 4))
    for latents in (Latents(4), None):
        gan = GAN(generator, SmallDiscriminator((2,)), latents=latents, seed=0)
        gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam())
        if latents:
            take_step(gan, points)
        else:
            with pytest.raises(ValueError, match="unknown what the generator is fed as its input"):
                take_step(gan, points)


def test_no_steps_are_refused(small_gan):
    with pytest.raises(ValueError, match="at least one step of each, but got 0, 1"):
        small_gan(discriminator_steps=0)


# One forward pass -----------------------------------------------------------------------------------------------------


class Counted(GAN):
    """Counts how often the fake samples are drawn."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.draws = self.add_weight(shape=(), initializer="zeros", trainable=False, name="draws")

    def fake(self, batch):
        self.draws.assign_add(1.0)
        return super().fake(batch)


@pytest.mark.parametrize(("steps", "draws"), [((1, 1), 1), ((3, 1), 3), ((1, 3), 3), ((2, 2), 3)])
def test_fakes_are_drawn_once_for_both_networks(points, steps, draws):
    gan = Counted(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
    gan.compile(
        NonSaturating(),
        keras.optimizers.Adam(),
        keras.optimizers.Adam(),
        discriminator_steps=steps[0],
        generator_steps=steps[1],
    )
    take_step(gan, points)
    assert float(ops.convert_to_numpy(gan.draws.value)) == draws
    found = [int(ops.convert_to_numpy(x.iterations)) for x in (gan.discriminator_optimizer, gan.generator_optimizer)]
    assert tuple(found) == steps


def test_state_of_the_generator_changes_once_in_a_step(small_gan, points):
    """Its batch norm has seen one batch: the updated discriminator judges the fakes of the same pass."""
    gan = small_gan()
    norm = next(layer for layer in gan.generator.layers if isinstance(layer, layers.BatchNormalization))
    dense = gan.generator.layers[1]
    state = ops.convert_to_numpy(gan.seed_generator.state.value).copy()
    latents = gan.draw(64)
    gan.seed_generator.state.assign(state)
    expected = 0.01 * ops.convert_to_numpy(ops.stop_gradient(ops.mean(dense(latents), axis=0)))
    take_step(gan, points)
    assert np.allclose(ops.convert_to_numpy(norm.moving_mean.value), expected, atol=1e-6)


def test_the_generator_is_judged_by_the_updated_discriminator(points):
    """With a linear critic that is moved far, the generator's loss is that of the moved one."""

    class Linear(Discriminator):
        def network(self, samples):
            return layers.Dense(1, use_bias=False)(samples)

    class Moved(Generator):
        def network(self, latents):
            return layers.Dense(2, use_bias=False)(latents)

    gan = GAN(Moved(4), Linear((2,)), seed=0)
    gan.compile(Wasserstein(), keras.optimizers.SGD(0.0), keras.optimizers.SGD(10.0))
    state = ops.convert_to_numpy(gan.seed_generator.state.value).copy()
    fakes = ops.convert_to_numpy(ops.stop_gradient(gan.generator(gan.draw(64))))
    gan.seed_generator.state.assign(state)
    logs = take_step(gan, points)
    kernel = ops.convert_to_numpy(gan.discriminator.layers[-1].kernel)
    assert logs["g_loss"] == pytest.approx(-float((fakes @ kernel).mean()), rel=1e-4)


@pytest.mark.parametrize("count", [2, 7, 13])
def test_an_incomplete_batch_is_divided_too(points, count):
    """Among five updates, also if it has fewer samples than updates."""
    gan = GAN(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam(), discriminator_steps=5)
    history = gan.fit(points[: 10 + count], batch_size=10, verbose=0).history
    assert np.isfinite(history["d_loss"]).all()
    assert int(ops.convert_to_numpy(gan.discriminator_optimizer.iterations)) == 5 * -(-(10 + count) // 10)


# Averages -------------------------------------------------------------------------------------------------------------


def test_fit_leaves_the_weights_of_the_training(small_gan, points):
    """fit(2) and fit(2) is fit(4): the averages do not take the place of the weights."""
    ways = []
    for epochs in ([4], [2, 2]):
        gan = small_gan(use_ema=True)
        for count in epochs:
            gan.fit(points, batch_size=16, epochs=count, shuffle=False, verbose=0)
        ways.append(values(checkpoint.variables(gan)))
    assert equal(*ways)


def test_samples_before_the_first_step_are_those_of_the_initial_weights(small_gan):
    gan, plain = small_gan(use_ema=True), small_gan()
    inputs = gan.latents.fixed(3, seed=0)
    assert np.array_equal(gan.sample(inputs), plain.sample(inputs))
    assert np.abs(gan.sample(inputs)).max() > 1e-3


class Failing(GAN):
    def generator_loss(self, real, fake):
        raise RuntimeError("as meant")


def test_an_error_in_the_first_step_is_shown_as_it_is(points):
    gan = Failing(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(use_ema=True), keras.optimizers.Adam())
    with pytest.raises(RuntimeError, match="as meant"):
        gan.fit(points, verbose=0)


def test_all_networks_have_their_averages(points):
    """Whatever the order in which a player names its networks."""
    optimizer = {"discriminator_optimizer": keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.5)}
    gan = make(**optimizer)
    for _ in range(3):
        take_step(gan, points)
    raw = {name: values(network.trainable_variables) for name, network in gan.networks.items()}
    averages = {}
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        for variable, average in zip(
            optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True
        ):
            averages[id(variable)] = ops.convert_to_numpy(average.value)
    with gan.averaged():
        for name, network in gan.networks.items():
            assert not equal(raw[name], values(network.trainable_variables)), name
            assert all(
                np.allclose(ops.convert_to_numpy(variable.value), averages[id(variable)])
                for variable in network.trainable_variables
            )
    assert all(equal(raw[name], values(network.trainable_variables)) for name, network in gan.networks.items())


def test_averaged_weights_have_batch_norm_of_their_own(small_gan, points):
    """The moving averages are those of samples of the averaged weights; the training keeps its own."""
    gan = small_gan(use_ema=True)
    for _ in range(5):
        take_step(gan, points)
    norm = next(layer for layer in gan.generator.layers if isinstance(layer, layers.BatchNormalization))
    moving = [norm.moving_mean, norm.moving_variance]
    before, momentum = values(gan.variables), norm.momentum
    inputs = gan.latents.fixed(2000, seed=5)
    with gan.averaged():
        features = ops.convert_to_numpy(ops.stop_gradient(gan.generator.layers[1](inputs)))
        found = values(moving)
        assert np.allclose(found[0], features.mean(axis=0), atol=0.15)
        assert np.allclose(found[1], features.var(axis=0), rtol=0.2)
    errors = [np.abs(variance - features.var(axis=0)).max() for variance in (values(moving)[1], found[1])]
    assert errors[0] > 2 * errors[1]
    assert equal(before, values(gan.variables))
    assert norm.momentum == momentum
    assert np.array_equal(gan.sample(inputs), gan.sample(inputs))


def test_batch_norm_of_averaged_weights_is_estimated_anew_for_new_weights(small_gan, points, tmp_path):
    """After more training, and after another state was loaded."""

    def fresh(gan):
        checkpoint.save(tmp_path / "checkpoint.npz", gan, 1)
        other = small_gan(use_ema=True)
        checkpoint.load(tmp_path / "checkpoint.npz", other)
        return other

    gan, other = small_gan(use_ema=True), small_gan(use_ema=True)
    inputs = gan.latents.fixed(8, seed=0)
    for _ in range(3):
        take_step(gan, points)
        take_step(other, points + 5)
        assert np.array_equal(gan.sample(inputs), fresh(gan).sample(inputs))
    other.sample(inputs)
    checkpoint.save(tmp_path / "checkpoint.npz", gan, 1)
    checkpoint.load(tmp_path / "checkpoint.npz", other)
    assert np.array_equal(gan.sample(inputs), other.sample(inputs))


def test_drawing_samples_does_not_change_the_training(points):
    """Also where a layer without a seed draws from the framework's random state."""

    class Noisy(SmallGenerator):
        def network(self, latents):
            return layers.Dropout(0.5)(super().network(latents))

    ways = []
    for draws in (False, True):
        keras.utils.set_random_seed(0)
        gan = GAN(Noisy(4), SmallDiscriminator((2,), seed=None), seed=0)
        gan.compile(NonSaturating(), keras.optimizers.Adam(use_ema=True), keras.optimizers.Adam())
        for _ in range(2):
            take_step(gan, points)
            if draws:
                gan.sample(gan.latents.fixed(5, seed=0))
        ways.append(values(checkpoint.variables(gan)))
    assert equal(*ways)


# Networks within networks ---------------------------------------------------------------------------------------------

NESTED = """
import keras
from keras import layers
from common.networks import Generator, Network

class Inner(Network):
    def network(self, x):
        return layers.Dense(3)(x)

class Outer(Generator):
    def network(self, latents):
        inner = Inner(keras.Input((4,)), name="inner")
        return layers.Dense(1)(inner(latents) + inner(-latents))

outer = Outer(4)
outer.save({path!r})
assert outer.count_params() == 4 * 3 + 3 + 3 + 1
"""


@pytest.mark.once
def test_a_network_is_built_within_another_as_the_first_thing_of_a_program(tmp_path):
    path = str(tmp_path / "outer.keras")
    command = [sys.executable, "-c", NESTED.format(path=path)]
    answer = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    loaded = keras.saving.load_model(path)  # in this process, which does not know the classes
    assert loaded.output_shape == (None, 1)
    assert [layer.name for layer in loaded.layers].count("inner") == 1


def test_frozen_layers_stay_and_the_others_learn(small_gan, points):
    gan = small_gan()
    freeze_lower(gan.discriminator, 1)
    kernels = [layer.kernel for layer in gan.discriminator.layers if isinstance(layer, layers.Dense)]
    before = values(kernels)
    gan.fit(points, batch_size=16, epochs=1, verbose=0)
    after = values(kernels)
    assert np.array_equal(before[0], after[0])
    assert not np.array_equal(before[1], after[1])


def test_the_last_layer_is_not_frozen(small_gan):
    with pytest.raises(InputError, match="leaves nothing to train: discriminator has 2 layers"):
        freeze_lower(small_gan().discriminator, 2)


def test_a_discriminator_with_averaged_weights_is_not_frozen(small_gan):
    gan = small_gan()
    gan.discriminator_optimizer.use_ema = True
    with pytest.raises(InputError, match="whose weights are averaged"):
        freeze_discriminators(gan, 1)
