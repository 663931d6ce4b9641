"""Directions in latent space: how they are found, what is measured of them, and how they are stored; attributes."""

import dataclasses
import json
import re

import numpy as np
import pytest
from keras import layers
from scipy.stats import spearmanr

from common.base.errors import InputError
from common.latent_space import LatentSpace, unit
from common.latents import Latents
from common.networks import Generator
from common.scoring import attributes, linear_directions
from common.scoring.attributes import Attributes
from common.scoring.label_table import read_labels
from common.scoring.linear_directions import FILE, Direction, Measurement, probe, rank_correlations

RNG = np.random.default_rng(0)
AXIS = unit(RNG.normal(size=10))
VECTORS = RNG.normal(size=(2000, 10))

# Finding --------------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("kind", ["numbers", "labels"])
def test_a_probe_finds_a_direction(kind):
    values = 5 + 2 * VECTORS @ AXIS
    values = values if kind == "numbers" else values > 6  # a third of them
    direction, accuracy = probe(VECTORS, values)
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert direction @ AXIS > 0.97
    assert accuracy > 0.93
    assert probe(VECTORS, ~values if kind == "labels" else -values)[0] @ AXIS < -0.97


@pytest.mark.once
def test_of_noise_the_accuracy_is_that_of_chance():
    """On the samples that it was fitted to, of as many dimensions as samples, it would be near 1."""
    vectors, noise = RNG.normal(size=(300, 200)), RNG.normal(size=300)
    assert abs(probe(vectors, noise)[1]) < 0.3
    assert abs(probe(vectors, noise > 0)[1] - 0.5) < 0.2


@pytest.mark.once
def test_rare_labels_count_as_much_as_others():
    rare = VECTORS @ AXIS > 1.6  # 5% of the samples: never to see them would be right in 95% of the cases
    direction, accuracy = probe(VECTORS, rare)
    assert direction @ AXIS > 0.9
    assert accuracy > 0.85
    noise = np.arange(2000) % 20 == 0
    assert abs(probe(VECTORS, noise)[1] - 0.5) < 0.2


@pytest.mark.once
@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full(2000, 7.3), "it is equal in all samples"),
        (np.full(2000, 1e9) + 1e-3 * RNG.normal(size=2000), "it is equal in all samples"),
        (np.ones(2000, bool), "it has fewer than 5 samples of one kind"),
        (np.arange(2000) < 4, "it has fewer than 5 samples of one kind"),
    ],
)
def test_values_that_do_not_differ_have_no_direction(values, words):
    with pytest.raises(InputError, match=words):
        probe(VECTORS, values)


@pytest.mark.once
@pytest.mark.parametrize("seed", range(10))
def test_twenty_labels_are_enough(seed):
    """However the samples that are held out are drawn, both kinds are among them."""
    probe(VECTORS[:20], np.arange(20) % 2 == 0, seed)


# Measuring ------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_rank_correlations_are_those_of_spearman():
    values = RNG.normal(size=(3, 9, 2))
    values[0, 2] = values[0, 5]  # ties
    expected = [np.mean([spearmanr(np.arange(9), sample[:, column])[0] for sample in values]) for column in (0, 1)]
    assert rank_correlations(values) == pytest.approx(expected)
    steady = np.stack([np.arange(9), -np.arange(9), np.exp(np.arange(9)), np.ones(9)], axis=1)[np.newaxis]
    assert rank_correlations(steady) == pytest.approx([1, -1, 1, 0])


class Shades(Generator):
    """The first latent is the brightness of an image, the second one the contrast of its halves; others do nothing."""

    def network(self, latents):
        kernel = np.zeros((4, 64), "float32")
        kernel[0], kernel[1] = 0.06, 0.03 * np.sign(np.arange(64) % 8 - 3.5)
        dense = layers.Dense(64, use_bias=False, kernel_initializer=lambda shape, dtype=None: kernel)
        return layers.Reshape((8, 8, 1))(dense(latents))


class Pixels:
    """The extractor of the tests: features are pixels, and there are no classes."""

    class_names = ()

    def with_logits(self, images):
        return images.reshape(len(images), -1).astype("float64"), None


@pytest.fixture(scope="module")
def measurement():
    return Measurement(LatentSpace(Shades(4), Latents(4)), Attributes(Pixels(), channels=1), count=20)


