"""Phrases as numbers: each word by its character n-grams, or by a vector that was learned from other texts."""

import re
import zlib

import numpy as np

from common import word_vectors
from common.base.errors import InputError
from common.latents import GRID_COUNT, FixedDraws, Latents, in_turn

MOST_WORDS, MOST_NGRAMS = 16, 24  # of a phrase, and of a word; what is beyond is not read
ROWS = 4096  # of the table of n-grams; row 0 is none
NGRAMS, MINILM = "ngrams", "minilm"  # text encoders: what is known of a word
LENGTHS = (3, 4)  # characters of an n-gram
SIDE = 8  # samples of each phrase in the grid of an epoch


def words_of(phrase):
    """Returns the words of a phrase.

    >>> words_of("A red T-shirt, striped!")
    ['a', 'red', 't-shirt', 'striped']
    """
    return re.findall(r"\w+(?:['’-]\w+)*", phrase.lower())


def refuse_wordless(phrases, where="The text"):
    for phrase in phrases:
        if not words_of(phrase):
            raise InputError(
                f"{where} has the phrase {phrase!r}, which has no word; expected one, such as 'a red bag'."
            )


def ngrams(word):
    """Returns the rows of a word and of its n-grams, which hashing gives them: integers from 1 to `ROWS - 1`.

    Reference: Bojanowski et al., 2017, https://arxiv.org/abs/1607.04606, section 3.2.

    >>> len(ngrams("bag")), len({*ngrams("sneakers")} & {*ngrams("sneaker")})
    (6, 11)
    """
    marked = f"<{word}>"
    parts = [marked, *(marked[start : start + n] for n in LENGTHS for start in range(len(marked) - n + 1))]
    return [1 + zlib.crc32(part.encode()) % (ROWS - 1) for part in dict.fromkeys(parts)]


def encoded(phrases, encoder=NGRAMS):
    """Returns phrases as an array `(count, MOST_WORDS, …)`; see `Phrases`."""
    return Phrases(phrases, encoder)[np.arange(len(phrases))]


def rows_of_ngrams(words):
    """Returns the rows of words and of their n-grams, an int32 array `(count, MOST_NGRAMS)`, filled up with 0."""
    rows = np.zeros((len(words), MOST_NGRAMS), "int32")
    for row, word in zip(rows, words, strict=True):
        found = ngrams(word)[:MOST_NGRAMS]
        row[: len(found)] = found
    return rows


class Phrases:
    """Many phrases, encoded on access: only their words are in memory, each once.

    Args:
        phrases: sequence of strings.
        encoder: `NGRAMS`: a word is the rows of its n-grams, an int32 array `(MOST_NGRAMS,)` filled up with 0, and a
            new word is near those that share some. `MINILM`: it is a vector of `common.word_vectors`, a float32 array,
            and a new word is near those that are used alike. No word is 0.
    """

    def __init__(self, phrases, encoder=NGRAMS):
        words = [words_of(phrase)[:MOST_WORDS] for phrase in phrases]
        found = sorted({word for each in words for word in each})
        known = {word: row for row, word in enumerate(found, 1)}
        of_words = rows_of_ngrams(found) if encoder == NGRAMS else word_vectors.of_words(found)
        self.table = np.concatenate([np.zeros_like(of_words, shape=(1, of_words.shape[1])), of_words])
        self.words = np.zeros((len(words), MOST_WORDS), "int32")
        for row, each in zip(self.words, words, strict=True):
            row[: len(each)] = [known[word] for word in each]

    def __len__(self):
        return len(self.words)

    def __getitem__(self, rows):
        """Returns some of the phrases, an array `(count, MOST_WORDS, …)`."""
        return self.table[self.words[rows]]


class CaptionPhrases:
    """The phrases of images with one caption or more each, of which one is drawn at a time.

    Args:
        captions: list of tuples of strings.
        encoder: as of `Phrases`.

    Attributes:
        texts: list of strings, all captions.
    """

    def __init__(self, captions, encoder=NGRAMS):
        self.texts = [text for each in captions for text in each]
        counts = [len(each) for each in captions]
        self.ends = np.cumsum(counts)
        self.starts = self.ends - counts
        self.phrases = Phrases(self.texts, encoder)

    def draw(self, rows, rng):
        """Returns a random caption of each of some images, encoded."""
        return self.phrases[rng.integers(self.starts[rows], self.ends[rows])]


class PhraseLatents(Latents):
    """Latents, each with one of some phrases in turn.

    Args:
        dim: integer, length of a latent vector.
        phrases: list of strings.
        encoder: as of `Phrases`.
    """

    task = "text-to-image"

    def __init__(self, dim, phrases, encoder=NGRAMS):
        super().__init__(dim)
        self.phrases, self.encoder = list(phrases), encoder

    def get_config(self):
        return {"dim": self.dim, "phrases": self.phrases, "encoder": self.encoder}

    def inputs(self, random, count):
        phrases = [self.phrases[row] for row in in_turn(count, len(self.phrases))]
        return random.normal(count, self.dim), self.encoded(phrases)

    def encoded(self, phrases):
        """Returns phrases as the generator reads them; see `Phrases`."""
        return encoded(phrases, self.encoder)

    def grid(self, seed, count=GRID_COUNT):
        """Returns the inputs for the grid of an epoch: the first phrases, one in each row, with equal latents."""
        return self._rows(self.phrases[: count // SIDE], SIDE, seed)  # also of captions without a word

    def of(self, phrases, count, seed):
        """Returns the inputs for `count` samples of each phrase, one phrase after the other, with equal latents.

        Raises:
            InputError: if a phrase has no word.
        """
        refuse_wordless(phrases)
        return self._rows(phrases, count, seed)

    def _rows(self, phrases, count, seed):
        latents = FixedDraws(seed).normal(count, self.dim)
        return np.tile(latents, (len(phrases), 1)), np.repeat(self.encoded(phrases), count, axis=0)
