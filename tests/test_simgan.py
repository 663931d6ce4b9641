"""simgan: its losses, image pool, pre-training and simulators, and its actions."""

import keras
import numpy as np
import pytest
from keras import ops

from common.base.errors import InputError
from common.base.pictures import scale
from common.base.ranges import check_ranges
from common.base.renamed import renamed
from common.image_pool import ImagePool
from common.sampling import draw_samples
from data_prep import decode
from data_prep.images import ImageOptions
from data_prep.images import load as load_images
from recipes.simgan import data, measure, simulators
from recipes.simgan.train import Config, LocalDiscriminator, build, pretrain
from tests.conftest import call_recipe, is_one_sentence, loss_of, update_only
from tests.files import SHARED, picture, write, write_many

RNG = np.random.default_rng(0)
SHAPE = (16, 24, 1)
EMBEDDED = ("--count", 500, "--filters", 2, "--batch-size", 250, "--pretraining", 1, 1, "--size", 14)  # embedded


def numbers(tensor):
    return ops.convert_to_numpy(tensor)


def draw(count=8, low=-1, high=1):
    return ops.convert_to_tensor(RNG.uniform(low, high, (count, *SHAPE)), "float32")


def tiny(**fields):
    keras.utils.set_random_seed(0)
    return build(Config(**{"filters": 4, "regularization": 10.0, "learning_rate": 1e-2, **fields}), SHAPE)


