"""A few cases of each drill of `benchmarks/drills`."""

import subprocess
import sys

import pytest

from tests.conftest import PROJECT

pytestmark = [pytest.mark.once, pytest.mark.slow]


def test_a_minute_of_drills():
    drills = [sys.executable, "-m", "benchmarks.drills", "--quick"]
    done = subprocess.run(drills, cwd=PROJECT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
