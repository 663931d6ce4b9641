"""The terms of the losses: named, weighted, logged; those of layers; penalties of several heads; lazy terms."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from common.gan import GAN
from common.losses import NonSaturating, RelativisticPairing, Wasserstein
from common.networks import Discriminator, Network
from common.penalties import R1, R2, GradientPenalty, Lazy
from tests.conftest import SmallDiscriminator, SmallGenerator, eager, values
from tests.tiny_recipes import TINY, WITHOUT_DISCRIMINATOR, batch, build


def take_step(gan, data):
    return gan.train_on_batch(data, return_dict=True)


class Named(GAN):
    """The generator's loss has a term of its own, a constant, so that its gradients stay the same."""

    def generator_loss(self, real, fake):
        return {**super().generator_loss(real, fake), "constant": 3.0}


def named(loss=None, **kwargs):
    keras.utils.set_random_seed(0)
    gan = Named(SmallGenerator(4), SmallDiscriminator((2,)), seed=1)
    gan.compile(loss or NonSaturating(), keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2), **kwargs)
    return gan


def test_terms_are_logged_under_their_names_and_added_up(points):
    logs = take_step(named(penalty=[R1(0.1), R2(0.1)], loss_weights={"g_constant": 2.0, "d_r1": 0.5}), points)
    assert set(logs) == {"d_loss", "d_adversarial", "d_r1", "d_r2", "g_loss", "g_adversarial", "g_constant"}
    assert logs["g_constant"] == pytest.approx(3)  # without its weight
    assert logs["g_loss"] == pytest.approx(logs["g_adversarial"] + 2 * 3, rel=1e-5)
    assert logs["d_loss"] == pytest.approx(logs["d_adversarial"] + 0.5 * logs["d_r1"] + logs["d_r2"], rel=1e-5)


def test_a_single_term_is_only_the_loss(small_gan, points):
    assert set(take_step(small_gan(), points)) == {"d_loss", "g_loss"}


def test_a_weight_of_no_term_is_refused(points):
    with pytest.raises(ValueError, match=r"weight for g_cylce, but the terms of the generator are .*'g_constant'"):
        take_step(named(loss_weights={"g_cylce": 2.0}), points)


@pytest.mark.parametrize("name", ["r1", "D_r1", "cycle"])
def test_a_weight_without_a_player_is_refused(name):
    with pytest.raises(ValueError, match=f"weight for {name}, but a term begins with d_, g_"):
        named(loss_weights={name: 2.0})


def test_the_name_of_the_sum_is_refused(points):
    class Wrong(GAN):
        def generator_loss(self, real, fake):
            return {**super().generator_loss(real, fake), "loss": 1.0}

    gan = Wrong(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam())
    with pytest.raises(ValueError, match="cannot have the name 'loss'"):
        take_step(gan, points)


def test_terms_of_an_earlier_compile_are_forgotten(small_gan, points):
    gan = small_gan(penalty=R1(0.1))
    assert "d_r1" in take_step(gan, points)
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam())
    assert set(take_step(gan, points)) == {"d_loss", "g_loss"}


def test_two_gans_may_share_a_lazy_penalty(small_gan, points):
    """Each counts its own updates."""
    penalty = Lazy(R1(1.0), every=2)
    first, second = small_gan(penalty=penalty), small_gan(penalty=penalty)
    for number in range(3):
        assert (take_step(first, points)["d_r1"] > 0) == (number % 2 == 0)
        first.reset_metrics()
    assert take_step(second, points)["d_r1"] > 0


def test_logs_are_means_over_all_updates_of_an_epoch(small_gan, points):
    gan = small_gan(discriminator_steps=2)
    seen = []

    def watched(real, fake, loss=gan.discriminator_loss):
        terms = loss(real, fake)
        seen.append(terms["adversarial"])
        return terms

    gan.discriminator_loss = watched
    gan.compile(
        NonSaturating(), keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0), discriminator_steps=2, run_eagerly=True
    )
    if keras.backend.backend() == "jax":
        pytest.skip("Keras always traces on JAX")
    logs = take_step(gan, points)
    assert len(seen) == 2
    assert logs["d_loss"] == pytest.approx(np.mean([float(x) for x in seen]), rel=1e-5)


# Of the layers --------------------------------------------------------------------------------------------------------


class Regularized(Discriminator):
    """A linear discriminator whose kernel and outputs are regularized."""

    def network(self, samples):
        x = layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.5))(samples)
        return layers.ActivityRegularization(l2=2.0)(x)


@keras.saving.register_keras_serializable(package="tests")
class Costly(layers.Layer):
    """Adds a constant to the loss by `add_loss`."""

    def call(self, x):
        self.add_loss(0.25 + 0.0 * ops.sum(x))
        return x


class CostlyGenerator(SmallGenerator):
    def network(self, latents):
        return Costly()(super().network(latents))


