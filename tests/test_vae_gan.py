"""vae_gan: who learns from what, reconstructions in features, and edits of a user's images."""

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from common import backend
from common.diff_augment import LittleDataOptions
from common.scoring import reconstructions
from recipes.vae_gan import actions
from recipes.vae_gan.train import Config, build
from tests.conftest import call_recipe, is_one_sentence, values

RNG = np.random.default_rng(0)


def tiny(**options):
    backend.set_random_seed(0)
    return build(Config(filters=2, latent_dim=4, **options), (16, 16, 1))


def images(count=8):
    return RNG.uniform(-1, 1, (count, 16, 16, 1)).astype("float32")


# Terms ----------------------------------------------------------------------------------------------------------------


def distance(gan, x, fakes):
    """Returns what `gan` takes for the distance of images and the first ones of as many fakes twice."""
    real = gan.real(ops.convert_to_tensor(x))
    return float(gan.compare(real, ops.convert_to_tensor(np.concatenate(fakes)))[1])


def without_batch_norm(gan):
    inputs = keras.Input((16, 16, 1))
    features = keras.layers.Flatten()(inputs)
    gan.discriminator = keras.Model(inputs, [features, features])
    return gan


@pytest.mark.once
def test_the_distance_is_one_of_features_summed_over_them():
    x, made, drawn = images(3), images(3), images(3)
    found = distance(without_batch_norm(tiny()), x, (made, drawn))
    assert found == pytest.approx(((x - made) ** 2).sum(axis=(1, 2, 3)).mean() / 2, rel=1e-5)


@pytest.mark.once
@pytest.mark.parametrize("option", ["diff_augment", "ada"])
def test_an_image_and_its_reconstruction_are_augmented_alike(option):
    gan = without_batch_norm(tiny(little_data=LittleDataOptions(**{option: True})))
    if option == "ada":
        gan.augmentation.p.assign(1.0)
    x, drawn = images(4), images(4)
    assert distance(gan, x, (x, drawn)) == pytest.approx(0, abs=1e-6)
    assert distance(gan, x, (drawn, x)) > 0.01


@pytest.mark.once
def test_reconstructions_are_compared_as_they_are_judged_in_one_batch_with_drawn_images():
    gan, x, made, drawn = tiny(), images(), images(), images() ** 2
    logits, features = (ops.convert_to_numpy(each) for each in gan.judge(np.concatenate([made, drawn])))
    of_real = ops.convert_to_numpy(gan.judge(x)[1])
    expected = ((of_real - features[: len(x)]) ** 2).sum(axis=1).mean() / 2
    assert distance(gan, x, (made, drawn)) == pytest.approx(expected, rel=1e-4)
    assert distance(gan, x, (made, made)) != pytest.approx(expected, rel=1e-2)
    judged, _ = gan.compare(gan.real(x), np.concatenate([made, drawn]))
    assert np.allclose(ops.convert_to_numpy(gan.logits(judged)), logits, atol=1e-5)


@pytest.mark.once
def test_what_is_compared_are_features_of_the_discriminator():
    """Of images whose features are equal the distance is 0, however different their pixels are."""
    gan, x = tiny(), images()
    for layer in gan.discriminator.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(np.zeros(layer.kernel.shape))
    assert float(gan.encoder_loss(gan.real(x), gan.fake(x))["reconstruction"]) == pytest.approx(0, abs=1e-6)


@pytest.mark.once
@pytest.mark.parametrize(
    ("player", "weights", "learns"),
    [
        ("encoder", {"encoder_kl": 0.0, "encoder_reconstruction": 0.0}, False),  # no adversarial term is left for it
        ("encoder", {"encoder_kl": 0.0}, True),
        ("generator", {"g_adversarial": 0.0}, True),
        ("generator", {"g_adversarial": 0.0, "g_reconstruction": 0.0}, False),
    ],
)
def test_who_learns_from_what(player, weights, learns):
    gan, x = tiny(), images()
    gan.loss_weights = {**gan.loss_weights, **weights}
    before = values(gan.variables_of(player))
    gan.train_on_batch(x)
    moved = [not np.allclose(*pair, atol=1e-7) for pair in zip(values(gan.variables_of(player)), before, strict=True)]
    assert any(moved) == learns


