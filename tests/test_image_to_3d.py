"""image_to_3d: its objects and images, who learns from what, its scores, and what a user gets."""

import dataclasses
import json
import re
from unittest import mock

import cv2
import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from common import backend
from common.base.errors import InputError
from common.scoring.extractors import digest_of
from data_prep import meshes, render
from recipes.image_to_3d import actions, classifier, data, measure, photographs, scores, shapes
from recipes.image_to_3d.games import Game, reconstruction, with_wrong_images
from recipes.image_to_3d.model import Model
from recipes.image_to_3d.train import Config, build
from tests.conftest import call_recipe, is_one_sentence, values
from tests.tiny_recipes import boxes

pytestmark = pytest.mark.xdist_group("image_to_3d")  # in one process, so that what they share is made once

RESOLUTION = 8


# Objects --------------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("kind", shapes.KINDS)
def test_every_object_of_a_kind_fills_the_cube_in_one_piece(kind):
    rng = np.random.default_rng(0)
    for _ in range(20):
        solid = shapes.volume(shapes.KINDS[kind](rng), 32, rng.uniform(*shapes.STRETCH, 3))
        ends = [(layers.min(), layers.max()) for layers in np.nonzero(solid)]
        assert max(high - low + 1 for low, high in ends) in range(27, 32)
        assert all(low >= 0 and high <= 31 for low, high in ends)
        assert ndimage.label(solid, scores.NEIGHBOURHOOD)[1] == 1


@pytest.mark.once
def test_objects_are_those_of_a_seed_and_none_is_there_twice():
    first, labels = shapes.objects(60, 16, seed=0)
    assert np.array_equal(first, shapes.objects(60, 16, seed=0)[0])
    assert not np.array_equal(first, shapes.objects(60, 16, seed=1)[0])
    assert len({volume.tobytes() for volume in first}) == 60
    assert np.bincount(labels).tolist() == [6] * len(shapes.KINDS)


@pytest.mark.once
def test_an_object_is_the_same_at_any_resolution():
    for kind in shapes.KINDS.values():
        parts = kind(np.random.default_rng(3))
        small, large = shapes.volume(parts, 32), shapes.volume(parts, 64)
        assert scores.overlaps(small, large.reshape(32, 2, 32, 2, 32, 2).mean((1, 3, 5)) >= 0.5) > 0.6


@pytest.mark.once
@pytest.mark.slow
def test_no_embedded_object_is_in_two_splits():
    found = data.load_volumes(data.ObjectOptions())
    assert len({volume.tobytes() for volume in found.volumes}) == len(found.volumes) == 3_100
    assert [len(found.part(split).volumes) for split in ("train", "validation", "test")] == [2_430, 270, 400]
    assert len(found.class_names) == len(shapes.KINDS)


# Images ---------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_a_mirrored_pair_is_a_pair():
    """The mirror image of a view is the view of the mirrored object from the other side."""
    solids, _ = shapes.objects(10, 32, seed=0)
    images = render.views(solids, 35.0, 20.0, 48, shaded=False)
    mirrored_images, mirrored = data.mirrored((images, solids), AlwaysZero())
    again = render.views(mirrored, -35.0, 20.0, 48, shaded=False)
    assert np.mean((again < 128) != (mirrored_images < 128)) < 0.01
    assert np.mean((images < 128) != (mirrored_images < 128)) > 0.03


class AlwaysZero:
    def random(self, count):
        return np.zeros(count)


@pytest.mark.once
def test_half_of_a_batch_is_mirrored_image_and_object_together():
    images, solids = np.arange(80, dtype="uint8").reshape(10, 2, 4, 1), np.arange(640).reshape(10, 4, 4, 4) > 300
    found, volumes = data.mirrored((images, solids), np.random.default_rng(0))
    turned = [np.array_equal(found[row], images[row, :, ::-1]) for row in range(10)]
    assert 0 < sum(turned) < 10
    for row, is_turned in enumerate(turned):
        assert np.array_equal(volumes[row], solids[row, :, ::-1] if is_turned else solids[row])


@pytest.mark.once
def test_images_belong_to_their_objects(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path))
    options = objects_of(tmp_path, views=3)
    found = data.load_objects(options, "train")
    assert found.images.shape == (3 * len(found.volumes), 32, 32, 1)
    assert found.owners.tolist() == [row for row in range(len(found.volumes)) for _ in range(3)]
    assert np.array_equal(found.truth[np.array([0, 4])], found.volumes[[0, 1]])
    assert np.array_equal(found.images, data.load_objects(options, "train").images)  # from the cache
    assert (tmp_path / "views").is_dir()


