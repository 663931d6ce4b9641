"""pix2pix: its networks, loss and data, and the actions apply and evaluate."""

import shutil
import subprocess
import sys

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from common.base.errors import InputError
from common.base.pictures import pair_sheet, side_by_side
from common.cli import apply, tiles
from common.sampling import draw_samples
from data_prep import decode, images
from data_prep.images import ImageOptions
from recipes.pix2pix import data, measure
from recipes.pix2pix.train import Config, PatchDiscriminator, UNet, build
from recipes.simgan import train as simgan
from recipes.style_transfer import train as style_transfer
from tests.conftest import PROJECT, call_recipe, is_one_sentence, loss_of
from tests.files import picture, write

RNG = np.random.default_rng(0)


def unet(num_downsamplings=2, dropout=0.5, channels=1):
    keras.utils.set_random_seed(0)
    return UNet(
        keras.Input((None, None, 1)), channels=channels, num_downsamplings=num_downsamplings, filters=2, dropout=dropout
    )


def tiny(**weights):
    keras.utils.set_random_seed(0)
    return build(Config(filters=2, dropout=0.0, **weights), (16, 24, 1), (16, 24, 1), 1000)


@pytest.fixture
def pairs():
    return tuple(ops.convert_to_tensor(RNG.uniform(-1, 1, (4, 16, 24, 1)), "float32") for _ in range(2))


# Networks -------------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(("num_downsamplings", "size"), [(2, (28, 28)), (4, (64, 96)), (6, (256, 256))])
def test_the_generator_accepts_every_image_size(num_downsamplings, size):
    image = np.zeros((1, *size, 1), "float32")
    assert tuple(unet(num_downsamplings)(image).shape) == image.shape


def test_dropout_is_active_at_inference():
    image = RNG.uniform(-1, 1, (1, 28, 28, 1)).astype("float32")
    generator, deterministic = unet(), unet(dropout=0.0)
    single = RNG.integers(0, 256, (28, 28, 1), "uint8")
    for draw in (lambda g: draw_samples(g, image, training=True), lambda g: apply.translate(g, single)):
        assert not np.array_equal(draw(generator), draw(generator))
        assert np.array_equal(draw(deterministic), draw(deterministic))


TRANSLATORS = {
    "unet": lambda: unet(2, dropout=0.0),
    "deep unet": lambda: unet(4, dropout=0.0),
    "residual": lambda: style_transfer.ResidualGenerator(keras.Input((None, None, 1)), filters=4, blocks=2),
    "refiner": lambda: simgan.Refiner(keras.Input((None, None, 1)), filters=4),
}


