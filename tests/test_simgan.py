"""simgan simulates, remembers, plays, and measures as its paper and its page say."""

import keras
import numpy as np
import pytest
from keras import ops

from common.errors import InputError
from common.gan import sample
from common.history import History
from common.losses import NonSaturating
from common.options import check_ranges
from data_prep import decode
from data_prep.batches import scale
from data_prep.images import ImageOptions
from data_prep.images import load as load_images
from recipes.simgan import data, measure, simulators
from recipes.simgan.train import Config, LocalDiscriminator, Refiner, SimGAN, pretrain
from tests.conftest import equal, run_recipe, values
from tests.files import SHARED, picture, write, write_many
from tests.test_recipes import QUICK, is_one_sentence

RNG = np.random.default_rng(0)
SHAPE = (16, 24, 1)


def numbers(tensor):
    return ops.convert_to_numpy(tensor)


def draw(count=8, low=-1, high=1):
    return ops.convert_to_tensor(RNG.uniform(low, high, (count, *SHAPE)), "float32")


def game(regularization=10.0, transform="pixels", history=16, steps=(2, 1)):
    keras.utils.set_random_seed(0)
    gan = SimGAN(
        Refiner(keras.Input((None, None, 1)), filters=4),
        LocalDiscriminator(SHAPE, filters=4),
        seed=0,
        options={"regularization": regularization, "transform": transform, "history": history},
    )
    optimizers = (keras.optimizers.Adam(1e-2) for _ in range(2))
    gan.compile(NonSaturating(), *optimizers, generator_steps=steps[0], discriminator_steps=steps[1])
    return gan


# Game -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", ["pixels", "gradients"])
def test_both_losses_are_equations_2_and_4(transform):
    gan, (simulated, real) = game(transform=transform), (draw(), draw())
    refined = gan.generator(simulated)
    change = np.abs(numbers(refined) - numbers(simulated)).mean()
    if transform == "gradients":
        moved = numbers(refined) - numbers(simulated)
        change = np.abs([np.diff(moved, axis=2)[:, :-1], np.diff(moved, axis=1)[:, :, :-1]]).mean()
    of_refined, of_real = (numbers(gan.discriminator(pictures)) for pictures in (refined, real))
    expected = np.log1p(np.exp(-of_refined)).mean() + 10 * change
    assert float(numbers(gan.generator_loss((simulated, real)))) == pytest.approx(expected, rel=1e-5)
    expected = np.log1p(np.exp(-of_real)).mean() + np.log1p(np.exp(of_refined)).mean()
    assert float(numbers(gan.discriminator_loss((simulated, real)))) == pytest.approx(expected, rel=1e-5)


def test_the_refiner_is_told_by_the_discriminator_not_by_the_regularization_alone():
    """Without regularization its loss still has a slope, and a step down it makes refined pictures more real to D."""
    gan, batch = game(regularization=0.0), (draw(), draw())
    before = numbers(gan.judge(gan.fake(batch))).mean()
    for _ in range(5):
        gan.minimize(gan.generator_loss, batch, gan.generator, gan.generator_optimizer)
    assert numbers(gan.judge(gan.fake(batch))).mean() > before


def test_a_step_moves_the_player_whose_turn_it_is():
    gan, batch = game(), (draw(), draw())
    before = [values(player.trainable_variables) for player in (gan.generator, gan.discriminator)]
    gan.minimize(gan.generator_loss, batch, gan.generator, gan.generator_optimizer)
    assert equal(values(gan.discriminator.trainable_variables), before[1])
    assert not equal(values(gan.generator.trainable_variables), before[0])
    before[0] = values(gan.generator.trainable_variables)
    gan.minimize(gan.discriminator_loss, batch, gan.discriminator, gan.discriminator_optimizer)
    assert equal(values(gan.generator.trainable_variables), before[0])
    assert not equal(values(gan.discriminator.trainable_variables), before[1])


