"""A few cases of the drills of `benchmarks/drills`, and that their verdicts notice what is wrong."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.drills import verdict
from tests.conftest import PROJECT

pytestmark = [pytest.mark.once, pytest.mark.slow]


def test_a_few_cases_of_the_drills():
    """But of kills and full disks, which train whole runs: test_recipes.py and test_errors.py have one of each."""
    some = ("commands", "files", "archives", "images", "environment")
    drills = [sys.executable, "-m", "benchmarks.drills", "--quick", *some]
    done = subprocess.run(drills, cwd=PROJECT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


def refusing(message):
    print(message, file=sys.stderr)
    sys.exit(2)


@pytest.mark.parametrize(
    ("function", "wanted", "problem"),
    [
        (lambda: None, (0,), None),
        (lambda: None, (2,), "accepted"),
        (lambda: refusing("Error: there is no class 'x'."), (2,), None),
        (lambda: refusing("Error: there is no class 'x'."), (0,), "refused: Error"),
        (lambda: refusing("Error: one.\nError: two."), (2,), "not one sentence"),
        (lambda: refusing("Error: \x1b[31m"), (2,), "a control character reached the terminal"),
        (lambda: 1 / 0, (0, 2), "exit code 1: ZeroDivisionError"),
        (lambda: os.kill(os.getpid(), 9), (0, 2), "exit code -9"),
        (lambda: time.sleep(9), (0, 2), "ended after 4 s"),
        (lambda: b"x" * (3 << 29), (0, 2), "GB of memory"),
    ],
)
def test_verdicts(function, wanted, problem):
    seconds = 4 if problem and problem.startswith("ended") else 60  # to fill memory takes long on a busy machine
    found = verdict.problem_of(verdict.forked(function, seconds), wanted)
    assert found is None if problem is None else problem in found


def test_what_is_written_elsewhere_is_found():
    with verdict.scratch() as room:
        assert not verdict.escaped(room)
        (room.parent / verdict.ESCAPED).touch()
        extracted = room / "cache" / "extracted"
        (extracted / "archive").mkdir(parents=True)
        (extracted / verdict.ESCAPED).touch()
        (extracted / "archive" / verdict.ESCAPED).touch()  # in its own folder
        assert set(verdict.escaped(room)) == {room.parent / verdict.ESCAPED, extracted / verdict.ESCAPED}
