"""text_to_image: images and phrases of the same look, words never seen, what the losses see, and what a run answers."""

import json

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from benchmarks import one_hot
from common import backend, word_vectors
from common.base.errors import InputError
from common.latents import as_stored, from_stored
from common.networks import batch_normalized
from common.sampling import draw_samples
from common.saving import open_network
from common.training.run import as_json
from common.training.trained_run import store_networks
from recipes.text_to_image import data, garments, judges, measure
from recipes.text_to_image.matching import Matching, contrast, likeness, mixed, random_shares
from recipes.text_to_image.phrases import (
    MINILM,
    MOST_NGRAMS,
    MOST_WORDS,
    PhraseLatents,
    Phrases,
    encoded,
    ngrams,
    words_of,
)
from recipes.text_to_image.text import halves
from recipes.text_to_image.train import Config, build
from tests.conftest import call_recipe, is_one_sentence
from tests.files import write_many

RNG = np.random.default_rng(0)
PHRASES = ["a red bag", "a striped blue dress", "green boot", "pink coat with dots"]


def tiny(**matching):
    backend.set_random_seed(0)
    return build(Config(filters=2, latent_dim=4, matching=Matching(**matching)), (16, 16, 3), PHRASES)


def batch():
    return RNG.uniform(-1, 1, (4, 16, 16, 3)).astype("float32"), encoded(PHRASES)


def number(value):
    return float(ops.convert_to_numpy(value))


# Garments and phrases -------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.xdist_group("garments")  # made once
def test_no_unseen_combination_is_shown_in_training():
    unseen = garments.unseen_combinations()
    (shown, looks), (_, held_out) = garments.load("train"), garments.load("test")
    assert len(unseen) == 48  # 15% of 10 garments, 8 colours and 4 patterns
    assert not unseen & set(map(tuple, looks[:, :3].tolist()))
    assert garments.are_unseen(held_out).mean() == 0.5
    for place, count in enumerate(garments.COUNTS[:3]):  # each word is in some of them
        assert {combination[place] for combination in unseen} == set(range(count))
    assert len(shown.images) == len(shown.captions) == len(looks) == 20_000


@pytest.mark.once
@pytest.mark.xdist_group("garments")  # made once
def test_each_combination_of_the_training_is_a_class_of_the_one_hot_gan():
    (_, looks), (_, held_out) = garments.load("train"), garments.load("test")
    classes = one_hot.classes_of(looks)
    of_class = {each: {tuple(look) for look in looks[classes == each].tolist()} for each in range(544)}
    assert {len(each) for each in of_class.values()} == {1}  # 272 combinations before 2 backgrounds
    assert classes.max() == 543
    with pytest.raises(ValueError, match="unseen combinations"):
        one_hot.classes_of(held_out)


@pytest.mark.once
def test_what_is_drawn_can_be_read_off_again():
    pictures, looks = garments.load("test")
    _, colours, backgrounds = garments.seen_in(pictures.images[:500])
    assert (colours == looks[:500, 1]).mean() > 0.99
    assert (backgrounds == looks[:500, 3]).mean() > 0.99


@pytest.mark.once
@pytest.mark.parametrize("pattern", garments.PATTERNS)
def test_a_pattern_is_of_paler_tones_of_the_same_colour(pattern):
    grey = np.full((1, 24, 24), 200, "uint8")
    look = np.array([[0, 5, list(garments.PATTERNS).index(pattern), 0]])
    (picture,) = garments.drawn(grey, look, np.random.default_rng(0))
    hue, saturation, value = cv2.split(cv2.cvtColor(np.float32(picture) / 255, cv2.COLOR_RGB2HSV))
    assert np.abs(hue - 225).max() < 3 and value.min() > 0.99
    assert len(np.unique(saturation.round(1))) == (1 if pattern == "plain" else 2)