@pytest.mark.parametrize("steps", [(2, 1), (1, 2), (3, 3)])
def test_a_round_has_the_steps_that_were_asked_for(steps):
    gan = game(steps=steps)
    gan.train_on_batch(draw(12), draw(12))
    for optimizer, count in zip((gan.generator_optimizer, gan.discriminator_optimizer), steps, strict=True):
        assert int(numbers(optimizer.iterations)) == count


def test_half_of_what_the_discriminator_sees_is_from_earlier_rounds():
    history = History(8, (1,), exact=True)
    for first in range(0, 80, 8):
        given = np.arange(first, first + 8, dtype="float32")[:, None]
        returned = numbers(history(ops.convert_to_tensor(given)))
        earlier = returned < first
        assert earlier.sum() == (0 if first == 0 else 4)


def test_a_buffer_smaller_than_a_batch_is_refused():
    with pytest.raises(ValueError, match="at most 4 fakes, the size of the pool, but got 8"):
        History(4, SHAPE)(draw())


def test_the_buffer_fills_while_playing_and_is_saved(tmp_path):
    gan = game()
    for _ in range(4):
        gan.train_on_batch(draw(), draw())
    assert int(numbers(gan.buffer.count)) == 16
    assert np.abs(numbers(gan.buffer.pool)).mean(axis=(1, 2, 3)).all()
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.options == gan.options
    batch = draw(), draw()
    gan.train_on_batch(*batch)
    loaded.train_on_batch(*batch)
    assert equal(values(gan.weights), values(loaded.weights))


@pytest.mark.once
def test_the_discriminator_gives_a_logit_for_every_region():
    discriminator = LocalDiscriminator((36, 60, 1), filters=4)
    assert discriminator.output_shape == (None, 9, 15, 1)
    assert discriminator.layers[-1].activation is keras.activations.linear  # logits have both signs
    size = 1
    for layer in reversed([layer for layer in discriminator.layers if isinstance(layer, keras.layers.Conv2D)]):
        size = (size - 1) * layer.strides[0] + layer.kernel_size[0]
    assert size == 18


@pytest.mark.slow
def test_pretraining_teaches_both_where_the_game_begins(tmp_path):
    np.savez(tmp_path / "real.npz", images=load_images(ImageOptions()).images[:1100])
    simulation = data.SimulationOptions(count=1000, real=tmp_path / "real.npz")
    config = Config(simulation=simulation, pretraining=(4, 2), filters=8, batch_size=16, steps=(1, 1))
    batches = data.load(config)
    keras.utils.set_random_seed(0)
    shape = batches.sample_shape[0]
    options = {"regularization": 10.0, "transform": "pixels", "history": 100}
    gan = SimGAN(Refiner(keras.Input(shape), filters=8), LocalDiscriminator(shape, filters=8), 0, options)
    pretrain(gan, batches, config)
    sides = data.load_sides(config.simulation, "test")
    simulated, real = (scale(pictures[:110]) for pictures in (sides.simulated, sides.real))
    refined = sample(gan.generator, simulated)
    assert np.abs(refined - simulated).mean() < 0.1  # R changes little
    logits = [numbers(gan.discriminator(pictures)).mean() for pictures in (refined, real)]
    assert logits[0] < 0 < logits[1]  # D knows which are which


# Simulators -----------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_garments_are_drawn_with_their_class_and_never_twice():
    options = data.SimulationOptions()
    pictures, labels = data.simulate(options, 500, seed=0)
    assert (pictures.shape, pictures.dtype) == ((500, 28, 28, 1), np.uint8)
    assert set(labels["class"]) == set(range(10))
    assert len(np.unique(pictures, axis=0)) == 500
    assert (pictures.reshape(500, -1).max(axis=1) > 60).all()
    assert np.array_equal(pictures, data.simulate(options, 500, seed=0)[0])
    train, test = (data.load_sides(data.SimulationOptions(count=500), split).simulated for split in ("train", "test"))
    assert np.array_equal(train, pictures)
    assert len(np.unique(np.concatenate([train, test]), axis=0)) == 500 + 100


