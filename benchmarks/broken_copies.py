"""Makes known mistakes of other GAN collections in a copy of the project, and runs the test that should fail for each.

    .venv/bin/python -m benchmarks.broken_copies [--only WORD]

The exit code is 1 if the test of any mistake passes.
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

from common.base.paths import PROJECT


class Mistake(NamedTuple):
    """A mistake: `wrong` replaces the text `right`, which occurs once in `file`, and `test` should fail."""

    name: str
    file: str
    right: str
    wrong: str
    test: str


MISTAKES = (
    Mistake(
        "pix2pix without its noise at test time",
        "common/cli/apply.py",
        "generator(scale(image)[np.newaxis], training=True)",
        "generator(scale(image)[np.newaxis], training=False)",
        "tests/test_pix2pix.py::test_dropout_is_active_at_inference",
    ),
    Mistake(
        "pix2pix trained on the pairs that it is evaluated on",
        "data_prep/folders.py",
        'return every[(every % 10 == 0) == (split == "test")]',
        'return every if split == "train" else every[::10]',
        "tests/test_pix2pix.py::test_pairs_without_a_test_part_are_split",
    ),
    Mistake(
        "pix2pix whose discriminator does not see the source",
        "recipes/pix2pix/train.py",
        "patch_logits(layers.Concatenate()(pair),",
        "patch_logits(pair[1],",
        "tests/test_pix2pix.py::test_the_discriminator_returns_a_logit_per_patch_of_a_pair",
    ),
    Mistake(
        "batch norm in place of instance norm",
        "common/layers.py",
        "layers.GroupNormalization(groups=-1, epsilon=1e-5)",
        "layers.BatchNormalization()",
        "tests/test_style_transfer.py::test_instance_norm_scales_and_shifts_each_channel",
    ),
    Mistake(
        "instance norm without a scale and a shift per channel",
        "common/layers.py",
        "layers.GroupNormalization(groups=-1, epsilon=1e-5)",
        "layers.GroupNormalization(groups=-1, epsilon=1e-5, scale=False, center=False)",
        "tests/test_style_transfer.py::test_instance_norm_scales_and_shifts_each_channel",
    ),
    Mistake(
        "CycleGAN whose cycle consistency loss sees no real images",
        "recipes/style_transfer/train.py",
        "l1_distance(a, F(fake_b)) + l1_distance(b, G(fake_a))",
        "l1_distance(fake_a, F(fake_b)) + l1_distance(fake_b, G(fake_a))",
        "tests/test_style_transfer.py::test_both_losses_are_those_of_the_paper",
    ),
    Mistake(
        "a discriminator that ends in Flatten and Dense",
        "common/layers.py",
        'return layers.Conv2D(1, 4, padding="same")(x)',
        "return layers.Dense(1)(layers.Flatten()(x))",
        "tests/test_style_transfer.py::test_the_discriminator_returns_a_logit_per_patch",
    ),
    Mistake(
        "CycleGAN without image pools",
        "recipes/style_transfer/train.py",
        "(self.pool_a(fake_a), self.pool_b(fake_b))",
        "(fake_a, fake_b)",
        "tests/test_style_transfer.py::test_the_pools_are_filled_in_training_and_saved",
    ),
    Mistake(
        "an image pool that never fills",
        "common/image_pool.py",
        "self.count.assign(ops.minimum(self.count + batch, self.size))",
        "self.count.assign(self.count)",
        "tests/test_style_transfer.py::test_a_pool_stores_and_returns_the_first_fakes",
    ),
    Mistake(
        "an image pool that returns no earlier images",
        "common/image_pool.py",
        "return ops.where(is_swapped, earlier, fakes)",
        "return fakes",
        "tests/test_style_transfer.py::test_a_full_pool_replaces_half_of_the_fakes",
    ),
    Mistake(
        "the same random crops in every epoch",
        "data_prep/batches.py",
        "np.random.default_rng((self.seed, self.epoch, index, self.shard[0]))",
        "np.random.default_rng((self.seed, index, self.shard[0]))",
        "tests/test_style_transfer.py::test_augmentation_differs_in_every_epoch",
    ),
    Mistake(
        "two domains in the same order in every epoch",
        "data_prep/batches.py",
        "repeated(rng, np.arange(len(part)), max(self._steps * part.batch_size, len(part)))",
        "np.resize(np.arange(len(part)), max(self._steps * part.batch_size, len(part)))",
        "tests/test_style_transfer.py::test_each_domain_is_shuffled_independently",
    ),
    Mistake(
        "several devices that all train on the same fakes",
        "common/backend.py",
        "return draw((count * context.num_replicas_in_sync, *rest), **options)[start : start + count]",
        "return draw((count, *rest), **options)",
        "tests/test_devices.py::test_each_device_draws_rows_of_its_own",
    ),
    Mistake(
        "gradients of several devices summed instead of averaged",
        "common/backend.py",
        "share = value / replicas()",
        "share = value",
        "tests/test_devices.py::test_losses_are_those_of_one_device_also_when_continued_on_one",
    ),
    Mistake(
        "several devices that shift the order of the data by an epoch",
        "common/training/callbacks.py",
        "        self.batches.epoch = epoch\n",
        "        pass\n",
        "tests/test_devices.py::test_losses_are_those_of_one_device_also_when_continued_on_one",
    ),
    Mistake(
        "a learning rate that does not decay",
        "common/schedules.py",
        "return self.rate * ops.clip(left, 0.0, 1.0)",
        "return self.rate * ops.ones_like(left)",
        "tests/test_style_transfer.py::test_learning_rate_is_constant_then_decays_linearly_to_0",
    ),
    Mistake(
        "generator updates that also train the discriminator",
        "common/gan.py",
        "networks = [network for name, network in self.networks.items() if name in self.players[player]]",
        "networks = list(self.networks.values())",
        "tests/test_every_recipe.py::test_an_update_changes_the_networks_of_one_player",
    ),
    Mistake(
        "R3GAN whose residual blocks do not begin as the identity",
        "recipes/r3gan/blocks.py",
        "pointwise(y, x.shape[-1], gain=0.0)",
        "pointwise(y, x.shape[-1])",
        "tests/test_r3gan.py::test_a_block_is_the_identity_at_first",
    ),
    Mistake(
        "classes that drown the latents",
        "recipes/r3gan/train.py",
        "embed(inputs[1], class_count, class_count**-0.5)",
        "embed(inputs[1], class_count, 1.0)",
        "tests/test_r3gan.py::test_initial_samples_differ_by_their_latents_more_than_by_their_label",
    ),
    Mistake(
        "R3GAN without R2",
        "recipes/r3gan/train.py",
        "Lazy(R2(gamma), every=4)",
        "Lazy(R1(gamma), every=4)",
        "tests/test_r3gan.py::test_both_penalties_are_in_the_loss_and_gamma_follows_its_schedule",
    ),
    Mistake(
        "a penalty that stays at the first weight of its schedule",
        "common/penalties.py",
        "self.weight(self.iterations) if callable",
        "self.weight(0) if callable",
        "tests/test_r3gan.py::test_both_penalties_are_in_the_loss_and_gamma_follows_its_schedule",
    ),
    Mistake(
        "projections that are trained with the discriminator",
        "recipes/projected_gan/features.py",
        'kernel_initializer="he_normal", trainable=False',
        'kernel_initializer="he_normal"',
        "tests/test_projected_gan.py::test_a_step_trains_the_heads_and_keeps_their_vectors",
    ),
    Mistake(
        "projected maps of different scales",
        "recipes/projected_gan/features.py",
        "return [layers.GroupNormalization(1, center=False, scale=False)(x) for x in reversed(mixed)]",
        "return mixed[::-1]",
        "tests/test_projected_gan.py::test_all_maps_have_the_same_scale",
    ),
    Mistake(
        "spectral norm through which no gradient runs",
        "common/layers.py",
        "norm = ops.sum(ops.matmul(before, self.matrix()) * after)",
        "norm = ops.stop_gradient(ops.sum(ops.matmul(before, self.matrix()) * after))",
        "tests/test_projected_gan.py::test_the_gradient_runs_through_the_division",
    ),
    Mistake(
        "a KL divergence of the wrong sign",
        "common/losses.py",
        "ops.square(mean) + ops.exp(log_variance) - log_variance - 1, axis=1)",
        "1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=1)",
        "tests/test_vae.py::test_kl_divergence_is_that_of_two_normal_distributions",
    ),
    Mistake(
        "a reconstruction term that is a mean over the pixels",
        "recipes/vae/train.py",
        "return ops.sum(squares / (2 * sigma**2)",
        "return ops.mean(squares / (2 * sigma**2)",
        "tests/test_vae.py::test_reconstruction_is_a_log_likelihood_summed_over_the_pixels",
    ),
    Mistake(
        "a VAE-GAN that compares pixels, not features",
        "recipes/vae_gan/train.py",
        "outputs = [self.discriminator(x, training=True) for x in",
        "outputs = [(x, ops.reshape(x, (count_of(x), -1))) for x in",
        "tests/test_vae_gan.py::test_what_is_compared_are_features_of_the_discriminator",
    ),
    Mistake(
        "an image and its reconstruction that are augmented differently",
        "recipes/vae_gan/train.py",
        "real, images = self.augmentation((real, images), seed=self.seed_generator)",
        "real, images = (self.augmentation(x, seed=self.seed_generator) for x in (real, images))",
        "tests/test_vae_gan.py::test_an_image_and_its_reconstruction_are_augmented_alike",
    ),
    Mistake(
        "reconstructions whose features have other statistics than where they are judged",
        "recipes/vae_gan/train.py",
        "for x in (real[: count_of(real) // 2], images)]",
        "for x in (real[: count_of(real) // 2], images[: count_of(real) // 2])]",
        "tests/test_vae_gan.py::test_reconstructions_are_compared_as_they_are_judged_in_one_batch_with_drawn_images",
    ),
    Mistake(
        "a VAE-GAN whose encoder learns to fool the discriminator",
        "recipes/vae_gan/train.py",
        '"generator": ("generator",), "encoder": ("encoder",)}',
        '"generator": ("generator", "encoder"), "encoder": ("encoder",)}',
        "tests/test_vae_gan.py::test_who_learns_from_what",
    ),
    Mistake(
        "semi-supervised learning with the labels of all images",
        "recipes/semi_supervised/data.py",
        "rows = labelled_rows(dataset, config.images.labels, config.seed)",
        "rows = np.arange(len(dataset.labels))",
        "tests/test_semi_supervised.py::test_batches_have_labels_of_a_few_training_images_only",
    ),
    Mistake(
        "test images among the labelled ones",
        "recipes/semi_supervised/data.py",
        "dataset = images.load(config.images, hold_out=True)",
        'dataset = images.load(config.images, "test", hold_out=True)',
        "tests/test_semi_supervised.py::test_batches_have_labels_of_a_few_training_images_only",
    ),
    Mistake(
        "a classifier that calls an image real by its largest logit alone",
        "recipes/semi_supervised/train.py",
        "ops.logsumexp(of_classes, axis=-1, keepdims=True)",
        "ops.max(of_classes, axis=-1, keepdims=True)",
        "tests/test_semi_supervised.py::test_an_image_is_real_if_it_has_a_class",
    ),
    Mistake(
        "SimGAN without an adversarial loss",
        "recipes/simgan/train.py",
        '{**super().generator_loss(real, fake), "regularization": change}',
        '{"regularization": change}',
        "tests/test_simgan.py::test_the_refiner_learns_from_the_discriminator",
    ),
    Mistake(
        "SimGAN whose image pool is never filled",
        "recipes/simgan/train.py",
        "self.buffer(fake))",
        "fake)",
        "tests/test_simgan.py::test_the_image_pool_is_filled_in_training_and_saved",
    ),
    Mistake(
        "ReLU on SimGAN's logits",
        "recipes/simgan/train.py",
        "return layers.Conv2D(1, 1)(x)",
        'return layers.Conv2D(1, 1, activation="relu")(x)',
        "tests/test_simgan.py::test_the_discriminator_returns_a_logit_per_region",
    ),
    Mistake(
        "a test part that numbers its classes on its own",
        "data_prep/images.py",
        "        found = numbered_as_in_training(found, source)\n",
        "        pass\n",
        "tests/test_data.py::test_a_test_part_without_a_class_has_the_numbers_of_the_training_part",
    ),
    Mistake(
        "the right caption as a wrong one",
        "recipes/text_to_image/matching.py",
        "ops.where(is_wrong, ops.softplus(logits[:, 0]), 0.0)",
        "ops.softplus(logits[:, 0])",
        "tests/test_text_to_image.py::test_an_equal_phrase_of_another_image_is_not_a_wrong_one",
    ),
    Mistake(
        "unscaled images against tanh",
        "recipes/simgan/data.py",
        "updates=updates, paired=False)",
        "updates=updates, transform=lambda batch: batch, paired=False)",
        "tests/test_simgan.py::test_batches_hold_scaled_simulated_and_real_images",
    ),
    Mistake(
        "SimGAN without pre-training",
        "recipes/simgan/train.py",
        "if run.is_new:",
        "if False:",
        "tests/test_simgan.py::test_a_run_is_evaluated_applied_and_exported",
    ),
    Mistake(
        "pre-training that skips the refiner",
        "recipes/simgan/train.py",
        "    refiner.fit(",
        "    lambda: refiner.fit(",
        "tests/test_simgan.py::test_pretraining_trains_both_networks",
    ),
    Mistake(
        "a term that takes the place of the adversarial one, penalty and pairing",
        "recipes/simgan/train.py",
        "return super().discriminator_loss(real, self.buffer(fake))",
        "return self.adversarial_loss.discriminator(self.judge(real), self.judge(self.buffer(fake)))",
        "tests/test_terms.py::test_every_recipe_takes_any_loss_and_penalty",
    ),
    Mistake(
        "a gradient penalty that grows with the map of logits",
        "common/penalties.py",
        "ops.mean(ops.reshape(logits, (ops.shape(logits)[0], -1)), axis=1)",
        "ops.sum(ops.reshape(logits, (ops.shape(logits)[0], -1)), axis=1)",
        "tests/test_terms.py::test_the_gradient_of_a_map_is_that_of_its_mean",
    ),
    Mistake(
        "averages that take the place of the weights after fit",
        "common/players.py",
        "class Optimizers(keras.optimizers.MultiOptimizer):",
        "Optimizers = keras.optimizers.MultiOptimizer\n\n\nclass Unused(keras.optimizers.MultiOptimizer):",
        "tests/test_players.py::test_fit_leaves_the_weights_of_the_training",
    ),
    Mistake(
        "averaged weights with the batch norm of the raw ones",
        "common/averages.py",
        "gan.estimates.load(gan)",
        "pass",
        "tests/test_players.py::test_averaged_weights_have_batch_norm_of_their_own",
    ),
    Mistake(
        "an epoch selected on the test images",
        "common/scoring/evaluator.py",
        'return evaluator_of(config.images, extractor, "validation")',
        "return evaluator_of(config.images, extractor)",
        "tests/test_evaluate.py::test_scores_while_training_are_logged_and_the_best_epoch_is_kept",
    ),
    Mistake(
        "validation images that are trained on, too",
        "data_prep/images.py",
        'if split == "validation" or (split == "train" and options.validation):',
        'if split == "validation":',
        "tests/test_data.py::test_validation_images_are_held_out_of_the_training",
    ),
    Mistake(
        "grids and scores that ignore what the generator is fed",
        "common/latents.py",
        "        return self.inputs(FixedDraws(seed, labels), count)",
        "        return Latents.inputs(self, FixedDraws(seed, labels), count)",
        "tests/test_latents.py::test_everything_in_a_run_is_drawn_by_the_latents_of_the_gan",
    ),
    Mistake(
        "pairs by names without their last letter",
        "data_prep/pairs.py",
        'f"[-_.]{side}$"',
        'f"[-_.]?{side}$"',
        "tests/test_pairs.py::test_names_that_end_in_a_or_b_are_names",
    ),
    Mistake(
        "a discriminator's loss in which only the real images are augmented",
        "common/gan.py",
        "heads = self.heads(real, judged[0]), self.heads(fake, judged[1])",
        "heads = self.heads(real, judged[0]), [self.logits(self.discriminator(fake, training=True))]",
        "tests/test_diff_augment.py::test_both_losses_judge_real_and_fake_augmented",
    ),
    Mistake(
        "augmentation that cuts the generator off from its gradient",
        "common/gan.py",
        "samples = self.augmentation(samples, seed=self.seed_generator)",
        "samples = keras.tree.map_structure(ops.stop_gradient, self.augmentation(samples, seed=self.seed_generator))",
        "tests/test_diff_augment.py::test_the_gradient_of_the_generator_runs_through",
    ),
    Mistake(
        "ADA whose probability falls when the discriminator overfits",
        "common/diff_augment.py",
        "ops.sign(signs / images - self.target)",
        "ops.sign(self.target - signs / images)",
        "tests/test_diff_augment.py::test_p_follows_the_sign_of_real_logits_within_0_and_1",
    ),
    Mistake(
        "SimGAN whose refined images are the simulated ones",
        "recipes/simgan/train.py",
        "return self.generator(simulated, training=True)",
        "return simulated",
        "tests/test_simgan.py::test_both_losses_are_equations_2_and_4",
    ),
    Mistake(
        "averages that long consist of the initial weights",
        "common/averages.py",
        "optimizer.ema_momentum = ops.minimum(momentum, (1 + steps) / (10 + steps))",
        "optimizer.ema_momentum = momentum",
        "tests/test_gan.py::test_early_samples_are_those_of_the_raw_weights",
    ),
    Mistake(
        "small data that trains for fewer steps",
        "common/training/length.py",
        "return steps_per_pass * -(-SHORTEST // steps_per_pass)",
        "return steps_per_pass",
        "tests/test_length.py::test_a_run_keeps_its_steps_per_epoch",
    ),
    Mistake(
        "drawn images in the test set",
        "recipes/augmentation/study.py",
        "found[name] = classifier.accuracy(held_out)",
        "found[name] = classifier.accuracy(images.Images(*map(np.concatenate, zip(known[:2], held_out[:2])), ()))",
        "tests/test_augmentation.py::test_classifiers_are_scored_on_the_held_out_images_alone",
    ),
    Mistake(
        "a GAN that is trained on all images where few are meant",
        "recipes/augmentation/data.py",
        "return training.at(rows)",
        "return training",
        "tests/test_augmentation.py::test_the_gan_sees_only_the_few_images_of_its_seed",
    ),
    Mistake(
        "pixels scaled otherwise than the weights were trained",
        "common/imagenet.py",
        "images * (127.5 / 128) + 0.5 / 128",
        "images * 127.5 + 127.5",
        "tests/test_imagenet.py::test_logits_and_features_match_the_reference",
    ),
    Mistake(
        "image_to_3d whose discriminator does not see the image",
        "recipes/image_to_3d/train.py",
        "features += [self.features(layers.Conv2D, image, filters) for image in images]",
        "features += [self.features(layers.Conv2D, 0 * image, filters) for image in images]",
        "tests/test_image_to_3d.py::test_the_discriminator_sees_image_and_volume",
    ),
    Mistake(
        "image_to_3d with real volumes beside their own images among what is rejected",
        "recipes/image_to_3d/games.py",
        "others = ops.roll(images, 1, axis=0)",
        "others = images",
        "tests/test_image_to_3d.py::test_wrong_images_reach_the_loss_of_the_discriminator",
    ),
    Mistake(
        "text_to_image whose discriminator does not see the phrase",
        "recipes/text_to_image/train.py",
        "return score + ops.sum(features * vectors, axis=1, keepdims=True) / TEXT_DIM**0.5",
        "return score + ops.sum(features, axis=1, keepdims=True) / TEXT_DIM**0.5",
        "tests/test_text_to_image.py::test_the_discriminator_sees_the_phrase",
    ),
    Mistake(
        "text_to_image that never shows a wrong phrase",
        "recipes/text_to_image/train.py",
        "ops.roll(vectors, 1, axis=0)",
        "vectors",
        "tests/test_text_to_image.py::test_real_images_with_wrong_phrases_are_a_term_of_the_discriminator",
    ),
    Mistake(
        "unseen combinations that are shown in training",
        "recipes/text_to_image/garments.py",
        'halves = (True, True) if split == "train" else (True, False)',
        "halves = (True, False)",
        "tests/test_text_to_image.py::test_no_unseen_combination_is_shown_in_training",
    ),
    Mistake(
        "makeup whose G need not fool D_Y",
        "recipes/makeup/train.py",
        '            "styled": self.adversarial_generator_loss(y, applied)["adversarial"],\n',
        "",
        "tests/test_makeup.py::test_the_losses_are_those_of_the_paper",
    ),
    Mistake(
        "makeup whose F need not fool D_X",
        "recipes/makeup/train.py",
        '            "plain": self.fooled(x, removed, "is_plain"),\n',
        "",
        "tests/test_makeup.py::test_the_losses_are_those_of_the_paper",
    ),
    Mistake(
        "makeup without the identity loss",
        "recipes/makeup/train.py",
        '            "identity": squared_distance(x, F(applied)),\n',
        "",
        "tests/test_makeup.py::test_the_losses_are_those_of_the_paper",
    ),
    Mistake(
        "makeup without the style loss",
        "recipes/makeup/train.py",
        '            "style": squared_distance(y, G((removed, applied))),\n',
        "",
        "tests/test_makeup.py::test_the_losses_are_those_of_the_paper",
    ),
    Mistake(
        "makeup without the loss of pairs",
        "recipes/makeup/train.py",
        '            terms["pair"] = self.fooled((own, same), (own, added), "is_same")',
        "            pass",
        "tests/test_makeup.py::test_the_losses_are_those_of_the_paper",
    ),
    Mistake(
        "makeup whose D_S has no pairs of different styles",
        "recipes/makeup/train.py",
        "(own, ops.roll(warped, 1, axis=0))",
        "(own, warped)",
        "tests/test_makeup.py::test_the_losses_are_those_of_the_paper",
    ),
    Mistake(
        "makeup whose G finds the style on the source",
        "recipes/makeup/train.py",
        "bare = F(G((removed, ops.roll(y, 1, axis=0))))",
        "bare = removed",
        "tests/test_makeup.py::test_the_losses_are_those_of_the_paper",
    ),
    Mistake(
        "a judge of volumes that is trained anew for each run",
        "recipes/image_to_3d/measure.py",
        "classifier.load(training)",
        "classifier.trained(training)",
        "tests/test_image_to_3d.py::test_evaluate_compares_with_baselines_and_stores_the_threshold",
    ),
    Mistake(
        "smoothing that makes thin legs thinner",
        "data_prep/meshes.py",
        "share * (to_mean - normals * (neighbours @ outward / counts))",
        "share * to_mean",
        "tests/test_meshes.py::test_a_pole_of_one_voxel_is_as_thick_as_before",
    ),
    Mistake(
        "copies of test models among the training models",
        "data_prep/volumes.py",
        "return with_splits(without_copies(found), seed)",
        "return with_splits(found, seed)",
        "tests/test_volumes.py::test_copies_are_left_out_before_the_parts_are_made",
    ),
    Mistake(
        "a renderer that mirrors",
        "data_prep/render.py",
        "right = (-sin_a, cos_a, 0)",
        "right = (sin_a, -cos_a, 0)",
        "tests/test_render.py::test_no_axis_is_mirrored",
    ),
    Mistake(
        "a path between latents on which they get shorter",
        "common/latent_space.py",
        "return arc * lerp(*lengths, shares.ravel())",
        "return lerp(start, end, shares.ravel())",
        "tests/test_latent_space.py::test_on_the_arc_vectors_keep_their_length",
    ),
    Mistake(
        "arithmetic whose latents are shorter than any of the training",
        "common/latent_space.py",
        "return unit(found) * np.sqrt(len(found))",
        "return found",
        "tests/test_latent_space.py::test_arithmetic_has_the_length_of_a_latent_vector",
    ),
    Mistake(
        "truncation that leaves latents as they are",
        "common/latent_space.py",
        "return mean + share * (vectors - mean)",
        "return vectors",
        "tests/test_latent_space.py::test_truncated_latents_are_nearer_to_the_mean",
    ),
    Mistake(
        "latents that are found by training the generator, too",
        "common/scoring/inversion.py",
        "space.generator.trainable = space.generator.trainable, False",
        "space.generator.trainable = space.generator.trainable, True",
        "tests/test_inversion.py::test_the_generator_stays_as_it_is",
    ),
    Mistake(
        "a probe of latents that is scored on the samples it was fitted to",
        "common/scoring/linear_directions.py",
        "train, test = train_test_split(np.arange(len(values)), test_size=HELD_OUT, random_state=seed, stratify=kinds)",
        "train = test = np.arange(len(values))",
        "tests/test_directions.py::test_of_noise_the_accuracy_is_that_of_chance",
    ),
    Mistake(
        "a direction of latents that is measured along another one",
        "common/scoring/linear_directions.py",
        "self.vectors + by * direction.vector",
        "self.vectors + by * np.roll(direction.vector, 1)",
        "tests/test_directions.py::test_what_a_direction_changes_is_measured",
    ),
    Mistake(
        "a direction of latents that is stored with another sign than it was measured with",
        "common/scoring/linear_directions.py",
        "            vector=sign * direction.vector,\n",
        "            vector=direction.vector,\n",
        "tests/test_directions.py::test_an_unsupervised_direction_is_turned_to_where_its_attribute_grows",
    ),
)


def is_noticed(mistake, project):
    """Returns whether the test fails in a project with the mistake, and how many seconds it took."""
    path = project / mistake.file
    right = path.read_text("utf-8")
    if right.count(mistake.right) != 1:
        raise SystemExit(f"{mistake.file} does not contain exactly once: {mistake.right}")
    path.write_text(right.replace(mistake.right, mistake.wrong), encoding="utf-8")
    start = time.monotonic()
    try:
        return outcome(project, [mistake.test]) == 1, time.monotonic() - start
    finally:
        path.write_text(right, encoding="utf-8")


def outcome(project, tests):
    """Returns the exit code of pytest: 0 if the tests passed, 1 if one failed, others for errors."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "GAN_COOKBOOK_VENV": sys.prefix}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True).returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="only mistakes whose names contain this word")
    options = parser.parse_args()
    chosen = [mistake for mistake in MISTAKES if options.only in mistake.name]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "runs", "__pycache__", ".*cache"))
        if outcome(copy, sorted({mistake.test for mistake in chosen})) != 0:
            raise SystemExit("A test fails in an unchanged copy too, so this run can show nothing.")
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