@pytest.mark.parametrize("penalty", [None, R1(0.1)])
def test_regularizers_and_add_loss_are_terms(points, penalty):
    gan = GAN(CostlyGenerator(4), Regularized((2,)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0), penalty=penalty)
    kernel = ops.convert_to_numpy(gan.discriminator.layers[1].kernel)
    fake = gan.fake(points)
    # Keras' activity regularization divides by the number of samples.
    activity = sum(float(ops.sum(gan.discriminator.layers[1](x) ** 2)) / len(points) for x in (points, fake))
    logs = take_step(gan, points)
    assert logs["d_regularizers"] > 0.5 * np.sum(kernel**2)
    assert logs["d_regularizers"] == pytest.approx(0.5 * np.sum(kernel**2) + 2 * activity, rel=0.3)  # other latents
    assert logs["g_regularizers"] == pytest.approx(0.25)
    assert logs["g_loss"] == pytest.approx(logs["g_adversarial"] + 0.25, rel=1e-5)


class ActiveEncoder(Network):
    def network(self, samples):
        return layers.ActivityRegularization(l2=1.0)(layers.Dense(3)(samples))


class CalledInTheLoss(GAN):
    """An encoder that neither the real nor the fake samples need, only a loss."""

    players = {"discriminator": ("discriminator",), "generator": ("generator", "encoder")}

    def generator_loss(self, real, fake):
        code = self.networks["encoder"](fake, training=True)
        return {**super().generator_loss(real, fake), "code": ops.mean(code**2)}


@pytest.mark.parametrize("steps", [1, 2])
def test_add_loss_of_a_network_that_only_a_loss_calls(points, steps):
    keras.utils.set_random_seed(0)
    encoder = ActiveEncoder(keras.Input((2,)))
    gan = CalledInTheLoss(SmallGenerator(4), SmallDiscriminator((2,)), {"encoder": encoder}, seed=0)
    gan.compile(NonSaturating(), keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0), generator_steps=steps)
    for count in (64, 32, 64):  # of another shape, so that it is traced anew
        logs = take_step(gan, points[:count])
        # The sum of squares divided by the number of samples, against the mean over three units.
        assert logs["g_regularizers"] == pytest.approx(3 * logs["g_code"], rel=1e-4)


def test_a_regularizer_pulls_its_weights(points):
    gan = GAN(SmallGenerator(4), Regularized((2,)), seed=0)
    gan.compile(
        Wasserstein(), keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.1), loss_weights={"d_adversarial": 0.0}
    )
    kernel = gan.discriminator.layers[1].kernel
    before = np.abs(ops.convert_to_numpy(kernel)).sum()
    take_step(gan, points)
    assert np.abs(ops.convert_to_numpy(kernel)).sum() < 0.9 * before


# Penalties ------------------------------------------------------------------------------------------------------------


class Heads(Discriminator):
    """Two linear heads, each with a gradient of a norm that is set by hand."""

    def network(self, samples):
        return layers.Dense(1, name="first")(samples), layers.Dense(1, name="second")(samples)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_penalty_counts_each_head(points, steps):
    gan = GAN(SmallGenerator(4), Heads((2,)), seed=0)
    gan.compile(
        Wasserstein(),
        keras.optimizers.SGD(0.0),
        keras.optimizers.SGD(0.0),
        penalty=[R1(2.0), GradientPenalty(10.0)],
        discriminator_steps=steps,
    )
    for name, kernel in (("first", [[3.0], [4.0]]), ("second", [[0.0], [2.0]])):
        gan.discriminator.get_layer(name).kernel.assign(kernel)
    logs = take_step(gan, points)
    assert logs["d_r1"] == pytest.approx(25 + 4, rel=1e-5)
    assert logs["d_gp"] == pytest.approx(10 * (4**2 + 1**2), rel=1e-4)


@pytest.mark.once  # that every backend has the same penalties, test_penalties and the golden losses show
@pytest.mark.parametrize("name", [name for name in TINY if name not in WITHOUT_DISCRIMINATOR])
def test_every_recipe_takes_any_loss_and_penalty(name):
    gan = build(name)
    gan.compile(
        RelativisticPairing(),
        **{f"{player}_optimizer": keras.optimizers.Adam(1e-3) for player in gan.players},
        penalty=[R1(0.5), GradientPenalty()],
        loss_weights=gan.loss_weights,
    )
    samples = batch(name)
    logs = eager(gan).train_on_batch(*(samples if isinstance(samples, tuple) else (samples,)), return_dict=True)
    assert min(logs["d_r1"], logs["d_gp"]) > 0
    assert np.isfinite(list(logs.values())).all()
    terms = {name: value for name, value in logs.items() if name.startswith("d_") and name != "d_loss"}
    assert {"d_adversarial", "d_r1", "d_gp"} <= terms.keys()
    weighted = [gan.loss_weights.get(name, 1.0) * value for name, value in terms.items()]
    assert logs["d_loss"] == pytest.approx(sum(weighted), rel=1e-4)


