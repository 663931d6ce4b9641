"""Calls a command in a process of its own, and judges how it ended."""

import contextlib
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple
from unittest import mock

SECONDS = 20  # that a case may take
MEMORY = 1 << 30  # bytes above this process, which has Keras loaded; the data of the drills is small
ESCAPED = "escaped.png"  # the name of what must not be written
OF_OTHERS = re.compile("libpng |Corrupt JPEG|Premature end of JPEG|TIFF|.*JPEG|shell-init: ")  # image libraries, Bash


class Answer(NamedTuple):
    """How a command ended: `code` is negative after a signal, `peak` are bytes of memory."""

    code: int
    output: str
    errors: str
    seconds: float
    peak: int


class Verdict(NamedTuple):
    """A case of a drill: what was tried, and what is wrong with the answer; None if it is right."""

    case: str
    problem: str | None


def forked(function, seconds=SECONDS):
    """Calls a function in a fork of this process; returns the `Answer`.

    Loading Keras takes seconds, so a thousand commands are forks of a process that has done it; this process itself
    computes nothing, as threads do not survive a fork. After `seconds` the fork is ended by SIGALRM.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("output", "errors")]
        start = time.monotonic()
        child = os.fork()
        if not child:
            be_the_child(function, paths, seconds)
        _, status, usage = os.wait4(child, 0)
        texts = [path.read_text("utf-8", errors="backslashreplace") for path in paths]
    code = os.waitstatus_to_exitcode(status)
    return Answer(code, *texts, time.monotonic() - start, 1024 * usage.ru_maxrss)


def be_the_child(function, paths, seconds):
    """Calls the function with its output in files, and ends this process."""
    code = 1
    try:
        for stream, path in zip((1, 2), paths, strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # those of a test write elsewhere
        signal.setitimer(signal.ITIMER_REAL, seconds)
        function()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # as Python itself does
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def command(module, *arguments, cwd):
    """Returns a function that runs a module of the project with arguments, as `python -m` would, in a folder."""

    def run():
        os.chdir(cwd)
        sys.argv = [module, *map(str, arguments)]
        warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)  # loaded before the fork
        runpy.run_module(module, run_name="__main__", alter_sys=True)

    return run


def recipe(name, *arguments, cwd):
    """Returns a function that runs a recipe, as `command`."""
    return command(f"recipes.{name}.train", *arguments, cwd=cwd)


def own_memory():
    """Returns the bytes of memory of this process with which every fork begins: not those of files, loaded anew."""
    resident, of_files = map(int, Path("/proc/self/statm").read_text("ascii").split()[1:3])
    return (resident - of_files) * os.sysconf("SC_PAGE_SIZE")


def problem_of(answer, wanted=(0, 2)):
    """Returns what is wrong with an answer, or None.

    A command succeeds, or refuses with exit code 2 and one sentence on stderr; within 20 seconds and 1 GB of memory.

    Args:
        answer: `Answer`.
        wanted: exit codes that are right: `(2,)` for nonsense, `(0,)` for what is valid.

    >>> problem_of(Answer(1, "", "Traceback …", 1.0, 0))
    'exit code 1: Traceback …'
    >>> problem_of(Answer(0, "", "", 1.0, 0), wanted=(2,))
    'accepted'
    >>> problem_of(Answer(2, "", "Error: there is no class 'x'.", 1.0, 0))
    """
    lines = [line for line in answer.errors.strip().splitlines() if not OF_OTHERS.match(line)]
    if answer.code == -signal.SIGALRM:
        return f"ended after {answer.seconds:.0f} s, its limit"
    if answer.code not in (0, 2, *wanted):
        return f"exit code {answer.code}: {lines[-1] if lines else 'no message'}"
    if answer.code not in wanted:
        return "accepted" if answer.code == 0 else f"refused: {lines[-1] if lines else 'no message'}"
    if answer.code == 2 and not (len(lines) == 1 and lines[0].startswith("Error: ")):
        return f"not one sentence: {answer.errors.strip()[-300:]!r}"
    if any(ord(letter) < 32 and letter not in "\n\t\r" for letter in answer.output + answer.errors):
        return "a control character reached the terminal"
    if answer.peak > own_memory() + MEMORY:
        return f"took {(answer.peak - own_memory()) / 1e9:.1f} GB of memory"
    return None


@contextlib.contextmanager
def scratch():
    """Yields a new folder within folders of its own, with the caches of downloads and archives; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="drill-"))
    room = folder / "a" / "b" / "c" / "room"
    room.mkdir(parents=True)
    places = {"GAN_COOKBOOK_DATA": str(room / "cache"), "GAN_COOKBOOK_RUNS": str(room / "runs")}
    try:
        with mock.patch.dict(os.environ, places):
            yield room
    finally:
        remove(folder)


def remove(folder):
    """Removes a folder, also one that is too deep for `shutil.rmtree`."""
    subprocess.run(["rm", "-rf", "--", folder], check=True)


def escaped(room):
    """Returns the paths of files called `ESCAPED` that are anywhere: hostile data writes one wherever it can.

    In the folder of its own into which an archive is extracted it may.
    """
    extracted = room / "cache" / "extracted"
    places = (Path("/"), Path.home(), Path(tempfile.gettempdir()))
    found = [place / ESCAPED for place in places if (place / ESCAPED).exists()]
    listed = subprocess.run(
        ["find", room.parents[3], "-name", ESCAPED, "-print0"], capture_output=True, check=True
    ).stdout
    found += map(Path, filter(None, os.fsdecode(listed).split("\0")))
    return [path for path in found if extracted not in path.parents[1:]]
