"""The report on a data set, as text for the terminal and as an HTML page with the same sections."""

import base64
import collections
import html
import itertools
import shlex
from typing import NamedTuple

import cv2
import numpy as np

from common.base.errors import InputError, printable
from common.base.files import whole
from data_prep import analysis, decode
from data_prep.skipped import missing_of

SHOWN = 48  # images per section
LISTED = 12  # lines per section
THUMBNAIL = 96  # pixels
GENERATOR = '<meta name="generator" content="GAN cookbook, data_prep report">'
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h2 { border-bottom: 1px solid #ccc; margin-top: 2.5rem }
td { padding: 0 1rem 0 0; white-space: nowrap; font-variant-numeric: tabular-nums }
.bar { background: #4878a8; height: 0.8rem }
figure { display: inline-block; margin: 0.25rem; vertical-align: top; width: 96px }
figcaption { font-size: 11px; line-height: 1.2; overflow-wrap: anywhere; color: #555 }
.group { border: 1px solid #ddd; display: inline-block; margin: 0.25rem; vertical-align: top }
"""


class Section(NamedTuple):
    """A part of the report.

    Attributes:
        title: string.
        lines: list of strings.
        bars: list of `(label, count)`, a histogram.
        groups: list of lists of `(caption, row)`, images to show together.
    """

    title: str
    lines: list = ()
    bars: list = ()
    groups: list = ()


def sections(data, measured):
    """Returns the sections of the report.

    Args:
        data: `analysis.Collection`.
        measured: `analysis.Measured` of it.
    """
    records, names = measured.records, [data.names[index] for index in measured.records["index"]]
    exact, near = analysis.exact_groups(records), analysis.near_groups(records)  # near duplicates include exact ones
    only_near = [group for group in near if len(set(records["bytes"][group])) > 1]
    far = analysis.outliers(records)

    def groups(rows):
        return [[(names[row], row) for row in group] for group in rows]

    return [
        overview(data, measured),
        Section("Random sample", groups=groups(np.array_split(some(len(records)), 1))),
        classes(data, records),
        Section("Sizes in pixels (width × height)", bars=frequent(records)),
        Section(
            "Aspect (width / height)",
            bars=histogram(records["width"] / records["height"], (0.5, 0.67, 0.9, 1.1, 1.5, 2)),
        ),
        Section("Brightness (mean of 0 … 255)", bars=histogram(records["brightness"], range(32, 256, 32))),
        Section(
            "Contrast (standard deviation of 0 … 255)", bars=histogram(records["contrast"], (5, 20, 40, 60, 80, 100))
        ),
        unusable(measured.skipped),
        Section("Exact duplicates", counted(exact, "byte for byte the same"), groups=groups(exact)),
        Section("Near duplicates", near_lines(only_near), groups=groups(only_near)),
        leaks(data, records, near, groups),
        Section(
            "Outliers",
            [f"{len(far)} images are unlike the rest. Look at them: some may be the best ones."] if far else ["none"],
            groups=[[(f"{reason}: {names[row]}", row)] for row, reason in far.items()],
        ),
        advice(data, records, exact, near),
    ]


def overview(data, measured):
    records = measured.records
    missing = missing_of(measured.skipped)
    channels = collections.Counter(records["channels"].tolist())
    lines = [f"{len(records)} images in {data.root}, {missing} more cannot be used"]
    if len(records):
        lines += [
            f"{channels[3]} colour, {channels[1]} grey",
            f"values from {records['minimum'].min()} to {records['maximum'].max()} (8 bits)",
        ]
    splits = collections.Counter(data.splits[index] for index in records["index"])
    if splits.keys() - {""}:
        lines.append(", ".join(f"{count} for {split or 'neither'}" for split, count in sorted(splits.items())))
    return Section("Overview", lines)


def some(count):
    return np.sort(np.random.default_rng(0).permutation(count)[:SHOWN])


def classes(data, records):
    counts = collections.Counter(data.labels[index] for index in records["index"])
    lines = []
    if len(counts) > 1 and max(counts.values()) > 1.5 * min(counts.values()):
        ratio = max(counts.values()) / min(counts.values())
        lines.append(f"The largest class has {ratio:.1f} times the images of the smallest: see --balance.")
    return Section("Classes", lines, sorted(counts.items()))


def frequent(records):
    counts = collections.Counter(zip(records["width"].tolist(), records["height"].tolist(), strict=True))
    rows = [(f"{width}×{height}", count) for (width, height), count in counts.most_common(LISTED)]
    others = len(records) - sum(count for _, count in rows)
    return rows + ([(f"{len(counts) - LISTED} others", others)] if others else [])


def histogram(values, limits):
    """Returns the number of values below the first limit, between each two, and above the last."""
    limits = list(limits)
    counts = np.bincount(np.searchsorted(limits, values, "right"), minlength=len(limits) + 1)
    labels = [
        f"below {limits[0]:g}",
        *(f"{a:g} – {b:g}" for a, b in itertools.pairwise(limits)),
        f"{limits[-1]:g} and more",
    ]
    return list(zip(labels, counts.tolist(), strict=True))


def unusable(skipped):
    lines = [
        f"{row.path or '(the folder)'}: {row.reason}{' (used)' if row.outcome == 'used' else ''}" for row in skipped
    ]
    return Section("Unusable and misnamed files", lines or ["none"])


def counted(groups, what, noun="image"):
    if not groups:
        return ["none"]
    extra = sum(len(group) - 1 for group in groups)
    kinds = f"{len(groups)} group{'s' if len(groups) > 1 else ''}"
    return [f"{extra} {noun}{'s are' if extra > 1 else ' is'} {what} as another one, in {kinds}"]


def near_lines(groups):
    advice = ["Small images of simple things, such as digits, resemble each other: look first."] if groups else []
    return [*counted(groups, "nearly the same"), *advice]


def leaks(data, records, near, groups):
    """Returns the section of images in both the training and the test part, which make scores invalid."""
    splits = [data.splits[index] for index in records["index"]]
    crossing = [group for group in near if {"train", "test"} <= {splits[row] for row in group}]
    if not {"train", "test"} <= set(splits):
        return Section("Leaks between train and test", ["the data has no folders train and test"])
    return Section("Leaks between train and test", counted(crossing, "the same, or nearly,"), groups=groups(crossing))


def advice(data, records, exact, near):
    if not len(records):
        return Section("What to do", ["There are no images to train on."])
    shorter = np.minimum(records["width"], records["height"])
    size = next((size for size in (128, 64, 32) if np.median(shorter) >= size), 28)
    small = int((shorter < size).sum())
    path = shlex.quote(str(data.root))
    recipe = "projected_gan" if size > 28 and (records["channels"] == 3).any() else "dcgan"
    command = f"./run_recipe.sh {recipe} --data {path} --size {size} --run-folder runs/mine"
    lines = [f"{command}   ({small} images are smaller and will be enlarged)" if small else command]
    if len(exact) or len(near):
        lines.append(f".venv/bin/python -m data_prep clean {path} --out CLEAN --drop duplicates")
    return Section("What to do", lines)


# As text ----------------------------------------------------------------------------------------------------------


def text(parts):
    """Returns the report for a terminal."""
    return "\n".join("\n".join(text_of(part)) for part in parts)


def text_of(part):
    yield f"\n{part.title}"
    lines = [*part.lines]
    if part.groups and part.lines:
        lines += [", ".join(caption for caption, _ in group[:6]) for group in part.groups]
    yield from (f"  {printable(line)}" for line in lines[: LISTED + 1])
    if len(lines) > LISTED + 1:
        yield f"  … and {len(lines) - LISTED - 1} more"
    most = max((count for _, count in part.bars), default=1)
    for label, count in part.bars:
        yield f"  {printable(label):>18} {count:>8} {'█' * round(30 * count / max(most, 1))}"


# As a page ----------------------------------------------------------------------------------------------------------


def write(path, data, measured, parts, overwrite=False):
    """Writes the report as one self-contained HTML file.

    Raises:
        InputError: if a file of this name exists and is not a report.
    """
    is_report = path.is_file() and GENERATOR in path.read_text("utf-8", errors="replace")[:2000]
    if path.exists() and not (overwrite or is_report):
        raise InputError(f"{path} exists already and is not a report; choose another --out, or say --overwrite.")
    title = f"Report on {escape(data.root)}"
    body = "\n".join(page_of(part, data, measured.records) for part in parts)
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{GENERATOR}<title>{title}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"
    )
    with whole(path) as part:
        part.write_text(page, encoding="utf-8")


def escape(text):
    return html.escape(printable(text))


def page_of(part, data, records):
    most = max((count for _, count in part.bars), default=1)
    rows = "".join(
        f"<tr><td>{escape(label)}</td><td>{count}</td>"
        f'<td><div class="bar" style="width:{300 * count / max(most, 1):.0f}px"></div></td></tr>'
        for label, count in part.bars
    )
    lines = "".join(f"<p>{escape(line)}</p>" for line in part.lines)
    shown, figures = 0, []
    for group in part.groups:
        if shown >= SHOWN:
            figures.append(f"<p>… and {len(part.groups) - len(figures)} more</p>")
            break
        inside = "".join(figure(data, records, caption, row) for caption, row in group[: SHOWN - shown])
        figures.append(f'<div class="group">{inside}</div>')
        shown += len(group)
    return f"<h2>{escape(part.title)}</h2>\n{lines}<table>{rows}</table>{''.join(figures)}"


def figure(data, records, caption, row):
    image, _ = data.read(int(records["index"][row]))
    height, width = image.shape[:2]
    scale = THUMBNAIL / max(height, width)
    small = decode.resize(image, (max(1, round(height * scale)), max(1, round(width * scale))), "stretch")
    _, png = cv2.imencode(".jpg", small[..., ::-1] if small.shape[2] == 3 else small)
    return (
        f'<figure><img alt="" src="data:image/jpeg;base64,{base64.b64encode(png).decode()}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