@pytest.mark.once
def test_wordings_say_the_look_and_nothing_else():
    look, rng = (0, 1, 2, 1), np.random.default_rng(0)  # an orange dotted t-shirt on white
    phrases = {garments.wording(look, rng) for _ in range(300)}
    assert len(phrases) > 50
    others = {word for words in (garments.HUES, garments.BACKGROUNDS) for word in words} - {"orange", "white"}
    for phrase in phrases:
        words = {*words_of(phrase)}
        assert "orange" in words and words & {"t-shirt", "tee"} and words & {"dotted", "spotted", "dots"}
        assert not words & others
        assert "a orange" not in phrase
    assert 0.4 < np.mean(["white" in phrase for phrase in phrases]) < 0.8


@pytest.mark.once
def test_words_that_resemble_one_another_share_rows():
    shared = {*ngrams("sneakers")} & {*ngrams("sneaker")}
    assert len(shared) > 8 > len({*ngrams("sneaker")} & {*ngrams("dress")})
    rows = encoded(["A RED bag!", "a red bag", ""])
    assert np.array_equal(rows[0], rows[1]) and not rows[2].any()
    assert (rows[0, 3:] == 0).all() and rows.shape[-1] == MOST_NGRAMS
    many = Phrases(PHRASES)
    assert np.array_equal(many[np.array([2, 0])], encoded([PHRASES[2], PHRASES[0]]))


@pytest.mark.once
def test_phrases_can_be_words_that_were_learned_elsewhere(monkeypatch):
    known = {"a": 1, "bag": 2, "red": 3}
    table = {word: np.full(word_vectors.DIM, value, "float32") for word, value in known.items()}
    monkeypatch.setattr(word_vectors, "of_words", lambda words: np.stack([table[word] for word in words]))
    found = encoded(["A red bag!", "bag"], MINILM)
    assert found.shape == (2, MOST_WORDS, word_vectors.DIM) and found.dtype == np.float32
    assert found[:, :4, 0].tolist() == [[1, 3, 2, 0], [2, 0, 0, 0]]


@pytest.mark.once
@pytest.mark.xdist_group("word vectors")
def test_a_run_with_words_that_were_learned_elsewhere(tmp_path):
    """Trained, stored and asked for a word that no caption of it has."""
    write_many(tmp_path / "photos", 5)
    for path in (tmp_path / "photos").iterdir():
        path.with_suffix(".txt").write_text("a red bag", "utf-8")
    options = ("--data", tmp_path / "photos", "--size", 16, "--batch-size", 4, "--filters", 2, "--latent-dim", 4)
    options = (*options, "--text-encoder", "minilm", "--steps", 1, "--run-folder", tmp_path / "run")
    answer = call_recipe("text_to_image", *options)
    assert answer.returncode == 0, answer.stderr
    stored = json.loads((tmp_path / "run" / "generator.json").read_text("utf-8"))
    assert stored["latents"]["config"]["encoder"] == "minilm"
    options = ("--text", "a crimson backpack", "--count", 2, "--out", tmp_path / "sheet.png")
    answer = call(tmp_path / "run", "sample", *options)
    assert answer.returncode == 0, answer.stderr
    assert call(tmp_path / "run", "walk", "--steps", 2, "--count", 1).returncode == 0


@pytest.mark.once
def test_batches_have_a_caption_of_each_image(tmp_path):
    config = Config()
    batches, listed = data.load(config)
    pictures, _ = garments.load("train")
    images, phrases = batches[0]
    assert len(images) == len(phrases) == config.batch_size
    rows = {image.tobytes(): captions for image, captions in zip(pictures.images, pictures.captions, strict=True)}
    for image, phrase in zip(np.rint((images + 1) * 127.5).astype("uint8"), phrases, strict=True):
        assert any(np.array_equal(phrase, each) for each in encoded(rows[image.tobytes()]))
    assert len(listed) == data.LISTED


