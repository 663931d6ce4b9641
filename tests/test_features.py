"""The action features: layers of a trained network as a start for a classifier."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops

from common.base.errors import InputError
from common.base.pictures import scale
from common.cli.features import FeaturesOptions, Parts
from common.latents import Latents
from common.networks import Generator, plain
from common.sampling import draw_samples
from common.saving import open_network
from common.scoring import inversion, probes
from common.scoring.classification import classify
from data_prep import images
from recipes.dcgan.train import ConvolutionalDiscriminator
from tests.conftest import call_recipe, equal, is_one_sentence, values
from tests.tiny_recipes import build

pytestmark = pytest.mark.xdist_group("features")  # in one process, so that what they share is made once

RNG = np.random.default_rng(0)


def network():
    keras.utils.set_random_seed(0)
    return plain(ConvolutionalDiscriminator((16, 16, 1), filters=2))


def shades(count, class_count):
    """Returns images whose class is their brightness, and the classes."""
    labels = np.arange(count) % class_count
    noise = RNG.integers(0, 40, (count, 16, 16, 1))
    return (noise + 200 // class_count * labels[:, None, None, None]).astype("uint8"), labels


# Layers and probes ----------------------------------------------------------------------------------------------------


def test_stages_are_the_activations_before_the_logit():
    found = probes.stages(network())
    assert [x.shape for x in found.values()] == [(None, 8, 8, 2), (None, 4, 4, 4)]
    inputs = keras.Input((3,))
    dense = keras.Model(inputs, layers.Dense(1)(layers.Dense(5)(inputs)))  # without activations
    assert [x.shape for x in probes.stages(dense).values()] == [(None, 5)]


def test_features_are_the_largest_of_each_cell():
    x = RNG.normal(size=(2, 8, 8, 3)).astype("float32")
    expected = x.reshape(2, 4, 2, 4, 2, 3).max(axis=(2, 4)).reshape(2, -1)
    assert ops.convert_to_numpy(probes.pooled(ops.convert_to_tensor(x), "conv")) == pytest.approx(expected)


@pytest.mark.parametrize("class_count", [2, 3])
def test_a_probe_becomes_a_classifier_of_keras(class_count):
    known, labels = shades(30, class_count)
    start = network()
    features = probes.features_of(start, known)
    layer = list(features)[-1]
    probe = probes.Probe(features[layer], labels)
    classifier = probe.classifier(probes.up_to(start, layer))
    assert classifier.output_shape == (None, class_count)
    wanted = probe.linear.predict(probe.scaler.transform(features[layer]))
    assert np.array_equal(classify(classifier, known), wanted)
    assert probe.accuracy(features[layer], labels) > 0.9


def test_a_network_may_have_layers_of_any_name():
    """As one that was loaded from a file, in a process that has made no layer: names count from the beginning."""
    inputs = keras.Input((16, 16, 1))
    x = layers.Dense(4, name="dense")(layers.Flatten(name="flatten")(inputs))
    flat = keras.Model(inputs, layers.Dense(1, name="dense_1")(layers.ReLU(name="re_lu")(x)))
    keras.backend.clear_session()
    known, labels = shades(30, 3)
    features = probes.features_of(flat, known)["re_lu"]
    assert features.shape == (30, 4)
    probe = probes.Probe(features, labels)
    assert probes.fine_tuned(probes.up_to(flat, "re_lu"), probe, known, labels, steps=2, seed=0).output_shape == (
        None,
        3,
    )


def test_fine_tuning_changes_a_copy_of_all_layers():
    known, labels = shades(30, 3)
    start = network()
    before = values(start.variables)
    layer = list(probes.stages(start))[-1]
    probe = probes.Probe(probes.features_of(start, known)[layer], labels)
    tuned = probes.fine_tuned(probes.up_to(start, layer), probe, known, labels, steps=3, seed=0)
    assert equal(values(start.variables), before)
    first = next(each for each in tuned.layers if isinstance(each, layers.Conv2D))
    assert not np.array_equal(first.kernel.numpy(), before[0])


def test_an_untrained_network_has_other_weights():
    start = network()
    assert not np.array_equal(probes.untrained(start).get_weights()[0], start.get_weights()[0])


@pytest.mark.once
@pytest.mark.parametrize("name", ["vanilla", "dcgan", "wgan", "projected_gan", "vae_gan", "semi_supervised"])
def test_discriminators_of_recipes_have_features(name, tmp_path):
    plain(build(name).discriminator).save(tmp_path / "discriminator.keras")
    opened = open_network(tmp_path / "discriminator.keras")
    known, labels = shades(12, 3)
    features = probes.features_of(opened, known)
    assert {len(each) for each in features.values()} == {12}
    layer = list(features)[-1]
    assert probes.Probe(features[layer], labels).classifier(probes.up_to(opened, layer)).output_shape == (None, 3)
    assert not np.array_equal(probes.features_of(probes.untrained(opened), known)[layer], features[layer])


class Bars(Generator):
    """Each latent is the brightness of a bar, which an encoder can read off."""

    def network(self, latents):
        x = layers.Dense(4, activation="tanh", kernel_initializer="identity", name="bars")(latents)
        x = layers.Reshape((16, 16, 1))(layers.UpSampling1D(64)(layers.Reshape((4, 1))(x)))
        return layers.Activation("linear", name="image")(x)


@pytest.mark.slow
def test_an_encoder_inverts_a_generator():
    generator = Bars(latent_dim=4)
    encoder = inversion.encoder_of(generator, Latents(4), seed=0, steps=150, drawn=500)
    vectors = Latents(4).fixed(200, seed=1)  # of another seed than the encoder was trained on
    drawn = draw_samples(generator, vectors)
    found = draw_samples(encoder, drawn)
    assert np.mean((found - vectors) ** 2) < 0.2  # 1 for the mean
    hidden = inversion.hidden_of(generator, encoder)
    outputs = {name: ops.convert_to_numpy(x) for name, x in hidden(drawn[:8]).items()}
    assert outputs["latents"] == pytest.approx(found[:8], abs=1e-4)
    assert outputs["image"] == pytest.approx(draw_samples(generator, found[:8]), abs=1e-4)


@pytest.mark.once
def test_a_generator_of_classes_is_not_inverted():
    with pytest.raises(InputError, match="this one is fed more, such as a class"):
        inversion.encoder_of(build("cgan").generator, Latents(4, class_count=3), seed=0)


def test_fine_tuning_keeps_the_averages_of_nested_norms():
    generator, known = build("dcgan").generator, shades(12, 3)
    encoder = keras.Sequential([layers.Input((16, 16, 1)), layers.Flatten(), layers.Dense(4)])
    network = inversion.hidden_of(generator, encoder)
    stage = list(probes.stages(network))[-1]
    probe = probes.Probe(probes.features_of(network, known[0])[stage], known[1])
    tuned = probes.fine_tuned(probes.up_to(network, stage), probe, *known, steps=2, seed=0)
    norms = [layer for layer in probes.layers_of(tuned) if isinstance(layer, layers.BatchNormalization)]
    assert norms
    assert not any(layer.trainable for layer in norms)


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    known, labels = shades(180, 3)
    np.savez(folder / "images.npz", images=known, labels=labels)
    return folder


@pytest.mark.once
def test_no_image_is_in_two_parts(data):
    parts = Parts(images.ImageOptions(data=data / "images.npz"), FeaturesOptions(labels=(6, 12), seeds=2))
    for seed in range(2):
        kinds = [parts.labelled[12, seed][0], parts.validation[seed][0], parts.test[0]]
        names = [{image.tobytes() for image in kind} for kind in kinds]
        assert [len(each) for each in names] == [len(kind) for kind in kinds]
        assert not (names[0] & names[1] or names[1] & names[2] or names[0] & names[2])
        assert {image.tobytes() for image in parts.labelled[6, seed][0]} < names[0]


@pytest.mark.once
def test_images_must_be_left_to_choose_the_layer(data):
    with pytest.raises(InputError, match="--labels 129 leave 33 of 162 images, but 50 others are needed"):
        Parts(images.ImageOptions(data=data / "images.npz"), FeaturesOptions(labels=(129,), seeds=1))


# As an action ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(data):
    options = ("--filters", 2, "--latent-dim", 4, "--epochs", 1, "--run-folder", data / "run")
    answer = call_recipe("dcgan", "--data", data / "images.npz", *options)
    assert answer.returncode == 0, answer.stderr
    return data / "run"


@pytest.mark.slow
@pytest.mark.once
def test_features_of_a_run_become_a_classifier(run, tmp_path):
    options = ("--labels", 6, 30, "--seeds", 2, "--steps", 5, "--run-folder", run)
    answer = call_recipe("dcgan", "features", *options)
    assert answer.returncode == 0, answer.stderr
    assert "linear on pixels" in answer.stdout
    stored = json.loads((run / "features.json").read_text())
    assert {len(each) for each in stored["accuracy"]["30"].values()} == {2}
    assert (run / "features.png").exists()
    classifier = keras.saving.load_model(run / "classifier.keras")
    known, labels = shades(60, 3)
    logits = ops.convert_to_numpy(classifier(scale(known)))
    assert np.mean(logits.argmax(axis=1) == labels) > 0.8
    (tmp_path / "mine.keras").write_text("mine")
    answer = call_recipe("dcgan", "features", *options, "--out", tmp_path / "mine.keras")
    assert is_one_sentence(answer, "exists already")
    assert (tmp_path / "mine.keras").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.once
def test_of_a_vae_the_encoder_is_used(data, tmp_path):
    options = ("--filters", 2, "--latent-dim", 4, "--epochs", 1, "--run-folder", tmp_path / "run")
    assert call_recipe("vae", "--data", data / "images.npz", *options).returncode == 0
    options = ("--labels", 6, "--seeds", 1, "--steps", 1, "--run-folder", tmp_path / "run")
    answer = call_recipe("vae", "features", *options)
    assert answer.returncode == 0, answer.stderr
    assert keras.saving.load_model(tmp_path / "run" / "classifier.keras").output_shape == (None, 3)


@pytest.mark.slow
@pytest.mark.once
def test_of_a_generator_an_encoder_is_trained(run, monkeypatch):
    monkeypatch.setattr(inversion.encoder_of, "__defaults__", (3, 64))  # steps, and samples
    options = ("--labels", 6, "--seeds", 1, "--steps", 1, "--out", run / "of_generator.keras")
    answer = call_recipe("dcgan", "features", "--network", "generator", *options, "--run-folder", run)
    assert answer.returncode == 0, answer.stderr
    assert "latents 0." in answer.stdout
    assert keras.saving.load_model(run / "of_generator.keras").output_shape == (None, 3)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--network", "encoder"), "has no encoder.keras; name another --network"),
        (("--labels", 300), "has only 54 training images; use --labels 162 or fewer"),
        (("--labels", 7), "must be a multiple of 3"),
        (("--out", "classifier.h5"), "use classifier.keras"),
        (("--run-folder", "missing"), "There is no run in missing yet; train first: ./run_recipe.sh dcgan"),
    ],
)
def test_what_cannot_be_measured_is_refused(run, options, sentence):
    answer = call_recipe("dcgan", "features", "--run-folder", run, *options)
    assert is_one_sentence(answer, sentence)


@pytest.mark.slow
@pytest.mark.once
def test_a_discriminator_of_labels_is_refused(data, tmp_path):
    options = ("--filters", 2, "--epochs", 1, "--run-folder", tmp_path / "run")
    assert call_recipe("cgan", "--data", data / "images.npz", *options).returncode == 0
    answer = call_recipe("cgan", "features", "--run-folder", tmp_path / "run")
    assert is_one_sentence(answer, "features expects a discriminator that takes an image, but that of cgan")


@pytest.mark.slow
@pytest.mark.once
def test_a_discriminator_of_other_images_is_refused(data, tmp_path):
    options = ("--data", data / "images.npz", "--filters", 2, "--batch-size", 256, "--epochs", 1)
    answer = call_recipe("stacked_mnist", *options, "--run-folder", tmp_path / "run")
    assert answer.returncode == 0, answer.stderr
    answer = call_recipe("stacked_mnist", "features", "--labels", 6, "--run-folder", tmp_path / "run")
    assert is_one_sentence(answer, "The network takes images of 16×16×3 values, but")
