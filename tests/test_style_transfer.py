"""style_transfer pairs nothing, remembers its fakes, plays, measures and translates as its paper and its page say."""

import keras
import numpy as np
import pytest
from keras import ops
from skimage.exposure import match_histograms

from common.errors import InputError
from common.history import History
from common.layers import reflect, residual_block
from common.losses import LeastSquares
from common.networks import as_one_player
from common.schedules import ConstantThenLinear
from data_prep import decode
from data_prep.images import ImageOptions
from data_prep.images import load as load_images
from recipes.style_transfer import actions, data
from recipes.style_transfer.train import Config, CycleGAN, PatchDiscriminator, ResidualGenerator
from tests.conftest import equal, run_recipe, values
from tests.files import picture, write, write_many
from tests.test_recipes import QUICK, is_one_sentence

RNG = np.random.default_rng(0)
SHAPE = (16, 24, 1)


def numbers(tensor):
    return ops.convert_to_numpy(tensor)


def draw(count=4, shape=SHAPE):
    return ops.convert_to_tensor(RNG.uniform(-1, 1, (count, *shape)), "float32")


def game(cycle=10.0, identity=5.0, history=50):
    keras.utils.set_random_seed(0)
    generators = [ResidualGenerator(keras.Input(SHAPE), name, filters=2, blocks=1) for name in ("to_b", "to_a")]
    discriminators = [PatchDiscriminator(SHAPE, name, filters=2) for name in ("is_a", "is_b")]
    gan = CycleGAN(
        as_one_player("generator", *generators),
        as_one_player("discriminator", *discriminators),
        seed=0,
        options={"cycle": cycle, "identity": identity, "history": history},
    )
    gan.compile(LeastSquares(), keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2))
    return gan


# The pool of earlier fakes --------------------------------------------------------------------------------------------


def numbered(first, count):
    """Fakes that can be told apart: each full of its number."""
    return np.arange(first, first + count, dtype="float32")[:, None] * np.ones((1, 2), "float32")


def fed(history, rounds, batch=4):
    """Returns what goes in and what comes out in each round, as the numbers of the fakes."""
    given = [numbered(1 + index * batch, batch) for index in range(rounds)]
    return [(each[:, 0], numbers(history(ops.convert_to_tensor(each)))[:, 0]) for each in given]


def test_a_history_fills_with_the_first_fakes_and_hands_them_on():
    history = History(10, (2,))
    for given, returned in fed(history, 2):
        assert np.array_equal(given, returned)
    assert numbers(history.count) == 8
    assert sorted(numbers(history.pool)[:, 0]) == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    fed(history, 2)
    assert numbers(history.count) == 10


def test_a_full_history_swaps_half_of_the_fakes_for_earlier_ones():
    keras.utils.set_random_seed(0)
    history = History(50, (2,))
    rounds = fed(history, 200)[13:]
    earlier = np.concatenate([returned < given.min() for given, returned in rounds])
    assert 0.42 < earlier.mean() < 0.58
    for given, returned in rounds:
        kept = returned[returned >= given.min()]
        assert set(kept) <= set(given)
    # What went in came out once, or is still there.
    came_out = np.concatenate([returned for _, returned in rounds])
    assert len(set(came_out)) == len(came_out)
    held = set(numbers(history.pool)[:, 0])
    assert len(held) == 50
    assert held <= set(range(1, 801))
    assert not held & set(came_out)


def test_a_history_hands_on_old_fakes_not_the_last_ones_alone():
    keras.utils.set_random_seed(0)
    rounds = fed(History(50, (2,)), 300)[20:]
    ages = np.concatenate([given[0] - returned[returned < given[0]] for given, returned in rounds])
    assert 60 < ages.mean() < 140  # a place is taken by a new one about every 50 / (4 · ½) rounds of 4 fakes
    assert ages.max() > 250


