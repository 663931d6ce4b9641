"""pix2pix pairs, plays, measures and translates as its paper and its page say."""

import shutil

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from common import translate
from common.errors import InputError
from common.gan import GAN, sample
from common.losses import NonSaturating
from common.pictures import pair_sheet, side_by_side
from data_prep import decode, images
from data_prep.images import ImageOptions
from recipes.pix2pix import data
from recipes.pix2pix.train import Config, PatchDiscriminator, Pix2Pix, UNet
from tests.conftest import equal, run_recipe, values
from tests.files import picture, write
from tests.test_recipes import is_one_sentence

RNG = np.random.default_rng(0)


def unet(times=2, dropout=0.5, channels=1):
    keras.utils.set_random_seed(0)
    return UNet(keras.Input((None, None, 1)), channels=channels, times=times, filters=2, dropout=dropout)


def game(**weights):
    pair = (keras.Input((16, 24, 1)), keras.Input((16, 24, 1)))
    weights = {"adversarial": 1.0, "distance": 100.0, **weights}
    gan = Pix2Pix(unet(dropout=0.0), PatchDiscriminator(pair, filters=2, times=2), seed=0, options=weights)
    gan.compile(NonSaturating(), keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2))
    return gan


@pytest.fixture
def pairs():
    return tuple(ops.convert_to_tensor(RNG.uniform(-1, 1, (4, 16, 24, 1)), "float32") for _ in range(2))


# Networks -------------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(("times", "size"), [(2, (28, 28)), (4, (64, 96)), (6, (256, 256))])
def test_a_generator_takes_every_size_of_its_data(times, size):
    image = np.zeros((1, *size, 1), "float32")
    assert tuple(unet(times)(image).shape) == image.shape


def test_the_noise_is_dropout_also_when_the_generator_is_used():
    image = RNG.uniform(-1, 1, (1, 28, 28, 1)).astype("float32")
    generator, still = unet(), unet(dropout=0.0)
    picture = RNG.integers(0, 256, (28, 28, 1), "uint8")
    for draw in (lambda g: sample(g, image, training=True), lambda g: translate.translate(g, picture)):
        assert not np.array_equal(draw(generator), draw(generator))
        assert np.array_equal(draw(still), draw(still))


@pytest.mark.once
def test_each_size_is_joined_with_what_had_that_size_before():
    joined = [layer for layer in unet(4).layers if isinstance(layer, keras.layers.Concatenate)]
    assert len(joined) == 3


@pytest.mark.once
@pytest.mark.parametrize(("times", "size", "patches"), [(2, 28, 14), (4, 64, 16), (6, 256, 32)])
def test_the_discriminator_judges_patches_of_pairs(times, size, patches):
    pair = (keras.Input((size, size, 1)), keras.Input((size, size, 3)))
    discriminator = PatchDiscriminator(pair, filters=2, times=times)
    assert discriminator.output_shape == (None, patches, patches, 1)
    source, target = (np.zeros((1, size, size, channels), "float32") for channels in (1, 3))
    corner = source.copy()
    corner[0, :2, :2] = 1
    with_, without = (ops.convert_to_numpy(discriminator([each, target])) for each in (corner, source))
    assert with_[0, 0, 0] != without[0, 0, 0]  # it sees the source


@pytest.mark.once
def test_a_logit_sees_its_patch_alone(pairs):
    """Of the convolutions, that is: instance norm tells every patch the mean and the deviation of all."""
    pair = (keras.Input((64, 64, 1)), keras.Input((64, 64, 1)))
    discriminator = PatchDiscriminator(pair, filters=2, times=4)
    size = 1
    for layer in reversed([layer for layer in discriminator.layers if isinstance(layer, keras.layers.Conv2D)]):
        size = (size - 1) * layer.strides[0] + layer.kernel_size[0]
    assert size == 34


# Game -----------------------------------------------------------------------------------------------------------------


def number(tensor):
    return float(ops.convert_to_numpy(tensor))


