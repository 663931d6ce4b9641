"""Data sets, image folders, and the batches that `fit` reads. Importing this package imports no framework."""

import os
import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    # `python -m data_prep` looks for modules in the current folder first: a cv2.py among photographs would be run.
    # Only what Python itself imports before this line, such as runpy, is still looked for there.
    project = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 (imports nothing more)
    here = os.getcwd()  # noqa: PTH109
    sys.path[:] = [project, *(path for path in sys.path if os.path.abspath(path) != here)]  # noqa: PTH100