@pytest.mark.once
@pytest.mark.parametrize("kind", TRANSLATORS)
def test_a_large_image_is_translated_tile_by_tile_without_a_seam(kind, monkeypatch):
    """As it would be at once: the margins are wide enough, and instance norm has the statistics of the whole image."""
    keras.utils.set_random_seed(0)
    generator = TRANSLATORS[kind]()
    for layer in generator.layers:  # scales and shifts are not those of an untrained norm
        if tiles.is_instance_norm(layer):
            layer.gamma.assign(RNG.uniform(0.5, 2, layer.gamma.shape))
            layer.beta.assign(RNG.uniform(-0.5, 0.5, layer.beta.shape))
    image = picture(190, 150, seed=1)[..., :1]
    image[:80] //= 3  # so that a tile has other statistics than the whole
    at_once = apply.translate(generator, image)
    monkeypatch.setattr(tiles, "WHOLE", 1000)
    monkeypatch.setattr(tiles, "TILE", (2 * tiles.reach_of(generator) + 112) ** 2)
    shape = [-(-side // 16) * 16 for side in image.shape[:2]]
    assert len(tiles.tiles_of(shape, tiles.stride_of(generator), tiles.reach_of(generator))) >= 4
    tiled = apply.translate(generator, image)
    assert at_once.std() > 5
    assert np.abs(tiled.astype(int) - at_once).max() <= 1


MEMORY = """
import resource
import keras
import numpy as np
from common.cli import apply
from recipes.pix2pix.train import UNet

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

generator = UNet(keras.Input((None, None, 3)), channels=3, num_downsamplings=2, filters=4, dropout=0.5)
image = np.random.default_rng(0).integers(0, 256, (6000, 8000, 3), "uint8")
apply.translate(generator, image[:64, :64])
before = peak()
assert apply.translate(generator, image).shape == image.shape
print(peak() - before)
"""


@pytest.mark.once
@pytest.mark.slow
def test_48_megapixels_take_little_memory():
    answer = subprocess.run([sys.executable, "-c", MEMORY], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert float(answer.stdout) < 1000  # with the padded copy of the image, and the result


@pytest.mark.once
def test_a_network_with_other_layers_is_not_tiled():
    x = keras.Input((None, None, 1))
    attention = keras.layers.Multiply()([x, keras.layers.GlobalAveragePooling2D(keepdims=True)(x)])
    assert not tiles.can_be_tiled(keras.Model(x, attention))
    assert not tiles.can_be_tiled(keras.Model(x, keras.layers.BatchNormalization()(x)))


@pytest.mark.once
def test_dropout_is_next_to_the_bottleneck_alone():
    """More of it is half of a network for small images, and its noise stays in the translations."""
    for num_downsamplings in (2, 4, 6):
        layers = unet(num_downsamplings).layers
        (dropout,) = [at for at, layer in enumerate(layers) if isinstance(layer, keras.layers.Dropout)]
        upsampling = [at for at, layer in enumerate(layers) if isinstance(layer, keras.layers.Conv2DTranspose)]
        assert sum(at < dropout for at in upsampling) == 1


@pytest.mark.once
def test_the_unet_has_a_skip_connection_at_every_resolution():
    skips = [layer for layer in unet(4).layers if isinstance(layer, keras.layers.Concatenate)]
    assert len(skips) == 3


@pytest.mark.once
@pytest.mark.parametrize(("size", "patches"), [(28, 14), (64, 16), (256, 32)])
def test_the_discriminator_returns_a_logit_per_patch_of_a_pair(size, patches):
    pair = (keras.Input((size, size, 1)), keras.Input((size, size, 3)))
    discriminator = PatchDiscriminator(pair, filters=2)
    assert discriminator.output_shape == (None, patches, patches, 1)
    source, target = (np.zeros((1, size, size, channels), "float32") for channels in (1, 3))
    corner = source.copy()
    corner[0, :2, :2] = 1
    changed, unchanged = (ops.convert_to_numpy(discriminator([each, target])) for each in (corner, source))
    assert changed[0, 0, 0] != unchanged[0, 0, 0]  # it sees the source


@pytest.mark.once
@pytest.mark.parametrize(("pixels", "patch"), [(28, 16), (64, 34), (128, 70), (256, 70)])
def test_the_receptive_field_of_a_logit_is_its_patch(pixels, patch):
    """That of the convolutions: instance norm uses the mean and the deviation of the whole image."""
    pair = (keras.Input((pixels, pixels, 1)), keras.Input((pixels, pixels, 1)))
    discriminator = PatchDiscriminator(pair, filters=2)
    size = 1
    for layer in reversed([layer for layer in discriminator.layers if isinstance(layer, keras.layers.Conv2D)]):
        size = (size - 1) * layer.strides[0] + layer.kernel_size[0]
    assert size == patch


# Loss -----------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_generator_loss_is_equation_4(pairs):
    gan = tiny()
    translated = gan.generator(pairs[0])
    logits = ops.convert_to_numpy(gan.discriminator([pairs[0], translated]))
    distance = np.abs(ops.convert_to_numpy(pairs[1]) - ops.convert_to_numpy(translated)).mean()
    expected = np.log1p(np.exp(-logits)).mean() + 100 * distance
    assert loss_of(gan, "generator", pairs) == pytest.approx(expected, rel=1e-5)
    assert loss_of(tiny(adversarial=0.0), "generator", pairs) == pytest.approx(100 * distance, rel=1e-5)


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_default_data_are_garments_and_their_edges():
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
def test_pairs_without_a_test_part_are_split(tmp_path):
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
def test_single_images_become_pairs(tmp_path):
    for index in range(20):
        write(tmp_path / f"{index}.png", picture(16, 16, index))
    colour = data.load_sides(data.SourceOptions(data=tmp_path, size="16", task="colorize"), "test")
    assert (colour.source.shape, colour.target.shape) == ((2, 16, 16, 1), (2, 16, 16, 3))
    assert np.array_equal(colour.source[[1]][0, ..., 0], cv2.cvtColor(colour.target[1], cv2.COLOR_RGB2GRAY))
    with pytest.raises(InputError, match="--task colorize needs colour images"):
        data.load_sides(data.SourceOptions(task="colorize"), "train")


@pytest.mark.once
def test_real_pairs_are_augmented_by_default(tmp_path):
    """With the paper's jitter; the edges of a resized image are not its resized edges, and garments need none."""

    def steps(**options):
        augmentation = data.SourceOptions(**options).augmentation()
        return [type(step).__name__ for step in augmentation.steps] if augmentation else []

    assert steps() == []
    assert steps(dataset="facades") == steps(data=tmp_path) == ["Flip", "Crop"]
    assert steps(data=tmp_path, task="colorize") == ["Flip", "Crop"]
    assert steps(data=tmp_path, task="edges") == ["Flip"]
    assert steps(data=tmp_path, augment=("none",)) == []
    assert steps(augment=("rotate",)) == ["Rotate"]
    with pytest.raises(InputError, match="--augment none goes with no other change"):
        data.SourceOptions(augment=("none", "crop")).check_given(())


@pytest.mark.once
def test_baselines_are_the_mean_the_median_and_the_nearest_pair(tmp_path):
    write_pairs(tmp_path / "train", 20)
    write_pairs(tmp_path / "test", 3, first=4)  # each equals a training pair
    options = data.SourceOptions(data=tmp_path, size="16")
    training, test = (data.load_sides(options, split) for split in ("train", "test"))
    found = measure.baselines(options, test.source[np.arange(3)])
    assert np.array_equal(found[" of the nearest pair"], test.target[np.arange(3)])
    mean = training.target[np.arange(20)].mean(axis=0)
    assert np.abs(found[" of the mean target"] - mean).max() <= 0.5
    assert found[" of the mean target"].shape == (3, 16, 16, 3)
    targets = training.target[np.arange(20)].astype(int)
    for name, error in ((" of the mean target", np.square), (" of the median target", np.abs)):
        constant = found[name][0].astype(int)
        assert all(error(targets - constant).mean() <= error(targets - target).mean() for target in targets)
        assert all(error(targets - constant).mean() <= error(targets - constant - by).mean() for by in (-1, 1))


@pytest.mark.once
def test_side_by_side_interleaves_the_columns():
    grey, colour = np.zeros((3, 4, 4, 1)), np.ones((3, 4, 4, 3))
    sheet = side_by_side(grey, colour)
    assert sheet.shape == (6, 4, 4, 3)
    assert [float(image.mean()) for image in sheet] == [0, 1] * 3


# Actions --------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_a_pair_sheet_shows_images_of_any_size():
    grey, colour = np.full((20, 10, 1), 50, "uint8"), np.full((300, 600, 3), 200, "uint8")
    sheet = pair_sheet([(grey, colour), (colour, grey)], height=100, gap=4)
    assert sheet.shape == (204, 200 + 4 + 200, 3)
    assert sheet[:100, :50].max() == 50  # enlarged to 100 × 50, with white beside it
    assert (sheet[:100, 50:204] == 255).all()
    assert (sheet[:100, 204:] == 200).all()
    assert (sheet[104:, :200] == 200).all()


@pytest.mark.once
@pytest.mark.parametrize("size", [(28, 28), (33, 45), (5, 3), (1, 1)])
def test_a_translation_has_the_size_of_its_source(size):
    assert apply.translate(unet(), RNG.integers(0, 256, (*size, 1), "uint8")).shape == (*size, 1)


@pytest.mark.once
def test_padding_is_cropped_from_the_translation():
    """Nothing is shifted or scaled."""
    identity = keras.Sequential(
        [keras.Input((None, None, 1)), keras.layers.Conv2D(1, 1, strides=2), keras.layers.UpSampling2D()]
    )
    identity.layers[0].set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])
    image = np.repeat(np.repeat(RNG.integers(0, 256, (3, 4, 1), "uint8"), 2, axis=0), 2, axis=1)[:5, :7]
    assert tiles.stride_of(identity) == 2
    assert np.array_equal(apply.translate(identity, image), image)


@pytest.mark.once
def test_apply_does_not_read_what_it_has_written(tmp_path, capsys):
    write(tmp_path / "a.png", picture(8, 8))
    options = apply.ApplyOptions(input=tmp_path, out=tmp_path / "out")
    expected = {tmp_path / "a.png": tmp_path / "out" / "a.png"}
    assert apply.outputs_of(options) == expected
    assert capsys.readouterr().out == ""
    for name in ("a.png", apply.SHEET):
        write(tmp_path / "out" / name, picture(8, 8))
    (tmp_path / "link").symlink_to(tmp_path / "out")
    assert apply.outputs_of(options) == expected
    assert "Left out: 4 images in" in capsys.readouterr().out
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"--input expects images, but .* contains none"):
        apply.outputs_of(options)


