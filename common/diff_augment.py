"""Augmentation of what the discriminator sees, for training on little data: differentiable, on real and fake alike.

A discriminator that memorizes few training images teaches the generator nothing. Augmenting the data would hide them
from it, but the generator would learn to draw augmented images (`data_prep/augment.py`). Here the generator's samples
are augmented as well, wherever they are judged, and its gradients run back through the augmentation: what a sample
looks like before it stays unchanged.

    GAN(generator, discriminator, augmentation=DiffAugment())

Departures from the papers: `Adaptive` interpolates bilinearly, without the wavelet filters of the original, leaves out
the luma flip of grey images, and adjusts its probability over fewer images, since trainings here are shorter.
"""

import dataclasses
import math

import keras
from keras import layers, ops

from common import backend
from common.base.errors import InputError


@dataclasses.dataclass(frozen=True)
class LittleDataOptions:
    """Options for training on little data; the defaults change nothing."""

    diff_augment: bool = False
    """augment what the discriminator sees, real and fake images alike: colour, translation, cutout"""
    ada: bool = False
    """augment it with a probability that follows how far the discriminator overfits"""

    def check_given(self, given):
        if self.diff_augment and self.ada:
            by_default = type(self)().diff_augment
            advice = "use --ada with --no-diff-augment" if by_default else "leave one of them out"
            raise InputError(f"--diff-augment and --ada both augment what the discriminator sees; {advice}.")

    def augmentation(self):
        """Returns the `augmentation` of a `GAN` that the options ask for, or None."""
        if self.ada:
            return Adaptive()
        return DiffAugment() if self.diff_augment else None