def test_a_history_is_part_of_a_checkpoint(tmp_path):
    gan = game(history=4)
    for _ in range(3):
        gan.train_on_batch(draw(), draw())
    assert all(np.abs(numbers(history.pool)).mean(axis=(1, 2, 3)).all() for history in gan.histories)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.options == {"cycle": 10.0, "identity": 5.0, "history": 4}
    for before, after in zip(gan.histories, loaded.histories, strict=True):
        assert np.array_equal(numbers(before.pool), numbers(after.pool))
        assert numbers(before.count) == numbers(after.count) == 4
    batch = draw(), draw()
    gan.train_on_batch(*batch)
    loaded.train_on_batch(*batch)
    assert equal(values(gan.weights), values(loaded.weights))


# Game -----------------------------------------------------------------------------------------------------------------


def test_both_losses_are_those_of_the_paper():
    gan, (a, b) = game(), (draw(), draw())
    to_b, to_a = gan.translators
    is_a, is_b = (gan.discriminator.get_layer(name) for name in ("is_a", "is_b"))

    def l1(first, second):
        return np.abs(numbers(first) - numbers(second)).mean()

    def off(logits, wanted):
        return np.square(numbers(logits) - wanted).mean()

    judged = off(is_a(to_a(b)), 1) + off(is_b(to_b(a)), 1)
    there_and_back = l1(a, to_a(to_b(a))) + l1(b, to_b(to_a(b)))
    identity = l1(a, to_a(a)) + l1(b, to_b(b))
    scale = float(numbers(LeastSquares().generator(ops.zeros((1,)))))  # the paper of the loss has a factor ½
    expected = scale * judged + 10 * there_and_back + 5 * identity
    assert float(numbers(gan.generator_loss((a, b)))) == pytest.approx(expected, rel=1e-5)
    without = float(numbers(game(identity=0.0).generator_loss((a, b))))
    assert without == pytest.approx(scale * judged + 10 * there_and_back, rel=1e-5)
    of_d = scale * sum([off(is_a(a), 1), off(is_a(to_a(b)), 0), off(is_b(b), 1), off(is_b(to_b(a)), 0)])
    assert float(numbers(gan.discriminator_loss((a, b)))) == pytest.approx(of_d, rel=1e-5)  # the pool still fills


def test_a_step_moves_the_player_whose_turn_it_is():
    gan, batch = game(), (draw(), draw())
    players = gan.generator, gan.discriminator
    before = [values(player.trainable_variables) for player in players]
    gan.minimize(gan.generator_loss, batch, gan.generator, gan.generator_optimizer)
    assert equal(values(gan.discriminator.trainable_variables), before[1])
    assert all(
        not np.array_equal(*pair) for pair in zip(values(gan.generator.trainable_variables), before[0], strict=True)
    )
    before[0] = values(gan.generator.trainable_variables)
    gan.minimize(gan.discriminator_loss, batch, gan.discriminator, gan.discriminator_optimizer)
    assert equal(values(gan.generator.trainable_variables), before[0])
    # The last biases of least squares move, and so does all before them.
    assert not equal(values(gan.discriminator.trainable_variables), before[1])


def test_the_generators_see_real_pictures_in_their_own_step():
    """Cycle and identity are of real pictures: other ones, other losses."""
    gan, a, b, other = game(), draw(), draw(), draw()
    loss = float(numbers(gan.generator_loss((a, b))))
    assert loss != float(numbers(gan.generator_loss((other, b))))
    assert loss != float(numbers(gan.generator_loss((a, other))))


@pytest.mark.once
def test_the_discriminators_judge_patches():
    for size, patches in ((28, 14), (64, 16), (128, 16), (256, 32)):
        discriminator = PatchDiscriminator((size, size, 3), filters=2)
        assert discriminator.output_shape == (None, patches, patches, 1)
        assert not [
            layer for layer in discriminator.layers if isinstance(layer, keras.layers.Dense | keras.layers.Flatten)
        ]


