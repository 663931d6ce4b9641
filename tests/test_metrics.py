"""Scores against closed forms, reference implementations, plain loops, and the order of good and bad samples."""

import dataclasses
import json

import cv2
import keras
import numpy as np
import pytest
import scipy.linalg
from skimage.metrics import structural_similarity

from common.base.errors import InputError
from common.base.pictures import scale
from common.latents import Latents
from common.scoring import extractors, metrics, train_extractor
from common.scoring.evaluator import Evaluator, Protocol, Scores, refuse_other_protocol, score_generator
from common.training.trained_run import options_of
from data_prep import images
from data_prep.images import ImageOptions


def gaussian(rng, count, mean, covariance):
    """Samples whose mean and covariance are exactly the given ones."""
    samples = rng.normal(size=(count, len(mean)))
    samples -= samples.mean(axis=0)
    samples = samples @ np.linalg.inv(np.linalg.cholesky(np.cov(samples.T))).T
    return samples @ np.linalg.cholesky(covariance).T + mean


@pytest.mark.once
def test_frechet_distance_of_gaussians():
    rng = np.random.default_rng(0)
    for _ in range(3):
        a, b = (part @ part.T + np.eye(6) for part in rng.normal(size=(2, 6, 6)))
        mean = rng.normal(size=6)
        closed = mean @ mean + np.trace(a + b - 2 * scipy.linalg.sqrtm(a @ b).real)
        found = metrics.frechet_distance(gaussian(rng, 500, np.zeros(6), a), gaussian(rng, 300, mean, b))
        assert found == pytest.approx(closed, rel=1e-6)
    assert metrics.frechet_distance(np.eye(9)[:4], np.eye(9)[:4]) == pytest.approx(0, abs=1e-7)  # singular covariance


@pytest.mark.once
def test_moments_accumulate_over_batches():
    features = np.random.default_rng(0).normal(3, 2, size=(1000, 5))
    moments = metrics.Moments()
    for part in np.split(features, [1, 10, 500]):
        moments.add(part)
    assert np.allclose(moments.mean, features.mean(axis=0), rtol=1e-12)
    assert np.allclose(moments.covariance, np.cov(features.T), rtol=1e-10)


