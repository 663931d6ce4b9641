"""Inspect, clean and download data:

    python -m data_prep report PATH [--out report.html]     report on a folder, an archive or an array file
    python -m data_prep clean PATH --out CLEAN              copy it without unusable files, duplicates, outliers
    python -m data_prep download [NAME]                     list the named data sets, or download one

Append --help to see the options of each.
"""

import dataclasses
import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

from common.base.errors import InputError, exit_code, printable
from common.launch import environment

if importlib.util.find_spec("imagehash") is None:  # the packages are missing: restart in the project's environment
    code = exit_code(environment.ensure, [])
    if code:
        sys.exit(code)
    os.environ["PYTHONPATH"] = str(environment.PROJECT)
    os.execv(environment.PYTHON, [environment.PYTHON, "-P", "-m", "data_prep", *sys.argv[1:]])

import tyro

from common.base.arguments import parse, refuse_ignored
from common.base.ranges import Count
from data_prep import analysis, clean, datasets, images, report, report_models


@dataclasses.dataclass(frozen=True)
class ReportOptions:
    """Options of report."""

    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path("report.html")
    """the HTML file to write"""
    overwrite: bool = False
    """replace an existing file that is not a report"""


@dataclasses.dataclass(frozen=True)
class CleanOptions:
    """Options of clean."""

    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """a new folder for the copy"""
    drop: Annotated[str, tyro.conf.arg(metavar="WHAT[,WHAT]")] = "duplicates"
    """what to leave out besides unusable files: duplicates, outliers, both separated by a comma, or none"""
    size: Annotated[str | None, tyro.conf.arg(metavar="N|WIDTHxHEIGHT")] = None
    """also resize the images to this size, as PNG: large photographs are then read faster in every epoch"""
    fit: Literal["crop", "pad", "stretch"] = "crop"
    """how to change the aspect ratio: crop the centre, pad with bars, or distort"""
    cap: Count | None = None
    """maximum number of images per class"""

    def check_given(self, given):
        if not self.size:
            refuse_ignored(given, "fit", "without --size, since the images keep their size")


def report_on(path, arguments):
    (options,) = parse("python -m data_prep report PATH", "Report on a data set.", {"report": ReportOptions}, arguments)
    resolution = report_models.resolution_of(path)
    if resolution:
        data, measured, parts = report_models.collect(path, resolution)
    else:
        data = analysis.collect(path)
        measured = analysis.measure(data)
        parts = report.sections(data, measured)
    print(report.text(parts))
    report.write(options.out, data, measured, parts, options.overwrite)
    print(f"\nWith images: {printable(options.out)}")


def cleaned(path, arguments):
    (options,) = parse("python -m data_prep clean PATH", "Make a cleaned copy.", {"clean": CleanOptions}, arguments)
    if options.out is None:
        raise InputError("clean needs a folder for the copy: --out CLEAN")
    drop = [] if options.drop == "none" else options.drop.split(",")
    if set(drop) - set(clean.DROPS):
        raise InputError(f"--drop must be some of {','.join(clean.DROPS)}, or none, but is {options.drop!r}.")
    data = analysis.collect(path)
    kept, left = clean.clean(data, options.out, drop, images.parse_size(options.size), options.fit, options.cap)
    print(f"{kept} images in {printable(options.out)}; {left} left out, see {printable(options.out / 'left_out.csv')}.")


def download(arguments):
    table = datasets.table()
    if not arguments:
        for name, entry in table.items():
            size = sum(file.bytes for file in entry.files)
            print(f"{name}: {entry.what}\n    {size / 1e6:.0f} MB; licence {entry.licence}; cite {entry.citation}")
        return
    if len(arguments) > 1 or arguments[0] not in table:
        raise InputError(f"There is no data set {' '.join(arguments)!r}; there are {', '.join(table)}.")
    if table[arguments[0]].files:
        print(printable(datasets.folder_of(arguments[0])))
    else:
        print(f"{arguments[0]} comes with the project.")


def main(arguments):
    actions = {"report": report_on, "clean": cleaned}
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
    elif arguments[0] == "download":
        download(arguments[1:])
    elif arguments[0] not in actions:
        raise InputError(f"There is no action {arguments[0]!r}; there are report, clean, download.")
    elif len(arguments) == 1:
        raise InputError(f"{arguments[0]} needs a path: python -m data_prep {arguments[0]} PATH")
    elif arguments[1] in ("-h", "--help"):
        actions[arguments[0]](Path(), ["--help"])
    else:
        actions[arguments[0]](Path(arguments[1]), arguments[2:])


if __name__ == "__main__":
    sys.exit(exit_code(main, sys.argv[1:], stopped="Stopped; the same command continues a cleaning."))