@pytest.mark.once
def test_viewpoints_are_those_of_the_options():
    azimuths, elevations = data.viewpoints(data.ObjectOptions(), "train", 10)
    assert azimuths[:3] == pytest.approx([-7.76244203, 40.91305177, -12.55924931])  # as they have always been
    assert elevations[:3] == pytest.approx([31.31192571, 12.24147372, 19.05849393])
    options = data.ObjectOptions(azimuths=(90.0, 270.0), elevations=(30.0, 30.0))
    azimuths, elevations = data.viewpoints(options, "train", 1000)
    assert azimuths.min() == pytest.approx(90, abs=2) and azimuths.max() == pytest.approx(270, abs=2)
    assert (elevations == 30).all()
    assert data.ObjectOptions().described == "procedural objects"
    assert options.described == "procedural objects, azimuths 90 to 270, elevations 30 to 30"


@pytest.mark.once
def test_an_object_is_seen_from_the_chosen_side(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path))
    front, side = (
        data.load_objects(objects_of(tmp_path, views=1, azimuths=2 * (azimuth,), elevations=(0.0, 0.0)), "train")
        for azimuth in (0.0, 90.0)
    )
    assert np.array_equal(front.volumes, side.volumes) and not np.array_equal(front.images, side.images)
    for found, along in ((front, "y"), (side, "x")):
        for image, solid in zip(found.images, found.volumes, strict=True):
            inside = image[..., 0] < 200
            expected = extent(solid, along) / extent(solid, "z")  # as wide as the object is along this axis
            assert np.ptp(np.flatnonzero(inside.any(0))) / np.ptp(np.flatnonzero(inside.any(1))) == pytest.approx(
                expected, rel=0.3
            )


def extent(solid, axis):
    """Returns how many voxels an object reaches along an axis."""
    return np.ptp(np.nonzero(solid)["xyz".index(axis)]) + 1


def objects_of(folder, **options):
    """Returns the options of 40 boxes of two kinds."""
    write_boxes(folder / "objects.npz")
    return data.ObjectOptions(data=folder / "objects.npz", resolution=16, **options)


def write_boxes(path):
    """Writes boxes of two kinds, high ones and flat ones."""
    np.savez(path, x=boxes(40), y=np.arange(40) % 2)


@pytest.mark.once
def test_too_few_models_and_copies(tmp_path):
    np.savez(tmp_path / "objects.npz", x=boxes(2))
    options = data.ObjectOptions(data=tmp_path / "objects.npz", resolution=16)
    with pytest.raises(InputError, match="too few models: none is left for the part validation"):
        data.load_objects(options, "validation")
    np.savez(tmp_path / "copies.npz", x=np.concatenate([boxes(20), boxes(1)]))
    options = data.ObjectOptions(data=tmp_path / "copies.npz", resolution=16, views=1)
    (copy,) = data.load(Config(objects=options, batch_size=2)).skipped
    assert "copy" in copy.reason


# Photographs ----------------------------------------------------------------------------------------------------------


def photograph(background, colour=(40, 90, 160)):
    image = np.full((60, 80, 3), background, np.uint8)
    image[20:50, 30:60] = colour
    image[30:35, 40:45] = np.array(colour) // 2
    return image


@pytest.mark.once
@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (30, 160, 60)])
def test_a_plain_background_becomes_white_and_the_object_is_framed(background):
    found = photographs.framed(photographs.object_on_white(photograph(background)), 32)
    inside = found[..., 0] < 255
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    for places in (rows, columns):
        assert places[0] <= 2 and places[-1] >= 29
    assert 0.7 < inside.mean() < 0.95
    assert found.shape == (32, 32, 1)


def boards():
    """Returns an image of wooden boards in two colours, uint8 array `(240, 320, 3)`."""
    noisy = np.random.default_rng(0).normal((150, 100, 60), 4, (240, 320, 3))
    return np.clip(noisy + 40 * (np.arange(240) // 30 % 2)[:, None, None], 0, 255).astype("uint8")


@pytest.mark.once
def test_an_object_is_cut_out_of_a_background_of_several_colours():
    image = boards()
    inside = np.zeros((240, 320), bool)
    inside[80:200, 120:240] = True
    image[inside] = (40, 70, 150)
    with pytest.raises(InputError, match="--cut-out"):
        photographs.object_on_white(image)
    found = photographs.object_on_white(image, cut_out=True)[..., 0] < 255
    assert (found & inside).sum() / (found | inside).sum() > 0.95


@pytest.mark.once
@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (40, 40), (400, 4)])
def test_an_image_without_an_object_has_none_to_cut_out(shape):
    with pytest.raises(InputError, match="nothing that stands out"):
        photographs.object_on_white(np.full((*shape, 3), 9, np.uint8), cut_out=True)