@pytest.mark.once
def test_kernel_distance_is_the_unbiased_estimate():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(1, 1, size=(5, 3))

    def kernel(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    within = [np.mean([kernel(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]) for z in (x, y)]
    across = np.mean([kernel(a, b) for a in x for b in y])
    assert metrics.squared_mmd(x, y) == pytest.approx(sum(within) - 2 * across, rel=1e-12)


@pytest.mark.once
def test_kernel_distance_has_a_known_value():
    # E k(x, y) of constants: x is always 0, y always (2, 0): k(x, x) = 1, k(y, y) = 27, k(x, y) = 1.
    x, y = np.zeros((50, 2)), np.tile([2.0, 0.0], (60, 1))
    assert metrics.kernel_distance(x, y, subsets=3) == (pytest.approx(26), pytest.approx(0))
    rng = np.random.default_rng(0)
    same = [metrics.kernel_distance(*rng.normal(size=(2, 400, 4)), subsets=20, size=200)[0] for _ in range(20)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(20) + 1e-3  # unbiased: no offset for equal distributions


@pytest.mark.once
@pytest.mark.parametrize("neighbours", [3, 5])
def test_manifold_scores_match_prdc(neighbours):
    prdc = pytest.importorskip("prdc")
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(1200, 8)), rng.normal(0.3, 0.8, size=(900, 8))
    expected = prdc.compute_prdc(real, fake, neighbours)
    assert metrics.manifold_scores(real, fake, neighbours) == pytest.approx(expected, rel=1e-9)


@pytest.mark.once
def test_class_scores():
    real = np.repeat(np.arange(10), 20)
    assert metrics.class_scores(real, real, 10) == {"label_entropy": pytest.approx(np.log(10)), "modes": 10, "kl": 0}
    collapsed = metrics.class_scores(real, np.zeros(50, int), 10)
    assert collapsed == {"label_entropy": 0, "modes": 1, "kl": pytest.approx(np.log(10))}


@pytest.mark.once
def test_mixture_scores():
    centres = np.array([[0.0, 0.0], [10.0, 0.0]])
    samples = np.concatenate(
        [np.tile([0.0, 2.9], (50, 1)), np.tile([10.0, 0.0], (19, 1)), np.tile([5.0, 5.0], (31, 1))]
    )
    assert metrics.mixture_scores(samples, centres, deviation=1) == {"modes": 1.0, "high_quality": 0.69}
    assert metrics.mixture_scores(samples, centres, deviation=1, least=19)["modes"] == 2


# Extractors -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def garments():
    return extractors.load("garments")


@pytest.fixture(scope="module")
def test_images():
    return images.load(ImageOptions(), "test")


def test_accuracy_and_size_of_the_extractors(garments, test_images):
    _, labels = garments(test_images.images)
    assert (labels == test_images.labels).mean() >= 0.92
    assert garments.class_names == test_images.class_names
    for name in extractors.TRAINED:
        assert (extractors.FOLDER / f"{name}.keras").stat().st_size <= 1_000_000
        facts = json.loads((extractors.FOLDER / f"{name}.json").read_text("utf-8"))
        assert facts["test_accuracy"] >= {"garments": 0.92, "digits": 0.99}[name]


def test_stored_extractors_have_the_architecture_of_the_script():
    made = train_extractor.classifier()
    for name in extractors.TRAINED:
        stored = keras.saving.load_model(extractors.FOLDER / f"{name}.keras")
        assert [weight.shape for weight in stored.weights] == [weight.shape for weight in made.weights]


@pytest.mark.once
def test_shifted_images_keep_their_content():
    samples = np.zeros((50, 28, 28, 1), "uint8")
    samples[:, 10, 5] = 200
    found = train_extractor.shifted(samples, np.random.default_rng(0), flip=False)
    places = np.argwhere(found[..., 0])[:, 1:]
    assert found.sum() == samples.sum()
    assert np.abs(places - [10, 5]).max() == 2
    assert len(np.unique(places, axis=0)) > 10
    flipped = train_extractor.shifted(samples, np.random.default_rng(0), flip=True)
    assert 10 < (np.argwhere(flipped[..., 0])[:, 2] > 14).sum() < 40


def test_features_match_those_of_other_backends(garments, test_images):
    features, _ = garments(test_images.images[:100])
    assert features.shape == (100, 64)
    assert features.mean() == pytest.approx(0.56415606, rel=1e-5)
    assert garments.digest == "5371b5a237c0ccea"


def test_images_are_converted_to_the_size_and_channels_of_the_extractor(garments, test_images):
    small = test_images.images[:20]
    large = np.stack([cv2.resize(image, (56, 56))[..., None].repeat(3, axis=2) for image in small])
    assert np.corrcoef(garments(small)[0].ravel(), garments(large)[0].ravel())[0, 1] > 0.9


@pytest.mark.once
def test_scores_rank_good_and_bad_samples(garments, test_images):
    train = images.load(ImageOptions()).images
    evaluator = Evaluator(garments, train[:2000], "fashion_mnist", "train")
    noise = np.random.default_rng(0).integers(0, 256, train[:2000].shape).astype("uint8")
    blurred = np.stack([cv2.GaussianBlur(image, (0, 0), 0.8)[..., None] for image in test_images.images])
    parts = {"same": train[:2000], "test": test_images.images, "blurred": blurred, "noise": noise}
    scores = {name: evaluator(2000, lambda rows, part=part: part[rows], "files").values for name, part in parts.items()}
    for name, better in (("frechet", -1), ("kernel", -1), ("precision", 1), ("coverage", 1)):
        values = [better * scores[part][name] for part in parts]
        assert values == sorted(values, reverse=True), name
    assert scores["same"]["density"] == pytest.approx(1)  # about 1 for samples as good as the data, possibly more
    assert scores["test"]["density"] > scores["blurred"]["density"] > scores["noise"]["density"]
    assert scores["same"]["frechet"] == pytest.approx(0, abs=1e-6)
    assert scores["same"]["modes"] == scores["test"]["modes"] == 10
    assert scores["noise"]["recall"] < 0.05 < 0.7 < scores["test"]["recall"]


@pytest.mark.once
def test_samples_of_wrong_classes_score_worse(garments, test_images):
    """By the share that the extractor recognizes, or, of classes it does not know, by their kernel distances."""
    shown, labels = test_images.images, test_images.labels
    wrong = (labels + 1) % 10
    for names, kind, better in ((test_images.class_names, "accuracy", 1), (tuple("abcdefghij"), "kernel of c", -1)):
        evaluator = Evaluator(garments, shown[:500], "fashion_mnist", "test", labels=labels[:500], class_names=names)
        scores = [
            evaluator(500, lambda rows: shown[500:][rows], "files", wanted[500:1000]).values
            for wanted in (labels, wrong)
        ]
        assert better * scores[0][kind] > better * scores[1][kind] + 0.5
        distances = [f"{'frechet' if kind == 'accuracy' else 'kernel'} of {name}" for name in names]
        assert [name for name in scores[0] if name.startswith(("frechet of", "kernel of"))] == distances


@pytest.mark.once
def test_classes_are_drawn_in_the_shares_of_the_data(garments, test_images):
    shown, labels = test_images.images, test_images.labels
    bags, boots = (np.flatnonzero(labels == test_images.class_names.index(name)) for name in ("bag", "ankle-boot"))
    parts, asked = (bags[100:], boots[100:]), []

    def sample(inputs):
        """Draws each class as it is."""
        asked.append(inputs[1])
        return np.stack([scale(shown[parts[label][row]]) for row, label in enumerate(inputs[1])])

    scores = []
    for bag_count in (50, 95):
        rows = np.concatenate([bags[:bag_count], boots[: 100 - bag_count]])
        known = np.repeat([0, 1], [bag_count, 100 - bag_count])
        evaluator = Evaluator(garments, shown[rows], "two", "test", labels=known, class_names=("bag", "boot"))
        scores.append(score_generator(evaluator, Latents(2, class_count=2), sample, 60, 0, "raw").values)
    assert [np.bincount(classes).tolist() for classes in asked] == [[30, 30], [57, 3]]
    assert asked[0][:4].tolist() == [0, 1, 0, 1]  # as before, where classes are equally frequent
    assert max(each["kl"] for each in scores) < 0.1


@pytest.mark.once
def test_the_share_of_confirmed_samples_of_each_class(garments, test_images):
    """Where all samples of one class are of another one, that class alone has no confirmed sample."""
    shown, labels = test_images.images[:1000], test_images.labels[:1000]
    names = test_images.class_names
    evaluator = Evaluator(garments, shown, "fashion_mnist", "test", labels=labels, class_names=names)
    bags, boots = (np.flatnonzero(labels == names.index(name)) for name in ("bag", "ankle-boot"))
    drawn = np.concatenate([bags, boots])
    wanted = np.repeat([names.index("bag"), names.index("trouser")], [len(bags), len(boots)])
    values = evaluator(len(drawn), lambda rows: shown[drawn[rows]], "files", wanted).values
    assert values["confirmed of bag"] > 0.9
    assert values["confirmed of trouser"] == 0
    assert values["real confirmed of bag"] == values["confirmed of bag"]  # they are the same images
    assert values["real confirmed of trouser"] > 0.9
    assert values["accuracy"] == pytest.approx(values["confirmed of bag"] * len(bags) / len(drawn))
    assert "confirmed of coat" not in values


def test_a_model_file_is_an_extractor(tmp_path, test_images):
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs)).save(tmp_path / "mean.keras")
    extractor = extractors.load(str(tmp_path / "mean.keras"))
    features, labels = extractor(test_images.images[:5])
    assert features.shape == (5, 3)
    assert labels is None
    assert np.allclose(features[:, 0], test_images.images[:5].mean(axis=(1, 2, 3)) / 127.5 - 1, atol=0.02)


