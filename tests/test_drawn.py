"""The drawn images on which recipes are tried."""

import numpy as np
import pytest

from benchmarks import drawn

pytestmark = pytest.mark.once


@pytest.mark.parametrize("kind", drawn.KINDS)
def test_images_are_many_in_colour_and_the_same_for_a_seed(kind):
    images = drawn.draw(kind, 20, seed=3)
    assert (images.shape, images.dtype) == ((20, 64, 64, 3), np.uint8)
    assert len(np.unique(images.reshape(20, -1), axis=0)) == 20
    assert np.ptp(images.astype(int), axis=3).max() > 60
    assert np.array_equal(images[:5], drawn.draw(kind, 5, seed=3))
    assert not np.array_equal(images[:5], drawn.draw(kind, 5, seed=4))


def test_a_creature_is_symmetric_and_stands_on_white():
    images = drawn.draw("creatures", 10).astype(int)
    assert np.abs(images - images[:, :, ::-1]).mean() < 4
    assert (images[:, 0] == 255).mean() > 0.9
