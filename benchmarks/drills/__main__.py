"""Hostile inputs, kills, full disks and odd machines: each case succeeds, or is refused with one sentence.

    .venv/bin/python -m benchmarks.drills [DRILL ...] [--quick] [--share 1.0] [--seed 0]

Prints a table of what was tried and what was right, and each wrong case; the exit code is 1 if there is one. The cases
follow from the seed. All drills take about an hour on two cores, --quick a minute.
"""

import argparse
import functools
import re
import sys
import time

import benchmarks.drills.light_backend  # noqa: F401 (before Keras)
import common.launch.quiet  # noqa: F401 (before Keras)

# isort: split
import numpy as np

from benchmarks.drills import archives, commands, damaged_images, disk, environment, files, kills
from common.training import callbacks

DRILLS = {
    "commands": (commands.cases, 1000, 40),
    "files": (files.cases, 500, 6),
    "archives": (archives.cases, 300, 40),
    "images": (damaged_images.cases, 5000, 200),
    "kills": (kills.cases, 50, 1),
    "disk": (disk.cases, 20, 1),
    "environment": (environment.cases, len(environment.MACHINES), 1),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("drills", nargs="*", metavar="DRILL", help=f"some of {', '.join(DRILLS)}; by default all")
    parser.add_argument("--quick", action="store_true", help="a few cases of each")
    parser.add_argument("--share", type=float, default=1.0, help="share of the cases of each drill")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    unknown = set(options.drills) - set(DRILLS)
    if unknown:
        parser.error(f"there is no drill {', '.join(sorted(unknown))}; there are {', '.join(DRILLS)}")
    callbacks.Evaluate = functools.partial(callbacks.Evaluate, count=256)  # of 5,000 samples the features take seconds
    print("| drill | tried | right | wrong | seconds |\n|---|---|---|---|---|", flush=True)
    failed = 0
    for name in options.drills or DRILLS:
        cases, whole, quick = DRILLS[name]
        start = time.monotonic()
        count = quick if options.quick else max(1, round(options.share * whole))
        verdicts = list(cases(count, np.random.default_rng(options.seed)))
        wrong = [verdict for verdict in verdicts if verdict.problem]
        seconds = time.monotonic() - start
        print(f"| {name} | {len(verdicts)} | {len(verdicts) - len(wrong)} | {len(wrong)} | {seconds:.0f} |", flush=True)
        for verdict in wrong:
            message = f"wrong: {name}: {verdict.case}: {verdict.problem}"
            print(re.sub(r"(.)\1{40,}", r"\1…", message)[:1000], file=sys.stderr, flush=True)
        failed += len(wrong)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
