"""The action evaluate: does an image show what its phrase says, also if no image of the training does?"""

import functools

import numpy as np

from common.base.arguments import parse
from common.base.paths import shown
from common.base.pictures import unscale
from common.cli.evaluate import MeasureOptions, report_scores
from common.latents import FixedDraws
from common.sampling import draw_samples
from common.scoring import extractors
from common.scoring.evaluator import Evaluator
from common.training.trained_run import load_latents, open_run, weights_of
from data_prep.captions import CaptionOptions

from . import data, garments, judges
from .phrases import words_of

WORDS = ("garment", "colour", "pattern")


def evaluate(name, arguments):
    """Scores images of held-out phrases: their distance to the real images, and whether they match.

    Of the embedded images it is known what each phrase says: the garment, the colour and the pattern of an image are
    read off it again. Baseline: the training image with the nearest phrase.
    """
    (options,) = parse(f"./run_recipe.sh {name} evaluate", evaluate.__doc__, {"evaluate": MeasureOptions}, arguments)
    folder, generator, captioned = open_run(name, options.folder(name), CaptionOptions)
    latents, real = load_latents(folder, generator), data.captioned(captioned, "test")
    pictures = real.images[np.arange(len(real.images))]
    phrases = [each[0] for each in real.captions]
    fed = FixedDraws(0).normal(len(phrases), latents.dim), latents.encoded(phrases)
    drawn = unscale(draw_samples(generator, fed))
    usual = extractors.IMAGENET if captioned.data else "garments"
    evaluator = Evaluator(extractors.load(options.extractor or usual), pictures, data.described(captioned), "test")
    scores = evaluator(len(drawn), lambda rows: drawn[rows], weights_of(folder))
    training = data.captioned(captioned, "train")
    if captioned.data:
        scores.values |= matching(training, {"": drawn, ", real": pictures}, phrases)
    else:
        scores.values |= of_garments(training, pictures, drawn, phrases)
    report_scores(scores, folder, f"{name}, {shown(folder)}, {len(phrases):,} held-out phrases")


def matching(training, kinds, phrases, looks=None):
    """Returns the R-precision of several kinds of images of the same phrases, a dictionary of floats.

    Args:
        training: `Captioned`, on which the judge is trained.
        kinds: dictionary from the endings of the names to uint8 arrays of images.
        phrases: list of strings.
        looks: integer array `(count, 4)` of the embedded images, which tells wrong phrases from other wordings of the
            right one; without it every other phrase is wrong.
    """
    if len(set(phrases)) < 2:
        print("Without R-precision: all held-out images have the same caption, so that there is no wrong one.")
        return {}
    judge = judges.matcher(training.images[np.arange(len(training.images))], training.captions)
    texts = np.array(phrases)

    def is_wrong(row, rows):
        return (looks[rows, :3] != looks[row, :3]).any(axis=1) if looks is not None else texts[rows] != texts[row]

    return {f"R-precision{of}": judges.r_precision(judge, each, phrases, is_wrong) for of, each in kinds.items()}


# Embedded images --------------------------------------------------------------------------------------------------


def of_garments(training, real, drawn, phrases):
    """Returns what is right in images of the embedded phrases, of seen and of unseen combinations apart."""
    (judging, _), (_, looks) = garments.load("judges"), garments.load("test")
    is_unseen = garments.are_unseen(looks)
    parts, found = {"seen": ~is_unseen, "unseen": is_unseen}, {}
    nearest = training.images[nearest_phrases(phrases, training.captions)]
    for of, images in {"": drawn, ", real": real, ", nearest phrase": nearest}.items():
        right = right_words(images, looks, pattern_judge())
        for part, rows in parts.items():
            found[f"all three right, {part}{of}"] = float(right[rows].all(axis=1).mean())
            for word, share in zip(WORDS, right[rows].mean(axis=0), strict=True):
                found[f"{word} right, {part}{of}"] = float(share)
    for part, rows in parts.items():
        some = [phrases[row] for row in np.flatnonzero(rows)]
        pairs = {f", {part}": drawn[rows], f", {part}, real": real[rows]}
        found |= matching(judging, pairs, some, looks[rows])
    is_named = np.array([bool({*garments.BACKGROUNDS} & {*words_of(phrase)}) for phrase in phrases])
    _, _, backgrounds = garments.seen_in(drawn)
    return {**found, "background right where named": float((backgrounds == looks[:, 3])[is_named].mean())}


def right_words(images, looks, classify):
    """Returns whether garment, colour and pattern of images are right, a bool array `(count, 3)`."""
    greys, colours, _ = garments.seen_in(images)
    _, labels = extractors.load("garments")(greys)
    return np.column_stack([labels, colours, classify(images)]) == looks[:, :3]


@functools.cache
def pattern_judge():
    """Returns the function from images to patterns that is trained on the images for judges."""
    judging, looks = garments.load("judges")
    return judges.pattern_classifier(judging.images, looks[:, 2], garments.COUNTS[2])


def nearest_phrases(phrases, captions):
    """Returns the row of a training image for each phrase: the caption of no other has a larger share of its words."""
    known, wanted = ([{*words_of(text)} for text in texts] for texts in ([each[0] for each in captions], phrases))
    columns = {word: column for column, word in enumerate(sorted(set().union(*known, *wanted)))}
    first, second = (np.zeros((len(sets), len(columns)), "float32") for sets in (wanted, known))
    for table, sets in ((first, wanted), (second, known)):
        for row, words in zip(table, sets, strict=True):
            row[[columns[word] for word in words]] = 1
    found, counts = [], second.sum(axis=1)
    for row in first:
        common = second @ row
        found.append(np.argmax(common / (counts + row.sum() - common)))  # Jaccard
    return np.array(found)
