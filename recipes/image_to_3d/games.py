"""Three games of the same networks: volumes of images, of latents alone, and of encoded images."""

import dataclasses

import keras
from keras import ops

from common.base.arguments import refuse_ignored
from common.base.errors import InputError
from common.base.ranges import Weight
from common.gan import GAN, count_of
from common.losses import NonSaturating, RelativisticPairing, kl_divergence
from common.penalties import R1, R2, Lazy

RECONSTRUCTION = {"cross_entropy": 10.0, "dice": 1.0}  # its terms and their weights


@dataclasses.dataclass(frozen=True)
class Game:
    """Which networks play: by default an image is given, and what it does not show is drawn."""

    unconditional: bool = False
    """3D-GAN: the generator makes objects of latents alone, without an image"""
    vae: bool = False
    """3D-VAE-GAN: the encoder gives a distribution of latents, and the discriminator sees no image"""

    gamma: Weight = 10.0
    """weight of the penalties R1 and R2 of --unconditional"""

    def check_given(self, given):
        if not self.unconditional:
            refuse_ignored(given, "gamma", "without --unconditional")
        if self.unconditional and self.vae:
            raise InputError("--vae encodes images, and --unconditional has none; choose one of them.")

    def refuse_unused(self, given, adversarial):
        """Refuses options of the networks and of the losses that this game does not have."""
        if self.unconditional:
            refuse_ignored(given, "adversarial", "with --unconditional, whose generator has no other term")
        elif not adversarial:
            refuse_ignored(given, "d_learning_rate", "with --adversarial 0, since there is no discriminator")
        if not self.vae:
            refuse_ignored(given, "kl", "without --vae")
        if not self.is_conditional:
            refuse_ignored(given, "latent_dim", "where the latents have the length of a code; use --code-dim")

    @property
    def is_conditional(self):
        """Whether the generator is fed the code of an image beside latents."""
        return not (self.unconditional or self.vae)

    def adversarial(self):
        """Returns the `Loss` and the penalties of the discriminator.

        Without images nothing but the discriminator tells the generator which kinds of objects there are, and with the
        usual loss it draws fewer and fewer of them. So each fake object is compared with a real one.

        Reference: Huang et al., 2024, https://arxiv.org/abs/2501.05441.
        """
        if self.unconditional:
            return RelativisticPairing(), [Lazy(R1(self.gamma), every=4), Lazy(R2(self.gamma), every=4)]
        return NonSaturating(), []

    def weights(self, adversarial, kl):
        """Returns the weights of the terms, as `compile` takes them."""
        if self.unconditional:
            return {}
        encoder = {f"encoder_{term}": weight for term, weight in RECONSTRUCTION.items()} | {"encoder_kl": kl}
        generator = {f"g_{term}": weight for term, weight in RECONSTRUCTION.items()} | {"g_adversarial": adversarial}
        return {**generator, **(encoder if self.vae else {})}


class VolumeGAN(GAN):
    """3D-GAN: a sample is a volume, and a fake one is made of latents. A batch is `(images, volumes)`."""

    def real(self, batch):
        _, volumes = batch
        return ops.expand_dims(ops.cast(volumes, "float32"), -1)


def reconstruction(truth, volumes):
    """Returns the terms of the distance to the true volumes: the mean cross-entropy of a voxel, and Dice's distance.

    The cross-entropy alone leaves thin parts out, since they are few voxels (Milletari et al., 2016, arXiv:1606.04797).
    """
    axes = (1, 2, 3, 4)
    volumes = ops.cast(volumes, "float32")
    common, both = ops.sum(truth * volumes, axis=axes), ops.sum(truth, axis=axes) + ops.sum(volumes, axis=axes)
    return {
        "cross_entropy": ops.mean(keras.losses.binary_crossentropy(truth, volumes)),
        "dice": 1 - ops.mean((2 * common + 1) / (both + 1)),
    }


class ImageTo3D(VolumeGAN):
    """A sample is `(volume, image)`; the fake volume is made of the code of the image, and of latents."""

    players = {"discriminator": ("discriminator",), "generator": ("generator", "encoder")}

    def real(self, batch):
        images, _ = batch
        return super().real(batch), images

    def fake(self, batch):
        images, _ = batch
        code = self.networks["encoder"](images, training=True)
        return self.generator(ops.concatenate([code, self.draw(count_of(batch))], axis=1), training=True), images

    def discriminator_loss(self, real, fake):
        return super().discriminator_loss(real, with_wrong_images(real, fake))

    def generator_loss(self, real, fake):
        (truth, _), (volumes, _) = real, fake
        adversarial = super().generator_loss(real, fake) if self.discriminator else {}
        return {**adversarial, **reconstruction(truth, volumes)}


def with_wrong_images(real, fake):
    """Returns what D shall reject: half generated volumes beside their images, half real ones beside images of others.

    Reference: Reed et al., 2016, https://arxiv.org/abs/1605.05396, algorithm 1.
    """
    (truth, images), (volumes, _) = real, fake
    half = (count_of(images) + 1) // 2
    others = ops.roll(images, 1, axis=0)
    return ops.concatenate([volumes[:half], truth[half:]]), ops.concatenate([images[:half], others[half:]])


class VAEGAN3D(VolumeGAN):
    """3D-VAE-GAN: a fake sample is volumes of encoded images and then of drawn latents, with mean and log variance."""

    players = {"discriminator": ("discriminator",), "generator": ("generator",), "encoder": ("encoder",)}

    def fake(self, batch):
        images, _ = batch
        mean, log_variance = self.networks["encoder"](images, training=True)
        encoded = mean + ops.exp(log_variance / 2) * self.draw(count_of(batch))
        latents = ops.concatenate([encoded, self.draw(count_of(batch))])
        return self.generator(latents, training=True), mean, log_variance

    def discriminator_loss(self, real, fake):
        volumes, _, _ = fake
        return super().discriminator_loss(real, volumes[count_of(real) :])

    def generator_loss(self, real, fake):
        volumes, _, _ = fake
        adversarial = super().generator_loss(real, volumes[count_of(real) :]) if self.discriminator else {}
        return {**adversarial, **reconstruction(real, volumes[: count_of(real)])}

    def encoder_loss(self, real, fake):
        volumes, mean, log_variance = fake
        return {"kl": kl_divergence(mean, log_variance), **reconstruction(real, volumes[: count_of(real)])}