def test_the_loss_of_the_generator_is_equation_4(pairs):
    gan = game()
    translated = gan.generator(pairs[0])
    logits = ops.convert_to_numpy(gan.discriminator([pairs[0], translated]))
    distance = np.abs(ops.convert_to_numpy(pairs[1]) - ops.convert_to_numpy(translated)).mean()
    expected = np.log1p(np.exp(-logits)).mean() + 100 * distance
    assert number(gan.generator_loss(pairs)) == pytest.approx(expected, rel=1e-5)
    assert number(game(adversarial=0.0).generator_loss(pairs)) == pytest.approx(100 * distance, rel=1e-5)


def test_a_step_moves_the_player_whose_turn_it_is(pairs):
    gan = game()
    before = [values(network.trainable_variables) for network in (gan.generator, gan.discriminator)]
    gan.minimize(gan.generator_loss, pairs, gan.generator, gan.generator_optimizer)
    assert equal(values(gan.discriminator.trainable_variables), before[1])
    moved = [
        not np.array_equal(*pair) for pair in zip(values(gan.generator.trainable_variables), before[0], strict=True)
    ]
    assert all(moved)
    gan.minimize(gan.discriminator_loss, pairs, gan.discriminator, gan.discriminator_optimizer)
    assert not equal(values(gan.discriminator.trainable_variables), before[1])


def test_a_game_is_saved_and_goes_on(pairs, tmp_path):
    gan = game(distance=10.0)
    gan.train_on_batch(*pairs)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.options == {"adversarial": 1.0, "distance": 10.0}
    assert isinstance(loaded, GAN)
    assert equal(values(gan.weights), values(loaded.weights))


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_default_learns_garments_from_their_edges_and_holds_the_test_part_out():
    train, test = (data.load_sides(data.SourceOptions(), split) for split in ("train", "test"))
    assert (len(train.target), len(test.target)) == (10_000, 2_000)
    for split, sides in (("train", train), ("test", test)):
        assert np.array_equal(sides.target[:50], images.load(ImageOptions(), split).images[:50])
        source = sides.source[np.arange(50)]
        assert source.shape == (50, 28, 28, 1)
        assert set(np.unique(source)) == {0, 255}
        assert np.array_equal(source[7, ..., 0], cv2.Canny(sides.target[7, ..., 0], 100, 200))


def write_pairs(folder, count, first=0):
    for index in range(first, first + count):
        left = picture(16, 16, index)
        write(folder / f"{index:03d}.png", np.concatenate([left, 255 - left], axis=1))


@pytest.mark.once
def test_pairs_without_a_test_part_are_divided(tmp_path):
    write_pairs(tmp_path, 30)
    options = data.SourceOptions(data=tmp_path, size="16")
    train, test = (data.load_sides(options, split) for split in ("train", "test"))
    assert (len(train.source), len(test.source)) == (27, 3)
    batches = data.load(Config(pairs=options, batch_size=9))
    seen = np.concatenate([batches[index][0] for index in range(len(batches))])
    held_out = test.source[np.arange(3)]
    assert not any(np.array_equal(image, other) for image in data.scale(held_out) for other in seen)


@pytest.mark.once
def test_both_directions_and_a_test_part(tmp_path):
    write_pairs(tmp_path / "train", 20)
    write_pairs(tmp_path / "test", 4, first=50)
    forth, back = (
        data.load_sides(data.SourceOptions(data=tmp_path, size="16", direction=direction), "test")
        for direction in ("a2b", "b2a")
    )
    rows = np.arange(len(forth.source))
    assert len(rows) == 4
    assert np.array_equal(forth.source[rows], back.target[rows])
    assert np.abs(forth.source[rows].astype(int) + forth.target[rows] - 255).max() <= 1


@pytest.mark.once
def test_single_pictures_become_pairs(tmp_path):
    for index in range(20):
        write(tmp_path / f"{index}.png", picture(16, 16, index))
    colour = data.load_sides(data.SourceOptions(data=tmp_path, size="16", task="colorize"), "test")
    assert (colour.source.shape, colour.target.shape) == ((2, 16, 16, 1), (2, 16, 16, 3))
    assert np.array_equal(colour.source[[1]][0, ..., 0], cv2.cvtColor(colour.target[1], cv2.COLOR_RGB2GRAY))
    with pytest.raises(InputError, match="--task colorize needs pictures in colour"):
        data.load_sides(data.SourceOptions(task="colorize"), "train")