@pytest.mark.once
def test_samples_that_are_judged_are_reconstructions_and_drawn_ones():
    gan, x = tiny(), images(3)
    made, mean, _ = gan.fake(x)
    assert made.shape == (6, 16, 16, 1)
    assert mean.shape == (3, 4)
    seen = []
    gan.judge = lambda samples: seen.append(samples.shape[0]) or (ops.zeros((samples.shape[0], 1)), None)
    gan.discriminator_loss(gan.real(x), gan.fake(x))
    assert seen == [6, 6]  # as many real images


# Measures -------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_sharpness_falls_with_blur_and_counts_noise():
    image = np.kron(RNG.integers(0, 2, (7, 7)), np.ones((4, 4))).astype("uint8")[np.newaxis, ..., np.newaxis] * 255
    blurred = cv2.GaussianBlur(image[0], (5, 5), 1.0)[np.newaxis, ..., np.newaxis]
    noisy = np.clip(image + RNG.normal(0, 40, image.shape), 0, 255).astype("uint8")
    sharpness = [reconstructions.mean_sharpness(each) for each in (blurred, image, noisy)]
    assert sharpness[0] < 0.5 * sharpness[1] < sharpness[1] < sharpness[2]


# As a run -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae_gan")
    arrays = RNG.integers(0, 256, (80, 28, 28, 1), "uint8")
    np.savez(folder / "images.npz", images=arrays, labels=np.arange(80) % 3)
    options = ("--filters", 2, "--latent-dim", 3, "--epochs", 1, "--run-folder", folder / "run")
    answer = call_recipe("vae_gan", "--data", folder / "images.npz", *options)
    assert answer.returncode == 0, answer.stderr
    return folder


@pytest.mark.slow
@pytest.mark.once
def test_evaluate_adds_reconstructions_and_their_sharpness(run):
    options = ("--samples", 20, "--extractor", "garments", "--run-folder", run / "run")
    answer = call_recipe("vae_gan", "evaluate", *options)
    assert answer.returncode == 0, answer.stderr
    for words in ("Fréchet distance", "reconstruction, MSE", "reconstruction, features", "sharpness of samples"):
        assert words in answer.stdout
    assert {"reconstructions.png", "latents.png"} <= {path.name for path in (run / "run").iterdir()}


@pytest.mark.slow
@pytest.mark.once
def test_apply_reconstructs_and_edits_images_of_any_size(run, tmp_path):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "wide.jpg"), RNG.integers(0, 256, (40, 90, 3), "uint8"))
    base = ("vae_gan", "apply", "--input", tmp_path / "in", "--run-folder", run / "run")
    made = {}
    for name, options in (
        ("same", ()),
        ("none", ("--plus", "1", "--minus", "1")),
        ("moved", ("--plus", "1", "--minus", "2", "--strength", 5)),
        ("plus", ("--plus", "1", "--strength", 5)),
    ):
        answer = call_recipe(*base, "--out", tmp_path / name, *options)
        assert answer.returncode == 0, answer.stderr
        made[name] = cv2.imread(str(tmp_path / name / "wide.png"), cv2.IMREAD_UNCHANGED)
    assert made["same"].shape == (28, 28)
    assert np.array_equal(made["same"], made["none"])
    assert not np.array_equal(made["same"], made["moved"])
    assert not np.array_equal(made["moved"], made["plus"])


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--plus", "7"), "There is no class '7' in this data"),
        (("--strength", 2), "--strength has no effect without --plus or --minus"),
        (("--plus", "1", "--strength", 99), "--strength"),
    ],
)
def test_wrong_edits_are_one_sentence(run, tmp_path, options, words):
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), np.zeros((28, 28), "uint8"))
    base = ("vae_gan", "apply", "--input", tmp_path / "in", "--out", tmp_path / "out", "--run-folder", run / "run")
    answer = call_recipe(*base, *options)
    assert is_one_sentence(answer, words)
    assert not (tmp_path / "out").exists()


@pytest.mark.once
def test_the_mean_latents_are_those_of_the_classes():
    class Encoder:
        def __call__(self, x, training):
            flat = ops.convert_to_tensor(np.asarray(x).reshape(len(x), -1)[:, :2])
            return flat, flat

    arrays = RNG.integers(0, 256, (9, 4, 4, 1), "uint8")
    training = type("Images", (), {"images": arrays, "labels": np.arange(9) % 3})
    expected = (arrays[1::3].reshape(3, -1)[:, :2] / 127.5 - 1).mean(axis=0)
    assert np.allclose(actions.mean_latents(Encoder(), training, [1]), expected, atol=1e-5)