@pytest.mark.once
def test_what_a_direction_changes_is_measured(measurement):
    found = measurement(Direction("mine", "probe", np.eye(4)[0], "brightness", 0.9))
    assert (found.name, found.attribute, found.accuracy) == ("mine", "brightness", 0.9)
    assert found.rank_correlation == pytest.approx(1)
    column = measurement.attributes.column("brightness")
    deviation = measurement.start[:, column].std()
    assert found.change == pytest.approx(6 * 0.06 / 2 / deviation, rel=0.01)  # from -3 to 3, of the range 2 of pixels
    assert found.side_effect != "brightness"
    assert found.side_change < 0.5
    # A shift by 3 changes each pixel by 0.18; two latents of which one is this one differ by √2 on average or less.
    assert 1 < found.identity < 4
    assert measurement(Direction("", "probe", -np.eye(4)[0], "brightness")).rank_correlation == pytest.approx(-1)


@pytest.mark.once
def test_a_side_effect_is_what_changes_beside_it(measurement):
    both = measurement(Direction("", "probe", unit(np.array([1.0, 1, 0, 0])), "brightness"))
    alone = measurement(Direction("", "probe", np.eye(4)[0], "brightness"))
    assert both.rank_correlation == pytest.approx(1)
    assert both.side_change > 2 * alone.side_change


@pytest.mark.once
def test_a_direction_without_effect_leaves_images_as_they_are(measurement):
    found = measurement(Direction("", "probe", np.eye(4)[2], "brightness"))
    assert (found.rank_correlation, found.change, found.identity) == pytest.approx((0, 0, 0), abs=1e-6)


@pytest.mark.once
def test_an_unsupervised_direction_is_turned_to_where_its_attribute_grows(measurement):
    for sign in (1, -1):
        found = measurement(Direction("SeFa 1", "SeFa", sign * np.eye(4)[0], ""))
        assert (found.name, found.attribute) == ("SeFa 1", "brightness")
        assert found.rank_correlation == pytest.approx(1)
        assert np.array_equal(found.vector, np.eye(4)[0])


@pytest.mark.once
def test_a_direction_of_own_labels_keeps_its_sign(measurement):
    found = measurement(Direction("labels", "probe", -np.eye(4)[0], "labels", 0.9))
    assert (found.name, found.attribute) == ("labels", "brightness")
    assert found.rank_correlation == pytest.approx(-1)
    assert np.array_equal(found.vector, -np.eye(4)[0])


# Labels of a user -----------------------------------------------------------------------------------------------------


def table(folder, labels, header="sample,label"):
    path = folder / "labels.csv"
    lines = [header, *(f"{number},{label}" for number, label in enumerate(labels))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.once
def test_labels_are_numbers_or_two_words(tmp_path):
    numbers, values = read_labels(table(tmp_path, np.arange(30) / 2), 30)
    assert (numbers.tolist(), values.tolist()) == (list(range(30)), (np.arange(30) / 2).tolist())
    _, values = read_labels(table(tmp_path, ["shirt", "bag"] * 15), 30)
    assert values.tolist() == [True, False] * 15  # the second one in the alphabet
    spreadsheet = table(tmp_path, [" no "] * 15 + ["yes"] * 15, "\ufeffsample,label")  # with a byte order mark
    _, values = read_labels(spreadsheet, 30)
    assert values.tolist() == [False] * 15 + [True] * 15


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sample,label\n" + "".join(f"{n},1\n" for n in range(19)), "has 19 labels; a direction needs at least 20"),
        ("number,label\n0,1\n", "has the columns ['number', 'label']; expected sample and label"),
        ("", "has the columns None; expected sample and label"),
        ("sample,label\n0,1\n1\n", "Line 3 of"),
        ("sample,label\n0,1\n1,\n", "has no label; give sample 1 one, or remove the line"),
        ("sample,label\n0,1\n30,1\n", "labels sample '30'; expected a number from 0 to 29"),
        ("sample,label\n-1,1\n", "labels sample '-1'"),
        ("sample,label\nfirst,1\n", "labels sample 'first'"),
        ("sample,label\n²,1\n", "labels sample '²'"),
        (f"sample,label\n{'9' * 5000},1\n", "expected a number from 0 to 29"),
        ("sample,label\n1,1\n01,1\n", "more than once"),
        ("sample,label\n" + "".join(f"{n},{'abc'[n % 3]}\n" for n in range(30)), "has 3 different labels (a, b, c"),
        ("sample,label\n" + "".join(f"{n},same\n" for n in range(30)), "has 1 different labels (same"),
        ("sample,label\n" + "".join(f"{n},nan\n" for n in range(30)), "has a label that is not finite"),
        ("sample,label\n" + "".join(f"{n},1e200\n" for n in range(30)), "has a label that is not finite"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, text, words):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(words)):
        read_labels(path, 30)