@pytest.mark.parametrize(("every", "steps"), [(1, 4), (2, 4), (3, 6)])
def test_a_lazy_penalty_has_the_same_mean(small_gan, points, every, steps):
    class Constant(R1):
        def __call__(self, judge, real, fake, seed):
            return 0.5 + 0.0 * ops.mean(judge(real))

    gan = small_gan(penalty=Lazy(Constant(1.0), every))
    history = gan.fit(points[: 8 * steps], batch_size=8, verbose=0).history
    assert history["d_r1"][0] == pytest.approx(0.5, rel=1e-5)


class Counting(R1):
    """Counts its calls in a variable: state that changes only where the penalty is computed."""

    def __init__(self, weight=1.0):
        super().__init__(weight)
        self.calls = None

    def __call__(self, judge, real, fake, seed):
        self.calls.assign_add(1.0)
        return super().__call__(judge, real, fake, seed)


def test_a_lazy_penalty_is_computed_and_changes_state_only_in_its_turn(points):
    keras.utils.set_random_seed(0)
    penalty = Counting()
    gan = GAN(SmallGenerator(4), SmallDiscriminator((2,)), seed=1)
    penalty.calls = gan.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam(), penalty=Lazy(penalty, every=3))
    gan.fit(points[:56], batch_size=8, verbose=0)  # seven steps: 0, 3 and 6
    assert float(ops.convert_to_numpy(penalty.calls.value)) == 3


def test_a_lazy_penalty_is_differentiated(small_gan, points):
    """In its turn k times as strong: with plain gradient descent one update in two has twice the penalty's part."""
    kernels = {}
    for name, penalty in (("none", None), ("full", R1(1.0)), ("lazy", Lazy(R1(1.0), every=2))):
        gan = small_gan()
        gan.compile(Wasserstein(), keras.optimizers.SGD(0.0), keras.optimizers.SGD(1e-3), penalty=penalty)
        layer = gan.discriminator.layers[1]
        before = ops.convert_to_numpy(layer.kernel)
        take_step(gan, points)
        kernels[name] = ops.convert_to_numpy(layer.kernel) - before
    of_full, of_lazy = (kernels[name] - kernels["none"] for name in ("full", "lazy"))
    assert np.abs(of_full).max() > 1e-6
    assert np.allclose(of_lazy, 2 * of_full, rtol=1e-2, atol=1e-7)


def test_the_gradient_of_a_map_is_that_of_its_mean():
    """So that a weight means the same for maps of every size."""
    seed = keras.random.SeedGenerator(0)
    x = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(4, 6)).astype("float32"))
    found = [
        float(
            ops.stop_gradient(
                R1(2.0)(lambda x, n=n: ops.tile(ops.sum(3 * x, axis=1)[:, None, None, None], (1, n, n, 1)), x, x, seed)
            )
        )
        for n in (1, 5)
    ]
    assert found == pytest.approx([9 * 6, 9 * 6], rel=1e-5)


def test_parts_that_the_discriminator_does_not_see_have_no_gradient():
    seed = keras.random.SeedGenerator(0)
    pair = tuple(ops.ones((3, 2)) for _ in range(2))
    assert float(ops.stop_gradient(R1(2.0)(lambda pair: ops.sum(pair[0], axis=1), pair, pair, seed))) == pytest.approx(
        2
    )


# What a loss may do ---------------------------------------------------------------------------------------------------


class WithMetric(GAN):
    """Updates a metric within a loss, and has a weight on which no loss depends."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.mean_fake = keras.metrics.Mean(name="mean_fake")

    def generator_loss(self, real, fake):
        self.mean_fake.update_state(fake)
        return super().generator_loss(real, fake)


class WithUnusedWeight(SmallDiscriminator):
    def network(self, samples, seed=3):
        return super().network(samples, seed), layers.Dense(1)(samples)


class FirstHead(GAN):
    def logits(self, judged):
        return judged[0]


def test_a_metric_may_be_updated_in_a_loss(points):
    gan = WithMetric(SmallGenerator(4), SmallDiscriminator((2,)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam())
    logs = gan.fit(points, batch_size=16, verbose=0).history
    assert set(logs) == {"d_loss", "g_loss", "mean_fake"}
    assert np.isfinite(logs["mean_fake"][0])
    assert logs["mean_fake"][0] != 0


def test_a_weight_that_no_loss_depends_on_stays(points):
    gan = FirstHead(SmallGenerator(4), WithUnusedWeight((2,)), seed=0)
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam())
    unused = gan.discriminator.layers[-1].trainable_variables
    before = values(unused)
    take_step(gan, points)
    assert all(np.array_equal(a, b) for a, b in zip(before, values(unused), strict=True))
