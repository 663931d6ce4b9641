"""Breaks copies of the project in the ways that other collections are wrong, and runs the test that shall notice each.

    .venv/bin/python -m benchmarks.broken_copies [--only WORD]

A mistake that no test notices ends the command with exit code 1.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parent.parent


class Mistake(NamedTuple):
    """What is wrong in a copy: a text of a file replaced by another one, and the test that shall fail then."""

    name: str
    file: str
    right: str
    wrong: str
    test: str


MISTAKES = (
    Mistake(
        "pix2pix without its noise when it is used",
        "common/translate.py",
        "generator(image, training=True)",
        "generator(image, training=False)",
        "tests/test_pix2pix.py::test_the_noise_is_dropout_also_when_the_generator_is_used",
    ),
    Mistake(
        "pix2pix learns from the pairs it is measured on",
        "data_prep/folders.py",
        'return every[(every % 10 == 0) == (split == "test")]',
        'return every if split == "train" else every[::10]',
        "tests/test_pix2pix.py::test_pairs_without_a_test_part_are_divided",
    ),
    Mistake(
        "pix2pix whose discriminator does not see the source",
        "recipes/pix2pix/train.py",
        "judge_patches(layers.Concatenate()(pair),",
        "judge_patches(pair[1],",
        "tests/test_pix2pix.py::test_the_discriminator_judges_patches_of_pairs",
    ),
    Mistake(
        "batch norm in the place of instance norm, so that a single picture is another thing at test time",
        "common/layers.py",
        "layers.GroupNormalization(groups=-1, epsilon=1e-5)",
        "layers.BatchNormalization()",
        "tests/test_style_transfer.py::test_the_norm_has_a_scale_and_a_shift_for_every_channel",
    ),
    Mistake(
        "one scale and shift for all channels of an instance norm",
        "common/layers.py",
        "layers.GroupNormalization(groups=-1, epsilon=1e-5)",
        "layers.GroupNormalization(groups=-1, epsilon=1e-5, scale=False, center=False)",
        "tests/test_style_transfer.py::test_the_norm_has_a_scale_and_a_shift_for_every_channel",
    ),
    Mistake(
        "CycleGAN whose generators see no real picture in their own step",
        "recipes/style_transfer/train.py",
        "l1_distance(a, to_a(as_b)) + l1_distance(b, to_b(as_a))",
        "l1_distance(as_a, to_a(as_b)) + l1_distance(as_b, to_b(as_a))",
        "tests/test_style_transfer.py::test_both_losses_are_those_of_the_paper",
    ),
    Mistake(
        "a discriminator that ends in Flatten and Dense",
        "common/layers.py",
        'return layers.Conv2D(1, 4, 1, "same")(x)',
        "return layers.Dense(1)(layers.Flatten()(x))",
        "tests/test_style_transfer.py::test_the_discriminators_judge_patches",
    ),
    Mistake(
        "CycleGAN without its history of fakes",
        "recipes/style_transfer/train.py",
        "tuple(history(fake) for history, fake in zip(self.histories, fakes, strict=True))",
        "tuple(fakes)",
        "tests/test_style_transfer.py::test_a_history_is_part_of_a_checkpoint",
    ),
    Mistake(
        "a history that never fills",
        "common/history.py",
        "self.count.assign(ops.minimum(self.count + batch, self.size))",
        "self.count.assign(self.count)",
        "tests/test_style_transfer.py::test_a_history_fills_with_the_first_fakes_and_hands_them_on",
    ),
    Mistake(
        "a history that fills and hands nothing back",
        "common/history.py",
        "return ops.where(swaps, held, fakes)",
        "return fakes",
        "tests/test_style_transfer.py::test_a_full_history_swaps_half_of_the_fakes_for_earlier_ones",
    ),
    Mistake(
        "random crops frozen in the first epoch",
        "data_prep/batches.py",
        "np.random.default_rng((self.seed, self.epoch, index, self.shard[0]))",
        "np.random.default_rng((self.seed, index, self.shard[0]))",
        "tests/test_style_transfer.py::test_photos_are_cropped_and_flipped_anew_in_every_epoch",
    ),
    Mistake(
        "two domains shuffled alike, so that the same ones always meet",
        "data_prep/batches.py",
        "orders = [repeated(rng, np.arange(len(array)), longest) for array in self._arrays]",
        "orders = [np.resize(np.arange(len(array)), longest) for array in self._arrays]",
        "tests/test_style_transfer.py::test_each_side_is_shuffled_on_its_own_and_all_are_seen",
    ),
    Mistake(
        "several devices that all train on the same fakes",
        "common/backend.py",
        "return draw((count * context.num_replicas_in_sync, *rest), **options)[start : start + count]",
        "return draw((count, *rest), **options)",
        "tests/test_devices.py::test_each_device_draws_rows_of_its_own",
    ),
    Mistake(
        "gradients of several devices added up instead of averaged",
        "common/backend.py",
        "share = value / tf.distribute.get_strategy().num_replicas_in_sync",
        "share = value",
        "tests/test_devices.py::test_losses_are_those_of_one_device_also_when_continued_on_one",
    ),
    Mistake(
        "several devices that shift the order of the data by an epoch",
        "common/callbacks.py",
        "        self.batches.epoch = epoch\n",
        "        pass\n",
        "tests/test_devices.py::test_losses_are_those_of_one_device_also_when_continued_on_one",
    ),
    Mistake(
        "a rate that does not fall",
        "common/schedules.py",
        "return self.rate * ops.clip(left, 0.0, 1.0)",
        "return self.rate * ops.ones_like(left)",
        "tests/test_style_transfer.py::test_the_rate_is_constant_then_falls_to_zero",
    ),
    Mistake(
        "the generator's step trains the discriminator too, to call fakes real",
        "common/gan.py",
        "        variables = network.trainable_variables\n        value, gradients",
        "        variables = self.trainable_variables\n        optimizer = self.optimizer\n        value, gradients",
        "tests/test_style_transfer.py::test_a_step_moves_the_player_whose_turn_it_is",
    ),
    Mistake(
        "SimGAN without an adversarial loss",
        "recipes/simgan/train.py",
        "return realism + self.options",
        "return 0 * realism + self.options",
        "tests/test_simgan.py::test_the_refiner_is_told_by_the_discriminator_not_by_the_regularization_alone",
    ),
    Mistake(
        "SimGAN whose buffer is never filled",
        "recipes/simgan/train.py",
        "self.buffer(ops.stop_gradient(self.fake(sides)))",
        "ops.stop_gradient(self.fake(sides))",
        "tests/test_simgan.py::test_the_buffer_fills_while_playing_and_is_saved",
    ),
    Mistake(
        "ReLU on SimGAN's logits",
        "recipes/simgan/train.py",
        "return layers.Conv2D(1, 1)(x)",
        'return layers.Conv2D(1, 1, activation="relu")(x)',
        "tests/test_simgan.py::test_the_discriminator_gives_a_logit_for_every_region",
    ),
    Mistake(
        "unscaled pictures against tanh",
        "recipes/simgan/data.py",
        "config.seed, paired=False)",
        "config.seed, transform=lambda batch: batch, paired=False)",
        "tests/test_simgan.py::test_both_sides_are_scaled_and_shuffled_on_their_own",
    ),
    Mistake(
        "SimGAN without pre-training",
        "recipes/simgan/train.py",
        "if run.is_new:",
        "if False:",
        "tests/test_simgan.py::test_refined_measured_and_applied",
    ),
    Mistake(
        "a pre-training that skips the refiner",
        "recipes/simgan/train.py",
        "    refiner.fit(",
        "    lambda: refiner.fit(",
        "tests/test_simgan.py::test_pretraining_teaches_both_where_the_game_begins",
    ),
    Mistake(
        "refined = synthetic",
        "recipes/simgan/train.py",
        "return self.generator(sides[0], training=True)",
        "return sides[0]",
        "tests/test_simgan.py::test_both_losses_are_equations_2_and_4",
    ),
)


def is_noticed(mistake, project):
    """Tells whether the test fails in a project with the mistake, and how many seconds it took."""
    path = project / mistake.file
    right = path.read_text("utf-8")
    if right.count(mistake.right) != 1:
        raise SystemExit(f"{mistake.file} has not once: {mistake.right}")
    path.write_text(right.replace(mistake.right, mistake.wrong), encoding="utf-8")
    start = time.monotonic()
    try:
        return outcome(project, [mistake.test]) == 1, time.monotonic() - start
    finally:
        path.write_text(right, encoding="utf-8")


def outcome(project, tests):
    """Returns the exit code of pytest: 0 passed, 1 failed, others an error."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "GAN_COOKBOOK_VENV": sys.prefix}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="mistakes whose names hold this word")
    options = parser.parse_args()
    chosen = [mistake for mistake in MISTAKES if options.only in mistake.name]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "runs", "__pycache__", ".*cache"))
        if outcome(copy, sorted({mistake.test for mistake in chosen})) != 0:
            raise SystemExit("A test fails in an unbroken copy too; nothing can be said of broken ones.")
        missed = 0
        for mistake in chosen:
            found, seconds = is_noticed(mistake, copy)
            missed += not found
            test = mistake.test.partition("::")[2]
            print(f"{'noticed' if found else 'MISSED '}  {seconds:3.0f} s  {mistake.name}: {test}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} noticed")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