@pytest.mark.once
def test_what_is_no_table(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00sample")
    with pytest.raises(InputError, match="cannot be read as a table"):
        read_labels(tmp_path / "labels.csv", 30)


# In the folder of a run -----------------------------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path):
    generator = Shades(4)
    found = [
        Direction("width", "probe", unit(np.arange(4.0)), "width", 0.9, 0.99, "height", 0.1, 2.0, 0.5),
        Direction("SeFa 1", "SeFa", np.eye(4)[3], "contrast"),
    ]
    linear_directions.store(tmp_path, generator, found)
    return tmp_path, generator, found


@pytest.mark.once
def test_stored_directions_are_the_same(stored):
    folder, generator, directions = stored
    found = linear_directions.load(folder, generator, "dcgan")
    assert list(found) == ["width", "SeFa 1"]
    for each in directions:
        again = found[each.name]
        assert again.vector == pytest.approx(each.vector, abs=1e-6)
        assert dataclasses.replace(again, vector=None) == dataclasses.replace(each, vector=None)
    assert linear_directions.chosen(found, "width", "dcgan") is found["width"]
    with pytest.raises(InputError, match="There is no direction 'depth'; there are width, SeFa 1"):
        linear_directions.chosen(found, "depth", "dcgan")


@pytest.mark.once
def test_directions_of_another_generator_are_refused(stored):
    folder, generator, _ = stored
    linear_directions.load(folder, Shades(4), "dcgan")  # of the same weights
    generator.weights[0].assign(generator.weights[0] + 1e-3)
    with pytest.raises(InputError, match=r"another generator .* find them again: ./run_recipe.sh dcgan directions"):
        linear_directions.load(folder, generator, "dcgan")


@pytest.mark.once
def test_without_a_file_there_are_no_directions(tmp_path):
    found = linear_directions.load(tmp_path, Shades(4), "dcgan")
    assert found == {}
    with pytest.raises(InputError, match=r"no directions yet; find some first: ./run_recipe.sh dcgan directions"):
        linear_directions.chosen(found, "width", "dcgan")


@pytest.mark.once
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "7",
        lambda text: text.replace('"vector"', '"victor"'),
        lambda text: text.replace('"generator"', '"other"'),
        lambda text: text.replace('"name": "width"', '"name": ["width"]'),
        lambda text: changed(text, "vector", [1.0, 2.0, 3.0]),
        lambda text: changed(text, "vector", [1.0, 2.0, 3.0, float("nan")]),
        lambda text: changed(text, "vector", ["a", "b", "c", "d"]),
        lambda text: changed(text, "vector", [[1.0], [2.0, 3.0]]),
        lambda text: text + "\udcff",
    ],
)
def test_a_damaged_file_is_said(stored, damage):
    folder, generator, _ = stored
    path = folder / FILE
    path.write_bytes(damage(path.read_text("utf-8")).encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"directions.json is damaged \(.*\); find them again: ./run_recipe.sh"):
        linear_directions.load(folder, generator, "dcgan")


def changed(text, name, value):
    content = json.loads(text)
    content["directions"][0][name] = value
    return json.dumps(content)


# Attributes -----------------------------------------------------------------------------------------------------------


def rectangle(rows=slice(4, 12), columns=slice(0, 4), side=16, value=255, channels=1):
    image = np.zeros((1, side, side, channels), "uint8")
    image[:, rows, columns] = value
    return image


@pytest.mark.once
def test_brightness_and_contrast():
    half = rectangle(slice(0, 16), slice(0, 8))
    assert attributes.brightness(half) == pytest.approx(0.5)
    assert attributes.contrast(half) == pytest.approx(0.5)
    assert attributes.brightness(rectangle(value=51)) == pytest.approx(0.2 * 32 / 256)


