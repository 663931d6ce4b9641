"""style_transfer: its image pools, losses, networks and data, and the actions apply and evaluate."""

import keras
import numpy as np
import pytest
from keras import ops
from skimage.exposure import match_histograms

from common.base.errors import InputError
from common.base.pictures import with_histogram
from common.image_pool import ImagePool
from common.layers import reflection_pad, residual_block
from common.losses import LeastSquares
from common.schedules import ConstantThenLinear
from data_prep import decode
from data_prep.images import ImageOptions
from data_prep.images import load as load_images
from recipes.style_transfer import actions, data
from recipes.style_transfer.train import Config, PatchDiscriminator, ResidualGenerator, build
from tests.conftest import call_recipe, is_one_sentence, loss_of
from tests.files import picture, write, write_many

RNG = np.random.default_rng(0)
SHAPE = (16, 24, 1)
EMBEDDED = ("--filters", 2, "--blocks", 1, "--batch-size", 1000, "--size", 16)  # embedded


def numbers(tensor):
    return ops.convert_to_numpy(tensor)


def draw(count=4, shape=SHAPE):
    return ops.convert_to_tensor(RNG.uniform(-1, 1, (count, *shape)), "float32")


def tiny(cycle=10.0, identity=5.0):
    keras.utils.set_random_seed(0)
    config = Config(filters=2, blocks=1, cycle=cycle, identity=identity, learning_rate=1e-2, batch_size=4)
    return build(config, SHAPE, steps=1000)


# Image pools ----------------------------------------------------------------------------------------------------------


def numbered(first, count):
    """Returns distinct fakes: each is filled with its number."""
    return np.arange(first, first + count, dtype="float32")[:, None] * np.ones((1, 2), "float32")


def fed(pool, steps, batch=4):
    """Returns the inputs and the outputs of a pool in each step, as the numbers of the fakes."""
    given = [numbered(1 + index * batch, batch) for index in range(steps)]
    return [(each[:, 0], numbers(pool(ops.convert_to_tensor(each)))[:, 0]) for each in given]


def test_a_pool_stores_and_returns_the_first_fakes():
    pool = ImagePool(10, (2,))
    for given, returned in fed(pool, 2):
        assert np.array_equal(given, returned)
    assert numbers(pool.count) == 8
    assert sorted(numbers(pool.pool)[:, 0]) == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    fed(pool, 2)
    assert numbers(pool.count) == 10


def test_a_full_pool_replaces_half_of_the_fakes():
    keras.utils.set_random_seed(0)
    pool = ImagePool(50, (2,))
    steps = fed(pool, 200)[13:]
    earlier = np.concatenate([returned < given.min() for given, returned in steps])
    assert 0.42 < earlier.mean() < 0.58
    for given, returned in steps:
        kept = returned[returned >= given.min()]
        assert set(kept) <= set(given)
    # Each fake was returned once, or is still in the pool.
    outputs = np.concatenate([returned for _, returned in steps])
    assert len(set(outputs)) == len(outputs)
    stored = set(numbers(pool.pool)[:, 0])
    assert len(stored) == 50
    assert stored <= set(range(1, 801))
    assert not stored & set(outputs)


def test_a_pool_returns_old_fakes():
    keras.utils.set_random_seed(0)
    steps = fed(ImagePool(50, (2,)), 300)[20:]
    ages = np.concatenate([given[0] - returned[returned < given[0]] for given, returned in steps])
    assert 60 < ages.mean() < 140  # an image stays for about 50 / (4 · ½) steps of 4 fakes each
    assert ages.max() > 250


@pytest.mark.once
def test_the_pools_are_filled_in_training_and_saved(tmp_path):
    gan = tiny()
    for _ in range(2):
        gan.train_on_batch(draw(26), draw(26))
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    for name in ("pool_a", "pool_b"):
        before, after = getattr(gan, name), getattr(loaded, name)
        assert np.abs(numbers(before.pool)).mean(axis=(1, 2, 3)).all()
        assert np.array_equal(numbers(before.pool), numbers(after.pool))
        assert numbers(before.count) == numbers(after.count) == 50