# Losses ---------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_the_discriminator_sees_the_phrase():
    gan, (images, phrases) = tiny(), batch()
    logits, others = (ops.convert_to_numpy(gan.logits(gan.judge((images, each)))) for each in (phrases, phrases[::-1]))
    assert np.abs(logits - others).max() > 1e-3


@pytest.mark.once
def test_real_images_with_wrong_phrases_are_a_term_of_the_discriminator():
    gan, real = tiny(), batch()
    terms = gan.discriminator_loss(real, gan.fake(real))
    wrong = real[0], np.roll(real[1], 1, axis=0)
    logits = ops.convert_to_numpy(gan.logits(gan.judge(wrong)))
    assert number(terms["mismatch"]) == pytest.approx(np.log1p(np.exp(logits)).mean(), rel=1e-3)


@pytest.mark.once
def test_an_equal_phrase_of_another_image_is_not_a_wrong_one():
    gan, (images, phrases) = tiny(), batch()
    phrases = np.concatenate([phrases[:1], phrases[:-1]])  # the second image has the phrase of the first
    terms = gan.discriminator_loss((images, phrases), gan.fake((images, phrases)))
    logits = ops.convert_to_numpy(gan.logits(gan.judge((images, np.roll(phrases, 1, axis=0)))))[:, 0]
    rejected = np.where(np.arange(len(images)) == 1, 0, np.log1p(np.exp(logits)))
    assert number(terms["mismatch"]) == pytest.approx(rejected.mean(), rel=1e-3)


@pytest.mark.once
def test_the_contrast_is_small_where_images_match_their_phrases():
    vectors = ops.convert_to_tensor(8 * np.eye(4, 64, dtype="float32"))
    assert number(contrast(vectors, vectors)) < 0.01
    assert number(contrast(vectors, ops.roll(vectors, 1, axis=0))) > 5
    assert number(contrast(0 * vectors, vectors)) == pytest.approx(np.log(4), rel=1e-5)


@pytest.mark.once
def test_phrases_of_fake_images_are_mixed_for_both_networks():
    gan, real = tiny(interpolation=1.0), batch()
    images, phrases, shares, _ = gan.fake(real)
    shares = ops.convert_to_numpy(shares)
    assert shares.min() > 0 and shares.max() < 1
    *_, vectors = gan.judge((images, phrases, ops.convert_to_tensor(shares)))
    plain = ops.convert_to_numpy(gan.judge((images, phrases))[-1])
    expected = plain + shares * (np.roll(plain, -1, axis=0) - plain)
    assert ops.convert_to_numpy(vectors) == pytest.approx(expected, abs=1e-5)
    assert not ops.convert_to_numpy(tiny(interpolation=0.0).fake(real)[2]).any()


@pytest.mark.once
def test_two_images_of_a_phrase_are_to_differ():
    gan, real = tiny(), batch()
    images, phrases, _, others = fake = gan.fake(real)
    difference = ops.convert_to_numpy(ops.abs(images - others)).mean(axis=(1, 2, 3))
    terms = gan.generator_loss(real, fake)
    assert number(terms["mode_seeking"]) == pytest.approx((1 / (difference + 0.05)).mean(), rel=1e-4)
    assert difference.min() > 0 and np.array_equal(ops.convert_to_numpy(phrases), real[1])
    assert number(likeness(images, images)) == pytest.approx(20)


@pytest.mark.once
def test_a_portion_of_shares_is_not_0():
    class Drawn:
        def uniform(self, count, dim):
            return ops.convert_to_tensor(RNG.uniform(-1, 1, (count, dim)).astype("float32"))

    shares = ops.convert_to_numpy(random_shares(Drawn(), 2000, 0.25))
    assert 0.2 < (shares > 0).mean() < 0.3
    assert ops.convert_to_numpy(mixed(ops.eye(2), ops.ones((2, 1))))[0].tolist() == [0, 1]


