"""Garments in colour: the embedded grey ones dyed, patterned and put in front of a background, with phrases about them.

Hue, saturation and value are kept apart, so that each can be read off an image again: the colour is the hue, a pattern
is of paler tones of it, and the value is the shading of the garment.
"""

import functools

import cv2
import numpy as np

from data_prep import captions, images

GARMENTS = {  # classes of the embedded images, and their nouns
    "t-shirt": ("t-shirt", "tee"),
    "trouser": ("pair of trousers", "pair of pants"),
    "pullover": ("pullover", "sweater"),
    "dress": ("dress", "gown"),
    "coat": ("coat", "overcoat"),
    "sandal": ("sandal", "open shoe"),
    "shirt": ("shirt", "blouse"),
    "sneaker": ("sneaker", "trainer"),
    "bag": ("bag", "handbag"),
    "ankle-boot": ("ankle boot", "boot"),
}
HUES = {  # of the colours, in degrees
    "red": 0,
    "orange": 28,
    "yellow": 56,
    "green": 120,
    "turquoise": 178,
    "blue": 225,
    "purple": 272,
    "pink": 318,
}
PATTERNS = {  # their adjectives, and what they consist of
    "plain": (("", "plain"), "no pattern"),
    "striped": (("striped", "stripy"), "stripes"),
    "dotted": (("dotted", "spotted"), "dots"),
    "checked": (("checked", "chequered"), "checks"),
}
BACKGROUNDS = {"black": 0, "white": 255}
WORDS = tuple(map(tuple, (GARMENTS, HUES, PATTERNS, BACKGROUNDS)))  # which the numbers of a look stand for
COUNTS = tuple(map(len, WORDS))
UNSEEN = 0.15  # share of the combinations of garment, colour and pattern that are not shown in training
WORDINGS = 5  # captions of an image
DARKEST, PALE = 0.4, 0.75  # value of the darkest pixel of a garment; share of white in the paler tone of a pattern
EDGE = 60.0  # grey level from which on a pixel belongs wholly to the garment
SEED = 2016  # of all that is drawn here


# Looks ------------------------------------------------------------------------------------------------------------
# The look of an image is four numbers: those of its garment, its colour, its pattern and its background in WORDS.