class Augmentation(layers.Layer):
    """Base of what changes samples before the discriminator sees them: write `draw` and `apply`.

    All images of a sample, float tensors `(batch, height, width, channels)`, are changed alike, such as the two of a
    pair; other parts, such as labels, are not. What it has to remember is a variable of it, and is saved with the GAN.
    """

    def __init__(self, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.built = True  # or else Keras would call the GAN with samples to build it

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(package=cls.__module__)(cls)

    def call(self, samples, seed):
        """Returns samples with their images changed, in other ways on every call.

        Args:
            samples: tensor or structure of tensors, values of images in [-1, 1].
            seed: `keras.random.SeedGenerator`.
        """
        drawn = self.draw(ops.shape(keras.tree.flatten(samples)[0])[0], seed)
        return keras.tree.map_structure(lambda part: self.apply(part, drawn) if is_images(part) else part, samples)

    def draw(self, count, seed):
        """Returns the random numbers for `count` samples."""
        raise NotImplementedError(f"{type(self).__name__} needs a method draw(self, count, seed).")

    def apply(self, images, drawn):
        """Returns images `(batch, height, width, channels)`, changed by what `draw` returned, with their gradients."""
        raise NotImplementedError(f"{type(self).__name__} needs a method apply(self, images, drawn).")

    def refuse_unsuited(self, loss):
        """Raises an `InputError` if it cannot be used with a `Loss`. By default it can be with any."""

    def observe(self, logits, boundary):
        """Learns what the discriminator thinks of real samples, after each of its passes in its own loss.

        Args:
            logits: list of tensors `(batch, ...)`, one of each head.
            boundary: float or None, that of the `Loss`.
        """

    def logged(self):
        """Returns what the logs show of it, a dictionary of scalars."""
        return {}


def is_images(part):
    if part is None or len(part.shape) != 4:
        return False
    return keras.backend.standardize_dtype(part.dtype).startswith(("float", "bfloat"))


def columns(draw, count, number, seed):
    """Returns an iterator over `number` random tensors `(count,)`, drawn at once."""
    return iter(ops.unstack(backend.draw_rows(draw, (count, number), seed=seed), num=number, axis=1))


def each(values):
    """Returns one number a sample, `(batch,)`, so that it applies to all pixels of the sample."""
    return ops.reshape(values, (-1, 1, 1, 1))


# DiffAugment ----------------------------------------------------------------------------------------------------------


class DiffAugment(Augmentation):
    """Changes all samples: brightness, saturation and contrast; a translation; a square that is cut out.

    What a translation uncovers and what is cut out becomes 0, grey.

    Args:
        colour: bool, whether to change the colours.
        translation: float, the largest translation, as a share of each side.
        cutout: float, the sides of the square, as a share of those of the image.

    Reference: Zhao et al., 2020, https://arxiv.org/abs/2006.10738, equations 5 to 7 and appendix A, and its code.
    """

    def __init__(self, colour=True, translation=0.125, cutout=0.5, **kwargs):
        super().__init__(**kwargs)
        self.colour, self.translation, self.cutout = colour, translation, cutout

    def get_config(self):
        own = {"colour": self.colour, "translation": self.translation, "cutout": self.cutout}
        return {**super().get_config(), **own}

    def draw(self, count, seed):
        names = ("brightness", "saturation", "contrast", "down", "right", "row", "column")
        return dict(zip(names, columns(keras.random.uniform, count, len(names), seed), strict=True))

    def apply(self, images, drawn):
        if self.colour:
            images = recoloured(images, drawn["brightness"] - 0.5, 2 * drawn["saturation"], drawn["contrast"] + 0.5)
        if self.translation:
            images = translated(images, self.translation, drawn["down"], drawn["right"])
        return cut_out(images, self.cutout, drawn["row"], drawn["column"]) if self.cutout else images


def recoloured(images, brightness, saturation, contrast):
    """Returns images with numbers `(batch,)` added to their values, and with their distances from grey, and from the
    mean of all values, multiplied."""
    images = images + each(brightness)
    grey = ops.mean(images, axis=3, keepdims=True)
    images = grey + each(saturation) * (images - grey)
    middle = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return middle + each(contrast) * (images - middle)


def translated(images, share, down, right):
    """Returns images moved by whole pixels, at most by a share of each side, as numbers `(batch,)` in [0, 1) say."""

    def origins(size, where):
        furthest = round(size * share)
        shift = ops.cast(ops.floor(where * (2 * furthest + 1)), "int32") - furthest
        return ops.arange(size, dtype="int32") - shift[:, None]

    height, width = images.shape[1:3]
    rows, columns = origins(height, down)[:, :, None], origins(width, right)[:, None, :]
    is_inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    moved = gathered(images, ops.clip(rows, 0, height - 1), ops.clip(columns, 0, width - 1))
    return moved * ops.cast(is_inside[..., None], images.dtype)


def gathered(images, rows, columns):
    """Returns the values of images at places `(batch, height, width)`, integers within their sides."""
    height, width, channels = images.shape[1:]
    first = ops.arange(ops.shape(images)[0], dtype="int32")[:, None, None] * (height * width)
    return ops.take(ops.reshape(images, (-1, channels)), first + rows * width + columns, axis=0)


def cut_out(images, share, row, column):
    """Returns images with a rectangle of 0, whose centre is anywhere, as numbers `(batch,)` in [0, 1) say."""

    def within(size, where):
        length = int(size * share + 0.5)
        first = ops.floor(where * (size + 1 - length % 2)) - length // 2
        places = ops.arange(size, dtype=first.dtype) - first[:, None]
        return (places >= 0) & (places < length)

    rows, columns = within(images.shape[1], row), within(images.shape[2], column)
    is_cut = rows[:, :, None] & columns[:, None, :]
    return images * (1 - ops.cast(is_cut[..., None], images.dtype))


# Adaptive discriminator augmentation ----------------------------------------------------------------------------------


class Adaptive(Augmentation):
    """ADA: each of many changes with probability p, which follows how far the discriminator overfits.

    The changes are those that the paper found best: mirrored, turned by 90°, moved by whole pixels, scaled, rotated,
    stretched, moved by fractions; brightness, contrast, luma, hue, saturation. The image is reflected beyond its edges.

    The sign of the logits of real training images tells overfitting: their mean is near 0 while the discriminator
    cannot tell them from fake ones, and 1 when it knows them all. p rises while the mean is above the target, and falls
    while it is below. While p is below 0.8 the generator's samples show nothing of the changes, says the paper.

    Args:
        target: float, the mean of the signs that is aimed at.
        length: integer, images in which p can rise from 0 to 1; the paper has 500,000 of its 25 million images.
        every: integer, updates of the discriminator between two adjustments.

    Attributes:
        p: variable, the probability.

    Reference: Karras et al., 2020, https://arxiv.org/abs/2006.06676, section 3 and appendix B.
    """

    def __init__(self, target=0.6, length=100_000, every=4, **kwargs):
        super().__init__(**kwargs)
        self.target, self.length, self.every = target, length, every
        # On several devices of TensorFlow each sees its part of a batch.
        state = {"shape": (), "initializer": "zeros", "trainable": False, "aggregation": "mean"}
        self.p = self.add_weight(**state, name="p")
        self.signs = self.add_weight(**state, name="signs")  # their sum over the images since the last adjustment
        self.images = self.add_weight(**state, name="images")
        self.updates = self.add_weight(**state, name="updates")

    def get_config(self):
        return {**super().get_config(), "target": self.target, "length": self.length, "every": self.every}

    def refuse_unsuited(self, loss):
        if loss.boundary is None:
            raise InputError(
                f"--ada (Adaptive) reads overfitting from the sign of the discriminator's logits, but with "
                f"{type(loss).__name__} only their differences mean something; use --diff-augment (DiffAugment), or "
                "another loss."
            )

    def observe(self, logits, boundary):
        logits = [ops.stop_gradient(head) for head in logits]
        sign = sum(ops.mean(ops.sign(head - boundary)) for head in logits) / len(logits)
        count = ops.cast(ops.shape(logits[0])[0] * backend.replicas(), "float32")
        p, signs = ops.convert_to_tensor(self.p), self.signs + count * sign
        images, updates = self.images + count, self.updates + 1
        step = ops.sign(signs / images - self.target) * images / self.length
        is_due = updates >= self.every
        self.p.assign(ops.where(is_due, ops.clip(p + step, 0.0, 1.0), p))
        for variable, value in ((self.signs, signs), (self.images, images), (self.updates, updates)):
            variable.assign(ops.where(is_due, 0.0, value))

    def logged(self):
        return {"ada_p": ops.convert_to_tensor(self.p)}

    def draw(self, count, seed):
        p = ops.convert_to_tensor(self.p)
        uniform = columns(keras.random.uniform, count, 21, seed)
        normal = columns(keras.random.normal, count, 7, seed)

        def perhaps(*values, otherwise=0.0, p=p):
            is_applied = next(uniform) < p
            changed = [ops.where(is_applied, value, otherwise) for value in values]
            return changed if len(changed) > 1 else changed[0]

        def any_of(number):
            return ops.floor(number * next(uniform))

        def power_of_two(deviation):
            return ops.exp(math.log(2) * deviation * next(normal))

        def angle():
            return math.pi * (2 * next(uniform) - 1)

        one_of_two = 1 - ops.sqrt(1 - p)  # so that one of two rotations, or both, are applied with probability p
        return {
            "mirrored": perhaps(any_of(2)),
            "quarters": perhaps(any_of(4)),
            "pixels": perhaps((2 * next(uniform) - 1) / 8, (2 * next(uniform) - 1) / 8),
            "scale": perhaps(power_of_two(0.2), otherwise=1.0),
            "rotation": perhaps(angle(), p=one_of_two),
            "stretch": perhaps(power_of_two(0.2), otherwise=1.0),
            "second_rotation": perhaps(angle(), p=one_of_two),
            "fraction": perhaps(next(normal) / 8, next(normal) / 8),
            "brightness": perhaps(0.2 * next(normal)),
            "contrast": perhaps(power_of_two(0.5), otherwise=1.0),
            "inverted": perhaps(any_of(2)),
            "hue": perhaps(angle()),
            "saturation": perhaps(power_of_two(1.0), otherwise=1.0),
        }

    def apply(self, images, drawn):
        images = resampled(images, *origins(images.shape[1:3], drawn))
        images = (images + each(drawn["brightness"])) * each(drawn["contrast"])
        if images.shape[3] != 3:
            return images
        grey = ops.mean(images, axis=3, keepdims=True)
        colour = each(drawn["saturation"]) * turned_hue(images - grey, each(drawn["hue"]))
        return (1 - 2 * each(drawn["inverted"])) * grey + colour


def turned_hue(colour, angle):
    """Returns colours without their grey part, turned about the grey axis of RGB."""
    across = (ops.roll(colour, 1, axis=3) - ops.roll(colour, -1, axis=3)) / math.sqrt(3)
    return ops.cos(angle) * colour + ops.sin(angle) * across


def origins(size, drawn):
    """Returns where the pixels of changed images come from: rows and columns, two tensors `(batch, height, width)`.

    All changes of geometry become one: from the place of a new pixel, relative to the centre, the last one is undone
    first.
    """
    height, width = size
    drawn = keras.tree.map_structure(lambda values: ops.reshape(values, (-1, 1, 1)), drawn)

    def turned(y, x, angle):
        return ops.cos(angle) * y - ops.sin(angle) * x, ops.sin(angle) * y + ops.cos(angle) * x

    y = ops.reshape(ops.arange(height, dtype="float32") - (height - 1) / 2, (1, -1, 1))
    x = ops.reshape(ops.arange(width, dtype="float32") - (width - 1) / 2, (1, 1, -1))
    down, right = drawn["fraction"]
    y, x = turned(y - height * down, x - width * right, drawn["second_rotation"])
    y, x = turned(drawn["stretch"] * y, x / drawn["stretch"], drawn["rotation"])
    down, right = drawn["pixels"]
    y, x = y / drawn["scale"] - ops.round(height * down), x / drawn["scale"] - ops.round(width * right)
    y, x = turned(y, x, drawn["quarters"] * (math.pi / 2))
    return y + (height - 1) / 2, (1 - 2 * drawn["mirrored"]) * x + (width - 1) / 2


def resampled(images, rows, columns):
    """Returns the values of images at places between pixels, interpolated bilinearly; beyond the edges, of the mirror.

    Not by `keras.ops.image.affine_transform`, whose gradient is wrong on TensorFlow where images are scaled.

    Args:
        images: float tensor `(batch, height, width, channels)`.
        rows, columns: float tensors `(batch, height, width)`.
    """
    height, width = images.shape[1:3]
    top, left = ops.floor(rows), ops.floor(columns)
    down, right = (rows - top)[..., None], (columns - left)[..., None]

    def at(row, column):
        return gathered(images, mirrored(row, height), mirrored(column, width))

    upper = (1 - right) * at(top, left) + right * at(top, left + 1)
    lower = (1 - right) * at(top + 1, left) + right * at(top + 1, left + 1)
    return (1 - down) * upper + down * lower


def mirrored(places, size):
    """Returns integer places within a size for whole numbers of any size: 2 1 0 1 2 3 2 1 0 for a size of 4."""
    last = size - 1
    return ops.cast(last - ops.abs(last - ops.mod(places, 2 * last)), "int32")
