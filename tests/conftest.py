"""What several tests share: a small GAN, and the command line run as a user runs it."""

import contextlib
import functools
import io
import os
import runpy
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import keras
import numpy as np
import pytest
from keras import layers

from common.gan import GAN
from common.losses import NonSaturating
from common.networks import Discriminator, Generator

PROJECT = Path(__file__).parent.parent


class SmallGenerator(Generator):
    def network(self, latents):
        x = layers.Dense(8, use_bias=False)(latents)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        return layers.Dense(2)(x)


class SmallDiscriminator(Discriminator):
    def network(self, samples, seed=3):
        x = layers.Dense(8)(samples)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dropout(0.3, seed=seed)(x)
        return layers.Dense(1)(x)


@pytest.fixture
def small_gan():
    """Returns a function that makes a compiled GAN of 4 latents and samples of 2 numbers."""

    def make(loss=None, seed=1, use_ema=False, discriminator=None, **kwargs):
        keras.utils.set_random_seed(0)
        gan = GAN(SmallGenerator(4), discriminator or SmallDiscriminator((2,)), seed=seed)
        gan.compile(
            loss or NonSaturating(),
            keras.optimizers.Adam(1e-2, use_ema=use_ema, ema_momentum=0.9),
            keras.optimizers.Adam(1e-2),
            **kwargs,
        )
        return gan

    return make


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(64, 2)).astype("float32")


def values(variables):
    return [keras.ops.convert_to_numpy(variable.value).copy() for variable in variables]


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def tried_again(test):
    """Runs a test of equal bits a second time if it fails, in another folder.

    Convolutions on a busy CPU differ in the last bit of a float, once in some hundred times. What is not restored
    differs every time.
    """

    @functools.wraps(test)
    def run(*args, tmp_path, **kwargs):
        try:
            test(*args, tmp_path=tmp_path / "first", **kwargs)
        except AssertionError:
            test(*args, tmp_path=tmp_path / "second", **kwargs)

    return run


def loss_of(gan, player, batch):
    """Returns what a player of a GAN minimizes on a batch, a float."""
    total, _ = gan.objective(player, (gan.real(batch), gan.fake(batch), {}))
    return float(keras.ops.convert_to_numpy(keras.ops.stop_gradient(total)))


def eager(gan):
    """Returns the GAN; TensorFlow, which traces a graph for longer than some steps take, does without."""
    gan.run_eagerly = keras.backend.backend() == "tensorflow"
    return gan


def update_only(gan, player, batch):
    """Takes one update of a single player; returns the logs."""
    forward = gan.forward_pass(batch)
    gan.minimize([player], forward.detached_gradients if player in gan.turns[0] else forward.gradients)
    return gan.get_metrics_result()


@contextlib.contextmanager
def heeding_ctrl_c():
    """Within it Ctrl-C counts, also for new processes: a shell lets what it runs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def run_recipe(*arguments, project=PROJECT, cwd=None, env=None, timeout=600):
    """Runs run_recipe.sh in the environment of these tests; returns the finished process, output and errors as text."""
    environment = {
        **os.environ,
        "GAN_COOKBOOK_VENV": sys.prefix,
        "KERAS_BACKEND": keras.backend.backend(),
        **(env or {}),
    }
    return subprocess.run(
        [project / "run_recipe.sh", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def call_recipe(*arguments, cwd=None):
    """As `run_recipe`, but in this process and without the launcher: no framework has to be loaded."""
    name, *rest = map(str, arguments)
    module, rest = (
        ("common.cli.evaluate", [name, *rest]) if name in ("evaluate", "compare") else (f"recipes.{name}.train", rest)
    )
    output, errors, code = io.StringIO(), io.StringIO(), 0
    keras.backend.clear_session(free_memory=False)  # names of layers begin anew, as in a process of its own
    command = {"GAN_COOKBOOK_COMMAND": shlex.join(["./run_recipe.sh", name, *rest])}
    with (
        contextlib.chdir(cwd or Path.cwd()),
        mock.patch.object(sys, "argv", [module, *rest]),
        mock.patch.dict(os.environ, command),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code or 0
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


def is_one_sentence(answer, words):
    """Tells whether a command failed as it should: exit code 2, one line with the words, no traceback."""
    lines = answer.stderr.strip().splitlines()
    assert (answer.returncode, len(lines)) == (2, 1), answer.stderr
    assert lines[0].startswith("Error: ")
    assert words in lines[0], lines[0]
    return True
