"""Every recipe as a tiny compiled GAN with a batch of data, and as a command of two training steps an epoch."""

from typing import Any, NamedTuple

import numpy as np

from recipes.augmentation import train as augmentation
from recipes.cgan import train as cgan
from recipes.dcgan import train as dcgan
from recipes.image_to_3d import train as image_to_3d
from recipes.makeup import train as makeup
from recipes.mode_collapse import train as mode_collapse
from recipes.pix2pix import train as pix2pix
from recipes.projected_gan import train as projected_gan
from recipes.r3gan import train as r3gan
from recipes.semi_supervised import train as semi_supervised
from recipes.simgan import train as simgan
from recipes.stacked_mnist import train as stacked_mnist
from recipes.style_transfer import train as style_transfer
from recipes.text_to_image import train as text_to_image
from recipes.vae import train as vae
from recipes.vae_gan import train as vae_gan
from recipes.vanilla import train as vanilla
from recipes.wgan import train as wgan
from tests.files import write_many

GREY, COLOUR = (16, 16, 1), (16, 16, 3)


class Voxels(tuple):
    """The shape of volumes, whose voxels are occupied or not."""


class Ngrams(tuple):
    """The shape of phrases: the rows of the n-grams of their words."""


class Tiny(NamedTuple):
    """How a recipe becomes a tiny GAN: `build(config, *arguments)`, and the shapes of a sample's parts, also nested."""

    module: Any
    config: dict
    arguments: tuple
    shapes: tuple


TINY = {
    "vanilla": Tiny(vanilla, {"units": 8, "latent_dim": 4}, (GREY,), (GREY,)),
    "dcgan": Tiny(dcgan, {"filters": 2, "latent_dim": 4}, (GREY,), (GREY,)),
    "wgan": Tiny(wgan, {"filters": 2, "latent_dim": 4, "critic_steps": 2}, (GREY,), (GREY,)),
    "cgan": Tiny(cgan, {"filters": 2, "latent_dim": 4, "embedding_dim": 3}, (GREY, 3), (GREY, 3)),
    "r3gan": Tiny(r3gan, {"filters": 4, "labels": True}, (GREY, 3, 1000), (GREY, 3)),
    "projected_gan": Tiny(projected_gan, {"filters": 2, "projected": 4}, (GREY,), (GREY,)),
    "mode_collapse": Tiny(mode_collapse, {"units": 8}, (1000,), ((2,),)),
    "stacked_mnist": Tiny(stacked_mnist, {"filters": 2, "latent_dim": 4}, (COLOUR,), (COLOUR,)),
    "pix2pix": Tiny(pix2pix, {"filters": 2}, (GREY, COLOUR, 1000), (GREY, COLOUR)),
    "style_transfer": Tiny(style_transfer, {"filters": 2, "blocks": 1}, (GREY, 1000), (GREY, GREY)),
    "simgan": Tiny(simgan, {"filters": 2}, (GREY,), (GREY, GREY)),
    "vae": Tiny(vae, {"filters": 2, "latent_dim": 4, "warm_up": 2}, (GREY, 1000), (GREY,)),
    "vae_gan": Tiny(vae_gan, {"filters": 2, "latent_dim": 4}, (GREY,), (GREY,)),
    "semi_supervised": Tiny(semi_supervised, {"units": 8, "latent_dim": 4}, (GREY, 3, 1000), ((GREY, 3), GREY)),
    "augmentation": Tiny(augmentation, {"filters": 2, "latent_dim": 4, "embedding_dim": 3}, (GREY, 3), (GREY, 3)),
    "image_to_3d": Tiny(
        image_to_3d,
        {"filters": 2, "code_dim": 4, "latent_dim": 2, "adversarial": 0.05},
        (GREY, 8, 1000),
        (GREY, Voxels((8, 8, 8))),
    ),
    "text_to_image": Tiny(
        text_to_image, {"filters": 2, "latent_dim": 4}, (COLOUR, ["a red bag", "blue"]), (COLOUR, Ngrams((16, 24)))
    ),
    "makeup": Tiny(makeup, {"filters": 2}, (COLOUR, 1000), (COLOUR, (COLOUR, COLOUR))),
}
SHORT_EPOCHS = {"stacked_mnist": ("EPOCH", 64), "mode_collapse": ("STEPS", 2)}  # what their data.py calls an epoch
WITHOUT_DISCRIMINATOR = {"vae"}
TRANSLATORS = {"pix2pix", "style_transfer", "simgan", "image_to_3d", "makeup"}  # have the action apply
WITHOUT_AUGMENTATION = {"mode_collapse", "image_to_3d"}  # whose samples are no images