@pytest.mark.once
def test_invalid_extractors(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="There is no extractor 'garment'; there are garments, digits, imagenet"):
        extractors.load("garment")
    (tmp_path / "a.keras").write_text("no model")
    with pytest.raises(InputError, match=r"a\.keras cannot be opened as a Keras model of images"):
        extractors.load(str(tmp_path / "a.keras"))

    def unreachable(**options):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications, "InceptionV3", unreachable)
    with pytest.raises(InputError, match=r"InceptionV3 could not be downloaded .*use --extractor garments"):
        extractors.load("inception")


# Protocols --------------------------------------------------------------------------------------------------------

PROTOCOL = Protocol("garments", "abc", "fashion_mnist", "test", 2000, 10000, "area", "[-1, 1]", 0, "raw")


@pytest.mark.once
def test_scores_of_different_protocols_are_not_compared(tmp_path):
    first = Scores({"frechet": 1.5, "modes": 10}, PROTOCOL)
    first.write(tmp_path / "a.json")
    assert Scores.read(tmp_path / "a.json").protocol == PROTOCOL
    refuse_other_protocol(first, Scores.read(tmp_path / "a.json"))
    for field, value in (("fake_count", 5000), ("split", "train"), ("weights", "def"), ("generator", "averaged")):
        other = Scores({}, dataclasses.replace(PROTOCOL, **{field: value}))
        with pytest.raises(InputError, match=f"cannot be compared: {field} is .* and {value!r}. Compute both"):
            refuse_other_protocol(first, other)


