"""Data sets, image folders, and the batches that `fit` reads. Importing this package imports no framework."""

import os
import sys

# `python -m data_prep`, but not `-m` of another package that imports this one.
is_run = sys.argv[:1] == ["-m"] and any(word.removeprefix("-m").split(".")[0] == __name__ for word in sys.orig_argv)
if is_run and not sys.flags.safe_path:
    # It would look for modules in the current folder first: a cv2.py among photographs would be run.
    # What Python itself imports before this line, such as runpy, is still looked for there, unless called with -P.
    project = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 (no more imports)
    try:
        here = os.getcwd()  # noqa: PTH109
    except OSError:  # it was removed
        here = ""
    sys.path[:] = [project, *(path for path in sys.path if path not in ("", here))]