def test_the_norm_has_a_scale_and_a_shift_for_every_channel():
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


def test_edges_are_mirrored_not_black():
    """A picture of one grey has no frame after it: each of its pixels is translated alike."""
    inputs = keras.Input((None, None, 2))
    network = keras.Model(inputs, residual_block(reflect(inputs, 3), norm=False))
    flat = numbers(network(np.full((1, 12, 12, 2), 0.5, "float32")))
    assert np.ptp(flat, axis=(1, 2)).max() < 1e-5


@pytest.mark.once
def test_the_rate_is_constant_then_falls_to_zero():
    rate = ConstantThenLinear(2e-4, 1000)
    assert [round(float(rate(step)) / 2e-4, 6) for step in (0, 499, 500, 750, 999, 1000, 5000)] == [
        *(1, 1, 1, 0.5, 0.002, 0, 0),
    ]
    optimizer = keras.optimizers.Adam(rate)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert float(numbers(again.learning_rate)) == pytest.approx(2e-4)


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_drawings_to_learn_from_are_of_other_garments():
    options = data.DomainOptions()
    train, test = (data.load_domains(options, split) for split in ("train", "test"))
    assert (len(train.a), len(train.b), len(test.a)) == (5000, 5000, 2000)
    garments = load_images(ImageOptions(), "train").images
    assert np.array_equal(train.b[:50], np.stack([data.drawing(each) for each in garments[1:101:2]]))
    assert np.array_equal(train.a[:50], garments[0:100:2])
    assert np.array_equal(test.b[7], data.drawing(test.a[7]))


@pytest.mark.once
def test_a_drawing_is_denser_where_the_picture_is_brighter():
    levels = [data.drawing(np.full((28, 28, 1), level, "uint8")).mean() for level in (0, 50, 100, 200)]
    assert levels[0] == levels[1] == 0
    assert 0 < 1.4 * levels[2] < levels[3]


def two_folders(tmp_path, photos=7, paintings=4):
    """Of which every tenth, the first, is held out."""
    write_many(tmp_path / "photos", photos + 1)
    write_many(tmp_path / "paintings", paintings + 1, first=50)
    return data.DomainOptions(photos=tmp_path / "photos", paintings=tmp_path / "paintings", size="16")


@pytest.mark.once
def test_each_side_is_shuffled_on_its_own_and_all_are_seen(tmp_path):
    options = two_folders(tmp_path, photos=8, paintings=4)
    batches = data.load(Config(domains=options, batch_size=2))
    batches.augment = None
    orders = []
    for _ in range(2):
        batches.on_epoch_begin()
        a, b = (np.concatenate([batches[index][side] for index in range(4)]) for side in (0, 1))
        assert len(np.unique(a, axis=0)) == 8
        assert len(np.unique(b[:4], axis=0)) == len(np.unique(b, axis=0)) == 4  # each once before any comes again
        orders.append((a, b))
    assert not np.array_equal(orders[0][0], orders[1][0])
    assert not np.array_equal(orders[0][1], orders[1][1])


@pytest.mark.once
def test_photos_are_cropped_and_flipped_anew_in_every_epoch(tmp_path):
    options = two_folders(tmp_path)
    assert options.changes == ("flip", "crop")
    assert data.DomainOptions().changes == ()
    batches = data.load(Config(domains=options, batch_size=4))
    seen = []
    for _ in range(4):
        batches.on_epoch_begin()
        seen += [image.tobytes() for image in batches[0][1]]  # all four paintings
    assert len(set(seen)) == 16