# Losses ---------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_both_losses_are_those_of_the_paper():
    gan, (a, b) = tiny(), (draw(), draw())
    g, f = gan.translators
    d_a, d_b = (gan.discriminator.get_layer(name) for name in ("is_a", "is_b"))

    def l1(first, second):
        return np.abs(numbers(first) - numbers(second)).mean()

    def squared_error(logits, target):
        return np.square(numbers(logits) - target).mean()

    adversarial = squared_error(d_a(f(b)), 1) + squared_error(d_b(g(a)), 1)
    cycle = l1(a, f(g(a))) + l1(b, g(f(b)))
    identity = l1(a, f(a)) + l1(b, g(b))
    scale = float(numbers(LeastSquares().generator(ops.zeros((1,)))))  # the least-squares loss has a factor ½
    expected = scale * adversarial + 10 * cycle + 5 * identity
    assert loss_of(gan, "generator", (a, b)) == pytest.approx(expected, rel=1e-5)
    without = loss_of(tiny(identity=0.0), "generator", (a, b))
    assert without == pytest.approx(scale * adversarial + 10 * cycle, rel=1e-5)
    errors = [(d_a(a), 1), (d_a(f(b)), 0), (d_b(b), 1), (d_b(g(a)), 0)]
    expected = scale * sum(squared_error(logits, target) for logits, target in errors)
    # The pools are not full yet, so they return the fakes unchanged.
    assert loss_of(gan, "discriminator", (a, b)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.once
def test_generator_loss_depends_on_both_real_images():
    """The cycle and the identity loss use both."""
    gan, a, b, other = tiny(), draw(), draw(), draw()
    loss = loss_of(gan, "generator", (a, b))
    assert loss != loss_of(gan, "generator", (other, b))
    assert loss != loss_of(gan, "generator", (a, other))


@pytest.mark.once
def test_the_discriminator_returns_a_logit_per_patch():
    for size, patches in ((28, 14), (64, 16), (128, 16), (256, 32)):
        discriminator = PatchDiscriminator((size, size, 3), filters=2)
        assert discriminator.output_shape == (None, patches, patches, 1)
        assert not [
            layer for layer in discriminator.layers if isinstance(layer, keras.layers.Dense | keras.layers.Flatten)
        ]


def test_instance_norm_scales_and_shifts_each_channel():
    generator = ResidualGenerator(keras.Input(SHAPE), filters=3, blocks=1)
    norms = [layer for layer in generator.layers if isinstance(layer, keras.layers.GroupNormalization)]
    assert len(norms) == 7
    x = RNG.normal(2, 3, (2, 5, 6, 3)).astype("float32")
    first = norms[0]
    assert first.gamma.shape == first.beta.shape == (3,)
    first.gamma.assign([1.0, 2.0, 3.0])
    first.beta.assign([0.0, 10.0, 20.0])
    normal = (x - x.mean((1, 2), keepdims=True)) / x.std((1, 2), keepdims=True)
    assert np.allclose(numbers(first(x)), normal * [1, 2, 3] + [0, 10, 20], atol=1e-3)


def test_reflection_padding_adds_no_border():
    """A constant image is mapped to a constant image."""
    inputs = keras.Input((None, None, 2))
    network = keras.Model(inputs, residual_block(reflection_pad(inputs, 3), norm=False))
    flat = numbers(network(np.full((1, 12, 12, 2), 0.5, "float32")))
    assert np.ptp(flat, axis=(1, 2)).max() < 1e-5


@pytest.mark.once
def test_learning_rate_is_constant_then_decays_linearly_to_0():
    rate = ConstantThenLinear(2e-4, 1000)
    assert [round(float(rate(step)) / 2e-4, 6) for step in (0, 499, 500, 750, 999, 1000, 5000)] == [
        *(1, 1, 1, 0.5, 0.002, 0, 0),
    ]
    optimizer = keras.optimizers.Adam(rate)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert float(numbers(again.learning_rate)) == pytest.approx(2e-4)


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_training_drawings_are_of_other_garments():
    options = data.DomainOptions()
    train, test = (data.load_domains(options, split) for split in ("train", "test"))
    assert (len(train.a), len(train.b), len(test.a)) == (5000, 5000, 2000)
    garments = load_images(ImageOptions(), "train").images
    assert np.array_equal(train.b[:50], np.stack([data.drawing(each) for each in garments[1:101:2]]))
    assert np.array_equal(train.a[:50], garments[0:100:2])
    assert np.array_equal(test.b[7], data.drawing(test.a[7]))


@pytest.mark.once
def test_a_drawing_is_denser_where_the_image_is_brighter():
    levels = [data.drawing(np.full((28, 28, 1), level, "uint8")).mean() for level in (0, 50, 100, 200)]
    assert levels[0] == levels[1] == 0
    assert 0 < 1.4 * levels[2] < levels[3]


def two_folders(tmp_path, photos=7, paintings=4):
    """Writes two folders with one more image each, the first, which is held out."""
    write_many(tmp_path / "photos", photos + 1)
    write_many(tmp_path / "paintings", paintings + 1, first=50)
    return data.DomainOptions(photos=tmp_path / "photos", paintings=tmp_path / "paintings", size="16")


@pytest.mark.once
def test_each_domain_is_shuffled_independently(tmp_path):
    options = two_folders(tmp_path, photos=8, paintings=4)
    batches = data.load(Config(domains=options, batch_size=2))
    batches.augment = None
    orders = []
    for _ in range(2):
        batches.on_epoch_begin()
        a, b = (np.concatenate([batches[index][side] for index in range(4)]) for side in (0, 1))
        assert len(np.unique(a, axis=0)) == 8
        assert len(np.unique(b[:4], axis=0)) == len(np.unique(b, axis=0)) == 4  # each once before any repeats
        orders.append((a, b))
    assert not np.array_equal(orders[0][0], orders[1][0])
    assert not np.array_equal(orders[0][1], orders[1][1])


@pytest.mark.once
def test_augmentation_differs_in_every_epoch(tmp_path):
    options = two_folders(tmp_path)
    assert options.changes == ("flip", "crop")
    assert data.DomainOptions().changes == ()
    batches = data.load(Config(domains=options, batch_size=4))
    seen = []
    for _ in range(4):
        batches.on_epoch_begin()
        seen += [image.tobytes() for image in batches[0][1]]  # all four paintings
    assert len(set(seen)) >= 12  # frozen ones would be four; two crops of so few pixels may be equal


@pytest.mark.once
def test_a_single_painting_is_cropped(tmp_path):
    write_many(tmp_path / "photos", 6)
    painting = picture(100, 160, seed=3)
    write(tmp_path / "painting.png", painting)
    options = data.DomainOptions(photos=tmp_path / "photos", paintings=tmp_path / "painting.png", size="16")
    parts, others = (data.load_domains(options, split).b for split in ("train", "test"))
    shown = parts[np.arange(30)]
    assert shown.shape == (30, 16, 16, 3)
    assert len(np.unique(shown, axis=0)) == 30
    assert np.array_equal(parts[[4]], parts[[4]])
    assert not np.array_equal(parts[[4]], others[[4]])
    same = data.Parts(painting, (50, 80), 10)[np.arange(10)]  # half of the sides: crops that are not resized
    windows = np.lib.stride_tricks.sliding_window_view(painting, (50, 80, 3))[:, :, 0]
    assert all(any(np.array_equal(part, window) for row in windows for window in row) for part in same[:2])
    with pytest.raises(InputError, match="Crops of 64×64 pixels need a painting of at least twice that size"):
        data.load_domains(data.DomainOptions(photos=options.photos, paintings=options.paintings, size="64"), "train")
    with pytest.raises(InputError, match="name both, --photos"):
        data.load_domains(data.DomainOptions(photos=options.photos), "train")


# Actions --------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_histogram_matching_is_that_of_scikit_image():
    source, target = (RNG.integers(low, high, (40, 9, 9, 1), "uint8") for low, high in ((0, 120), (90, 256)))
    ours = with_histogram(source, target)
    theirs = match_histograms(source.reshape(-1, 1), target.reshape(-1, 1)).reshape(source.shape)
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.once
def test_true_drawings_have_perfect_scores():
    photos = load_images(ImageOptions(), "test").images[:20]
    drawings = np.stack([data.drawing(photo) for photo in photos])
    scores = actions.against_truth(photos, drawings, drawings, data.load_domains(data.DomainOptions(), "train"))
    assert (scores["l1"], scores["ssim"]) == (0, pytest.approx(1))
    for name in ("the photo itself", "its histogram matched"):
        assert scores[f"l1 of {name}"] > 0.2
        assert scores[f"ssim of {name}"] < 0.7


@pytest.mark.slow
@pytest.mark.once
def test_a_run_on_two_folders_is_applied_in_both_directions(tmp_path):
    two_folders(tmp_path, photos=6, paintings=6)
    folder = tmp_path / "run"
    options = ("--photos", tmp_path / "photos", "--paintings", tmp_path / "paintings", "--size", 16)
    options += ("--filters", 2, "--blocks", 1, "--batch-size", 3, "--epochs", 1, "--run-folder", folder)
    answer = call_recipe("style_transfer", *options)
    assert answer.returncode == 0, answer.stderr
    write(tmp_path / "new" / "a.jpg", picture(33, 45, 1))
    write(tmp_path / "new" / "b.png", picture(3, 5, 2))
    command = ("style_transfer", "apply", "--run-folder", folder, "--input")
    answer = call_recipe(*command, tmp_path / "new", "--out", tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    assert decode.read(tmp_path / "out" / "a.png").shape == (33, 45, 3)
    assert decode.read(tmp_path / "out" / "b.png").shape == (3, 5, 3)
    assert decode.read(tmp_path / "out" / "before_after.png").shape[0] == 2 * 256 + 8
    answer = call_recipe(*command, tmp_path / "new" / "a.jpg", "--to", "photos", "--out", tmp_path / "back")
    assert answer.returncode == 0, answer.stderr
    to_paintings, to_photos = (decode.read(tmp_path / name / "a.png") for name in ("out", "back"))
    assert not np.array_equal(to_paintings, to_photos)
    answer = call_recipe("style_transfer", "evaluate", "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    assert "cycle error, photos" in answer.stdout
    assert "perceptual distance to the photos" in answer.stdout
    assert "L1 to the target" not in answer.stdout  # there are no true drawings
    assert "Without Fréchet and kernel distance: The Fréchet distance needs at least 6 held-out images" in answer.stdout
    one = ("--photos", tmp_path / "photos", "--paintings", tmp_path / "missing", "--run-folder", tmp_path / "other")
    assert is_one_sentence(call_recipe("style_transfer", *one), "--paintings expects images, but")


@pytest.mark.slow
@pytest.mark.once
def test_the_default_run_is_evaluated_against_the_true_drawings(tmp_path):
    answer = call_recipe("style_transfer", *EMBEDDED, "--epochs", 1, "--run-folder", tmp_path / "run")
    assert answer.returncode == 0, answer.stderr
    answer = call_recipe("style_transfer", "evaluate", "--samples", 100, "--run-folder", tmp_path / "run")
    assert answer.returncode == 0, answer.stderr
    for words in ("L1 to the target", "ssim of its histogram matched", "Fréchet distance", "100 photos"):
        assert words in answer.stdout
