"""The GAN: a discriminator learns to tell real samples from fake ones, a generator learns to fool it."""

import copy
import itertools
from functools import partial

import keras
from keras import ops

from common import averages, backend
from common.latents import Latents, latents_for, latents_of
from common.losses import Loss, over_heads
from common.penalties import Penalty
from common.players import (
    Optimizers,
    refuse_float16,
    refuse_mismatch,
    refuse_other_parts,
    refuse_others,
    refuse_raw_images,
)
from common.sampling import draw_samples
from common.saving import SavableModel
from common.terms import (
    Terms,
    added_losses,
    forget_added_losses,
    logged,
    named,
    refuse_weights_of_nobody,
    regularizations,
    weighted_sum,
)


class GAN(SavableModel):
    """Trains a generator against a discriminator; a `keras.Model` with `compile`, `fit`, callbacks and `save`.

    A batch is what `fit` is given: images, `(images, labels)`, a dictionary. Called like a model, a GAN maps what the
    generator is fed to samples.

    Override `fake` for a conditional GAN, `real` for what is made of a batch, `judge` for what the discriminator is
    shown, `logits` for a discriminator with a second task, `generator_loss` or `discriminator_loss` to add terms,
    `players` to train more networks.

    Args:
        generator: a `Generator`, or any built `keras.Model`.
        discriminator: a `Discriminator`, or any built `keras.Model` that gives logits; None for a model without one,
            such as a VAE, which is trained, saved and scored as a GAN is, and has no player that trains it.
        networks: dictionary from names to further networks, such as `{"encoder": encoder}`, for `players`.
        latents: a `Latents`, what the generator is fed; by default what its inputs suggest.
        seed: integer or None, of the latents and of everything else that a training step draws.
        options: dictionary of a subclass's settings; kept as `self.options` and saved with the model.
        augmentation: an `Augmentation` of all samples that are judged, such as `DiffAugment()`, for little data.

    Attributes:
        players: dictionary of the class, from each player to the names of the networks that it trains. A player `p` has
            a method `p_loss(real, fake)`, and `compile` expects its `p_optimizer`. Those before the generator are
            updated first, as discriminators, for which the fake samples are constants; the others together after them.
        networks: dictionary of all networks.

    Raises:
        ValueError: if a network computes in float16, since Keras' loss scaling supports one loss and one optimizer.

    Reference: Goodfellow et al., 2014, https://arxiv.org/abs/1406.2661, algorithm 1.
    """

    players = {"discriminator": ("discriminator",), "generator": ("generator",)}

    def __init__(
        self,
        generator,
        discriminator,
        networks=None,
        latents=None,
        seed=None,
        options=None,
        augmentation=None,
        **kwargs,
    ):
        further = networks or {}
        refuse_others(
            "a network", keras.layers.Layer, {"generator": generator, "discriminator": discriminator, **further}
        )
        refuse_others("a Latents", Latents, {"latents": latents})
        refuse_others("an Augmentation", keras.layers.Layer, {"augmentation": augmentation})
        super().__init__(**kwargs)
        self.options = options or {}
        self.generator = generator
        self.discriminator = discriminator
        judges = {} if discriminator is None else {"discriminator": discriminator}
        if discriminator is None:  # not as an attribute of Keras, which would track it
            vars(self)["players"] = {key: names for key, names in self.players.items() if "discriminator" not in names}
        self.networks = {"generator": generator, **judges, **further}
        for name, network in further.items():
            # Keras saves attributes in alphabetical order, and those it meets first in `layers` under their classes.
            setattr(self, f"further_{name}", network)
        self.latents = latents or latents_for(generator)
        self.augmentation = augmentation
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.terms = Terms()
        self.optimizers = {}
        self.added = []  # while a loss is computed: pairs of a network's name and what its layers gave to `add_loss`
        self.estimates = averages.Estimates()
        self.built = True
        refuse_float16(self)

    @property
    def metrics(self):
        # Keras would log its own `loss`, which a GAN does not have.
        return [metric for metric in super().metrics if metric.name != "loss"]

    def call(self, inputs, training=False):
        return self.generator(inputs, training=training)

    def compile(
        self,
        loss=None,
        generator_optimizer=None,
        discriminator_optimizer=None,
        penalty=None,
        loss_weights=None,
        discriminator_steps=1,
        generator_steps=1,
        steps_per_execution=1,
        jit_compile="auto",
        **kwargs,
    ):
        """Sets what the networks minimize, and how.

        Args:
            loss: a `Loss`; None without a discriminator.
            generator_optimizer, discriminator_optimizer: two `keras.optimizers.Optimizer`s. With `use_ema=True` an
                optimizer keeps an average of the weights, whose momentum rises to `ema_momentum`: see `averaged`.
            penalty: a `Penalty` on the discriminator, or a list of them.
            loss_weights: dictionary from terms, as they are logged, to their weights: `{"g_cycle": 10.0}`; others have
                1. A weight may be a schedule of Keras, a function of the player's number of updates. The logs show each
                term without its weight.
            discriminator_steps, generator_steps: integers, updates of each network in a training step. A batch is split
                into as many equal parts as the larger number, so that every update of a network sees fresh data.
            steps_per_execution: integer, training steps between two calls of the callbacks; more is faster where a step
                takes few milliseconds. PyTorch always takes one.
            jit_compile: bool, or "auto" to let the device decide.
            **kwargs: `p_optimizer` of each further player `p`; `run_eagerly`.

        Raises:
            ValueError: if the loss is no `Loss` or does not suit the augmentation, or optimizers or weights do not fit
                the players.
        """
        if self.discriminator is None and (loss is not None or penalty):
            raise ValueError("Without a discriminator nothing has an adversarial loss or a penalty; leave them out.")
        if self.discriminator is not None and not isinstance(loss, Loss):
            raise ValueError(f"Expected a Loss of common.losses, such as NonSaturating(), but got {loss!r}.")
        if self.augmentation is not None:
            self.augmentation.refuse_unsuited(loss)
        for each in keras.tree.flatten(penalty):
            refuse_others("a Penalty of common.penalties, such as R1(1.0),", Penalty, {"penalty": each})
        if kwargs.get("metrics") or kwargs.get("weighted_metrics"):
            raise ValueError("A GAN logs the terms of its losses and takes no metrics; leave them out.")
        given = {"generator": generator_optimizer, "discriminator": discriminator_optimizer}
        given |= {player: kwargs.pop(f"{player}_optimizer", None) for player in self.players if player not in given}
        refuse_mismatch(self, given)
        refuse_weights_of_nobody(self.players, loss_weights or {})
        if min(discriminator_steps, generator_steps) < 1:
            raise ValueError(f"Expected at least one step of each, but got {discriminator_steps}, {generator_steps}.")
        self.optimizers = {player: given[player] for player in self.players}
        for player, optimizer in self.optimizers.items():
            setattr(self, f"{player}_optimizer", optimizer)
        self.adversarial_loss = loss
        if loss is not None:
            loss.seed_generator = self.seed_generator
        self.penalties = [copy.copy(each) for each in keras.tree.flatten(penalty)] if penalty else []
        for each in self.penalties:
            each.iterations = discriminator_optimizer.iterations
        self.loss_weights = dict(loss_weights or {})
        self.terms.names = []
        self.discriminator_steps, self.generator_steps = discriminator_steps, generator_steps
        owners = {id(v): self.optimizers[player] for player in self.players for v in self.variables_of(player)}
        optimizer = Optimizers(lambda variable: owners[id(variable)])
        optimizer.build(self.trainable_variables)
        if jit_compile == "auto":
            jit_compile = backend.compiles_with_xla() and not kwargs.get("run_eagerly", False)
        steps = backend.steps_per_execution(steps_per_execution)
        super().compile(optimizer=optimizer, jit_compile=jit_compile, steps_per_execution=steps, **kwargs)

    def evaluate(self, *args, **kwargs):
        """Is refused, as `validation_data` of `fit` is: no loss of a GAN says how good its samples are."""
        raise ValueError(
            "A GAN has no loss that says how good its samples are; score them with common.scoring.evaluator, "
            "or in a run with --evaluate-every."
        )

    # The training step ------------------------------------------------------------------------------------------

    def real(self, batch):
        """Returns what the losses get as `real`: by default the batch itself."""
        return batch

    def fake(self, batch):
        """Returns the fake samples of a batch; the losses of this class need them as many and shaped as the real."""
        return self.generator(self.draw(count_of(batch)), training=True)

    def judge(self, samples, network="discriminator"):
        """Returns all outputs of the discriminator for samples, augmented; in float32 whatever it computes in."""
        if self.augmentation is not None:
            samples = self.augmentation(samples, seed=self.seed_generator)
        refuse_other_parts(self.networks[network], samples)
        outputs = self.networks[network](samples, training=True)
        self.added = [*self.added, *((network, loss) for loss in added_losses(self.networks[network]))]
        return keras.tree.map_structure(lambda x: ops.cast(x, "float32"), outputs)

    def logits(self, judged):
        """Returns the logits among the outputs of `judge`, for the loss and the penalties; a structure if several."""
        return judged

    def discriminator_loss(self, real, fake):
        """Returns what the discriminator minimizes: a scalar, or a dictionary of named terms, which are added up."""
        return self.adversarial_discriminator_loss(real, fake)

    def generator_loss(self, real, fake):
        """Returns what the generator minimizes: a scalar, or a dictionary of named terms, which are added up."""
        return self.adversarial_generator_loss(real, fake)

    def adversarial_discriminator_loss(self, real, fake, judged=(None, None)):
        """Returns the terms of the `Loss` and of the penalties; `judged` is what `judge` gave for both, if known."""
        heads = self.heads(real, judged[0]), self.heads(fake, judged[1])
        if self.augmentation is not None:
            self.augmentation.observe(heads[0], self.adversarial_loss.boundary)
        terms = {"adversarial": over_heads(self.adversarial_loss.discriminator, *heads)}
        added = self.added
        for penalty, head in itertools.product(self.penalties, range(len(heads[0]))):
            value = penalty(lambda x, head=head: self.heads(x)[head], real, fake, self.seed_generator)
            terms[penalty.name] = terms.get(penalty.name, 0.0) + value
        self.added = added  # without those of the passes of the penalties
        return terms

    def adversarial_generator_loss(self, real, fake, judged=None):
        """Returns the term of the `Loss`; `judged` is what `judge` gave for `fake`, if known."""
        compared = [self.heads(real)] if self.adversarial_loss.relativistic else []
        return {"adversarial": over_heads(self.adversarial_loss.generator, self.heads(fake, judged), *compared)}

    def heads(self, samples, judged=None):
        """Returns the list of the logits of samples: one for each head of the discriminator."""
        return keras.tree.flatten(self.logits(self.judge(samples) if judged is None else judged))

    def update(self, batch):
        """Takes one training step, the discriminator first, and returns the logs."""
        refuse_raw_images(batch)
        parts = split(batch, max(self.discriminator_steps, self.generator_steps))
        for index in range(self.discriminator_steps):
            forward = self.forward_pass(parts[index])
            self.minimize(self.turns[0], forward.detached_gradients)
        for step in range(self.generator_steps):
            if step > 0:  # the first update learns from the samples that the discriminator has judged last
                forward = self.forward_pass(parts[(index + step) % len(parts)])
            self.minimize(self.turns[1], forward.gradients)
        if self.augmentation is not None:
            self.terms.update_state(self.augmentation.logged())
        return self.get_metrics_result()

    def forward_pass(self, batch):
        """Draws the real and the fake samples of a batch, once for all losses; returns a `backend.ForwardPass`."""
        networks = {name: self.networks[name] for player in self.turns[1] for name in self.players[player]}

        def draw():
            forget_added_losses(networks.values())
            real, fake = self.real(batch), self.fake(batch)
            return real, fake, {name: added_losses(network) for name, network in networks.items()}

        variables = [variable for network in networks.values() for variable in network.trainable_variables]
        steps = [optimizer.iterations for optimizer in self.optimizers.values()]  # which lazy terms read
        return backend.ForwardPass(draw, variables, [*self.variables, *self.metrics_variables, *steps])

    def minimize(self, players, gradients_of):
        """Updates the networks of players, all at once, and logs their losses and terms.

        Args:
            players: list of names.
            gradients_of: function from a loss and variables to the loss, its terms and its gradients.
        """
        results = [gradients_of(partial(self.objective, player), self.variables_of(player)) for player in players]
        for player, (total, terms, gradients) in zip(players, results, strict=True):
            with averages.rising_momentum(self.optimizers[player]):
                self.optimizers[player].apply(gradients, self.variables_of(player))
            self.terms.update_state(logged(player, total, terms))

    def objective(self, player, forward):
        """Returns the weighted sum of terms that a player minimizes, and the terms, those of its layers included."""
        real, fake, added = forward
        forget_added_losses(self.networks.values())
        self.added = [(name, loss) for name, losses in added.items() for loss in losses]
        terms = named(getattr(self, f"{player}_loss")(real, fake))
        names = self.players[player]
        own = [loss for name, loss in self.added if name in names]
        for network in (self.networks[name] for name in names):
            own += regularizations(network)
            own += added_losses(network) if player in self.turns[1] else []  # those of discriminators: see `judge`
        if own:
            terms["regularizers"] = sum(own)
        self.added = []
        return weighted_sum(player, terms, self.loss_weights, self.optimizers[player].iterations), terms

    @property
    def turns(self):
        """The players that are updated first, and those that are updated after them, two lists of names."""
        names = list(self.players)
        return names[: names.index("generator")], names[names.index("generator") :]

    def variables_of(self, player):
        """Returns the variables that a player trains."""
        networks = [network for name, network in self.networks.items() if name in self.players[player]]
        variables = {id(variable): variable for network in networks for variable in network.trainable_variables}
        return list(variables.values())  # once, also if two of its networks share a layer

    # Drawing samples --------------------------------------------------------------------------------------------

    def draw(self, count, labels=None):
        """Returns what the generator is fed for `count` samples of a training step, new ones on every call.

        Args:
            count: integer.
            labels: integer tensor `(count,)`, the classes for a class-conditional generator; by default random ones.
        """
        return latents_of(self).draw(count, self.seed_generator, labels)

    def sample(self, inputs, batch_size=256, training=False):
        """Returns what the generator makes of its inputs, as a NumPy array; from averaged weights, if any.

        Args:
            inputs: array or tuple of arrays, such as `gan.latents.fixed(64, seed=0)`.
            batch_size: integer, samples generated at once.
            training: bool; True for a generator whose noise is dropout.
        """
        with self.averaged():
            return draw_samples(self.generator, inputs, batch_size, training)

    def averaged(self):
        """Within this context networks have their averaged weights, where their optimizer keeps an average.

        Save them within it: `with gan.averaged(): gan.generator.save("generator.keras")`. A generator with batch norm
        then has the moving averages of these weights, estimated from some of its samples; other networks keep theirs.

        Reference: Yazıcı et al., 2019, https://arxiv.org/abs/1806.04498.
        """
        return averages.averaged(self)


@keras.saving.register_keras_serializable(package="recipes.cgan.train")  # where files of version 0.1.0 have it
class ConditionalGAN(GAN):
    """A class-conditional GAN: a batch is `(images, labels)`, and fake images are generated for the labels of the real.

    Both networks receive the label as their second input. Reference: Mirza and Osindero, 2014, arXiv:1411.1784.
    """

    def fake(self, batch):
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise ValueError("A ConditionalGAN is trained on batches of images and their labels, but got only images.")
        _, labels = batch
        return self.generator(self.draw(count_of(batch), labels), training=True), labels


def count_of(batch):
    """Returns the number of samples of a batch: that of its first array."""
    return ops.shape(keras.tree.flatten(batch)[0])[0]


def split(batch, parts):
    """Splits every array of a structure into `parts` parts, the samples in turn; returns a list of structures.

    The parts differ by at most one sample. With fewer samples than parts, some repeat.
    """

    def part(array, index):
        return array[index % ops.shape(array)[0] :: parts]

    return [keras.tree.map_structure(lambda array, index=index: part(array, index), batch) for index in range(parts)]
