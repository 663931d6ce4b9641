"""makeup: drawn faces, warped references, the five losses, the scores against the truth, and the actions."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from common.base.errors import InputError
from common.base.pictures import scale, side_by_side
from data_prep import decode
from recipes.makeup import data, faces, measure
from recipes.makeup.terms import Terms
from recipes.makeup.train import Config, build
from tests.conftest import call_recipe, is_one_sentence
from tests.files import picture, write, write_many

pytestmark = pytest.mark.xdist_group("makeup")  # in one process, so that what they share is made once

RNG = np.random.default_rng(0)
SHAPE = (16, 16, 3)


def numbers(tensor):
    return ops.convert_to_numpy(tensor)


def draw(count=4):
    return ops.convert_to_tensor(RNG.uniform(-1, 1, (count, *SHAPE)), "float32")


def tiny(**terms):
    keras.utils.set_random_seed(0)
    return build(Config(filters=2, terms=Terms(**terms)), SHAPE, steps=1000)


def look(seed=0):
    rng = np.random.default_rng(seed)
    return faces.drawn_face(rng), faces.drawn_makeup(rng)


# Faces ----------------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("side", [32, 64])
def test_makeup_changes_a_face_only_where_it_is_painted(side):
    for seed in range(20):
        face, makeup = look(seed)
        plain, made_up = (faces.portrait(face, each, side) for each in (None, makeup))
        assert plain.shape == (side, side, 3)
        painted = np.max(list(faces.regions(face, side).values()), axis=0)
        changed = np.abs(plain.astype(int) - made_up).max(axis=-1)
        assert (changed[painted == 0] == 0).all()
        assert changed[painted > 0.9].mean() > 5


@pytest.mark.once
def test_lips_have_the_colour_of_the_lipstick():
    face, makeup = look(3)
    paint = faces.Paint((200, 20, 120), 1.0)
    face = dataclasses.replace(face, light=0.0)
    made_up = faces.portrait(face, dataclasses.replace(makeup, lips=paint), 256)
    lips = faces.regions(face, 256)["lips"] > 0.99
    assert np.median(np.abs(made_up[lips].astype(int) - paint.colour)) <= 3


@pytest.mark.once
def test_faces_of_training_and_test_differ():
    plain, styled = data.drawn_collections(30, 32)
    known = data.drawn_test(32, count=30)
    every = np.concatenate([plain, styled, *known[:4]]).reshape(6 * 30, -1)
    assert len(np.unique(every, axis=0)) == len(every)
    again = data.drawn_collections(30, 32)
    assert np.array_equal(plain, again.plain)
    assert np.array_equal(styled, again.styled)


# Data -----------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_a_warped_reference_has_the_same_colours_at_other_places():
    image = faces.portrait(*look())
    for seed in range(10):
        warped = data.warped(image, np.random.default_rng(seed))
        assert warped.shape == image.shape
        assert warped.dtype == np.uint8
        assert np.abs(warped.astype(int) - image).mean() > 3
        assert np.abs(warped.mean(axis=(0, 1)) - image.mean(axis=(0, 1))).max() < 25


@pytest.mark.once
def test_a_batch_has_sources_references_and_the_same_references_warped():
    batches = data.load(Config(collections=data.CollectionOptions(faces=8, size="32"), batch_size=8))
    x, (y, warped) = batches[0]
    assert x.shape == y.shape == warped.shape == (8, 32, 32, 3)
    collections = data.load_collections(data.CollectionOptions(faces=8, size="32"), "train")
    for images, known in ((x, collections.plain), (y, collections.styled)):
        assert {each.tobytes() for each in images} == {each.tobytes() for each in scale(known)}
    nearest = [np.abs(each.mean(axis=(1, 2)) - y.mean(axis=(1, 2))).sum(axis=1).argmin() for each in warped[:, None]]
    assert np.mean(nearest == np.arange(8)) > 0.6  # each is warped from the reference beside it
    batches.on_epoch_begin()
    _, (_, later) = batches[0]
    assert not np.array_equal(warped, later)


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"photos": "a"}, "name both, --photos FOLDER and --styled FOLDER"),
        ({"size": "30"}, "expected multiples of 4"),
        ({"size": "64x32"}, "Drawn faces are square"),
    ],
)
def test_options_that_do_not_fit(options, problem):
    with pytest.raises(InputError, match=problem):
        data.load_collections(data.CollectionOptions(**options), "train")


@pytest.mark.once
def test_a_grid_shows_what_the_networks_make_and_the_source_again():
    gan = tiny()
    config = Config(collections=data.CollectionOptions(faces=8, size="16"))
    pictures = data.transfers(config, count=2)(gan)
    (G, F), held_out = gan.halves, data.load_collections(config.collections, "test")
    x, y = (scale(each[:2]) for each in held_out)
    applied = G((x, y))
    expected = x, y, *map(numbers, (applied, F(y), F(applied)))
    assert np.allclose(pictures, side_by_side(*expected), atol=1e-5)


# Losses ---------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_losses_are_those_of_the_paper():
    gan, (x, y, warped) = tiny(), (draw() for _ in range(3))
    (G, F), (is_plain, is_same) = gan.halves, (gan.networks[name] for name in ("is_plain", "is_same"))

    def squared(first, second):
        return np.square(numbers(first) - numbers(second)).mean()

    def softplus(logits):
        return np.log1p(np.exp(numbers(logits))).mean()

    applied, removed = G((x, y)), F(y)
    bare = F(G((removed, ops.roll(y, 1, axis=0))))  # what one style has left is hidden by what another one leaves
    real, fake = gan.real((x, (y, warped))), gan.fake((x, (y, warped)))
    own, same, added = y - removed, warped - F(warped), applied - x
    another = ops.roll(same, 1, axis=0)
    expected = {
        "styled": softplus(-gan.discriminator(applied)),
        "plain": softplus(-is_plain(removed)),
        "identity": squared(F(applied), x),
        "style": squared(G((removed, applied)), y),
        "pair": softplus(-is_same((own, added))),
        "warped": squared(G((bare, warped)), y),
    }
    found = gan.generator_loss(real, fake)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(numbers(found[name])) == pytest.approx(value, rel=1e-4), name
    expected = {
        "adversarial": softplus(-gan.discriminator(y)) + softplus(gan.discriminator(applied)),
        "plain": softplus(-is_plain(x)) + softplus(is_plain(removed)),
        "pair": softplus(-is_same((own, same))) + softplus(is_same((own, another))),
    }
    for name, value in gan.discriminator_loss(real, fake).items():
        assert float(numbers(value)) == pytest.approx(expected[name], rel=1e-4), name


@pytest.mark.once
def test_terms_of_weight_0_are_left_out():
    gan, batch = tiny(pair=0.0, warped=0.0), (draw(), (draw(), draw()))
    assert gan.generator_loss(gan.real(batch), gan.fake(batch)).keys() == {"styled", "plain", "identity", "style"}


# Scores ---------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_true_images_have_perfect_scores():
    known = data.drawn_test(64, count=10)
    values = measure.against_truth(known, known.applied, known.removed)
    assert values["L1 inside"] == values["L1 outside"] == values["ΔE of lips"] == values["ΔE of lids"] == 0
    assert values["SSIM inside"] == values["SSIM outside"] == pytest.approx(1)
    assert values["L1 inside, removed"] == 0
    assert values["L1 inside, source"] > 0.05 > 0.005 > values["L1 outside, source"]
    assert min(values[f"ΔE of lips, {kind}"] for kind in ("source", "mean colours", "histogram", "not removed")) > 5


@pytest.mark.once
def test_colours_differ_as_in_cielab():
    images = np.zeros((2, 4, 4, 3), np.uint8)
    images[1] = 255
    black, white = measure.mean_colours(images, np.ones((2, 4, 4)))
    assert np.allclose(black, 0, atol=0.1)
    assert np.allclose(white, (100, 0, 0), atol=0.5)


# Actions --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("makeup")
    for index, name in enumerate(("photos", "styled")):
        write_many(folder / name, 12, first=50 * index)
    size = ("--size", 16, "--filters", 2, "--batch-size", 4, "--epochs", 1)
    answer = call_recipe(
        "makeup", "--photos", folder / "photos", "--styled", folder / "styled", *size, "--run-folder", folder / "run"
    )
    assert answer.returncode == 0, answer.stderr
    assert "makeup apply --source IMAGES --reference IMAGES --out FOLDER --run-folder" in answer.stdout
    return folder


@pytest.mark.once
def test_apply_and_remove(run, tmp_path):
    at = ("--run-folder", run / "run", "--out", tmp_path / "out")
    answer = call_recipe("makeup", "apply", "--source", run / "photos", "--reference", run / "styled", *at)
    assert answer.returncode == 0, answer.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) == 12 * 12 + 1
    answer = call_recipe("makeup", "apply", "--source", run / "photos", "--reference", run / "styled", *at)
    assert is_one_sentence(answer, "exists")
    source = next(iter(sorted((run / "photos").iterdir())))
    none = ("--strength", 0, "--run-folder", run / "run", "--out", tmp_path / "none")
    answer = call_recipe("makeup", "remove", "--source", source, *none)
    assert answer.returncode == 0, answer.stderr
    kept = decode.read(tmp_path / "none" / f"{source.stem}.png")
    assert np.array_equal(kept, decode.read(source, (16, 16), channels=3))


@pytest.mark.once
def test_evaluate_of_own_images(run):
    answer = call_recipe("makeup", "evaluate", "--run-folder", run / "run")
    assert answer.returncode == 0, answer.stderr
    assert "identity kept" in answer.stdout


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("apply", "--source", "a"), "apply needs --source PATH --reference PATH --out FOLDER; --reference is missing"),
        (("remove", "--out", "o"), "remove needs --source PATH --out FOLDER; --source is missing"),
        (("remove", "--source", "missing", "--out", "o"), "missing does not exist"),
        (("remove", "--source", "text", "--out", "o"), "has none that can be read"),
        (("apply", "--source", "twice", "--reference", "twice", "--out", "o"), "Two images of"),
        (("remove", "--source", "twice/a.png", "--out", "twice", "--overwrite"), "--out is the folder of the input"),
        (("apply", "--source", "few", "--reference", "more", "--out", "o"), "Two results would be called a_b_c.png"),
    ],
)
def test_what_the_actions_refuse(run, tmp_path, monkeypatch, options, problem):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "twice" / "a.png", picture(seed=0))
    write(tmp_path / "twice" / "a.bmp", picture(seed=1))
    for name in ("few/a.png", "few/a_b.png", "more/c.png", "more/b_c.png"):
        write(tmp_path / name, picture(seed=2))
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.png").write_text("no image")
    assert is_one_sentence(call_recipe("makeup", *options, "--run-folder", run / "run"), problem)
