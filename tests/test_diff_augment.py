"""Augmentation of what the discriminator sees: each change, what p follows, and that samples stay as they are."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from keras.ops import convert_to_tensor as tensor
from scipy import ndimage

from common import backend, diff_augment
from common.base.arguments import parse
from common.base.errors import InputError
from common.controls import LabelSmoothing
from common.diff_augment import Adaptive, DiffAugment, LittleDataOptions
from common.gan import GAN
from common.losses import Hinge, LeastSquares, NonSaturating, RelativisticPairing, Wasserstein
from common.networks import Discriminator, Generator
from common.penalties import R1, R2, GradientPenalty, Lazy
from common.training import checkpoint
from tests.conftest import call_recipe, equal, loss_of, tried_again, values
from tests.tiny_recipes import TINY, WITHOUT_AUGMENTATION, WITHOUT_DISCRIMINATOR, batch, build

COUNT = 6
RNG = np.random.default_rng(0)
GREY, COLOUR = (RNG.uniform(-1, 1, (COUNT, 8, 6, channels)).astype("float32") for channels in (1, 3))
NOTHING = {
    **dict.fromkeys(("mirrored", "quarters", "rotation", "second_rotation", "brightness", "inverted", "hue"), 0.0),
    **dict.fromkeys(("scale", "stretch", "contrast", "saturation"), 1.0),
    **dict.fromkeys(("pixels", "fraction"), (0.0, 0.0)),
}


def augmented(augmentation, samples, seed=0):
    """Returns NumPy arrays."""
    samples = keras.tree.map_structure(tensor, samples)
    changed = augmentation(samples, seed=keras.random.SeedGenerator(seed))
    return keras.tree.map_structure(ops.convert_to_numpy, changed)


def changed(images, **drawn):
    """Returns images to which the changes of `Adaptive` have been applied that are given, the same to each."""
    drawn = keras.tree.map_structure(lambda x: np.full(len(images), x, "float32"), {**NOTHING, **drawn})
    return ops.convert_to_numpy(Adaptive().apply(tensor(images), drawn))


# DiffAugment ----------------------------------------------------------------------------------------------------------


def constant(value):
    return tensor(np.full(COUNT, value, "float32"))


def test_colours_are_changed_as_in_the_paper():
    found = diff_augment.recoloured(tensor(COLOUR), constant(0.3), constant(1.7), constant(0.6))
    expected = COLOUR + 0.3
    grey = expected.mean(axis=3, keepdims=True)
    expected = (expected - grey) * 1.7 + grey
    middle = expected.mean(axis=(1, 2, 3), keepdims=True)
    assert np.allclose(ops.convert_to_numpy(found), (expected - middle) * 0.6 + middle, atol=1e-6)


@pytest.mark.parametrize(("down", "right", "by"), [(0.0, 0.999, (-2, 2)), (0.5, 0.5, (0, 0)), (0.75, 0.2, (1, -1))])
def test_images_are_translated_by_whole_pixels_and_grey_comes_in(down, right, by):
    found = diff_augment.translated(tensor(COLOUR), 0.25, constant(down), constant(right))
    padded = np.pad(COLOUR, ((0, 0), (2, 2), (2, 2), (0, 0)))
    expected = padded[:, 2 - by[0] : 10 - by[0], 2 - by[1] : 8 - by[1]]
    assert np.array_equal(ops.convert_to_numpy(found), expected)


@pytest.mark.parametrize(("row", "column", "rows", "columns"), [(0, 0.999, (0, 2), (4, 6)), (0.5, 0.5, (2, 6), (2, 5))])
def test_a_rectangle_is_cut_out_also_across_the_edge(row, column, rows, columns):
    expected = COLOUR.copy()
    expected[:, slice(*rows), slice(*columns)] = 0
    found = diff_augment.cut_out(tensor(COLOUR), 0.5, constant(row), constant(column))
    assert np.array_equal(ops.convert_to_numpy(found), expected)


@pytest.mark.once
def test_the_draws_of_diffaugment_have_the_ranges_of_the_paper():
    white = np.ones((2000, 8, 8, 1), "float32")
    brightness = augmented(DiffAugment(translation=0, cutout=0), white)[:, 0, 0, 0] - 1
    assert -0.5 <= brightness.min() < -0.48
    assert 0.48 < brightness.max() <= 0.5
    cut = augmented(DiffAugment(colour=False, translation=0), white)
    assert (cut == 0).mean(axis=(1, 2, 3)).max() == 1 / 4
    moved = augmented(DiffAugment(colour=False, cutout=0), white)
    assert set(np.unique((moved[..., 0] == 0).all(axis=2).sum(axis=1))) == {0, 1}  # rows that have come in


def test_each_sample_and_each_call_is_changed_in_its_own_way():
    seed, images = keras.random.SeedGenerator(0), tensor(np.repeat(COLOUR[:1], 4, axis=0))
    for augmentation in (DiffAugment(), always()):
        first, second = (ops.convert_to_numpy(augmentation(images, seed=seed)) for _ in range(2))
        assert not any(np.array_equal(first[0], other) for other in first[1:])
        assert not np.array_equal(first, second)


def always():
    augmentation = Adaptive()
    augmentation.p.assign(1.0)
    return augmentation


@pytest.mark.parametrize("augmentation", [DiffAugment, always])
def test_the_images_of_a_sample_are_changed_alike_and_other_parts_stay(augmentation):
    labels, latents = np.arange(COUNT, dtype="int32"), RNG.normal(size=(COUNT, 3)).astype("float32")
    first, second, *others = augmented(augmentation(), (COLOUR, COLOUR, labels, latents))
    assert np.array_equal(first, second)
    assert not np.allclose(first, COLOUR)
    assert equal(others, (labels, latents))


# Adaptive -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", [GREY, COLOUR])
def test_nothing_changes_at_p_0(images):
    assert np.allclose(augmented(Adaptive(), images), images, atol=1e-6)


@pytest.mark.once
def test_about_a_share_of_p_is_changed_by_each():
    augmentation = Adaptive()
    augmentation.p.assign(0.4)
    drawn = keras.tree.map_structure(ops.convert_to_numpy, augmentation.draw(4000, keras.random.SeedGenerator(0)))
    share = {name: (keras.tree.flatten(drawn[name])[0] != neutral(name)).mean() for name in NOTHING}
    for name in ("mirrored", "inverted"):
        assert share.pop(name) == pytest.approx(0.2, abs=0.03)  # half of the time nothing is drawn
    assert share.pop("quarters") == pytest.approx(0.3, abs=0.03)
    either = (drawn["rotation"] != 0) | (drawn["second_rotation"] != 0)
    assert either.mean() == pytest.approx(0.4, abs=0.03)
    del share["rotation"], share["second_rotation"]
    assert all(value == pytest.approx(0.4, abs=0.03) for value in share.values()), share


def neutral(name):
    return keras.tree.flatten(NOTHING[name])[0]


def test_whole_moves_blur_nothing():
    square = COLOUR[:, :6]
    assert np.allclose(changed(COLOUR, mirrored=1), COLOUR[:, :, ::-1], atol=1e-6)
    assert np.allclose(changed(square, quarters=1), np.rot90(square, -1, axes=(1, 2)), atol=1e-5)
    moved = changed(COLOUR, pixels=(0.1, -1 / 6))  # of 8 and 6 pixels: 1 down, 1 to the left
    padded = np.pad(COLOUR, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    assert np.allclose(moved, padded[:, :8, 2:8], atol=1e-6)


@pytest.mark.parametrize(
    ("drawn", "matrix", "shift"),
    [
        ({"scale": 1.5}, np.eye(2) / 1.5, (0, 0)),
        ({"stretch": 2.0}, np.diag([2.0, 0.5]), (0, 0)),
        ({"rotation": 0.3}, [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]], (0, 0)),
        ({"second_rotation": 4.0}, [[np.cos(4), -np.sin(4)], [np.sin(4), np.cos(4)]], (0, 0)),
        ({"fraction": (0.2, -0.3)}, np.eye(2), (1.6, -1.8)),
        # The turn comes first, then the stretch, then the fraction of a pixel.
        ({"quarters": 1, "stretch": 2.0, "fraction": (0.05, 0.0)}, [[0, -0.5], [2.0, 0]], (0.4, 0)),
    ],
)
def test_images_are_resampled_as_scipy_does(drawn, matrix, shift):
    matrix, centre = np.asarray(matrix), (np.array(COLOUR.shape[1:3]) - 1) / 2
    expected = np.empty_like(COLOUR)
    for image, channel in np.ndindex(COUNT, 3):
        plane = COLOUR[image, :, :, channel]
        offset = centre - matrix @ (centre + shift)
        expected[image, :, :, channel] = ndimage.affine_transform(plane, matrix, offset, order=1, mode="mirror")
    assert np.allclose(changed(COLOUR, **drawn), expected, atol=1e-4)


def test_colours_are_multiplied_by_the_matrices_of_the_paper():
    axis = np.ones(3) / np.sqrt(3)
    grey = np.outer(axis, axis)
    cross = np.cross(np.eye(3), axis)
    turn = np.cos(0.7) * np.eye(3) + np.sin(0.7) * cross.T + (1 - np.cos(0.7)) * grey
    matrices = {
        "contrast": (1.4, 1.4 * np.eye(3)),
        "inverted": (1.0, np.eye(3) - 2 * grey),
        "hue": (0.7, turn.T),
        "saturation": (0.4, grey + 0.4 * (np.eye(3) - grey)),
    }
    for name, (value, matrix) in matrices.items():
        assert np.allclose(changed(COLOUR, **{name: value}), COLOUR @ matrix.T, atol=1e-5), name
    everything = {name: value for name, (value, _) in matrices.items()}
    together = np.linalg.multi_dot([matrices[name][1] for name in ("saturation", "hue", "inverted", "contrast")])
    found = changed(COLOUR, brightness=0.2, **everything)
    assert np.allclose(found, (COLOUR + 0.2) @ together.T, atol=1e-5)
    assert np.allclose(changed(GREY, brightness=0.2, **everything), (GREY + 0.2) * 1.4, atol=1e-6)


@pytest.mark.parametrize(
    ("logits", "boundary", "rises"), [(3.0, 0.0, True), (-3.0, 0.0, False), (0.7, 0.5, True), (0.3, 0.5, False)]
)
def test_p_follows_the_sign_of_real_logits_within_0_and_1(logits, boundary, rises):
    augmentation, p = Adaptive(length=40, every=2), []
    augmentation.p.assign(0.5)
    for _ in range(8):
        augmentation.observe([ops.full((4, 1), logits)], boundary)
        p.append(float(augmentation.p.numpy()))
    step = 0.2 if rises else -0.2  # of 2 batches of 4 images, out of 40
    expected = np.clip([0.5, 0.5 + step, 0.5 + step, 0.5 + 2 * step, 0.5 + 2 * step, 0.5 + 3 * step], 0, 1)
    assert p[:6] == pytest.approx(expected, abs=1e-6)
    assert p[-1] == (1 if rises else 0)


@pytest.mark.once
def test_p_rises_above_the_target_only():
    for positive, rises in ((15, False), (17, True)):  # means of 0.5 and 0.7 of 20 signs, over two heads
        augmentation = Adaptive(length=100, every=1)
        augmentation.p.assign(0.5)
        head = np.where(np.arange(20) < positive, 1.0, -1.0).astype("float32")
        augmentation.observe([tensor(head[:, None])] * 2, 0.0)
        assert (float(augmentation.p.numpy()) > 0.5) == rises


@pytest.mark.once
def test_a_loss_without_a_boundary_is_refused(images_gan):
    for loss in (Wasserstein(), RelativisticPairing()):
        with pytest.raises(InputError, match=rf"--ada.*{type(loss).__name__}.*use --diff-augment"):
            images_gan(Adaptive(), loss)
        images_gan(DiffAugment(), loss)
    assert [images_gan(Adaptive(), loss).adversarial_loss.boundary for loss in (Hinge(), LeastSquares())] == [0, 0.5]
    assert LabelSmoothing(LeastSquares(), 0.1).boundary == 0.5


# In a GAN -------------------------------------------------------------------------------------------------------------


class Painter(Generator):
    def network(self, latents):
        x = layers.Dense(16, activation="relu")(latents)
        return layers.Reshape((8, 8, 1))(layers.Dense(64, activation="tanh")(x))


class Judge(Discriminator):
    def network(self, images):
        x = layers.Conv2D(16, 4, strides=2, padding="same")(images)
        x = layers.LeakyReLU(0.2)(x)
        return layers.Dense(1)(layers.Flatten()(x))


IMAGES = np.random.default_rng(0).uniform(-1, 1, (32, 8, 8, 1)).astype("float32")


@pytest.fixture
def images_gan():
    def make(augmentation, loss=None, rate=1e-2, **kwargs):
        keras.utils.set_random_seed(0)
        gan = GAN(Painter(4), Judge((8, 8, 1)), seed=1, augmentation=augmentation)
        adam = keras.optimizers.Adam
        gan.compile(loss or NonSaturating(), adam(rate, beta_1=0.5), adam(rate, beta_1=0.5), **kwargs)
        return gan

    return make


class Recorded(DiffAugment):
    """Makes all images zeros, and remembers which it was given."""

    def apply(self, images, drawn):
        self.__dict__.setdefault("given", []).append(ops.convert_to_numpy(ops.stop_gradient(images)))
        return 0.0 * images


@pytest.mark.once
def test_both_losses_judge_real_and_fake_augmented(images_gan):
    gan = images_gan(Recorded())
    fake = gan.fake(IMAGES)
    with_zeros = {"discriminator": 2, "generator": 1}
    for player, count in with_zeros.items():
        gan.augmentation.given = []
        total, _ = gan.objective(player, (tensor(IMAGES), fake, {}))
        given, expected = gan.augmentation.given, [IMAGES, ops.convert_to_numpy(ops.stop_gradient(fake))][-count:]
        assert equal(given, expected), player
        # The discriminator, whose biases are 0, gives logits of 0 for what was augmented.
        assert float(ops.stop_gradient(total)) == pytest.approx(count * np.log(2), rel=1e-6), player


@pytest.mark.parametrize("augmentation", [DiffAugment, always])
def test_the_gradient_of_the_generator_runs_through(augmentation, images_gan):
    gan = images_gan(augmentation(), rate=0.1)
    before = values(gan.generator.trainable_variables)
    gan.train_on_batch(IMAGES)
    for old, new in zip(before, values(gan.generator.trainable_variables), strict=True):
        assert np.abs(new - old).max() > 0.01
    broken = images_gan(Zeros())
    before = values(broken.generator.trainable_variables)
    broken.train_on_batch(IMAGES)
    assert equal(before, values(broken.generator.trainable_variables))


class Zeros(DiffAugment):
    def apply(self, images, drawn):
        return 0.0 * images


@pytest.mark.parametrize(
    ("augmentation", "penalty"), [(DiffAugment, GradientPenalty(10.0)), (always, [Lazy(R1(1.0), every=2), R2(1.0)])]
)
def test_trains_with_penalties_through_it(augmentation, penalty, images_gan):
    gan = images_gan(augmentation(), Hinge(), penalty=penalty)
    before = values(gan.discriminator.trainable_variables)
    assert np.isfinite(gan.fit(IMAGES, batch_size=8, verbose=0).history["d_loss"]).all()
    assert not equal(before, values(gan.discriminator.trainable_variables))


@pytest.mark.parametrize("augmentation", [DiffAugment(translation=0.0, cutout=0.0), DiffAugment(), always()])
def test_the_penalty_is_that_of_finite_differences(augmentation):
    """R1 through it: ‖∇ D(T(x))‖², and its derivative with respect to a weight of D."""
    images = tensor(COLOUR)
    drawn = augmentation.draw(COUNT, keras.random.SeedGenerator(0))
    kernel = tensor(RNG.normal(size=(8, 6, 3)).astype("float32"))

    def judge(weight, samples):
        return ops.sum(ops.tanh(weight * augmentation.apply(samples, drawn)) * kernel, axis=(1, 2, 3))[:, None]

    weight = keras.Variable(0.7)
    penalty = R1(2.0)

    def loss():
        return penalty(lambda samples: judge(weight.value, samples), images, images, None), {}

    _, _, (gradient,) = backend.value_and_gradients(loss, [weight], [])
    numbers = []
    for value in (0.69, 0.71):
        weight.assign(value)
        numbers.append(float(ops.stop_gradient(loss()[0])))
    assert float(gradient) == pytest.approx((numbers[1] - numbers[0]) / 0.02, rel=1e-2)


@tried_again
@pytest.mark.parametrize("augmentation", [DiffAugment, lambda: Adaptive(length=200)])
def test_saved_and_resumed_to_the_same_bits(augmentation, images_gan, tmp_path):
    tmp_path.mkdir()
    kwargs = {"batch_size": 8, "shuffle": False, "verbose": 0}
    gan = images_gan(augmentation(), steps_per_execution=2)
    gan.fit(IMAGES, epochs=2, **kwargs)
    gan.save(tmp_path / "gan.keras")
    checkpoint.save(tmp_path / "checkpoint.npz", gan, 2)
    history = gan.fit(IMAGES, epochs=2, **kwargs).history
    resumed = images_gan(augmentation(), steps_per_execution=2)
    checkpoint.load(tmp_path / "checkpoint.npz", resumed)
    for other in (keras.saving.load_model(tmp_path / "gan.keras"), resumed):
        assert type(other.augmentation) is type(gan.augmentation)
        assert other.augmentation.get_config() | {"name": ""} == gan.augmentation.get_config() | {"name": ""}
        assert other.fit(IMAGES, epochs=2, **kwargs).history == history
        assert equal(values(checkpoint.variables(gan)), values(checkpoint.variables(other)))
    if isinstance(gan.augmentation, Adaptive):
        assert gan.augmentation.p.numpy() > 0
        assert history["ada_p"][0] > 0


@pytest.mark.once
@pytest.mark.parametrize("name", sorted(TINY.keys() - WITHOUT_AUGMENTATION - WITHOUT_DISCRIMINATOR))
def test_every_recipe_of_images_takes_the_options(name):
    gan = build(name, little_data=LittleDataOptions(diff_augment=True))
    assert isinstance(gan.augmentation, DiffAugment)
    assert build(name, little_data=LittleDataOptions()).augmentation is None
    if name in ("wgan", "r3gan", "stacked_mnist"):
        with pytest.raises(InputError, match="only their differences mean something"):
            build(name, little_data=LittleDataOptions(ada=True))
        return
    gan = build(name, little_data=LittleDataOptions(ada=True))
    samples = keras.tree.map_structure(tensor, batch(name))
    assert np.isfinite(loss_of(gan, "discriminator", samples))
    assert float(gan.augmentation.updates.numpy()) == 1  # it has seen the logits of real samples


@pytest.mark.once
def test_both_at_once_are_refused():
    with pytest.raises(InputError, match=r"--diff-augment and --ada both augment .* leave one of them out"):
        parse("recipe", "", {"options": LittleDataOptions}, ["--diff-augment", "--ada"])


@pytest.mark.slow
@pytest.mark.once
def test_dcgan_with_ada_logs_p(tmp_path):
    options = ["--filters", 4, "--classes", "bag", "--batch-size", 100, "--epochs", 2, "--run-folder", tmp_path / "run"]
    answer = call_recipe("dcgan", *options, "--ada")
    assert answer.returncode == 0, answer.stderr
    header, *rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    assert all(0 <= float(row.split(",")[header.split(",").index("ada_p")]) <= 1 for row in rows)


# Leaks ----------------------------------------------------------------------------------------------------------------


class RealOnly(GAN):
    """The mistake: only the real images are augmented."""

    def real(self, batch):
        return DiffAugment(colour=False, translation=0.0)(batch, seed=self.seed_generator)


@pytest.mark.slow
@pytest.mark.once
def test_samples_show_no_holes_unless_only_the_real_images_are_augmented():
    """The data are white images."""
    shares = []
    for kind, augmentation in ((GAN, DiffAugment(colour=False, translation=0.0)), (RealOnly, None)):
        keras.utils.set_random_seed(0)
        gan = kind(Painter(4), Judge((8, 8, 1)), seed=0, augmentation=augmentation)
        adam = keras.optimizers.Adam
        gan.compile(NonSaturating(), adam(5e-3, beta_1=0.5), adam(5e-3, beta_1=0.5), steps_per_execution=20)
        gan.fit(np.full((32 * 400, 8, 8, 1), 0.9, "float32"), batch_size=32, verbose=0)
        shares.append((gan.sample(gan.latents.fixed(200, seed=0)) < 0.45).mean())  # nearer to a hole than to the data
    assert shares[0] < 0.05
    assert shares[1] > 0.1