def build(name, **options):
    """Returns the compiled GAN of a recipe; `options` are fields of its `Config`."""
    tiny = TINY[name]
    return tiny.module.build(tiny.module.Config(**{**tiny.config, **options}), *tiny.arguments)


def batch(name, count=8, seed=0):
    """Returns real samples for the GAN of a recipe; a shape that is a number stands for labels of so many classes."""
    rng = np.random.default_rng(seed)

    def drawn(shape):
        if isinstance(shape, int):
            return np.arange(count, dtype="int32") % shape
        if isinstance(shape, Voxels):
            return rng.random((count, *shape)) < 0.3
        if isinstance(shape, Ngrams):
            return rng.integers(0, 50, (count, *shape), "int32")
        if all(isinstance(side, int) for side in shape):
            return rng.uniform(-1, 1, (count, *shape)).astype("float32")
        return tuple(map(drawn, shape))

    parts = tuple(map(drawn, TINY[name].shapes))
    return parts[0] if len(parts) == 1 else parts


def options(folder):
    """Returns the options of each recipe by which its epochs have two steps; writes the data they name to a folder."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (64, 28, 28, 1), "uint8")
    np.savez(folder / "images.npz", images=images, labels=np.arange(64) % 2)
    np.savez(folder / "objects.npz", x=boxes(40))
    write_many(folder / "photos", 12)
    for index, path in enumerate(sorted((folder / "photos").iterdir())):
        path.with_suffix(".txt").write_text(f"photo {index}\n\nnumber {index}\n")
    write_many(folder / "paintings", 12, first=50)
    data = ("--data", folder / "images.npz", "--batch-size", 32)
    return {
        "vanilla": (*data, "--units", 8),
        "dcgan": (*data, "--filters", 2),
        "wgan": ("--data", folder / "images.npz", "--batch-size", 8, "--critic-steps", 4, "--filters", 2),
        "cgan": (*data, "--filters", 2),
        "r3gan": (*data, "--filters", 4),
        "projected_gan": (*data, "--filters", 2, "--projected", 4),
        "mode_collapse": ("--units", 8, "--batch-size", 32),
        "stacked_mnist": ("--data", folder / "images.npz", "--filters", 2, "--batch-size", 32),
        "pix2pix": (
            "--data",
            folder / "images.npz",
            "--size",
            28,
            "--task",
            "edges",
            "--filters",
            2,
            "--batch-size",
            28,
        ),
        "style_transfer": (
            *("--photos", folder / "photos", "--paintings", folder / "paintings", "--size", 16),
            *("--filters", 2, "--blocks", 1, "--batch-size", 5),
        ),
        "simgan": (
            *("--real", folder / "images.npz", "--count", 64, "--filters", 2),
            *("--batch-size", 14, "--pretraining", 1, 1),
        ),
        "vae": (*data, "--filters", 2),
        "vae_gan": (*data, "--filters", 2),
        "semi_supervised": (*data, "--units", 8, "--labels", 8),
        "augmentation": (*data, "--filters", 2, "--images-per-class", 16),
        "image_to_3d": (
            *("--data", folder / "objects.npz", "--resolution", 16, "--size", 16, "--views", 1),
            *("--filters", 2, "--batch-size", 16),
        ),
        "text_to_image": ("--data", folder / "photos", "--size", 16, "--filters", 2, "--batch-size", 5),
        "makeup": (
            *("--photos", folder / "photos", "--styled", folder / "paintings", "--size", 16),
            *("--filters", 2, "--batch-size", 5),
        ),
    }


def boxes(count):
    """Returns boxes of different sizes as volumes, a bool array `(count, 16, 16, 16)`; at most 50."""
    solids = np.zeros((count, 16, 16, 16), bool)
    for row, solid in enumerate(solids):
        width, depth = 2 + row // 2 % 5, 2 + row // 10
        x, y, z = (width, depth, 7) if row % 2 else (7, width, depth)
        solid[8 - x : 8 + x, 8 - y : 8 + y, 8 - z : 8 + z] = True
    return solids
