"""Trains a recipe on shares of its data, plainly, with DiffAugment and with ADA, and scores it along the way.

    .venv/bin/python -m benchmarks.little_data [--recipe dcgan] [--shares 1 0.2 0.1] [--seeds 0 1 2] [--steps 10000]

Every training has the same number of steps, whatever its share of the data. Scores are appended to scores.jsonl in the
folder; what is there is not measured again, and an interrupted training continues, bit for bit. So it can run in
pieces, also side by side: `--methods ada --shares 0.1`. The table and the picture curves.png show all scores so far.

The columns, of the last scores: Fréchet distance, with its lowest along the way; precision and recall, all against
held-out images. Novelty is how far samples are from the nearest training image, as a multiple of how far held-out
images are, medians in the features of the extractor: 1 is as new as new images, 0 a copy. D is the mean logit of
training images, held-out images and samples, not augmented, with D as in training; D memorizes where the first two
differ.
"""

import argparse
import contextlib
import dataclasses
import gc
import importlib
import json
import sys
import time
import zlib
from pathlib import Path

import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import keras
import numpy as np
from keras import ops
from scipy.spatial.distance import cdist

from benchmarks.results import PROJECT, spread
from common import backend
from common.base.errors import exit_code
from common.base.pictures import save_figure, scale, unscale
from common.diff_augment import LittleDataOptions
from common.scoring import extractors, metrics
from common.training import checkpoint
from common.training.length import Length
from common.training.run import freeze_discriminators
from data_prep import balance, images
from data_prep.batches import Batches

METHODS = {
    "plain": LittleDataOptions(),
    "diff-augment": LittleDataOptions(diff_augment=True),
    "ada": LittleDataOptions(ada=True),
}
NOVEL = 2000  # samples, and held-out images, whose nearest training images are looked for
MOST = 10_000  # held-out images
JUDGED = 512  # images of each kind that the discriminator judges


@dataclasses.dataclass(frozen=True)
class Training:
    """A training of the comparison; what its fields leave open is its recipe's default."""

    recipe: str
    method: str
    share: float
    seed: int
    every: int  # steps between two scores
    data: str
    config: str  # checksum of the recipe's configuration
    from_run: str = ""  # folder of the run whose weights it begins with
    freeze_d: int = 0  # lower layers of D that keep them

    @property
    def name(self):
        facts = dataclasses.asdict(self)
        start = [f"{zlib.crc32(facts.pop('from_run').encode()):08x}", f"freeze{facts.pop('freeze_d')}"]
        del facts["data"]
        return "-".join([*map(str, facts.values()), *(start if self.from_run else ())])


def main():
    options = parsed()
    compare(options)


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recipe", choices=["dcgan", "vanilla", "wgan", "r3gan", "projected_gan"], default="dcgan")
    parser.add_argument("--shares", type=float, nargs="+", default=[1, 0.2, 0.1, 0.05, 0.01])
    parser.add_argument("--methods", choices=METHODS, nargs="+", default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=10_000, help="training steps")
    parser.add_argument("--every", type=int, default=1000, help="training steps between two scores")
    parser.add_argument("--samples", type=int, default=5000, help="samples that are scored")
    parser.add_argument("--data", type=Path, default=None, help="images of your own; every tenth is held out")
    parser.add_argument("--size", default=None, help="their size")
    parser.add_argument("--extractor", default="garments")
    parser.add_argument("--from-run", type=Path, default=None, help="begin with the weights of this run")
    parser.add_argument("--freeze-d", type=int, nargs="+", default=[0], help="lower layers of D that keep them")
    parser.add_argument("--folder", type=Path, default=PROJECT / "runs" / "little_data")
    parser.add_argument("--only-show", action="store_true", help="train nothing; show the scores so far")
    options = parser.parse_args()
    if options.steps % options.every:
        parser.error(f"--steps must be a multiple of --every, but they are {options.steps} and {options.every}")
    if any(options.freeze_d) and not options.from_run:
        parser.error("--freeze-d needs --from-run, whose weights are kept")
    if not all(0 < share <= 1 for share in options.shares):
        parser.error("--shares must be above 0 and at most 1")
    return options


def compare(options):
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "scores.jsonl"
    found = images.ImageOptions(data=options.data, size=options.size)
    trainings = [
        training_of(options, found, method, share, seed, frozen)
        for seed in options.seeds  # the outermost, so that the first seed of everything comes first
        for share in options.shares
        for method in options.methods
        for frozen in options.freeze_d
    ]
    if not options.only_show:
        train, test = (images.load(found, split, hold_out=True) for split in ("train", "test"))
        held_out = some(np.random.default_rng(0), test.images, MOST)  # shuffled: they may be sorted by class
        judge = Judge(extractors.load(options.extractor), held_out, options.samples)
        for number, training in enumerate(trainings, 1):
            print(f"{number} of {len(trainings)}: {training.name}", file=sys.stderr, flush=True)
            measure(training, options, found, train, judge)
    rows = read(path)
    wanted = {training: rows[training] for training in trainings if rows.get(training)}
    if wanted:
        print(table(wanted))
        draw(options.folder / "curves.png", wanted)


