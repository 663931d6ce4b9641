"""The stabilization techniques match their papers, alone and in training."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from common import controls
from common.base.errors import InputError
from common.gan import GAN
from common.losses import LeastSquares, NonSaturating, RelativisticPairing
from common.networks import Discriminator
from common.training import checkpoint
from data_prep.batches import Batches
from tests.conftest import call_recipe, equal, values

REAL = np.array([[2.0], [-1.0], [0.5], [3.0]], "float32")
FAKE = np.array([[-2.0], [0.3], [1.0], [-0.7]], "float32")


def number(tensor):
    return float(ops.convert_to_numpy(tensor))


def cross_entropy(logits, target):
    """The textbook formula, on probabilities."""
    probability = 1 / (1 + np.exp(-logits.astype("float64")))
    return -np.mean(target * np.log(probability) + (1 - target) * np.log(1 - probability))


# Losses ---------------------------------------------------------------------------------------------------------------


def test_label_smoothing_is_one_sided_cross_entropy():
    loss = controls.LabelSmoothing(NonSaturating(), 0.1)
    expected = cross_entropy(REAL, 0.9) + cross_entropy(FAKE, 0)
    assert number(loss.discriminator(REAL, FAKE)) == pytest.approx(expected, rel=1e-5)
    assert number(loss.generator(FAKE)) == number(NonSaturating().generator(FAKE))


def test_smoothed_least_squares_has_its_minimum_at_the_smoothed_target():
    loss = controls.LabelSmoothing(LeastSquares(), 0.1)
    at = [number(loss.discriminator(np.full((4, 1), x, "float32"), FAKE)) for x in (0.8, 0.9, 1.0)]
    assert at[1] < min(at[0], at[2])


def test_label_noise_refuses_a_relativistic_loss():
    with pytest.raises(
        ValueError, match=r"LabelNoise expects a loss that judges each sample alone.*RelativisticPairing"
    ):
        controls.LabelNoise(RelativisticPairing(), 0.1)


def test_label_noise_flips_the_given_share_of_pairs_different_ones_each_time():
    loss = controls.LabelNoise(NonSaturating(), 0.2)
    loss.seed_generator = keras.random.SeedGenerator(0)
    real, fake = np.full((2000, 1), 10.0, "float32"), np.full((2000, 1), -10.0, "float32")
    losses = [number(loss.discriminator(real, fake)) for _ in range(2)]
    # Both logits of a flipped pair cost 10, those of other pairs almost nothing.
    assert np.allclose(np.array(losses) / 20, 0.2, atol=0.03)
    assert losses[0] != losses[1]


class FixedFakes(GAN):
    """A GAN in which only the random numbers of the loss change."""

    def fake(self, real):
        return self.generator(ops.ones_like(real))


@pytest.mark.parametrize("share", [0.4, 0.0])
def test_label_noise_differs_in_every_step_of_fit(points, share):
    """A seed that the model does not track would be a constant of the compiled step."""
    networks = [keras.Sequential([keras.Input((2,)), layers.Dense(units)]) for units in (2, 1)]
    gan = FixedFakes(*networks, seed=0)
    gan.compile(controls.LabelNoise(NonSaturating(), share), keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    history = gan.fit(points, batch_size=64, epochs=4, shuffle=False, verbose=0).history
    assert len(set(history["d_loss"])) == (4 if share else 1)


def test_wrapped_losses_are_saved_and_loaded(small_gan, points, tmp_path):
    gan = small_gan(controls.LabelNoise(controls.LabelSmoothing(NonSaturating(), 0.1), 0.2))
    gan.fit(points, batch_size=16, shuffle=False, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert (loaded.adversarial_loss.share, loaded.adversarial_loss.loss.share) == (0.2, 0.1)
    assert isinstance(loaded.adversarial_loss.loss.loss, NonSaturating)
    for each in (gan, loaded):
        each.fit(points, batch_size=16, shuffle=False, verbose=0)
    assert equal(values(gan.weights), values(loaded.weights))


# Noise ----------------------------------------------------------------------------------------------------------------


class Noisy(Discriminator):
    def network(self, samples, deviation):
        return layers.Dense(1)(controls.InstanceNoise(deviation)(samples))


def test_instance_noise_has_its_deviation_only_in_training():
    layer = controls.InstanceNoise(0.5)
    zeros = np.zeros((1000, 8), "float32")
    first, second = (ops.convert_to_numpy(layer(zeros, training=True)) for _ in range(2))
    assert first.std() == pytest.approx(0.5, rel=0.05)
    assert not np.array_equal(first, second)
    assert not ops.convert_to_numpy(layer(zeros)).any()


def test_instance_noise_decays_linearly_also_in_a_resumed_run(small_gan, points):
    def deviations(gan, **kwargs):
        found = []
        layer = next(layer for layer in gan.discriminator.layers if isinstance(layer, controls.InstanceNoise))
        remember = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: found.append(number(layer.deviation.value)))
        gan.fit(points, batch_size=32, epochs=4, verbose=0, callbacks=[controls.NoiseDecay(4), remember], **kwargs)
        return found

    assert deviations(small_gan(discriminator=Noisy((2,), deviation=0.4))) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    again = deviations(small_gan(discriminator=Noisy((2,), deviation=0.4)), initial_epoch=2)
    assert again == pytest.approx([0.2, 0.1])


def test_a_discriminator_with_instance_noise_is_saved(tmp_path):
    Noisy((2,), deviation=0.4).save(tmp_path / "d.keras")
    (layer,) = [x for x in keras.saving.load_model(tmp_path / "d.keras").layers if "noise" in x.name]
    assert (layer.initial, number(layer.deviation.value)) == (0.4, pytest.approx(0.4))


def test_noise_decays_in_nested_networks_too():
    inner = keras.Sequential([keras.Input((2,)), controls.InstanceNoise(0.4)])
    gan = type("Model", (), {"discriminator": keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(1)])})
    callback = controls.NoiseDecay(4)
    callback.set_model(gan)
    callback.on_epoch_begin(3)
    assert number(inner.layers[-1].deviation.value) == pytest.approx(0.1)


@pytest.mark.parametrize("order", [(controls.LabelSmoothing, controls.LabelNoise), (controls.LabelNoise,) * 2])
def test_a_wrapped_loss_gets_the_seed_of_the_gan(small_gan, points, order):
    outer, inner = order
    gan = small_gan(outer(inner(NonSaturating(), 0.3), 0.1))
    loss = gan.adversarial_loss
    while hasattr(loss, "loss"):
        assert loss.seed_generator is gan.seed_generator
        loss = loss.loss
    assert np.isfinite(gan.train_on_batch(points)).all()


# Freezing a network ---------------------------------------------------------------------------------------------------


def trained(gan, points, callbacks, epochs=1):
    """Trains and returns how far each network has moved, and the logs of the last epoch."""
    networks = (gan.discriminator, gan.generator)
    before = [values(network.trainable_variables) for network in networks]
    # Batches are not shuffled by Keras: the same data in every test.
    history = gan.fit(Batches(points, 16), epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks).history
    after = [values(network.trainable_variables) for network in networks]
    moved = [sum(np.abs(a - b).sum() for a, b in zip(*pair, strict=True)) for pair in zip(before, after, strict=True)]
    return moved, {name: series[-1] for name, series in history.items()}


def test_warm_up_freezes_the_generator_for_exactly_its_steps(small_gan, points):
    gan = small_gan()
    (discriminator, generator), logs = trained(gan, points, [controls.WarmUp(4)])
    assert discriminator > 0
    assert (generator, logs["generator frozen"]) == (0, 1)
    assert float(gan.generator_optimizer.learning_rate) == pytest.approx(1e-2)  # the value that belongs in a checkpoint

    (_, generator), logs = trained(small_gan(), points, [controls.WarmUp(3)])
    assert generator > 0
    assert logs["generator frozen"] == 0.75
    (_, generator), logs = trained(small_gan(), points, [controls.WarmUp(3)], epochs=2)
    assert logs["generator frozen"] == 0  # of the second epoch


@pytest.mark.parametrize(("below", "freezes"), [(100.0, True), (-100.0, False)])
def test_the_discriminator_is_frozen_while_its_loss_is_low(small_gan, points, below, freezes):
    (discriminator, generator), logs = trained(small_gan(), points, [controls.FreezeDiscriminator(below)])
    assert min(discriminator, generator) > 0  # the first step is always taken
    assert logs["discriminator frozen"] == (0.75 if freezes else 0)


def test_freezing_depends_on_the_loss_since_the_last_call():
    """Keras logs the mean of the epoch so far: 3, 2, 2 and 2.5 for losses of 3, 1, 2 and 4."""
    callback = controls.FreezeDiscriminator(1.5)
    callback.set_params({"steps": 4})
    callback.first_step, callback.steps, callback.sum = 8, 0, 0.0
    assert [callback.is_frozen(9 + i, {"d_loss": x}) for i, x in enumerate((3, 2, 2, 2.5))] == [
        False,
        True,
        False,
        False,
    ]


def test_the_discriminator_is_unfrozen_when_its_loss_is_high_again(small_gan, points):
    gan = small_gan()
    rates = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(gan.discriminator_optimizer.learning_rate))

    class Every(controls.FreezeDiscriminator):
        def is_frozen(self, step, logs):
            return step % 2 == 1

    trained(gan, points, [Every(0.0), Watch()])
    assert rates == pytest.approx([0, 1e-2, 0, 1e-2])


def test_a_gan_with_controls_resumes_from_its_checkpoint_bit_for_bit(small_gan, points, tmp_path):
    def continued(gan, epochs, begin=0):
        batches = Batches(points, 16)
        batches.epoch = begin
        gan.fit(
            batches,
            epochs=epochs,
            initial_epoch=begin,
            shuffle=False,
            verbose=0,
            callbacks=[controls.WarmUp(6), controls.FreezeDiscriminator(1.3)],
        )
        return gan

    whole = continued(small_gan(), 4)
    checkpoint.save(tmp_path / "checkpoint.npz", continued(small_gan(), 2), 2)
    again = small_gan()
    checkpoint.load(tmp_path / "checkpoint.npz", again)
    assert equal(values(continued(again, 4, 2).weights), values(whole.weights))


# In a recipe ----------------------------------------------------------------------------------------------------------


def test_default_options_add_nothing():
    options = controls.ControlOptions()
    loss = NonSaturating()
    assert options.wrap_loss(loss) is loss
    assert options.callbacks(10) == []
    inputs = keras.Input((2,))
    assert options.add_instance_noise(inputs) is inputs
    assert options.add_dropout(inputs) is inputs


def test_each_option_adds_its_control():
    options = controls.ControlOptions(1, 0.5, 0.1, 0.2, 0.3, 0.4)
    loss = options.wrap_loss(NonSaturating())
    assert (type(loss), type(loss.loss)) == (controls.LabelNoise, controls.LabelSmoothing)
    kinds = [type(callback) for callback in options.callbacks(10)]
    assert kinds == [controls.WarmUp, controls.FreezeDiscriminator, controls.NoiseDecay]
    model = keras.Model(inputs := keras.Input((2,)), options.add_dropout(options.add_instance_noise(inputs)))
    assert [type(layer) for layer in model.layers[1:]] == [controls.InstanceNoise, layers.Dropout]


def test_a_schedule_cannot_be_frozen(small_gan, points):
    gan = small_gan()
    rate = keras.optimizers.schedules.CosineDecay(1e-2, 10)
    gan.compile(NonSaturating(), keras.optimizers.Adam(rate), keras.optimizers.Adam(1e-2))
    with pytest.raises(InputError, match=r"WarmUp needs a number as the learning rate"):
        trained(gan, points, [controls.WarmUp(3)])


@pytest.mark.slow
@pytest.mark.once
def test_dcgan_with_every_control(tmp_path):
    options = ["--filters", 4, "--classes", "bag", "--batch-size", 250, "--epochs", 2, "--run-folder", tmp_path / "run"]
    wanted = {"warm-up": 2, "hold-below": 1.0, "label-smoothing": 0.1, "label-noise": 0.05, "instance-noise": 0.1}
    wanted["dropout"] = 0.3
    for name, value in wanted.items():
        options += [f"--{name}", value]
    answer = call_recipe("dcgan", *options)
    assert answer.returncode == 0, answer.stderr
    header, *_ = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert {"generator frozen", "discriminator frozen"} <= set(header.split(","))