@pytest.mark.once
def test_rendered_and_photographed_objects_are_framed_alike():
    solids, _ = shapes.objects(3, 32, seed=0)
    small, large = (render.views(solids, 20.0, 20.0, size) for size in (48, 200))
    for first, second in zip(small, large, strict=True):
        photo = photographs.object_on_white(np.repeat(second, 3, axis=-1))
        first, second = (photographs.framed(image, 32)[..., 0] for image in (first, photo))
        assert np.mean((first < 200) != (second < 200)) < 0.12


@pytest.mark.once
def test_what_is_no_object_before_a_plain_background_is_refused():
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), "uint8")
    with pytest.raises(InputError, match=r"photo\.png has no plain background"):
        photographs.object_on_white(noise, "photo.png")
    with pytest.raises(InputError, match="nothing that stands out"):
        photographs.object_on_white(np.full((40, 40, 3), 9, np.uint8))
    assert (photographs.framed(np.full((9, 9, 1), 255, np.uint8), 16) == 255).all()


# The game -------------------------------------------------------------------------------------------------------------


def tiny(**options):
    backend.set_random_seed(0)
    config = Config(filters=2, code_dim=6, latent_dim=3, **options)
    return build(config, (16, 16, 1), RESOLUTION, steps=100)


def pairs(count=8, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 16, 16, 1)).astype("float32")
    return images, rng.random((count, *(RESOLUTION,) * 3)) < 0.3


@pytest.mark.once
def test_the_discriminator_sees_image_and_volume():
    gan, (images, solids) = tiny(), pairs()
    volumes = solids[..., np.newaxis].astype("float32")
    logits = ops.convert_to_numpy(gan.discriminator([volumes, images]))
    for other in ([volumes, images[::-1]], [volumes[::-1], images]):
        assert np.abs(logits - ops.convert_to_numpy(gan.discriminator(other))).max() > 1e-4


@pytest.mark.once
def test_it_rejects_generated_volumes_and_real_ones_beside_wrong_images():
    images, solids = pairs(6)
    truth = solids[..., np.newaxis].astype("float32")
    fake = np.zeros_like(truth)
    found = with_wrong_images((truth, images), (fake, images))
    volumes, beside = (ops.convert_to_numpy(part) for part in found)
    assert np.array_equal(volumes, np.concatenate([fake[:3], truth[3:]]))
    assert np.array_equal(beside[:3], images[:3])
    assert not any(np.array_equal(*pair) for pair in zip(beside[3:], images[3:], strict=True))


@pytest.mark.once
def test_wrong_images_reach_the_loss_of_the_discriminator(monkeypatch):
    gan, batch, seen = tiny(), pairs(), []
    real, fake = gan.real(batch), gan.fake(batch)
    monkeypatch.setattr(
        type(gan),
        "judge",
        lambda self, samples, network="discriminator": seen.append(samples) or samples[0][:, 0, 0, 0],
    )
    gan.discriminator_loss(real, fake)
    _, beside = seen[1]
    beside = ops.convert_to_numpy(beside)
    assert np.array_equal(beside[:4], batch[0][:4]) and not np.array_equal(beside[4:], batch[0][4:])


@pytest.mark.once
def test_a_volume_depends_on_image_and_latents():
    gan, (images, _) = tiny(), pairs(2)
    code = gan.networks["encoder"](images)
    assert gan.generator.input_shape[-1] == code.shape[-1] + 3
    model = Model(gan.generator, gan.networks["encoder"])
    pixels = ((images + 1) * 127.5).astype("uint8")
    plain, drawn = model.volumes(pixels), model.volumes(pixels, np.ones((2, 3), "float32"))
    assert plain.shape == (2, *(RESOLUTION,) * 3)
    assert ((plain > 0) & (plain < 1)).all()
    assert np.abs(plain[0] - plain[1]).max() > 0
    assert np.abs(plain - drawn).max() > 0


@pytest.mark.once
def test_the_terms_of_the_reconstruction():
    truth = np.zeros((2, 4, 4, 4, 1), "float32")
    truth[:, :2] = 1
    truth = ops.convert_to_tensor(truth)
    right = {key: float(value) for key, value in reconstruction(truth, truth).items()}
    assert right["cross_entropy"] == pytest.approx(0, abs=1e-5)
    assert right["dice"] == pytest.approx(0, abs=1e-6)
    half = {key: float(value) for key, value in reconstruction(truth, 0.5 * ops.ones_like(truth)).items()}
    assert half["cross_entropy"] == pytest.approx(np.log(2), rel=1e-4)
    assert half["dice"] == pytest.approx(1 - (2 * 16 + 1) / (32 + 32 + 1), rel=1e-5)


