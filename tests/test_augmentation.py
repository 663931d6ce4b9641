"""augmentation: which images the GAN and the classifiers see, what classifiers are scored on; and the action export."""

import json

import numpy as np
import pytest

from common.base.errors import InputError
from common.base.pictures import unscale
from common.cli.export import refuse_no_folders
from common.sampling import draw_samples
from common.training.trained_run import load_generator, load_latents
from data_prep import images
from recipes.augmentation import data, study
from recipes.augmentation.train import Config
from tests.conftest import call_recipe, is_one_sentence

pytestmark = pytest.mark.xdist_group("augmentation")  # in one process, so that what they share is made once

RNG = np.random.default_rng(0)
NAMES = ("dark", "grey", "light")
CLASSES = len(NAMES)


def shades(labels):
    """Returns images whose brightness is their class."""
    noise = RNG.integers(0, 30, (len(labels), 16, 16, 1))
    return (90 * np.asarray(labels)[:, None, None, None] + noise).astype("uint8")


def labelled(count, shift=0):
    """Returns `Images`; with a shift their labels are wrong."""
    labels = np.arange(count) % CLASSES
    return images.Images(shades(labels), (labels + shift) % CLASSES, NAMES)


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    """An array file with 30 training images of each class and test images."""
    folder = tmp_path_factory.mktemp("shades")
    labels = np.arange(90) % CLASSES
    arrays = {"x_train": shades(labels), "y_train": labels, "x_test": shades(labels), "y_test": labels}
    np.savez(folder / "images.npz", **arrays)
    return folder / "images.npz"


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_gan_sees_only_the_few_images_of_its_seed(split):
    config = Config(images=data.FewImagesOptions(data=split, images_per_class=4), batch_size=64)
    batches, class_count = data.load(config)
    assert class_count == CLASSES
    seen = {
        image.tobytes(): int(label)
        for index in range(len(batches))
        for image, label in zip(*batches[index], strict=True)
    }
    assert np.bincount(list(seen.values())).tolist() == [4] * CLASSES
    other = data.few_images(config.images, seed=1)
    assert not np.array_equal(other.images, data.few_images(config.images, seed=0).images)


@pytest.mark.once
def test_of_images_without_a_test_part_none_is_held_out_and_chosen(tmp_path):
    np.savez(tmp_path / "whole.npz", images=shades(np.arange(90) % CLASSES), labels=np.arange(90) % CLASSES)
    options = data.FewImagesOptions(data=tmp_path / "whole.npz", images_per_class=27)
    few, test = data.few_images(options, 0), images.load(options, "test", hold_out=True)
    assert len(few.images) + len(test.images) == 90
    assert not {image.tobytes() for image in few.images} & {image.tobytes() for image in test.images}


@pytest.mark.once
@pytest.mark.parametrize("each", [31, 1000])
def test_more_images_than_there_are_are_refused(split, each):
    with pytest.raises(
        InputError, match=f"{each} images of each class, but 0 has only 30 training images; use"
    ) as caught:
        data.few_images(data.FewImagesOptions(data=split, images_per_class=each), seed=0)
    assert "use --images-per-class 30 or fewer." in str(caught.value)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "sentence"),
    [(("--balance", "cap"), "--balance has no effect here"), (("--images-per-class", 0), "must be at least 1")],
)
def test_options_without_a_meaning_are_refused(split, options, sentence):
    assert is_one_sentence(call_recipe("augmentation", "--data", split, *options), sentence)


@pytest.mark.once
def test_images_of_one_class_are_refused(tmp_path):
    np.save(tmp_path / "images.npy", RNG.integers(0, 256, (64, 16, 16, 1), "uint8"))
    answer = call_recipe("augmentation", "--data", tmp_path / "images.npy", "--run-folder", tmp_path / "run")
    assert is_one_sentence(answer, "Labels need classes, but all images are of one")


# Classifiers ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def few_mixtures(monkeypatch):
    kept = ("real", "real + 3× drawn", "half real, half of 3× drawn", "drawn")
    monkeypatch.setattr(study, "MIXTURES", {name: study.MIXTURES[name] for name in kept})


@pytest.fixture(scope="module")
def classifier():
    return study.Classifier((16, 16, 1), CLASSES, seed=0, steps=60)


@pytest.mark.slow
@pytest.mark.once
def test_classifiers_are_scored_on_the_held_out_images_alone(few_mixtures, classifier):
    """Whose labels are wrong here: a training or a drawn image among them would be classified as its label says."""
    found = study.accuracies(classifier, labelled(12), shades, labelled(30, shift=1), changes=())
    assert found == dict.fromkeys(study.MIXTURES, 0.0)
    assert set(study.accuracies(classifier, labelled(12), shades, labelled(30), changes=()).values()) == {1.0}