def unseen_combinations():
    """Returns the combinations that are not shown in training, a set of tuples: garment, colour, pattern.

    A seed chooses them, such that each word is in as many of them as the others of its list, or in one more or less.
    """
    combinations = np.random.default_rng(SEED).permutation(list(np.ndindex(COUNTS[:3])))
    wanted = round(UNSEEN * len(combinations))
    most = [-(-wanted // count) for count in COUNTS[:3]]
    used, chosen = [np.zeros(count, int) for count in COUNTS[:3]], set()
    for combination in combinations:
        if len(chosen) < wanted and all(
            each[word] < limit for each, word, limit in zip(used, combination, most, strict=True)
        ):
            chosen.add(tuple(map(int, combination)))
            for each, word in zip(used, combination, strict=True):
                each[word] += 1
    return chosen


def are_unseen(looks):
    """Returns whether the combinations of looks `(count, 4)` are not shown in training, a bool array `(count,)`."""
    unseen = unseen_combinations()
    return np.array([tuple(look[:3]) in unseen for look in looks.tolist()])


def drawn_looks(labels, rng, is_seen=True):
    """Returns random looks of garments, `(count, 4)`: of the combinations of the training, or else of the others."""
    unseen = unseen_combinations()
    allowed = [[] for _ in GARMENTS]
    for combination in np.ndindex(COUNTS[:3]):
        if (combination in unseen) != is_seen:
            allowed[combination[0]].append(combination)
    drawn = [allowed[label][rng.integers(len(allowed[label]))] for label in labels]
    return np.column_stack([drawn, rng.integers(len(BACKGROUNDS), size=len(labels))])


def wording(look, rng):
    """Returns one of the wordings of a look; half of them do not name the background."""
    garment, colour, pattern, background = (words[number] for words, number in zip(WORDS, look, strict=True))
    adjectives, nouns = PATTERNS[pattern]
    noun, adjective = one(GARMENTS[garment], rng), one(adjectives, rng)
    colour = f"{one(('', 'bright', 'vivid'), rng)} {colour}"
    forms = (
        f"a {colour} {adjective} {noun}",
        f"{adjective} {colour} {noun}",
        f"a {adjective} {noun}, {colour}",
        f"a {colour} {noun} with {nouns}",
        f"a {noun} in {colour} with {nouns}",
    )
    place = one(("", "", "", "on {}", "on a {} background", "in front of {}"), rng).format(background)
    words = f"{one(forms, rng)} {place}".split()
    if words[0] == "a" and words[1][0] in "aeiou":
        words[0] = "an"
    return " ".join(words)


def one(choices, rng):
    return choices[rng.integers(len(choices))]  # faster than rng.choice, which makes an array of them first


# Images -----------------------------------------------------------------------------------------------------------


@functools.cache
def load(split):
    """Returns the `Captioned` images of a split, and their looks, an integer array `(count, 4)`.

    Args:
        split: "train", without images of unseen combinations; or "test" or "judges", where half of them are: "test" of
            other garments, "judges" of those of the training, for the networks that judge.
    """
    grey = images.load(images.ImageOptions(), "test" if split == "test" else "train")
    rng = np.random.default_rng((SEED, len(split)))
    halves = (True, True) if split == "train" else (True, False)
    looks = np.concatenate([drawn_looks(grey.labels, rng, is_seen) for is_seen in halves])
    texts = [tuple(wording(look, rng) for _ in range(WORDINGS)) for look in looks]
    return captions.Captioned(drawn(np.tile(grey.images[..., 0], (2, 1, 1)), looks, rng), texts), looks


def drawn(grey, looks, rng):
    """Returns colour images of garments.

    Args:
        grey: uint8 array `(count, height, width)`, garments in front of black.
        looks: integer array `(count, 4)`.
        rng: NumPy generator, of the places of the patterns.

    Returns:
        uint8 array `(count, height, width, 3)`.
    """
    hues, levels, patterns = list(HUES.values()), list(BACKGROUNDS.values()), list(PATTERNS)
    found = np.empty((*grey.shape, 3), np.uint8)
    for image, garment, (_, colour, pattern, background) in zip(found, grey, looks, strict=True):
        alpha = np.clip(cv2.morphologyEx(garment, cv2.MORPH_CLOSE, np.ones((3, 3))) / EDGE, 0, 1)
        brightest = max(1.0, np.percentile(garment[garment > 0], 95)) if garment.any() else 1.0
        value = DARKEST + (1 - DARKEST) * np.minimum(garment / brightest, 1)
        saturation = 1 - PALE * is_pale(patterns[pattern], garment.shape, rng)
        hsv = np.stack([np.full(garment.shape, hues[colour]), saturation, value], axis=-1)
        rgb = 255 * cv2.cvtColor(hsv.astype(np.float32), cv2.COLOR_HSV2RGB)
        alpha = alpha[..., np.newaxis]
        image[:] = np.rint(alpha * rgb + (1 - alpha) * levels[background])
    return found


def is_pale(pattern, size, rng):
    """Returns which pixels of a size have the paler tone of a pattern, which begins at a random place."""
    y, x = np.indices(size) + rng.integers(0, 12, 2)[:, np.newaxis, np.newaxis]
    if pattern == "striped":
        return y % 6 < 3
    if pattern == "dotted":
        return np.hypot(x % 6 - 2, (y + 3 * (x // 6 % 2)) % 6 - 2) < 1.5
    if pattern == "checked":
        return (x // 4 + y // 4) % 2 == 1
    return np.zeros(size, bool)


def seen_in(pictures):
    """Returns what is seen in images without a network: the inverse of `drawn`.

    Args:
        pictures: uint8 array `(count, height, width, 3)`.

    Returns:
        uint8 array `(count, height, width, 1)`, the grey garments in front of black; integer arrays `(count,)`, their
        colours and their backgrounds.
    """
    greys, colours, backgrounds = [], [], []
    hues = np.deg2rad(list(HUES.values()))
    for picture in pictures:
        hue, saturation, value = cv2.split(cv2.cvtColor(np.float32(picture) / 255, cv2.COLOR_RGB2HSV))
        is_white = np.sum((value > 0.9) & (saturation < 0.12)) > np.sum(value < 0.15)
        garment = (saturation > 0.15) | (value < 0.85) if is_white else value > 0.2
        greys.append(garment * np.clip((value - DARKEST) / (1 - DARKEST), 0, 1) * 255)
        mean = np.sum(garment * saturation * value * np.exp(1j * np.deg2rad(hue)))
        colours.append(np.argmax(np.cos(np.angle(mean) - hues)))
        backgrounds.append(int(is_white))
    return np.array(greys).astype(np.uint8)[..., np.newaxis], np.array(colours), np.array(backgrounds)