RECONSTRUCTED = {"g_adversarial", "g_cross_entropy", "g_dice"}
OF_ENCODER = {"encoder_kl", "encoder_cross_entropy", "encoder_dice"}


@pytest.mark.parametrize(
    ("options", "terms", "networks"),
    [
        pytest.param({}, {"d_loss", *RECONSTRUCTED}, {"generator", "discriminator", "encoder"}, marks=pytest.mark.once),
        pytest.param(
            {"adversarial": 0.0}, {"g_cross_entropy", "g_dice"}, {"generator", "encoder"}, marks=pytest.mark.once
        ),
        ({"game": Game(vae=True)}, {*RECONSTRUCTED, *OF_ENCODER}, {"generator", "discriminator", "encoder"}),
        ({"game": Game(unconditional=True)}, {"d_r1", "d_r2", "g_loss"}, {"generator", "discriminator"}),
    ],
    ids=["image", "without a discriminator", "vae", "unconditional"],
)
def test_every_game_trains_its_networks(options, terms, networks, tmp_path):
    gan = tiny(**options)
    before = {name: values(network.trainable_variables) for name, network in gan.networks.items()}
    assert before.keys() == networks
    logs = gan.train_on_batch(pairs(), return_dict=True)
    assert terms <= logs.keys()
    assert np.isfinite(list(logs.values())).all()
    for name, network in gan.networks.items():
        moved = [np.any(a != b) for a, b in zip(before[name], values(network.trainable_variables), strict=True)]
        assert np.mean(moved) > 0.5, name
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.networks.keys() == networks
    assert np.isfinite(list(loaded.train_on_batch(pairs(), return_dict=True).values())).all()


@pytest.mark.once
def test_the_encoder_of_the_vae_has_no_adversarial_term():
    gan, batch = tiny(game=Game(vae=True)), pairs()
    terms = gan.encoder_loss(gan.real(batch), gan.fake(batch))
    assert terms.keys() == {"kl", "cross_entropy", "dice"}


# Scores ---------------------------------------------------------------------------------------------------------------


def cube(side, resolution=16, shift=0):
    solid = np.zeros((resolution,) * 3, bool)
    solid[2 + shift : 2 + shift + side, 2 : 2 + side, 2 : 2 + side] = True
    return solid


@pytest.mark.once
def test_surfaces_of_a_pair_that_comes_again_are_compared_once(monkeypatch):
    first, second, third = cube(4), cube(6), np.roll(cube(4), 3, axis=0)
    truth, volumes = np.stack([first, first, second, first]), np.stack([second, second, first, third])
    expected, compared = [scores.surface_scores(*pair) for pair in zip(truth, volumes, strict=True)], []
    compare = scores.surface_scores
    monkeypatch.setattr(scores, "surface_scores", lambda *pair: compared.append(pair) or compare(*pair))
    assert scores.surface_scores_of(truth, volumes).tolist() == [list(each) for each in expected]
    assert len(compared) == 3


@pytest.mark.once
def test_scores_of_known_volumes():
    truth, moved = cube(8)[np.newaxis], cube(8, shift=2)[np.newaxis]
    assert scores.overlaps(truth, truth).tolist() == [1.0]
    assert scores.overlaps(truth, moved) == pytest.approx(6 / 10)
    assert scores.surface_scores(truth[0], truth[0]) == (0.0, pytest.approx(1.0))
    chamfer, f_score = scores.surface_scores(truth[0], cube(8, shift=1)[np.newaxis][0])
    assert 0 < chamfer < 1 / 16
    assert f_score == pytest.approx(1.0)  # at most one voxel away
    assert scores.surface_scores(truth[0], moved[0])[1] < 0.9
    assert scores.surface_scores(truth[0], np.zeros_like(truth[0])) == (1.0, 0.0)
    pieces = truth[0].copy()
    pieces[14, 14, 14] = True
    assert scores.loose(truth[0]) == 0
    assert scores.loose(pieces) == pytest.approx(1 / 513)
    probabilities = np.where(pieces, 0.9, 0.3).astype("float16")
    kept = scores.largest_piece(probabilities, 0.5)
    assert np.array_equal(kept >= 0.5, truth[0]) and kept.dtype == "float16"
    assert np.array_equal(kept[~pieces], probabilities[~pieces])  # the surface stays where it is
    assert scores.largest_piece(kept, 0.5) is kept
    found = scores.scores_of(truth, pieces[np.newaxis])
    assert found["one piece"] == 0
    assert found["volume"] == pytest.approx(513 / 512)


