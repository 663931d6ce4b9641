"""The text encoder: phrases to vectors, within the generator and beside the discriminator."""

import keras
from keras import layers, ops

from common import word_vectors
from common.networks import Network

from .phrases import MOST_NGRAMS, MOST_WORDS, NGRAMS, ROWS

TEXT_DIM = 64  # length of the vector of a phrase
VECTOR = "text"  # name of the layer that gives it


def phrase_input(encoder=NGRAMS):
    """Returns the `keras.Input` of phrases, as `Phrases` makes them for a text encoder."""
    if encoder == NGRAMS:
        return keras.Input((MOST_WORDS, MOST_NGRAMS), name="phrases", dtype="int32")
    return keras.Input((MOST_WORDS, word_vectors.DIM), name="phrases")


def read(phrases):
    """Returns the vectors of phrases, from those of the words: of words that are neighbours, then of all of them.

    A convolution over the words takes half the time of a GRU, and tells "red shirt" from "shirt on red".
    """
    words = of_ngrams(phrases) if keras.backend.is_int_dtype(phrases.dtype) else phrases
    x = layers.Conv1D(2 * TEXT_DIM, 3, padding="same", activation="relu")(words)
    x = layers.GlobalMaxPooling1D()(x)
    return layers.LayerNormalization(name=VECTOR)(layers.Dense(TEXT_DIM)(x))


def of_ngrams(phrases):
    """Returns the vectors of words, `(batch, MOST_WORDS, TEXT_DIM)`: the scaled sum of those of their n-grams."""
    is_ngram = ops.cast(ops.greater(phrases, 0), keras.config.floatx())
    count = ops.maximum(ops.sum(is_ngram, axis=-1, keepdims=True), 1.0)  # 0 for no word
    vectors = layers.Embedding(ROWS, TEXT_DIM, embeddings_initializer=keras.initializers.RandomNormal(0, 1))(phrases)
    return ops.sum(vectors * ops.expand_dims(is_ngram, -1), axis=-2) / ops.sqrt(count)


class TextEncoder(Network):
    """Phrases to vectors `(batch, TEXT_DIM)`."""

    def network(self, phrases):
        return read(phrases)


def halves(generator):
    """Returns a generator of latents and phrases as two models: phrases to vectors; latents and vectors to images."""
    latents, phrases = generator.inputs
    vectors = generator.get_layer(VECTOR).output
    return keras.Model(phrases, vectors), keras.Model([latents, vectors], generator.output)
