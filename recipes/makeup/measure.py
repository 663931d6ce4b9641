"""The action evaluate: make-up on held-out faces, and off them, against the same faces drawn with and without it."""

import cv2
import numpy as np

from common.base.arguments import parse
from common.base.paths import shown
from common.base.pictures import scale, unscale, with_histogram
from common.cli.evaluate import MeasureOptions, report_scores
from common.sampling import draw_samples
from common.scoring.evaluator import Scores, distances
from common.scoring.metrics import mean_difference, similarity_map
from common.scoring.nearest import nearest
from common.training.generator_check import refuse_other_inputs
from common.training.trained_run import open_run
from data_prep.batches import first
from data_prep.images import parse_size

from . import data, faces

PAINTED = 0.1  # share from which on a pixel is in the make-up region
PARTS = ("lips", "lids")  # whose colours are compared


def evaluate(name, arguments):
    """Scores the style of held-out references on held-out images, and without it."""
    (options,) = parse(f"./run_recipe.sh {name} evaluate", evaluate.__doc__, {"evaluate": MeasureOptions}, arguments)
    folder, generator, collections = open_run(name, options.folder(name), data.CollectionOptions)
    sources, references = (first(each, data.TESTED) for each in data.load_collections(collections, "test"))
    count = min(len(sources), len(references))
    sources, references = sources[:count], references[:count]
    refuse_other_inputs(generator, (sources, references))
    applied, removed = transferred(generator, sources, references)
    _, restored = transferred(generator, sources, applied)
    values = {
        "identity kept": float(np.mean(nearest(applied, sources) == np.arange(count))),
        "identity error": mean_difference(restored, sources),
    }
    if collections.is_embedded:
        values |= against_truth(data.drawn_test(parse_size(collections.size)[0], data.TESTED), applied, removed)
    described = str(collections.styled or "drawn faces with make-up")
    kinds = {"": applied, " of the sources": sources}
    found, protocol = distances(references, kinds, described, options.extractor, is_embedded=False)
    scores = Scores({**values, **found}, protocol)
    report_scores(scores, folder, f"{name}, {shown(folder)}, {count} held-out images, each with a reference")


def transferred(generator, sources, references):
    """Returns G(source, reference) and F(reference) of uint8 images, uint8 arrays."""
    return map(unscale, draw_samples(generator, (scale(sources), scale(references)), batch_size=16))


def against_truth(known, applied, removed):
    """Returns the scores against the true images, also of answers that need no training, a dictionary of floats."""
    kinds = {
        "": applied,
        ", source": known.sources,
        ", mean colours": with_mean_colours(known.sources, known.references, average_regions(known.sources.shape[1])),
        ", histogram": np.stack([with_histogram(*pair) for pair in zip(known.sources, known.references, strict=True)]),
    }
    values = {}
    for of, images in kinds.items():
        found = region_scores(images, known.applied, known.source_regions)
        values |= {f"{key}{of}": value for key, value in found.items()}
    for of, images in {"removed": removed, "not removed": known.references}.items():
        found = region_scores(images, known.removed, known.reference_regions)
        values |= {f"{key}, {of}": value for key, value in found.items()}
    return values


def region_scores(images, truth, regions):
    """Returns L1 and structural similarity within the make-up regions and outside of them, and ΔE of lips and lids.

    Args:
        images, truth: uint8 arrays `(count, side, side, 3)`.
        regions: dictionary of arrays `(count, side, side)`, see `faces.regions`.
    """
    inside = np.max(list(regions.values()), axis=0) > PAINTED
    error = np.abs(images.astype(np.float32) - truth).mean(axis=-1) / 127.5
    similarity = np.stack([similarity_map(*pair).mean(axis=-1) for pair in zip(images, truth, strict=True)])
    scores = {
        "L1 inside": error[inside].mean(),
        "L1 outside": error[~inside].mean(),
        "SSIM inside": similarity[inside].mean(),
        "SSIM outside": similarity[~inside].mean(),
    }
    for part in PARTS:
        mean, true = (mean_colours(each, regions[part]) for each in (images, truth))
        scores[f"ΔE of {part}"] = np.linalg.norm(mean - true, axis=1).mean()
    return {key: float(value) for key, value in scores.items()}


def mean_colours(images, weights):
    """Returns the weighted mean colour of each image in CIELAB, an array `(count, 3)`.

    The distance of two such colours is ΔE of 1976: about 2.3 can just be seen (Mahy et al., 1994).
    """
    total = weights.sum(axis=(1, 2))[:, np.newaxis]
    mean = np.einsum("nhwc,nhw->nc", images / np.float32(255), weights) / total
    return cv2.cvtColor(mean[np.newaxis].astype(np.float32), cv2.COLOR_RGB2LAB)[0]


# Answers without training -----------------------------------------------------------------------------------------


def average_regions(side, count=200):
    """Returns the mean of the regions of faces of the training: where make-up is in general."""
    drawn = [faces.regions(faces.drawn_face(np.random.default_rng((data.SEED, 1, row))), side) for row in range(count)]
    return {part: np.mean([each[part] for each in drawn], axis=0) for part in drawn[0]}


def with_mean_colours(sources, references, regions):
    """Returns images with the mean colour of their references in each region, as far as a pixel belongs to it.

    Args:
        sources, references: uint8 arrays `(count, side, side, 3)`.
        regions: dictionary of arrays `(side, side)` in [0, 1].
    """
    images = sources.astype(np.float32)
    for share in regions.values():
        colours = np.einsum("nhwc,hw->nc", references.astype(np.float32), share) / share.sum()
        images += share[..., np.newaxis] * (colours[:, np.newaxis, np.newaxis] - images)
    return np.rint(images).astype(np.uint8)