@pytest.mark.once
def test_each_volume_is_compared_with_each_of_the_others(monkeypatch):
    monkeypatch.setattr(scores, "NUMBERS", 2 * 16**3)
    volumes = np.stack([cube(9), cube(4), np.zeros_like(cube(4))])
    others = np.stack([cube(4), cube(6), cube(8), cube(10), np.zeros_like(cube(4))])
    found = scores.all_overlaps(volumes, others)
    assert found.tolist() == [scores.overlaps(np.stack([volume] * 5), others).tolist() for volume in volumes]
    assert found[0, 3] == pytest.approx(729 / 1000)


@pytest.mark.once
def test_the_baselines_are_answers_to_the_held_out_images():
    chairs, tables = (np.stack([cube(side) for side in sides]) for sides in ((4, 6, 6), (10, 10, 12)))
    images = np.arange(6 * 16, dtype="uint8").reshape(6, 4, 4, 1)
    training = data.Objects(np.concatenate([chairs, tables]), np.repeat([0, 1], 3), ("a", "b"), images, np.arange(6))
    test = data.Objects(
        np.stack([cube(11), cube(5)]), np.array([1, 0]), ("a", "b"), images[[5, 2, 0]], np.array([0, 1, 1])
    )
    found = {name: volumes.sum(axis=(1, 2, 3)).tolist() for name, volumes in measure.baselines(training, test)}
    assert found["the mean object"] == [10**3] * 3
    assert found["the mean of the true kind"] == [10**3, 6**3, 6**3]
    assert found["the object of the nearest image"] == [12**3, 6**3, 4**3]
    assert found["the best training object"] == [12**3, 6**3, 6**3]


@pytest.mark.once
def test_the_nearest_image_is_found():
    images = np.random.default_rng(0).integers(0, 256, (30, 4, 4, 1), "uint8")
    order = np.random.default_rng(1).permutation(30)
    assert measure.nearest_images(images, images[order]).tolist() == order.tolist()


@pytest.mark.once
def test_the_threshold_is_the_best_one_on_the_objects():
    class Fixed:
        def volumes(self, images):
            return np.where(cube(8), 0.7, np.where(cube(10), 0.32, 0.0))[np.newaxis]

    for truth, among in ((cube(8), (0.35, 0.7)), (cube(10), (0.1, 0.31))):
        objects = data.Objects(truth[np.newaxis], np.zeros(1, int), ("cube",), None, np.zeros(1, int))
        assert among[0] <= measure.best_threshold(Fixed(), objects) <= among[1]


@pytest.mark.once
@pytest.mark.slow
def test_the_classifier_tells_kinds_apart():
    training, held_out = (
        data.Objects(*shapes.objects(count, 16, seed=seed), tuple(shapes.KINDS), None, None)
        for count, seed in ((400, 0), (100, 1))
    )
    kinds, features = classifier.judged(classifier.trained(training), held_out.volumes)
    assert (kinds == held_out.labels).mean() > 0.8
    assert features.shape == (100, classifier.FEATURES)


@pytest.mark.once
def test_a_classifier_is_trained_once_for_the_same_objects(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path))
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    trained, real = [], classifier.trained
    monkeypatch.setattr(classifier, "trained", lambda objects: trained.append(len(objects.volumes)) or real(objects))
    objects = data.Objects(boxes(40), np.arange(40) % 2, ("high", "flat"), None, None)
    first, second = classifier.load(objects), classifier.load(objects)
    assert trained == [40]
    assert digest_of(first) == digest_of(second)
    _, features = classifier.judged(first, objects.volumes)
    assert np.array_equal(features, classifier.judged(second, objects.volumes)[1])
    (stored,) = (tmp_path / "volume_classifiers").iterdir()
    stored.write_bytes(stored.read_bytes()[:3000])
    classifier.load(objects)
    classifier.load(objects)
    assert trained == [40, 40]  # of a damaged file


@pytest.mark.once
def test_other_objects_have_another_classifier(monkeypatch):
    objects = data.Objects(boxes(40), np.arange(40) % 2, ("high", "flat"), None, None)
    others = [
        objects._replace(volumes=np.roll(objects.volumes, 1, axis=1)),
        objects._replace(labels=objects.labels[::-1]),
        objects._replace(class_names=("high", "flat", "round")),
    ]
    digests = {classifier.digest_of(each) for each in (objects, *others)}
    same = objects._replace(labels=objects.labels.astype("int32"))
    assert classifier.digest_of(same) in digests
    monkeypatch.setattr(classifier, "EPOCHS", 9)
    assert len({*digests, classifier.digest_of(objects)}) == 5