# GAN ------------------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("transform", ["pixels", "gradients"])
def test_both_losses_are_equations_2_and_4(transform):
    gan, (simulated, real) = tiny(transform=transform), (draw(), draw())
    refined = gan.generator(simulated)
    change = np.abs(numbers(refined) - numbers(simulated)).mean()
    if transform == "gradients":
        moved = numbers(refined) - numbers(simulated)
        change = np.abs([np.diff(moved, axis=2)[:, :-1], np.diff(moved, axis=1)[:, :, :-1]]).mean()
    refined_logits, real_logits = (numbers(gan.discriminator(images)) for images in (refined, real))
    expected = np.log1p(np.exp(-refined_logits)).mean() + 10 * change
    assert loss_of(gan, "generator", (simulated, real)) == pytest.approx(expected, rel=1e-5)
    expected = np.log1p(np.exp(-real_logits)).mean() + np.log1p(np.exp(refined_logits)).mean()
    assert loss_of(gan, "discriminator", (simulated, real)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.once
def test_the_refiner_learns_from_the_discriminator():
    """Without regularization, updates of R increase the logits of refined images."""
    gan, batch = tiny(regularization=0.0), (draw(), draw())
    before = numbers(gan.judge(gan.fake(batch))).mean()
    for _ in range(5):
        update_only(gan, "generator", batch)
    assert numbers(gan.judge(gan.fake(batch))).mean() > before


@pytest.mark.once
def test_runs_of_before_keep_their_updates():
    assert renamed({"steps": [2, 1], "seed": 0}) == {"updates": [2, 1], "seed": 0}
    assert renamed({"steps": 300}) == {"steps": 300}  # the length of a training


@pytest.mark.once
@pytest.mark.parametrize("steps", [(2, 1), (1, 2), (3, 3)])
def test_a_training_step_has_the_configured_updates(steps):
    gan = tiny(updates=steps)
    gan.train_on_batch(draw(12), draw(12))
    for optimizer, count in zip((gan.generator_optimizer, gan.discriminator_optimizer), steps, strict=True):
        assert int(numbers(optimizer.iterations)) == count


def test_half_of_each_batch_is_from_earlier_steps():
    pool = ImagePool(8, (1,), exact=True)
    for first in range(0, 80, 8):
        given = np.arange(first, first + 8, dtype="float32")[:, None]
        returned = numbers(pool(ops.convert_to_tensor(given)))
        earlier = returned < first
        assert earlier.sum() == (0 if first == 0 else 4)


@pytest.mark.once
def test_an_image_pool_smaller_than_a_batch_is_refused():
    with pytest.raises(ValueError, match="at most 4 fakes, the size of the pool, but got 8"):
        ImagePool(4, SHAPE)(draw())


def test_the_image_pool_is_filled_in_training_and_saved(tmp_path):
    gan = tiny()
    gan.train_on_batch(draw(), draw())
    assert int(numbers(gan.buffer.count)) == 4  # D has one update in a step, on half of the batch
    assert np.abs(numbers(gan.buffer.pool)[:4]).mean(axis=(1, 2, 3)).all()
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.options == gan.options
    assert np.array_equal(numbers(gan.buffer.pool), numbers(loaded.buffer.pool))


@pytest.mark.once
def test_the_discriminator_returns_a_logit_per_region():
    discriminator = LocalDiscriminator((36, 60, 1), filters=4)
    assert discriminator.output_shape == (None, 9, 15, 1)
    assert discriminator.layers[-1].activation is keras.activations.linear  # logits have both signs
    size = 1
    for layer in reversed([layer for layer in discriminator.layers if isinstance(layer, keras.layers.Conv2D)]):
        size = (size - 1) * layer.strides[0] + layer.kernel_size[0]
    assert size == 18


@pytest.mark.slow
@pytest.mark.once
def test_pretraining_trains_both_networks(tmp_path):
    np.savez(tmp_path / "real.npz", images=load_images(ImageOptions()).images[:1100])
    simulation = data.SimulationOptions(count=1000, real=tmp_path / "real.npz")
    config = Config(simulation=simulation, pretraining=(4, 2), filters=8, batch_size=16, updates=(1, 1))
    batches = data.load(config)
    keras.utils.set_random_seed(0)
    gan = build(config, batches.sample_shape[0])
    pretrain(gan, batches, config)
    sides = data.load_sides(config.simulation, "test")
    simulated, real = (scale(images[:110]) for images in (sides.simulated, sides.real))
    refined = draw_samples(gan.generator, simulated)
    assert np.abs(refined - simulated).mean() < 0.1  # R changes little
    logits = [numbers(gan.discriminator(images)).mean() for images in (refined, real)]
    assert logits[0] < 0 < logits[1]  # D separates them


# Simulators -----------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_garments_have_classes_and_no_duplicates():
    options = data.SimulationOptions()
    images, labels = data.simulate(options, 500, seed=0)
    assert (images.shape, images.dtype) == ((500, 28, 28, 1), np.uint8)
    assert set(labels["class"]) == set(range(10))
    assert len(np.unique(images, axis=0)) == 500
    assert (images.reshape(500, -1).max(axis=1) > 60).all()
    assert np.array_equal(images, data.simulate(options, 500, seed=0)[0])
    train, test = (data.load_sides(data.SimulationOptions(count=500), split).simulated for split in ("train", "test"))
    assert np.array_equal(train, images)
    assert len(np.unique(np.concatenate([train, test]), axis=0)) == 500 + 100


@pytest.mark.once
def test_each_class_has_the_shape_of_its_garment():
    images, labels = data.simulate(data.SimulationOptions(), 2000, seed=0)
    covered = images[..., 0] > 30
    height = {kind: covered[labels["class"] == kind].any(axis=2).sum(axis=1).mean() for kind in range(10)}
    width = {kind: covered[labels["class"] == kind].any(axis=1).sum(axis=1).mean() for kind in range(10)}
    names = [each.__name__ for each in simulators.GARMENTS]
    tall = {"t_shirt", "trouser", "pullover", "dress", "coat", "shirt"}
    assert all((height[kind] > 23) == (name in tall) for kind, name in enumerate(names))
    assert all(width[names.index(name)] < 17 for name in ("trouser", "dress"))
    assert all(width[names.index(name)] > 24 for name in ("sandal", "sneaker", "ankle_boot"))


@pytest.mark.once
def test_eyes_have_the_pupil_at_its_label():
    """The centroid of the darkest pixels correlates with the label."""
    images, labels = data.simulate(data.SimulationOptions(simulator="eyes"), 300, seed=0)
    assert images.shape == (300, 36, 60, 1)
    assert set(labels) == {"yaw", "pitch", "pupil_x", "pupil_y"}
    assert np.abs(labels["yaw"]).max() <= simulators.MOST_YAW
    right = np.corrcoef(labels["yaw"], labels["pupil_x"])[0, 1]
    down = np.corrcoef(labels["pitch"], labels["pupil_y"])[0, 1]
    assert min(right, down) > 0.8
    columns = np.arange(60)
    centroids = []
    for image, y in zip(images[..., 0], labels["pupil_y"], strict=True):
        row = np.clip(round(y), 8, 27)
        strip = 255.0 - image[row - 1 : row + 2].mean(axis=0)
        weights = np.where(strip > 200, strip, 0) + 1e-6
        centroids.append((columns * weights).sum() / weights.sum())
    assert np.corrcoef(centroids, labels["pupil_x"])[0, 1] > 0.8


@pytest.mark.once
def test_folders_of_other_sizes_without_labels(tmp_path):
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
        ({"real": SHARED / "missing"}, "--real expects images, but .*missing does not exist"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        data.load_sides(data.SimulationOptions(**options), "train")


@pytest.mark.once
def test_each_number_of_a_pair_is_checked():
    with pytest.raises(InputError, match=r"--updates must be at least 1 .*, but is 0"):
        check_ranges(Config(updates=(2, 0)))


@pytest.mark.once
def test_batches_hold_scaled_simulated_and_real_images():
    config = Config(simulation=data.SimulationOptions(count=400), batch_size=100, updates=(2, 1))
    batches = data.load(config)
    simulated, real = batches[0]
    assert simulated.shape == real.shape == (200, 28, 28, 1)
    assert (simulated.min(), simulated.max() > 0.5, real.min()) == (-1, True, -1)
    assert batches.count == 10_000  # of the larger array


@pytest.mark.once
def test_the_nearest_real_image():
    real = RNG.integers(0, 256, (30, 8, 8, 1), "uint8")
    noisy = np.clip(real[[7, 3]].astype(int) + 5, 0, 255).astype("uint8")
    assert np.array_equal(data.nearest(noisy, real), real[[7, 3]])


# Actions --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.once
def test_the_two_sample_test_separates_different_distributions():
    def kind(low):
        return measure.Kind(*(RNG.integers(low, 256, (count, 16, 16, 1), "uint8") for count in (400, 200)))

    assert abs(measure.told_apart(kind(0), kind(0), 0) - 0.5) < 0.12
    assert measure.told_apart(kind(0), kind(128), 0) > 0.95


@pytest.mark.slow
@pytest.mark.once
def test_labels_are_recovered_from_images_but_not_from_noise():
    place = RNG.uniform(4, 12, (1200, 1))
    columns = np.arange(16)
    bars = np.exp(-0.5 * (columns - place) ** 2)[:, None, :, None] * np.ones((1, 16, 1, 1)) * 255
    bars = bars.astype("uint8")
    images = measure.Kind(bars[:1000], bars[1000:])
    (error,) = measure.regression_errors(images, place[:1000], place[1000:], 0)
    assert error < 0.7
    noise = measure.Kind(*(RNG.integers(0, 256, part.shape, "uint8") for part in (bars[:1000], bars[1000:])))
    (error,) = measure.regression_errors(noise, place[:1000], place[1000:], 0)
    assert error > 1.5


@pytest.mark.slow
@pytest.mark.once
def test_a_run_is_evaluated_applied_and_exported(tmp_path):
    folder = tmp_path / "run"
    answer = call_recipe("simgan", *EMBEDDED, "--epochs", 1, "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("/step - loss:") == 2  # pre-training of R, then of D
    answer = call_recipe("simgan", "evaluate", "--seeds", 1, "--pictures", 300, "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    for words in ("accuracy on real, refined", "told from real, raw", "frechet, refined", "classes recovered"):
        assert words in answer.stdout
    write(tmp_path / "drawn" / "a.png", picture(33, 45)[..., :1])
    answer = call_recipe(
        *("simgan", "apply", "--input", tmp_path / "drawn", "--out", tmp_path / "out", "--run-folder", folder)
    )
    assert answer.returncode == 0, answer.stderr
    assert decode.read(tmp_path / "out" / "a.png").shape == (33, 45, 1)
    command = ("simgan", "export", "--count", 5, "--run-folder", folder, "--out", tmp_path / "labelled")
    assert call_recipe(*command).returncode == 0
    assert len(list((tmp_path / "labelled").glob("0000*.png"))) == 5
    lines = (tmp_path / "labelled" / "labels.csv").read_text().split()
    assert lines[0] == "file,class"
    assert [line.split(",")[0] for line in lines[1:]] == [f"0000{index}.png" for index in range(5)]
    assert is_one_sentence(call_recipe(*command), "exists already")


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the eyes of ../shared/data, which are not redistributed")
def test_a_run_refines_eyes(tmp_path):
    with np.load(SHARED / "mpiigaze_real" / "mpiigaze_real.npz") as arrays:
        np.savez(tmp_path / "eyes.npz", images=arrays["images"][::10])
    options = ("--simulator", "eyes", "--real", tmp_path / "eyes.npz", "--count", 200, "--filters", 2)
    options += ("--batch-size", 50)
    options += ("--pretraining", 1, 1, "--epochs", 1, "--run-folder", tmp_path / "run")
    answer = call_recipe("simgan", *options)
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
    answer = call_recipe(*command)
    assert answer.returncode == 0, answer.stderr
    for words in ("error of yaw, refined", "error of pupil_x, raw", "told from real, refined"):
        assert words in answer.stdout
    assert "accuracy on real" not in answer.stdout
