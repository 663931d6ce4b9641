"""A cleaned copy of a data set: the source is never changed, and what is left out is listed with the reason."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np

from common.base.errors import InputError
from common.base.files import PARTS, sweep, whole, write_json, writing_to
from data_prep import analysis, decode
from data_prep.folders import progress

DROPS = ("duplicates", "outliers")
STATE = ".cleaning"  # folder of the measurements so far, and the options they are for


def clean(data, out, drop=("duplicates",), size=None, fit="crop", cap=None):
    """Copies the usable images of a data set into a folder, and writes `left_out.csv` beside them.

    An image keeps its name and its bytes, unless a size is given or it comes from an array: then it becomes a PNG. To
    continue an interrupted call, repeat it.

    Args:
        data: `analysis.Collection`.
        out: path of a folder, created if missing.
        drop: what to leave out besides unusable files, some of `DROPS`. Of a group of duplicates one image is kept:
            preferably one of the test part, then the one with the most pixels, then the first.
        size: `(height, width)`, or None to leave the images as they are.
        fit: see `decode.resize`.
        cap: integer, maximum number of images per class, chosen at random; or None.

    Returns:
        The numbers of images copied and left out.

    Raises:
        InputError: if the folder is inside the source or contains it, or already has other content; or if a class of an
            array cannot be the name of a folder.
    """
    out = Path(out)
    names = names_in_copy(data, as_png=size is not None or not data.is_folder)
    options = {"source": str(data.root.resolve()), "drop": sorted(drop), "size": size, "fit": fit, "cap": cap}
    begin(data, out, json.loads(json.dumps(options)))
    measured = analysis.measure(data, store=out / STATE)
    reasons = {row.path: row.reason for row in measured.skipped if row.outcome == "skipped"}
    reasons.update(dropped(data, measured.records, drop))
    kept = [int(index) for index in measured.records["index"] if data.names[index] not in reasons]
    if cap:
        kept, over = capped(data, kept, cap)
        reasons.update({data.names[index]: f"over the cap of {cap} for its class" for index in over})
    for index in progress(kept, f"Writing {len(kept)} images"):
        copy(data, index, out / names[index], size, fit)
    write_left_out(out / "left_out.csv", reasons)
    shutil.rmtree(out / STATE)
    return len(kept), len(reasons)


def begin(data, out, options):
    """Creates the folder, or checks that it belongs to an interrupted call with the same options."""
    source, target = data.root.resolve(), out.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise InputError(f"--out must be outside of {data.root}, which is never changed, but is {out}.")
    state = out / STATE / "options.json"
    if state.exists():
        if json.loads(state.read_text("utf-8")) != options:
            raise InputError(
                f"{out} holds an interrupted cleaning with other options; repeat them, or choose another --out."
            )
        sweep(out, f"**/{PARTS}")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already and is not overwritten; choose another --out.")
    else:
        with writing_to(out):
            state.parent.mkdir(parents=True, exist_ok=True)
        write_json(state, options)


def dropped(data, records, drop):
    """Returns a dictionary from the names of duplicates and outliers to the reasons."""
    reasons = {}
    names = [data.names[index] for index in records["index"]]
    if "outliers" in drop:
        reasons.update({names[row]: f"outlier: {reason}" for row, reason in analysis.outliers(records).items()})
    if "duplicates" in drop:
        for kind, groups in (("exact", analysis.exact_groups(records)), ("near", analysis.near_groups(records))):
            for group in groups:
                left = [row for row in group if names[row] not in reasons]
                best = min(left, key=lambda row: rank(data, records[row]), default=None)
                reasons.update({names[row]: f"{kind} duplicate of {names[best]}" for row in left if row != best})
    return reasons


def rank(data, record):
    """Returns a sort key; of a group of duplicates the smallest is kept."""
    is_test = data.splits[record["index"]] == "test"
    return (not is_test, -int(record["width"]) * int(record["height"]), record["index"])


def capped(data, kept, cap):
    """Returns the indices of at most `cap` images of each class, and the other indices."""
    labels = np.array([f"{data.splits[index]}/{data.labels[index]}" for index in kept])
    rng = np.random.default_rng(0)
    chosen = {
        int(index) for label in np.unique(labels) for index in rng.permutation(np.array(kept)[labels == label])[:cap]
    }
    return [index for index in kept if index in chosen], [index for index in kept if index not in chosen]


def names_in_copy(data, as_png):
    """Returns the path of each image within the copy, no two the same.

    As a PNG `a.jpg` becomes `a.jpg.png`, which may be the name of another image: that one becomes `a.jpg.png.png`.
    """
    if not data.is_folder:
        return [in_class_folder(data, index) for index in range(len(data.names))]
    if not as_png:
        return data.names
    taken = set(data.names)

    def keeps_its_name(name):
        return name.lower().endswith(".png") and name[: -len(".png")] not in taken

    return [name if keeps_its_name(name) else f"{name}.png" for name in data.names]


def in_class_folder(data, index):
    """Returns the path of an image of an array within the copy: its class is a folder."""
    split, label = data.splits[index], data.labels[index]
    if not label or label.startswith(".") or "/" in label:
        raise InputError(f"The class {label!r} of {data.root} cannot be the name of a folder; rename it.")
    return Path(split, label, Path(data.names[index]).name)


def copy(data, index, target, size, fit):
    """Writes one image, unless an earlier call did; the file appears only when it is complete."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole(target) as part:
        if size is not None or not data.is_folder:
            image, _ = data.read(index)
            image = decode.resize(image, size, fit) if size else image
            _, png = cv2.imencode(".png", image[..., ::-1] if image.shape[2] == 3 else image)
            part.write_bytes(png.tobytes())
        else:
            shutil.copyfile(data.root / data.names[index], part)


def write_left_out(path, reasons):
    with whole(path) as part, part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "reason"))
        writer.writerows(sorted(reasons.items()))