@pytest.mark.slow
@pytest.mark.once
def test_apply_keeps_names_and_overwrites_nothing(tmp_path):
    folder, photos = tmp_path / "run", tmp_path / "photos"
    for index in range(70):
        write(tmp_path / "data" / f"{index:02d}.png", picture(28, 28, index)[..., :1])
    options = ("--filters", 2, "--task", "edges", "--data", tmp_path / "data", "--size", 28, "--epochs", 1)
    options += ("--run-folder", folder)
    answer = call_recipe("pix2pix", *options)
    assert answer.returncode == 0, answer.stderr
    assert "pix2pix apply --input" in answer.stdout
    assert "pix2pix sample" not in answer.stdout
    write(photos / "a.jpg", picture(33, 45, 1))
    write(photos / "more" / "b.png", picture(20, 20, 2))
    (photos / "c.png").write_bytes(b"no picture")
    command = ("pix2pix", "apply", "--input", photos, "--run-folder", folder, "--out")
    answer = call_recipe(*command, tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    assert "Skipped" in answer.stdout
    assert decode.read(tmp_path / "out" / "a.png").shape == (33, 45, 1)
    assert decode.read(tmp_path / "out" / "more" / "b.png").shape == (20, 20, 1)
    assert decode.read(tmp_path / "out" / "before_after.png").shape[0] == 2 * 256 + 8
    assert is_one_sentence(call_recipe(*command, tmp_path / "out"), "exists already")
    assert is_one_sentence(call_recipe(*command, photos), "choose another, so that none is overwritten")
    shutil.copy(photos / "a.jpg", photos / "a.jpeg")
    assert is_one_sentence(call_recipe(*command, tmp_path / "twice"), "would both become")
    answer = call_recipe("pix2pix", "evaluate", "--extractor", "garments", "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    for words in (
        "L1 to the target",
        "structural similarity",
        "perceptual distance",
        "Fréchet distance",
        "7 held-out pairs",
    ):
        assert words in answer.stdout
    assert is_one_sentence(call_recipe("pix2pix", "sample"), "no action 'sample' of pix2pix; there are evaluate")
    assert is_one_sentence(call_recipe("pix2pix", "apply"), "apply needs both")