@pytest.mark.once
def test_a_condition_sets_scale_and_offset_of_the_norm():
    """At first it is batch norm without a condition; then each image has scale and offset of its own."""
    maps, condition = RNG.normal(size=(4, 3, 3, 2)).astype("float32"), RNG.normal(size=(4, 5)).astype("float32")
    x, given = keras.Input((3, 3, 2)), keras.Input((5,))
    model = keras.Model([x, given], batch_normalized(x, given))
    plain = ops.convert_to_numpy(keras.Model(x, batch_normalized(x))(maps, training=True))
    found = ops.convert_to_numpy(model([maps, condition], training=True))
    np.testing.assert_allclose(found, plain, atol=1e-5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            layer.kernel.assign(np.ones((5, 2)))
    sums = condition.sum(axis=1)[:, np.newaxis, np.newaxis, np.newaxis]
    found = ops.convert_to_numpy(model([maps, condition], training=True))
    np.testing.assert_allclose(found, plain * (1 + sums) + sums, atol=1e-4)


@pytest.mark.once
def test_the_latents_set_the_norms_of_each_size():
    """Or else they would only be an input of the first layer, and images of a phrase would be alike."""
    generator = tiny().generator
    scales = [layer for layer in generator.layers if isinstance(layer, keras.layers.Dense) and layer.units <= 4]
    assert len(scales) == 2 * sum(isinstance(layer, keras.layers.BatchNormalization) for layer in generator.layers) > 0


@pytest.mark.once
def test_the_halves_of_a_generator_are_the_generator():
    gan = tiny()
    latents, phrases = gan.latents.fixed(4, seed=0)
    reader, painter = halves(gan.generator)
    whole = draw_samples(gan.generator, (latents, phrases))
    assert draw_samples(painter, (latents, draw_samples(reader, phrases))) == pytest.approx(whole, abs=1e-5)


@pytest.mark.once
def test_latents_are_stored_with_their_phrases():
    latents = from_stored(json.loads(json.dumps(as_stored(PhraseLatents(4, PHRASES)))))
    assert latents.phrases == PHRASES
    vectors, phrases = latents.grid(seed=0, count=16)
    assert np.array_equal(vectors[:8], vectors[8:]) and np.array_equal(phrases[8], encoded(PHRASES)[1])


# Scores ---------------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_a_grid_has_also_captions_without_a_word():
    latents = PhraseLatents(4, ["!", "a red bag"])
    assert [len(part) for part in latents.grid(0, count=16)] == [16, 16]
    with pytest.raises(InputError, match="no word"):
        latents.of(["!"], 1, 0)


@pytest.mark.once
def test_r_precision_asks_for_the_right_phrase_among_wrong_ones(monkeypatch):
    texts = [f"phrase {row}" for row in range(200)]

    def judge(of_images):
        vectors = np.eye(200, dtype="float32")
        monkeypatch.setattr(judges, "draw_samples", lambda model, fed: (vectors[of_images], vectors))
        pictures = np.zeros((200, 4, 4, 3), "uint8")
        return judges.r_precision(None, pictures, texts, lambda row, rows: rows != row)

    assert judge(np.arange(200)) == 1.0
    assert judge(np.roll(np.arange(200), 1)) == 0.0


@pytest.mark.once
def test_without_a_wrong_phrase_there_is_no_r_precision(capsys):
    assert measure.matching(None, {"": np.zeros((3, 4, 4, 3), "uint8")}, ["a bag"] * 3) == {}
    assert "Without R-precision: all held-out images have the same caption" in capsys.readouterr().out


@pytest.mark.once
def test_the_nearest_phrase_shares_the_most_words():
    known = [("a red bag",), ("a blue dress with stripes",), ("green boot",)]
    assert measure.nearest_phrases(["blue dress", "a red boot", "green"], known).tolist() == [1, 0, 2]


@pytest.mark.once
def test_what_is_right_is_counted_by_word():
    pictures, looks = garments.load("test")
    some, wanted = pictures.images[:300], looks[:300].copy()
    right = measure.right_words(some, wanted, lambda images: wanted[:, 2])
    assert right[:, 1:].all() and right[:, 0].mean() > 0.8
    wanted[:, 1] += 1
    assert not measure.right_words(some, wanted, lambda images: wanted[:, 2])[:, 1].any()


@pytest.mark.once
def test_judges_learn_what_they_judge(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path))
    monkeypatch.setattr(judges, "STEPS", 200)
    monkeypatch.setattr(judges, "EPOCHS", 1)
    pictures, looks = garments.load("train")
    held_out, known = garments.load("test")
    classify = judges.pattern_classifier(pictures.images[:6000], looks[:6000, 2], 4)
    assert (classify(held_out.images[:400]) == known[:400, 2]).mean() > 0.8
    judge = judges.matcher(pictures.images[:6000], pictures.captions[:6000])
    phrases = [each[0] for each in held_out.captions[:400]]
    kinds = held_out.images[:400], np.roll(held_out.images[:400], 1, axis=0)
    right, wrong = (
        judges.r_precision(judge, each, phrases, lambda row, rows: (known[rows, :3] != known[row, :3]).any(axis=1))
        for each in kinds
    )
    assert right > 0.4 and wrong < 0.1