@pytest.mark.once
def test_a_file_without_scores(tmp_path):
    with pytest.raises(InputError, match="make it with the action evaluate"):
        Scores.read(tmp_path / "missing.json")
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(InputError, match="holds no scores"):
        Scores.read(tmp_path / "a.json")


def test_the_evaluator_records_the_protocol(garments, test_images):
    evaluator = Evaluator(garments, test_images.images[:300], "fashion_mnist", "test", seed=3)
    scores = evaluator(200, lambda rows: test_images.images[rows], "raw")
    assert scores.protocol == Protocol(
        *("garments", garments.digest, "fashion_mnist", "test", 300, 200),
        *(extractors.Extractor.RESIZER, "[-1, 1]", 3, "raw"),
    )
    again = evaluator(200, lambda rows: test_images.images[rows], "raw")
    assert scores.values == again.values
    with pytest.raises(InputError, match="at least 6 images on both sides, but there are 4 samples"):
        evaluator(4, lambda rows: test_images.images[rows], "raw")


@pytest.mark.once
def test_data_sorted_by_class_is_chosen_from_at_random(garments, test_images):
    order = np.argsort(test_images.labels, kind="stable")
    evaluator = Evaluator(garments, test_images.images[order], "fashion_mnist", "test")
    scores = evaluator(400, lambda rows: test_images.images[rows], "raw")
    assert scores.values["coverage"] > 0.7


@pytest.mark.once
def test_options_of_a_run_are_restored():
    options = ImageOptions(dataset="mnist", classes=("3", "5"), size="32")
    config = {"recipe": "dcgan", "epochs": 3, **json.loads(json.dumps(dataclasses.asdict(options)))}
    assert options_of(config, ImageOptions) == options


@pytest.mark.once
def test_structural_similarity_matches_scikit_image():
    rng = np.random.default_rng(0)
    for channels in (1, 3):
        first = rng.integers(0, 256, (30, 40, channels), "uint8")
        second = np.clip(first + rng.normal(0, 40, first.shape), 0, 255).astype("uint8")
        expected = structural_similarity(
            first, second, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert metrics.structural_similarity(first, second) == pytest.approx(expected, abs=1e-9)
        assert metrics.structural_similarity(first, first) == pytest.approx(1)