@pytest.mark.once
def test_one_painting_is_seen_in_parts(tmp_path):
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
    same = data.Parts(painting, (50, 80), 10)[np.arange(10)]  # of half the sides: cut out, not scaled
    windows = np.lib.stride_tricks.sliding_window_view(painting, (50, 80, 3))[:, :, 0]
    assert all(any(np.array_equal(part, window) for row in windows for window in row) for part in same[:2])
    with pytest.raises(InputError, match="Parts of 64×64 pixels need a painting of twice that"):
        data.load_domains(data.DomainOptions(photos=options.photos, paintings=options.paintings, size="64"), "train")
    with pytest.raises(InputError, match="name both, --photos"):
        data.load_domains(data.DomainOptions(photos=options.photos), "train")


# Measure --------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_histogram_of_the_other_side_is_that_of_scikit_image():
    source, target = (RNG.integers(low, high, (40, 9, 9, 1), "uint8") for low, high in ((0, 120), (90, 256)))
    ours = actions.with_histogram(source, source, target)
    theirs = match_histograms(source.reshape(-1, 1), target.reshape(-1, 1)).reshape(source.shape)
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.once
def test_nothing_beats_the_true_drawings():
    photos = load_images(ImageOptions(), "test").images[:20]
    drawings = np.stack([data.drawing(photo) for photo in photos])
    scores = actions.against_truth(photos, drawings, drawings, data.load_domains(data.DomainOptions(), "train"))
    assert (scores["l1"], scores["ssim"]) == (0, pytest.approx(1))
    for name in ("the photo itself", "its histogram matched"):
        assert scores[f"l1 of {name}"] > 0.2
        assert scores[f"ssim of {name}"] < 0.7


@pytest.mark.slow
def test_trained_in_two_folders_it_is_applied_both_ways(tmp_path):
    two_folders(tmp_path, photos=6, paintings=6)
    folder = tmp_path / "run"
    options = ("--photos", tmp_path / "photos", "--paintings", tmp_path / "paintings", "--size", 16)
    options += ("--filters", 2, "--blocks", 1, "--batch-size", 3, "--epochs", 1, "--run-folder", folder)
    answer = run_recipe("style_transfer", *options)
    assert answer.returncode == 0, answer.stderr
    write(tmp_path / "new" / "a.jpg", picture(33, 45, 1))
    write(tmp_path / "new" / "b.png", picture(3, 5, 2))
    command = ("style_transfer", "apply", "--run-folder", folder, "--input")
    answer = run_recipe(*command, tmp_path / "new", "--out", tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    assert decode.read(tmp_path / "out" / "a.png").shape == (33, 45, 3)
    assert decode.read(tmp_path / "out" / "b.png").shape == (3, 5, 3)
    assert decode.read(tmp_path / "out" / "before_after.png").shape[0] == 2 * 256 + 8
    answer = run_recipe(*command, tmp_path / "new" / "a.jpg", "--to", "photos", "--out", tmp_path / "back")
    assert answer.returncode == 0, answer.stderr
    there, back = (decode.read(tmp_path / name / "a.png") for name in ("out", "back"))
    assert not np.array_equal(there, back)
    answer = run_recipe("style_transfer", "evaluate", "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    assert "cycle error, photos" in answer.stdout
    assert "L1 to the target" not in answer.stdout  # there is none
    assert "Without Fréchet distance: The Fréchet distance needs two held-out pictures" in answer.stdout
    one = ("--photos", tmp_path / "photos", "--paintings", tmp_path / "missing", "--run-folder", tmp_path / "other")
    assert is_one_sentence(run_recipe("style_transfer", *one), "--paintings expects pictures, and")


@pytest.mark.slow
@pytest.mark.once
def test_the_default_run_is_measured_against_the_truth(tmp_path):
    answer = run_recipe("style_transfer", *QUICK["style_transfer"], "--epochs", 1, "--run-folder", tmp_path)
    assert answer.returncode == 0, answer.stderr
    answer = run_recipe("style_transfer", "evaluate", "--samples", 100, "--run-folder", tmp_path)
    assert answer.returncode == 0, answer.stderr
    for words in ("L1 to the target", "ssim of its histogram matched", "Fréchet distance", "100 photos"):
        assert words in answer.stdout