# What a user gets -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    store_networks(folder, tiny())
    (folder / "config.json").write_text(json.dumps(as_json(Config(filters=2, latent_dim=4))))
    return folder


def call(run, action, *options):
    return call_recipe("text_to_image", action, *options, "--run-folder", run)


@pytest.mark.once
def test_samples_of_phrases(run, tmp_path):
    answer = call(run, "sample", "--text", "a red bag", "a zorgly dress", "--count", 3, "--out", tmp_path / "out")
    assert answer.returncode == 0, answer.stderr
    assert len(list((tmp_path / "out").iterdir())) == 6
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"000_00002.png", "001_00000.png"}
    (tmp_path / "phrases.txt").write_text("a red bag\n\na blue boot\n", "utf-8")
    answer = call(run, "sample", "--texts", tmp_path / "phrases.txt", "--out", tmp_path / "sheet.png")
    assert "8 samples of each of 2 phrases" in answer.stdout
    assert call(run, "walk", "--steps", 2, "--count", 1).returncode == 0
    assert (run / "walk.gif").exists()


@pytest.mark.once
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("sample", "--text", "!?"), "--text has the phrase '!?', which has no word"),
        (("sample", "--texts", "{}/none.txt"), "none.txt cannot be read as text"),
        (("sample", "--texts", "{}/empty.txt"), "empty.txt has no phrases; expected one a line"),
        (("sample", "--texts", "{}/empty.txt", "--text", "a bag"), "--texts takes the place of --text"),
        (("sample", "--text", "a bag", "--out", "{}/empty.txt/a.png"), "empty.txt"),
        (("sample", "--text", "a bag", "--out", "{}/a.jpg"), "--out expects a .png for a grid, or a folder"),
        (("walk", "--text", "a bag"), "--text expects two phrases or more"),
        (("features",), "There is no action 'features' of text_to_image"),
        (("--captions", "{}/none.csv", "--data", "{}"), "--captions expects a CSV file"),
        (("--size", "32"), "--size has no effect without --data"),
    ],
)
def test_errors_are_sentences(run, tmp_path, options, words):
    (tmp_path / "empty.txt").write_text("\n")
    arguments = [str(option).format(tmp_path) for option in options]
    folder = run if arguments[0] in ("sample", "walk") else tmp_path / "new"
    assert is_one_sentence(call_recipe("text_to_image", *arguments, "--run-folder", folder), words)


@pytest.mark.once
def test_the_stored_networks_need_nothing_of_the_recipe(run):
    for name in ("generator", "discriminator", "text_encoder"):
        assert open_network(run / f"{name}.keras").count_params() > 0
    assert [each.name for each in open_network(run / "generator.keras").inputs] == ["latents", "phrases"]
