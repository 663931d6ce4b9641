"""The action truncate: samples nearer to the mean latent, and the precision and recall that this trades.

./run_recipe.sh dcgan truncate
"""

import dataclasses
from typing import Annotated

from common.base import pictures
from common.base.files import creating, refuse_existing
from common.base.paths import shown
from common.base.ranges import Count, Range, Seed
from common.cli.run_choice import PictureChoice, opened
from common.latent_space import truncated
from common.scoring.evaluator import FEWEST, classes_to_draw, evaluator_of
from common.scoring.extractors import ExtractorName
from common.training.trained_run import image_options, weights_of


@dataclasses.dataclass(frozen=True)
class TruncateOptions(PictureChoice):
    """Options of the action truncate."""

    shares: tuple[Annotated[float, Range(0.0, 2.0)], ...] = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    """shares of the latents' distance to the mean that are left; 1 is as trained"""
    count: Count = 10  # samples of each share in the sheet
    samples: Annotated[int, Range(FEWEST, 10_000_000)] = 5000  # samples of each share that are scored
    extractor: ExtractorName = None
    """network whose features are compared; by default garments for Fashion-MNIST, digits for MNIST, else imagenet"""
    seed: Seed = 0  # of the latents and the subsets


def truncate_action(name, arguments):
    """Draws and scores samples whose latents are moved towards the mean latent."""
    options, folder, space = opened(name, "truncate", truncate_action.__doc__, TruncateOptions, arguments)
    (out,) = options.outputs(folder / "truncate.png")
    curve = out.with_name(f"{out.stem}_curve.png")
    if options.out and not options.overwrite:
        refuse_existing([curve])
    evaluator = evaluator_of(image_options(folder), options.extractor, seed=options.seed)
    weights = weights_of(folder)
    scores = {share: scores_of(space, evaluator, share, options, weights) for share in options.shares}
    vectors = space.vectors(options.count, options.seed)
    with creating(out):
        rows = [space.images(truncated(vectors, share)) for share in options.shares]
        names, mark = [f"{share:g}" for share in options.shares], options.mark(name, space.generator)
        pictures.save_rows(out, rows, names, mark=mark)
        draw(curve, scores)
    print(table(scores))
    print(f"Samples in {shown(out)}, precision and recall in {shown(curve)}")


def scores_of(space, evaluator, share, options, weights):
    """Returns the scores of samples whose latents are truncated."""
    vectors = space.vectors(options.samples, options.seed)
    labels = classes_to_draw(space.latents, options.samples, evaluator.labels)

    def sample(rows):
        classes = labels[rows] if space.class_count else None
        return evaluator.as_compared(space.images(truncated(vectors[rows], share), classes))

    return evaluator(options.samples, sample, weights, labels).values


def table(scores):
    """Returns the scores of each share as a table in Markdown."""
    lines = ["| share | Fréchet distance | precision | recall |", "|---|---|---|---|"]
    for share, values in scores.items():
        lines.append(f"| {share:g} | {values['frechet']:.2f} | {values['precision']:.3f} | {values['recall']:.3f} |")
    return "\n".join(lines)


def draw(path, scores):
    """Draws precision against recall, a point for each share."""
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    points = [(values["recall"], values["precision"]) for values in scores.values()]
    axes.plot(*zip(*points, strict=True), marker="o")
    for share, point in zip(scores, points, strict=True):
        axes.annotate(f" {share:g}", point)
    axes.set(xlabel="recall", ylabel="precision", title="share of the latents that is left")
    axes.grid(alpha=0.3)
    pictures.save_figure(path, figure, dpi=100)
