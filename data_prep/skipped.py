"""Unusable and misnamed files: an error if there are many, else counted in one line and listed with reasons."""

import collections
import csv
import shlex
from typing import NamedTuple

from common.base.errors import InputError, printable
from common.base.files import whole
from data_prep.decode import SUFFIXES

SKIPPED_SHARE = 0.05  # a larger share stops a run


class Skipped(NamedTuple):
    """An unusable or misnamed file: a row of `skipped.csv`."""

    path: str
    outcome: str  # "skipped", or "used" if the file could be read anyway
    reason: str


def refuse_many(root, skipped, count, allowed=False, what="images", suffixes=SUFFIXES):
    """Refuses a folder without images, or with too many files that cannot be used.

    Args:
        root: path of the data.
        skipped: list of `Skipped`.
        count: integer, number of usable images.
        allowed: bool, whether more than `SKIPPED_SHARE` may be skipped.
        what, suffixes: what the files should be, in the plural, and their suffixes.

    Raises:
        InputError: with a summary of the reasons.
    """
    missing = missing_of(skipped)
    if not count:
        reasons = f"; {missing} files cannot be used ({summary(skipped)})" if missing else ""
        raise InputError(f"{root} has no {what} ({', '.join(sorted(suffixes))}), directly or in subfolders{reasons}.")
    if missing > SKIPPED_SHARE * (missing + count) and not allowed:
        raise InputError(
            f"{missing} of {missing + count} {what} in {root} cannot be used ({summary(skipped)}), more than "
            f"{SKIPPED_SHARE:.0%}. List them with: .venv/bin/python -m data_prep report {shlex.quote(str(root))}; "
            "repair them, or continue without them: --allow-skipped."
        )


def tell_skipped(skipped, count, what="images"):
    """Prints one line about the skipped files, if there are any."""
    if skipped:
        missing = missing_of(skipped)
        print(f"{missing} of {missing + count} {what} skipped ({summary(skipped)}).")


def missing_of(skipped):
    return sum(row.outcome == "skipped" for row in skipped)


def summary(skipped):
    """Returns the number of files for each reason, the most frequent first, each with an example; to be printed."""
    reasons = collections.defaultdict(list)
    for row in skipped:
        kind = row.reason.split(":")[0]
        reasons[kind if row.outcome == "skipped" else f"read anyway, {kind}"].append(row.path)
    ordered = sorted(reasons.items(), key=lambda item: -len(item[1]))
    return printable("; ".join(f"{len(paths)} × {reason}, such as {paths[0]}" for reason, paths in ordered))


def write_skipped(path, skipped):
    """Writes `skipped.csv`: path, outcome and reason of each unusable or misnamed file; the names byte for byte."""
    with whole(path) as part, part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(Skipped._fields)
        writer.writerows(skipped)