@pytest.mark.once
def test_each_class_has_the_shape_of_its_garment():
    pictures, labels = data.simulate(data.SimulationOptions(), 2000, seed=0)
    covered = pictures[..., 0] > 30
    height = {kind: covered[labels["class"] == kind].any(axis=2).sum(axis=1).mean() for kind in range(10)}
    width = {kind: covered[labels["class"] == kind].any(axis=1).sum(axis=1).mean() for kind in range(10)}
    names = [each.__name__ for each in simulators.GARMENTS]
    tall = {"t_shirt", "trouser", "pullover", "dress", "coat", "shirt"}
    assert all((height[kind] > 23) == (name in tall) for kind, name in enumerate(names))
    assert all(width[names.index(name)] < 17 for name in ("trouser", "dress"))
    assert all(width[names.index(name)] > 24 for name in ("sandal", "sneaker", "ankle_boot"))


@pytest.mark.once
def test_eyes_are_drawn_with_the_place_of_their_pupil():
    """In an eye that is wide open the middle of the darkest pixels is where the label says."""
    pictures, labels = data.simulate(data.SimulationOptions(simulator="eyes"), 300, seed=0)
    assert pictures.shape == (300, 36, 60, 1)
    assert set(labels) == {"yaw", "pitch", "pupil_x", "pupil_y"}
    assert np.abs(labels["yaw"]).max() <= simulators.MOST_YAW
    right = np.corrcoef(labels["yaw"], labels["pupil_x"])[0, 1]
    down = np.corrcoef(labels["pitch"], labels["pupil_y"])[0, 1]
    assert min(right, down) > 0.8
    columns = np.arange(60)
    found = []
    for image, y in zip(pictures[..., 0], labels["pupil_y"], strict=True):
        row = np.clip(round(y), 8, 27)
        strip = 255.0 - image[row - 1 : row + 2].mean(axis=0)
        weights = np.where(strip > 200, strip, 0) + 1e-6
        found.append((columns * weights).sum() / weights.sum())
    assert np.corrcoef(found, labels["pupil_x"])[0, 1] > 0.8


@pytest.mark.once
def test_pictures_of_folders_in_other_sizes_and_without_labels(tmp_path):
    write_many(tmp_path / "unity", 12, size=(48, 64), suffix=".jpg")
    write_many(tmp_path / "real", 21, size=(35, 55))
    options = data.SimulationOptions(
        simulator="eyes", simulated=tmp_path / "unity", real=tmp_path / "real", size="55x35"
    )
    train, test = (data.load_sides(options, split) for split in ("train", "test"))
    assert (train.simulated.shape, test.simulated.shape) == ((10, 35, 55, 1), (2, 35, 55, 1))
    assert (train.real.shape, test.real.shape) == ((18, 35, 55, 1), (3, 35, 55, 1))
    assert train.labels == {}


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"simulator": "eyes"}, "name a folder or an array file with --real"),
        ({"simulated": SHARED}, "name a folder or an array file with --real"),
        ({"channels": "3"}, "The simulators draw in grey"),
        ({"real": SHARED / "missing"}, "--real and --simulated expect pictures, and .*missing does not exist"),
    ],
)
def test_what_is_missing_is_said(options, words):
    with pytest.raises(InputError, match=words):
        data.load_sides(data.SimulationOptions(**options), "train")


@pytest.mark.once
def test_every_number_of_a_pair_has_its_range():
    with pytest.raises(InputError, match="--steps must be at least 1, but is 0"):
        check_ranges(Config(steps=(2, 0)))


@pytest.mark.once
def test_both_sides_are_scaled_and_shuffled_on_their_own():
    config = Config(simulation=data.SimulationOptions(count=400), batch_size=100, steps=(2, 1))
    batches = data.load(config)
    simulated, real = batches[0]
    assert simulated.shape == real.shape == (200, 28, 28, 1)
    assert (simulated.min(), simulated.max() > 0.5, real.min()) == (-1, True, -1)
    assert batches.count == 10_000  # of the larger side