@pytest.mark.once
def test_a_sheet_shows_side_by_side_what_belongs_together():
    grey, colour = np.zeros((3, 4, 4, 1)), np.ones((3, 4, 4, 3))
    sheet = side_by_side(grey, colour)
    assert sheet.shape == (6, 4, 4, 3)
    assert [float(image.mean()) for image in sheet] == [0, 1] * 3


# Use ------------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_an_overview_shows_pictures_of_all_sizes_before_and_after():
    grey, colour = np.full((20, 10, 1), 50, "uint8"), np.full((300, 600, 3), 200, "uint8")
    sheet = pair_sheet([(grey, colour), (colour, grey)], height=100, gap=4)
    assert sheet.shape == (204, 200 + 4 + 200, 3)
    assert sheet[:100, :50].max() == 50  # enlarged to 100 × 50, and white beside it
    assert (sheet[:100, 50:204] == 255).all()
    assert (sheet[:100, 204:] == 200).all()
    assert (sheet[104:, :200] == 200).all()


@pytest.mark.once
@pytest.mark.parametrize("size", [(28, 28), (33, 45), (5, 3), (1, 1)])
def test_a_translation_is_as_large_as_its_picture(size):
    assert translate.translate(unet(), RNG.integers(0, 256, (*size, 1), "uint8")).shape == (*size, 1)


def test_a_picture_is_translated_the_same_in_a_larger_one_padded():
    """Padding is cut back: nothing is moved or scaled."""
    identity = keras.Sequential(
        [keras.Input((None, None, 1)), keras.layers.Conv2D(1, 1, 2), keras.layers.UpSampling2D()]
    )
    identity.layers[0].set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    picture = np.repeat(np.repeat(RNG.integers(0, 256, (3, 4, 1), "uint8"), 2, axis=0), 2, axis=1)[:5, :7]
    assert translate.stride_of(identity) == 2
    assert np.array_equal(translate.translate(identity, picture), picture)


@pytest.mark.slow
def test_apply_keeps_names_and_loses_nothing(tmp_path):
    folder, photos = tmp_path / "run", tmp_path / "photos"
    for index in range(70):
        write(tmp_path / "data" / f"{index:02d}.png", picture(28, 28, index)[..., :1])
    options = ("--filters", 2, "--task", "edges", "--data", tmp_path / "data", "--size", 28, "--epochs", 1)
    options += ("--run-folder", folder)
    answer = run_recipe("pix2pix", *options)
    assert answer.returncode == 0, answer.stderr
    assert "pix2pix apply --input" in answer.stdout
    assert "pix2pix sample" not in answer.stdout
    write(photos / "a.jpg", picture(33, 45, 1))
    write(photos / "more" / "b.png", picture(20, 20, 2))
    (photos / "c.png").write_bytes(b"no picture")
    command = ("pix2pix", "apply", "--input", photos, "--run-folder", folder, "--out")
    answer = run_recipe(*command, tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    assert "Skipped" in answer.stdout
    assert decode.read(tmp_path / "out" / "a.png").shape == (33, 45, 1)
    assert decode.read(tmp_path / "out" / "more" / "b.png").shape == (20, 20, 1)
    assert decode.read(tmp_path / "out" / "before_after.png").shape[0] == 2 * 256 + 8
    assert is_one_sentence(run_recipe(*command, tmp_path / "out"), "exists already")
    assert is_one_sentence(run_recipe(*command, photos), "choose another, so that none is lost")
    shutil.copy(photos / "a.jpg", photos / "a.jpeg")
    assert is_one_sentence(run_recipe(*command, tmp_path / "twice"), "would both become")
    answer = run_recipe("pix2pix", "evaluate", "--extractor", "garments", "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    for words in ("L1 to the target", "structural similarity", "Fréchet distance", "7 held-out pairs"):
        assert words in answer.stdout
    assert is_one_sentence(run_recipe("pix2pix", "sample"), "no action 'sample' of pix2pix; there are evaluate")
    assert is_one_sentence(run_recipe("pix2pix", "apply"), "apply needs both")
