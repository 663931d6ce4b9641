"""`benchmarks/broken_copies.py` can still make each of its mistakes, and knows the test that should fail."""

import pytest

from benchmarks.broken_copies import MISTAKES, PROJECT

pytestmark = pytest.mark.once


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mistake_applies_to_the_code_as_it_is(mistake):
    assert (PROJECT / mistake.file).read_text("utf-8").count(mistake.right) == 1
    file, name = mistake.test.split("::")
    assert f"def {name.partition('[')[0]}(" in (PROJECT / file).read_text("utf-8")
