"""The text encoder: phrases to vectors, within the generator and beside the discriminator."""

import keras
from keras import layers, ops

from common.networks import Network

from .phrases import MOST_NGRAMS, MOST_WORDS, ROWS

TEXT_DIM = 64  # length of the vector of a phrase
VECTOR = "text"  # name of the layer that gives it


def phrase_input():
    """Returns the `keras.Input` of phrases, as `phrases.encoded` makes them."""
    return keras.Input((MOST_WORDS, MOST_NGRAMS), name="phrases", dtype="int32")


def read(phrases):
    """Returns the vectors of phrases: of each word by its n-grams, then of the phrase by words that are neighbours.

    A convolution over the words takes half the time of a GRU, and tells "red shirt" from "shirt on red".
    """
    is_ngram = ops.cast(ops.greater(phrases, 0), keras.config.floatx())
    count = ops.maximum(ops.sum(is_ngram, axis=-1, keepdims=True), 1.0)  # 0 for no word
    of_ngrams = layers.Embedding(ROWS, TEXT_DIM, embeddings_initializer=keras.initializers.RandomNormal(0, 1))(phrases)
    words = ops.sum(of_ngrams * ops.expand_dims(is_ngram, -1), axis=-2) / ops.sqrt(count)
    x = layers.Conv1D(2 * TEXT_DIM, 3, padding="same", activation="relu")(words)
    x = layers.GlobalMaxPooling1D()(x)
    return layers.LayerNormalization(name=VECTOR)(layers.Dense(TEXT_DIM)(x))


class TextEncoder(Network):
    """Phrases to vectors `(batch, TEXT_DIM)`."""

    def network(self, phrases):
        return read(phrases)


def halves(generator):
    """Returns a generator of latents and phrases as two models: phrases to vectors; latents and vectors to images."""
    latents, phrases = generator.inputs
    vectors = generator.get_layer(VECTOR).output
    return keras.Model(phrases, vectors), keras.Model([latents, vectors], generator.output)