def training_of(options, found, method, share, seed, frozen):
    config = config_of(options, found, method, seed)
    checksum = f"{zlib.crc32(repr(config).encode()):08x}"
    data, start = str(options.data or found.dataset), str(options.from_run or "")
    return Training(options.recipe, method, share, seed, options.every, data, checksum, start, frozen)


def config_of(options, found, method, seed):
    config = importlib.import_module(f"recipes.{options.recipe}.train").Config
    # The schedules of r3gan take the whole length; the others may be continued with a larger one.
    length = {"length": Length(steps=options.steps)} if options.recipe == "r3gan" else {}
    return config(images=found, little_data=METHODS[method], seed=seed, **length)


# Training -------------------------------------------------------------------------------------------------------------


class Repeated:
    """The order of an epoch of so many samples, in which the images of a small data set repeat.

    Unlike `Batches.set_steps_per_epoch` it may have fewer images than a batch.
    """

    def __init__(self, count, length):
        self.count = count
        self.length = length

    def __call__(self, rng):
        return balance.repeated(rng, np.arange(self.count), self.length)


def measure(training, options, found, train, judge):
    """Trains from the last stored scores to the last step, and appends the scores along the way."""
    file = options.folder / f"{training.name}.npz"
    points = options.steps // training.every
    if len(read(options.folder / "scores.jsonl").get(training, {})) >= points:
        return
    chosen = train.images[rows_of(train.labels, training.share)]
    config = config_of(options, found, training.method, training.seed)
    backend.set_random_seed(training.seed)
    gan = built(training.recipe, config, chosen.shape[1:])
    if training.freeze_d:
        freeze_discriminators(gan, training.freeze_d)
    if training.from_run:
        checkpoint.load_weights(Path(training.from_run) / "checkpoint.npz", gan)
    batch_size = config.batch_size * gan.discriminator_steps
    order = Repeated(len(chosen), batch_size * training.every)
    batches = Batches(chosen, batch_size, training.seed, order=order)
    first = checkpoint.load(file, gan) if file.exists() else 0
    of_train, _ = judge.extractor(chosen)
    for point in range(first, points):
        start = time.perf_counter()
        batches.epoch = point
        history = gan.fit(batches, initial_epoch=point, epochs=point + 1, shuffle=False, verbose=0).history
        seconds = time.perf_counter() - start
        scores = {**judge.scores(gan, of_train), **logits_of(gan, chosen, judge.held_out)}
        logs = {name: values[-1] for name, values in history.items()}
        row = {"step": (point + 1) * training.every, **scores, **logs, "seconds": seconds}
        with (options.folder / "scores.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({**dataclasses.asdict(training), **row}) + "\n")
        checkpoint.save(file, gan, point + 1)
    del gan
    keras.backend.clear_session()
    gc.collect()


def built(recipe, config, image_shape):
    build = importlib.import_module(f"recipes.{recipe}.train").build
    if recipe == "r3gan":
        return build(config, image_shape, class_count=0, steps=config.length.steps)
    return build(config, image_shape)


def rows_of(labels, share):
    """Returns the rows of a share of each class; those of a small share are among those of a larger one."""
    return np.arange(len(labels)) if share == 1 else images.validation_rows(labels, share, "validation")


# Scores ---------------------------------------------------------------------------------------------------------------


class Judge:
    """Scores samples against held-out images, whose features are computed only once.

    Args:
        extractor: `Extractor`.
        held_out: uint8 array of images.
        count: integer, number of samples.
    """

    def __init__(self, extractor, held_out, count):
        self.extractor = extractor
        self.held_out = held_out
        self.count = count
        self.features, _ = extractor(held_out)

    def scores(self, gan, of_train):
        """Returns the scores of a GAN, a dictionary of floats, given the features of its training images."""
        fake, _ = self.extractor(unscale(gan.sample(gan.latents.fixed(self.count, seed=0))))
        same = min(len(self.features), len(fake))
        manifold = metrics.manifold_scores(self.features[:same], fake[:same])
        fake_distance, held_out_distance = (nearest(part[:NOVEL], of_train) for part in (fake, self.features))
        return {
            "frechet": metrics.frechet_distance(self.features, fake),
            "precision": manifold["precision"],
            "recall": manifold["recall"],
            "novelty": float(fake_distance / held_out_distance),
        }


def nearest(features, others):
    """Returns the median of the distances of features to the nearest of others."""
    blocks = (cdist(features[start : start + 500], others) for start in range(0, len(features), 500))
    return np.median(np.concatenate([block.min(axis=1) for block in blocks]))


def logits_of(gan, train, held_out):
    """Returns the mean logits of training images, held-out images and samples, in batches of a training step."""
    rng = np.random.default_rng(0)
    with undisturbed(gan):
        kinds = {"d_train": scale(some(rng, train, JUDGED)), "d_held_out": scale(some(rng, held_out, JUDGED))}
        kinds["d_drawn"] = np.concatenate([generated(gan, part) for part in parts(gan.latents.fixed(JUDGED, seed=1))])
        return {name: float(np.mean([logit(gan, part) for part in parts(kind)])) for name, kind in kinds.items()}


def some(rng, array, count):
    return array[rng.permutation(len(array))[:count]]


def parts(array, size=64):
    return np.split(array, range(size, len(array), size))


def generated(gan, latents):
    return ops.convert_to_numpy(ops.stop_gradient(gan.generator(ops.convert_to_tensor(latents), training=True)))


def logit(gan, samples):
    logits = gan.discriminator(ops.convert_to_tensor(samples), training=True)
    return ops.convert_to_numpy(ops.stop_gradient(ops.mean(logits)))


@contextlib.contextmanager
def undisturbed(gan):
    """Restores the state of a GAN: moving averages of batch norm, random states."""
    before, random_state = [(variable, ops.copy(variable.value)) for variable in gan.variables], backend.random_state()
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)
        backend.set_random_state(random_state)