@pytest.mark.once
def test_without_a_cache_a_classifier_is_trained(tmp_path, monkeypatch):
    (tmp_path / "a_file").touch()
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path / "a_file"))
    monkeypatch.setattr(classifier, "trained", lambda objects: "trained")
    objects = data.Objects(boxes(4), np.arange(4) % 2, ("high", "flat"), None, None)
    assert classifier.load(objects) == "trained"


# What a user gets -----------------------------------------------------------------------------------------------------

SMALL = ("--resolution", 16, "--views", 2, "--filters", 2, "--batch-size", 32, "--epochs", 1)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run on boxes."""
    folder = tmp_path_factory.mktemp("boxes")
    write_boxes(folder / "objects.npz")
    answer = call_recipe("image_to_3d", "--data", folder / "objects.npz", *SMALL, "--run-folder", folder / "run")
    assert answer.returncode == 0, answer.stderr
    return folder / "run"


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, background in (("a.b.png", (255, 255, 255)), ("c.png", (20, 30, 40))):
        cv2.imwrite(str(folder / name), photograph(background))
    return folder


@pytest.mark.once
@pytest.mark.slow
def test_apply_writes_models_and_keeps_what_is_there(run, photos, tmp_path):
    where = ("--run-folder", run, "--input", photos, "--out", tmp_path / "out")
    command = ("image_to_3d", "apply", *where, "--threshold", 0.05)
    answer = call_recipe(*command)
    assert answer.returncode == 0, answer.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    kinds = ("glb", "obj", "html", "gif")
    assert names == {"before_after.png", *(f"{stem}.{kind}" for stem in ("a.b", "c") for kind in kinds)}
    assert is_one_sentence(call_recipe(*command), "exists already")
    answer = call_recipe(*command, "--overwrite", "--answers", 2, "--formats", "npz")
    assert answer.returncode == 0, answer.stderr
    with np.load(tmp_path / "out" / "c_2.npz") as stored:
        assert stored["probabilities"].shape == (16, 16, 16)


@pytest.mark.once
def test_a_written_mesh_is_smooth_unless_asked_otherwise(tmp_path):
    volume, image = np.where(cube(8), 0.9, 0.1), np.zeros((16, 16, 1), "uint8")
    corners = {}
    for steps in (0, 10):
        options = actions.ApplyOptions(formats=("stl",), smooth=steps)
        actions.write(volume, 0.4, image, tmp_path / f"{steps}", options)
        mesh = meshes.read(tmp_path / f"{steps}.stl")
        assert mesh.is_watertight
        corners[steps] = mesh.vertices.sum(axis=1).max()
    assert corners[0] == pytest.approx(meshes.surface(volume, 0.4).vertices.sum(axis=1).max(), abs=1e-5)
    assert corners[10] < corners[0]


@pytest.mark.once
@pytest.mark.slow
def test_images_that_show_no_object_are_skipped_or_refused(run, photos, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), "uint8")
    cv2.imwrite(str(photos / "noise.png"), noise)
    (photos / "text.png").write_text("no image")
    where = ("--run-folder", run, "--threshold", 0.05, "--formats", "gif")
    answer = call_recipe("image_to_3d", "apply", *where, "--input", photos, "--out", tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    assert "noise.png has no plain background" in answer.stdout
    assert "Skipped" in answer.stdout
    alone = call_recipe("image_to_3d", "apply", *where, "--input", photos / "noise.png", "--out", tmp_path / "alone")
    assert is_one_sentence(alone, "None of the 1 files")


@pytest.mark.once
@pytest.mark.slow
def test_interpolate_and_sample_draw_pictures(run, photos, tmp_path):
    images = ("--input", photos / "a.b.png", "--to", photos / "c.png")
    for out in (tmp_path / "steps.gif", tmp_path / "steps.png"):
        answer = call_recipe("image_to_3d", "interpolate", *images, "--steps", 3, "--out", out, "--run-folder", run)
        assert answer.returncode == 0, answer.stderr
        assert out.stat().st_size > 100
    assert is_one_sentence(call_recipe("image_to_3d", "interpolate", *images, "--out", "steps.txt"), ".png or .gif")
    answer = call_recipe("image_to_3d", "sample", "--count", 3, "--run-folder", run)
    assert answer.returncode == 0, answer.stderr
    assert (run / "sample.png").exists()


@pytest.mark.once
def test_a_sample_without_a_voxel_is_skipped(tmp_path, monkeypatch, capsys):
    class Drawn:
        """A model whose second sample is empty."""

        generator, encoder, threshold, latent_dim = None, None, 0.4, 2

        def probabilities(self, latents):
            speck = np.arange(16**3).reshape(16, 16, 16) == 0
            return np.where(cube(8) | speck, 0.9, 0.1) * np.array([1, 0]).reshape(2, 1, 1, 1)

    monkeypatch.setattr(actions, "open_model", lambda folder, name: Drawn())
    monkeypatch.setattr(actions.SampleOptions, "mark", lambda self, name, network: None)
    actions.sample("image_to_3d", ["--count", "2", "--formats", "glb", "--out", str(tmp_path / "a.png")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a_1.glb"]
    printed = capsys.readouterr().out
    assert "Skipped a_2. The volume is empty" in printed and "and 1 beside it as files" in printed
    assert meshes.read(tmp_path / "a_1.glb").body_count == 2
    again = ["--largest-piece", "--overwrite"]
    actions.sample("image_to_3d", ["--count", "2", "--formats", "glb", "--out", str(tmp_path / "a.png"), *again])
    assert meshes.read(tmp_path / "a_1.glb").body_count == 1


@pytest.mark.once
def test_an_answer_without_a_voxel_is_skipped(tmp_path, photos, monkeypatch, capsys):
    class Answering:
        """A model whose first answer to an image is empty."""

        encoder, generator, threshold, latent_dim = mock.Mock(input_shape=(None, 16, 16, 1)), None, 0.4, 2

        def volumes(self, images, latents):
            return np.where(cube(8), 0.9, 0.1) * (np.arange(len(images)) > 0).reshape(-1, 1, 1, 1)

    monkeypatch.setattr(actions, "model_of_images", lambda folder, name: Answering())
    monkeypatch.setattr(actions.ApplyOptions, "mark", lambda self, name, network: None)
    command = ["--input", str(photos / "c.png"), "--out", str(tmp_path / "out"), "--formats", "glb"]
    with pytest.raises(InputError, match=r"No answer has a voxel of at least 0\.4; use a lower --threshold"):
        actions.apply_to_images("image_to_3d", command)
    actions.apply_to_images("image_to_3d", [*command, "--answers", "2"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["before_after.png", "c_2.glb"]
    assert "Skipped c_1. The volume is empty" in capsys.readouterr().out


@pytest.mark.once
@pytest.mark.slow
def test_evaluate_compares_with_baselines_and_stores_the_threshold(run, monkeypatch):
    answer = call_recipe("image_to_3d", "evaluate", "--run-folder", run)
    assert answer.returncode == 0, answer.stderr
    before = json.loads((run / "scores.json").read_text("utf-8"))
    monkeypatch.setattr(classifier, "trained", lambda objects: pytest.fail("it was trained again"))
    answer = call_recipe("image_to_3d", "evaluate", "--run-folder", run)
    assert answer.returncode == 0, answer.stderr
    again = json.loads((run / "scores.json").read_text("utf-8"))
    assert re.fullmatch(r"[0-9a-f]{16}, accuracy \d\.\d{3}", before["protocol"]["weights"])
    assert before["protocol"] == again["protocol"]
    stored = before["scores"]
    assert stored.keys() == again["scores"].keys()
    assert {"iou", "f-score", "one piece", "kind right"} <= stored.keys()
    for other in ("the mean object", "the object of the nearest image", "the best training object"):
        assert 0 < stored[f"iou of {other}"] < 1
    assert stored["iou of the best training object"] >= stored["iou of the object of the nearest image"]
    assert json.loads((run / "threshold.json").read_text("utf-8"))["threshold"] == stored["threshold"]


@pytest.mark.once
@pytest.mark.slow
def test_the_unconditional_game_samples_and_takes_no_images(tmp_path, photos):
    write_boxes(tmp_path / "objects.npz")
    run = tmp_path / "run"
    options = ("--data", tmp_path / "objects.npz", *SMALL, "--unconditional", "--run-folder", run)
    answer = call_recipe("image_to_3d", *options)
    assert answer.returncode == 0, answer.stderr
    assert not (run / "encoder.keras").exists()
    drawn = ("--count", 4, "--formats", "npz", "--out", tmp_path / "drawn" / "a.png", "--run-folder", run)
    answer = call_recipe("image_to_3d", "sample", *drawn)
    assert answer.returncode == 0, answer.stderr
    names = {path.name for path in (tmp_path / "drawn").iterdir()}
    assert names == {"a.png", "a_1.npz", "a_2.npz", "a_3.npz", "a_4.npz"}
    (tmp_path / "drawn" / "a.png").unlink()
    assert is_one_sentence(call_recipe("image_to_3d", "sample", *drawn), "a_1.npz exists already")
    answer = call_recipe("image_to_3d", "evaluate", "--run-folder", run)
    assert answer.returncode == 0, answer.stderr
    stored = json.loads((run / "scores.json").read_text("utf-8"))["scores"]
    assert stored["one piece of training objects"] == 1  # they are boxes
    assert stored["modes"] <= stored["modes of training objects"] == 2  # kinds
    assert stored["kl of training objects"] < 0.1
    assert stored["loose voxels"] >= stored["loose voxels of training objects"] == 0
    refused = call_recipe("image_to_3d", "apply", "--input", photos, "--out", tmp_path / "out", "--run-folder", run)
    assert is_one_sentence(refused, "takes no images")


@pytest.mark.once
@pytest.mark.slow
def test_the_vae_is_scored_with_images_and_without(tmp_path):
    write_boxes(tmp_path / "objects.npz")
    run = tmp_path / "run"
    answer = call_recipe("image_to_3d", "--data", tmp_path / "objects.npz", *SMALL, "--vae", "--run-folder", run)
    assert answer.returncode == 0, answer.stderr
    answer = call_recipe("image_to_3d", "evaluate", "--run-folder", run)
    assert answer.returncode == 0, answer.stderr
    stored = json.loads((run / "scores.json").read_text("utf-8"))["scores"]
    assert {"iou", "kl of drawn latents", "one piece of drawn latents"} <= stored.keys()
    assert stored["iou of two answers to an image"] < 1


@pytest.mark.once
def test_images_of_the_user_belong_to_the_models_of_the_same_name(tmp_path):
    options = objects_of(tmp_path, images=tmp_path / "images")
    (tmp_path / "images" / "chair").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "images" / "chair" / "1.png"), photograph((255, 255, 255)))
    (tmp_path / "images" / "2").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "images" / "2" / name), photograph((0, 0, 0)))
    images, owners = data.images_of_user(options, ["chair/1.off", "2.glb"])
    assert images.shape == (3, 32, 32, 1)
    assert owners.tolist() == [0, 1, 1]
    with pytest.raises(InputError, match=r"shows 3\.off; expected 3\.png"):
        data.images_of_user(options, ["3.off"])


@pytest.mark.once
def test_images_of_the_user_are_cut_out_if_asked(tmp_path):
    (tmp_path / "images").mkdir()
    image = boards()
    image[60:180, 100:220] = (40, 90, 200)
    cv2.imwrite(str(tmp_path / "images" / "chair.png"), image)
    options = objects_of(tmp_path, images=tmp_path / "images")
    with pytest.raises(InputError, match=r"shows chair\.off; .* --cut-out"):
        data.images_of_user(options, ["chair.off"])
    (found,), _ = data.images_of_user(dataclasses.replace(options, cut_out=True), ["chair.off"])
    assert (found < 255).mean() == pytest.approx(1 / photographs.MARGIN**2, abs=0.1)  # a square, framed


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--vae", "--unconditional"), "choose one of them"),
        (("--gamma", 2), "--gamma has no effect without --unconditional"),
        (("--unconditional", "--adversarial", 2), "--adversarial has no effect with --unconditional"),
        (("--kl", 2), "--kl has no effect without --vae"),
        (("--vae", "--latent-dim", 8), "--latent-dim has no effect where the latents have the length of a code"),
        (("--adversarial", 0, "--d-learning-rate", 1), "--d-learning-rate has no effect with --adversarial 0"),
        (("--cut-out",), "--cut-out has no effect without --images"),
        (("--images", "."), "name the folder of the models with --data"),
        (("--resolution", 48), "resolution"),
        (("--azimuths", 50, -50), "--azimuths expects two angles from -360 to 360 degrees, the smaller one first"),
        (("--azimuths", 0, 900), "but is 0 900"),
        (("--elevations", "nan", 3), "--elevations expects two angles from -90 to 90 degrees"),
        (("--elevations", 10), "elevations"),
        (("apply", "--smooth", 10_000), "--smooth must be at least 0 and below 101"),
        (("apply", "--smooth", 3, "--formats", "gif"), "--smooth has no effect without a format of meshes"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, tmp_path):
    assert is_one_sentence(call_recipe("image_to_3d", *options, "--run-folder", tmp_path / "run"), message)


@pytest.mark.once
def test_answers_have_names_of_their_own(tmp_path):
    assert actions.answer_stems(tmp_path / "a.b.png", 1) == [tmp_path / "a.b"]
    assert actions.answer_stems(tmp_path / "a.png", 2) == [tmp_path / "a_1", tmp_path / "a_2"]
    assert actions.ModelOptions(formats=("glb",)).paths(tmp_path / "a.b") == {"glb": tmp_path / "a.b.glb"}