@pytest.mark.once
def test_the_nearest_real_picture():
    real = RNG.integers(0, 256, (30, 8, 8, 1), "uint8")
    noisy = np.clip(real[[7, 3]].astype(int) + 5, 0, 255).astype("uint8")
    assert np.array_equal(data.nearest(noisy, real), real[[7, 3]])


# Measures -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.once
def test_the_two_sample_test_knows_alike_from_unlike():
    def kind(low):
        return measure.Kind(*(RNG.integers(low, 256, (count, 16, 16, 1), "uint8") for count in (400, 200)))

    assert abs(measure.told_apart(kind(0), kind(0), 0) - 0.5) < 0.12
    assert measure.told_apart(kind(0), kind(128), 0) > 0.95


@pytest.mark.slow
@pytest.mark.once
def test_labels_that_are_there_are_recovered_and_others_not():
    place = RNG.uniform(4, 12, (1200, 1))
    columns = np.arange(16)
    bars = np.exp(-0.5 * (columns - place) ** 2)[:, None, :, None] * np.ones((1, 16, 1, 1)) * 255
    bars = bars.astype("uint8")
    pictures = measure.Kind(bars[:1000], bars[1000:])
    (error,) = measure.regression_errors(pictures, place[:1000], place[1000:], 0)
    assert error < 0.7
    noise = measure.Kind(*(RNG.integers(0, 256, part.shape, "uint8") for part in (bars[:1000], bars[1000:])))
    (error,) = measure.regression_errors(noise, place[:1000], place[1000:], 0)
    assert error > 1.5


@pytest.mark.slow
def test_refined_measured_and_applied(tmp_path):
    folder = tmp_path / "run"
    answer = run_recipe("simgan", *QUICK["simgan"], "--epochs", 1, "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("/step - loss:") == 2  # R learnt alone, then D
    answer = run_recipe("simgan", "evaluate", "--seeds", 1, "--pictures", 300, "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    for words in ("accuracy on real, refined", "told from real, raw", "Fréchet distance, refined", "classes recovered"):
        assert words in answer.stdout
    write(tmp_path / "drawn" / "a.png", picture(33, 45)[..., :1])
    answer = run_recipe(
        *("simgan", "apply", "--input", tmp_path / "drawn", "--out", tmp_path / "out", "--run-folder", folder)
    )
    assert answer.returncode == 0, answer.stderr
    assert decode.read(tmp_path / "out" / "a.png").shape == (33, 45, 1)
    command = ("simgan", "export", "--count", 5, "--run-folder", folder, "--out", tmp_path / "labelled")
    assert run_recipe(*command).returncode == 0
    assert len(list((tmp_path / "labelled").glob("0000*.png"))) == 5
    lines = (tmp_path / "labelled" / "labels.csv").read_text().split()
    assert lines[0] == "file,class"
    assert [line.split(",")[0] for line in lines[1:]] == [f"0000{index}.png" for index in range(5)]
    assert is_one_sentence(run_recipe(*command), "exists already")


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the eyes of ../shared/data, which are not redistributed")
def test_eyes_are_refined_towards_real_ones(tmp_path):
    with np.load(SHARED / "mpiigaze_real" / "mpiigaze_real.npz") as arrays:
        np.savez(tmp_path / "eyes.npz", images=arrays["images"][::10])
    options = ("--simulator", "eyes", "--real", tmp_path / "eyes.npz", "--count", 200, "--filters", 2)
    options += ("--batch-size", 50)
    options += ("--pretraining", 1, 1, "--epochs", 1, "--run-folder", tmp_path / "run")
    answer = run_recipe("simgan", *options)
    assert answer.returncode == 0, answer.stderr
    command = (
        "simgan",
        "evaluate",
        "--seeds",
        1,
        "--pictures",
        100,
        "--extractor",
        "garments",
        "--run-folder",
        tmp_path / "run",
    )
    answer = run_recipe(*command)
    assert answer.returncode == 0, answer.stderr
    for words in ("error of yaw, refined", "error of pupil_x, raw", "told from real, refined"):
        assert words in answer.stdout
    assert "accuracy on real" not in answer.stdout