# Results --------------------------------------------------------------------------------------------------------------


def read(path):
    """Returns the scores of each `Training`, dictionaries from steps to rows."""
    found, names = {}, [field.name for field in dataclasses.fields(Training)]
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):  # a line that a killed process did not finish
            row = json.loads(line)
            training = Training(**{name: row.pop(name) for name in names if name in row})
            found.setdefault(training, {})[row["step"]] = row
    return found


def table(results):
    """Returns the scores as a table in Markdown: a row for each share and method, the mean over the seeds."""
    lines = [
        "| share | method | seeds | steps | Fréchet distance | lowest | precision | recall | novelty | D: training | "
        "D: held-out | D: samples | p |",
        "|---" * 13 + "|",
    ]
    for (share, method), rows in groups(results).items():
        step = min(max(each) for each in rows)
        last = [each[step] for each in rows]
        lowest = [min(row["frechet"] for at, row in each.items() if at <= step) for each in rows]
        names = ("frechet", "precision", "recall", "novelty", "d_train", "d_held_out", "d_drawn", "ada_p")
        cells = {name: spread([row[name] for row in last]) if name in last[0] else "" for name in names}
        frechet, *others = cells.values()
        facts = [percent(share), method, str(len(rows)), f"{step:,}", frechet, spread(lowest), *others]
        lines.append(f"| {' | '.join(facts)} |")
    return "\n".join(lines)


def groups(results):
    """Returns the rows of the seeds of each share and method, largest share first."""
    found = {}
    for training in sorted(results, key=lambda each: (-each.share, list(METHODS).index(each.method), each.seed)):
        found.setdefault((training.share, described(training)), []).append(results[training])
    return found


def percent(share):
    """Formats a share of the images.

    >>> percent(1), percent(0.05), percent(0.0017)
    ('100%', '5%', '0.17%')
    """
    return f"{100 * share:.3g}%"


def described(training):
    """Returns the method of a training and what it begins with, in words."""
    frozen = f", {training.freeze_d} of D frozen" if training.freeze_d else ""
    return f"{training.method}, from {Path(training.from_run).name}{frozen}" if training.from_run else training.method


def draw(path, results):
    """Draws the scores along the training: a column for each share; lines are means over the seeds."""
    from matplotlib.figure import Figure

    shares = sorted({training.share for training in results}, reverse=True)
    figure = Figure(figsize=(3.2 * len(shares), 8), layout="constrained")
    panels = figure.subplots(3, len(shares), sharex=True, sharey="row", squeeze=False)
    methods = list(dict.fromkeys(method for _, method in groups(results)))
    for (share, method), rows in groups(results).items():
        column, colour = panels[:, shares.index(share)], f"C{methods.index(method)}"
        steps = sorted(set.intersection(*map(set, rows)))
        curves = {name: np.array([[each[step][name] for step in steps] for each in rows]) for name in rows[0][steps[0]]}
        for axes, name in zip(column, ("frechet", "novelty"), strict=False):
            axes.plot(steps, curves[name].mean(axis=0), colour, label=method, marker=".")
            axes.fill_between(steps, curves[name].min(axis=0), curves[name].max(axis=0), color=colour, alpha=0.2)
        for name, style in (("d_train", "-"), ("d_held_out", "--"), ("d_drawn", ":")):
            column[2].plot(steps, curves[name].mean(axis=0), colour, linestyle=style)
    for share, column in zip(shares, panels.T, strict=True):
        column[0].set_title(f"{percent(share)} of the images")
        column[0].set_yscale("log")
        column[2].set_xlabel("training steps")
    panels[0, 0].legend()
    labels = ("Fréchet distance", "novelty", "D: training —, held-out - -, samples ···")
    for axes, label in zip(panels[:, 0], labels, strict=True):
        axes.set_ylabel(label)
    save_figure(path, figure)


if __name__ == "__main__":
    sys.exit(exit_code(main))