@pytest.mark.once
def test_width_and_height_of_a_rectangle():
    def expected(count):
        return np.std(np.arange(count)) / 15

    tall = rectangle(slice(2, 14), slice(6, 10))
    assert attributes.width(tall) == pytest.approx(expected(4))
    assert attributes.height(tall) == pytest.approx(expected(12))
    for same in (rectangle(slice(2, 14), slice(1, 5)), 255 - tall, tall // 2):  # elsewhere, dark on bright, pale
        assert attributes.width(same) == pytest.approx(expected(4))
        assert attributes.height(same) == pytest.approx(expected(12))
    assert attributes.width(tall.swapaxes(1, 2)) == pytest.approx(expected(12))


@pytest.mark.once
def test_symmetry():
    assert attributes.symmetry(rectangle(columns=slice(4, 12))) == pytest.approx(1)
    assert attributes.symmetry(rectangle(columns=slice(1, 5))) == pytest.approx(0)
    assert attributes.symmetry(rectangle(columns=slice(6, 12))) == pytest.approx(4 / 6)


@pytest.mark.once
def test_sleeves_are_at_the_sides_of_the_lower_half():
    for columns, rows, expected in (
        (slice(0, 4), slice(8, 14), 1),
        (slice(12, 15), slice(8, 14), 1),
        (slice(4, 12), slice(8, 14), 0),
        (slice(0, 4), slice(2, 8), 0),
        (slice(0, 8), slice(4, 12), 1 / 4),
    ):
        assert attributes.sleeves(rectangle(rows, columns)) == pytest.approx(expected)


@pytest.mark.once
def test_sharpness_falls_with_a_blur():
    sharp = rectangle(slice(4, 12), slice(4, 12))
    soft = np.mean([np.roll(sharp, shift, axis=2) for shift in (-1, 0, 1)], axis=0).astype("uint8")
    assert attributes.sharpness(sharp) > attributes.sharpness(soft) > attributes.sharpness(0 * sharp)
    assert attributes.sharpness(0 * sharp) == pytest.approx(0)


@pytest.mark.once
def test_saturation():
    assert attributes.saturation(rectangle()) == pytest.approx(0)
    assert attributes.saturation(rectangle(value=(90, 90, 90), channels=3)) == pytest.approx(0)
    assert attributes.saturation(rectangle(value=(255, 0, 0), channels=3)) == pytest.approx(32 / 256)
    assert attributes.saturation(rectangle(value=(200, 100, 100), channels=3)) == pytest.approx(16 / 256, abs=1e-3)


@pytest.mark.once
@pytest.mark.parametrize("name", attributes.FUNCTIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_attributes_are_finite_and_of_each_image_alone(name, channels):
    noise = RNG.integers(0, 256, (3, 12, 9, channels), "uint8")
    empty = [np.full((1, 12, 9, channels), value, "uint8") for value in (0, 128, 255)]
    images = np.concatenate([noise, *empty])
    found = attributes.FUNCTIONS[name](images)
    assert found.shape == (6,)
    assert np.isfinite(found).all()
    assert found == pytest.approx([attributes.FUNCTIONS[name](image[np.newaxis])[0] for image in images])
    if name != "sharpness":
        assert 0 <= found.min() <= found.max() <= 1 + 1e-9


class Classes(Pixels):
    class_names = ("dark", "bright")

    def with_logits(self, images):
        features, _ = super().with_logits(images)
        bright = features.mean(axis=1) / 255
        return features, np.stack([1 - bright, bright], axis=1).astype("float32")


@pytest.mark.once
def test_attributes_are_columns_with_names():
    measure = Attributes(Classes(), channels=1)
    assert measure.names == [*(name for name in attributes.FUNCTIONS if name != "saturation"), "dark", "bright"]
    assert "saturation" in Attributes(Classes(), channels=3).names
    images = np.concatenate([rectangle(), rectangle(value=100)])
    found, features = measure(images)
    assert found.shape == (2, len(measure.names))
    assert features.shape == (2, 256)
    assert found[:, measure.column("brightness")] == pytest.approx(attributes.brightness(images))
    assert np.exp(found[:, measure.column("dark")]) + np.exp(found[:, measure.column("bright")]) == pytest.approx(1)
    with pytest.raises(InputError, match="There is no attribute 'depth'; there are brightness, contrast"):
        measure.column("depth")