@pytest.mark.once
def test_classifiers_are_trained_on_what_their_names_say(few_mixtures):
    """Real images are black here, drawn ones white."""
    seen = []

    class Spy:
        def train(self, known, rows, changes):
            seen.append(known.images[rows].mean(axis=(1, 2, 3)))
            assert (known.labels[rows] == np.tile(np.arange(CLASSES), len(rows) // CLASSES)).all()

        def accuracy(self, known):
            return 0.0

    real = labelled(6)._replace(images=np.zeros((6, 16, 16, 1), "uint8"))
    study.accuracies(Spy(), real, lambda labels: np.full((len(labels), 16, 16, 1), 255, "uint8"), labelled(6), ())
    counts = [(int((each == 0).sum()), int((each == 255).sum())) for each in seen]
    assert counts == [(6, 0), (6, 18), (18, 18), (0, 60)]


@pytest.mark.slow
def test_each_training_begins_anew(classifier):
    """Otherwise a later mixture would profit from an earlier one."""
    first, second = labelled(12), labelled(12, shift=1)
    weights = []
    for known in (first, second, first):
        classifier.train(known, np.arange(12))
        weights.append(classifier.model.get_weights())
    assert all(np.array_equal(*pair) for pair in zip(weights[0], weights[2], strict=True))
    assert not np.array_equal(weights[0][0], weights[1][0])


@pytest.mark.slow
@pytest.mark.once
def test_drawn_images_are_confirmed_by_their_looks(classifier):
    assert study.confirmed(classifier, labelled(30), labelled(90), ()) == 1.0
    assert study.confirmed(classifier, labelled(30, shift=1), labelled(90), ()) == 0.0


# Actions --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(split):
    options = ("--images-per-class", 8, "--filters", 2, "--latent-dim", 4, "--epochs", 1)
    folder = split.parent / "run"
    answer = call_recipe("augmentation", "--data", split, *options, "--batch-size", 12, "--run-folder", folder)
    assert answer.returncode == 0, answer.stderr
    return folder


@pytest.mark.slow
@pytest.mark.once
def test_evaluate_stores_the_accuracy_of_each_mixture(run, monkeypatch):
    monkeypatch.setattr(study.Classifier.__init__, "__defaults__", (3,))  # steps
    options = ("evaluate", "--samples", 60, "--extractor", "garments", "--run-folder", run)
    answer = call_recipe("augmentation", *options)
    assert answer.returncode == 0, answer.stderr
    scores = json.loads((run / "scores.json").read_text())["scores"]
    names = [f"accuracy, {name}" for name in study.MIXTURES]
    assert all(0 <= scores[name] <= 1 for name in [*names, "drawn ones of their class"])
    assert (run / "augmentation.png").exists()


@pytest.mark.slow
@pytest.mark.once
def test_export_writes_a_labelled_folder(run, tmp_path):
    command = ("augmentation", "export", "--count", 3, "--run-folder", run, "--out", tmp_path / "drawn")
    answer = call_recipe(*command)
    assert answer.returncode == 0, answer.stderr
    assert "3 images of each of 3 classes" in answer.stdout
    found = images.load(images.ImageOptions(data=tmp_path / "drawn"))
    assert found.class_names == ("0", "1", "2")
    assert np.bincount(found.labels).tolist() == [3, 3, 3]
    assert len({image.tobytes() for image in found.images[np.arange(9)]}) == 9
    first = tmp_path / "drawn" / "1" / "drawn_00000.png"
    first.write_bytes(b"mine")
    assert is_one_sentence(call_recipe(*command), "exists already")
    assert first.read_bytes() == b"mine"


@pytest.mark.slow
@pytest.mark.once
def test_export_draws_each_class_in_its_folder(run, tmp_path):
    """As the generator does for the label, with latents of the seed."""
    options = ("--count", 2, "--seed", 5, "--run-folder", run, "--out", tmp_path / "drawn")
    assert call_recipe("augmentation", "export", *options).returncode == 0
    generator = load_generator(run / "generator.keras", "augmentation")
    labels = np.repeat(np.arange(CLASSES, dtype="int32"), 2)
    wanted = unscale(draw_samples(generator, load_latents(run, generator).fixed(6, 5, labels)))
    found = images.load(images.ImageOptions(data=tmp_path / "drawn"))
    assert np.abs(found.images[np.arange(6)].astype(int) - wanted).max() <= 1


@pytest.mark.slow
@pytest.mark.once
def test_a_generator_without_classes_has_no_labelled_images(split, tmp_path):
    options = ("--filters", 2, "--latent-dim", 4, "--epochs", 1, "--run-folder", tmp_path / "run")
    assert call_recipe("dcgan", "--data", split, *options).returncode == 0
    answer = call_recipe("dcgan", "export", "--run-folder", tmp_path / "run")
    assert is_one_sentence(answer, "export writes images with their class, but this generator has no classes")


@pytest.mark.once
@pytest.mark.parametrize("name", ["../x", "a/b", "..", "", "/tmp"])
def test_a_class_cannot_lead_out_of_the_folder(name):
    with pytest.raises(InputError, match="which no folder can be"):
        refuse_no_folders(("bag", name))
