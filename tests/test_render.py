"""Views of voxel volumes against shapes whose views are known."""

import numpy as np
import pytest

from data_prep import render

pytestmark = pytest.mark.once

RESOLUTION = 32
# The centres of the voxels, from -0.5 to 0.5.
X, Y, Z = np.meshgrid(*3 * [(np.arange(RESOLUTION) + 0.5) / RESOLUTION - 0.5], indexing="ij")
BALL = X**2 + Y**2 + Z**2 < 0.4**2
# From the middle one rod goes along +x, a shorter one along +y, and the shortest up: no two are the same, nor mirrored.
RODS = {
    "x": (X > 0) & (np.hypot(Y, Z) < 0.06),
    "y": (Y > 0) & (Y < 0.35) & (np.hypot(X, Z) < 0.06),
    "z": (Z > 0) & (Z < 0.2) & (np.hypot(X, Y) < 0.06),
}
EVERY_SIDE = [(0, 0), (45, 0), (90, 0), (200, 30), (310, -60), (0, 90), (77, -90)]


def view(volume, azimuth=0, elevation=0, **options):
    return render.views(np.asarray(volume)[None], azimuth, elevation, **options)[0, :, :, 0].astype(float)


def dark(volume, azimuth=0, elevation=0, size=64):
    """Returns the silhouette as shares of each pixel, 1 where all of it is object."""
    return 1 - view(volume, azimuth, elevation, size=size, shaded=False) / 255


def span(silhouette, axis):
    """Returns how far the silhouette reaches from the middle, in sides of the cube: to the left and right, or up and
    down."""
    (places,) = np.nonzero(silhouette.max(axis) > 0.5)
    size = len(silhouette)
    return ((places[0] - size / 2) * render.WIDTH / size, (places[-1] + 1 - size / 2) * render.WIDTH / size)


@pytest.mark.parametrize("azimuth, elevation", EVERY_SIDE)
def test_a_ball_is_a_disc_from_every_side(azimuth, elevation):
    silhouette = dark(BALL, azimuth, elevation)
    assert silhouette.sum() * (render.WIDTH / 64) ** 2 == pytest.approx(
        np.pi * 0.4**2, rel=0.07
    )  # corners of voxels stick out
    assert np.abs(silhouette - dark(BALL)).mean() < 0.02


@pytest.mark.parametrize("azimuth, elevation", EVERY_SIDE)
def test_the_light_comes_from_the_upper_left_whatever_the_side(azimuth, elevation):
    image = view(BALL, azimuth, elevation, size=64)
    inner = image[22:42, 22:42]
    assert inner[:10].mean() > inner[10:].mean() + 15  # above
    assert inner[:, :10].mean() > inner[:, 10:].mean() + 10  # left
    assert np.abs(image - view(BALL, size=64)).mean() < 3


def test_shades_differ_from_the_background():
    image = view(BALL, size=64)
    inside = dark(BALL) == 1
    assert (image[dark(BALL) == 0] == 255).all()
    assert image[inside].min() >= 40 and image[inside].max() <= 220
    assert np.ptp(image[inside]) > 100


@pytest.mark.parametrize("azimuth, width", [(0, 1), (30, np.cos(np.pi / 6) + 0.5), (45, 2**0.5), (90, 1)])
def test_width_of_a_cube_by_azimuth(azimuth, width):
    left, right = span(dark(np.ones_like(BALL), azimuth, size=128), axis=0)
    assert (left, right) == pytest.approx((-width / 2, width / 2), abs=0.02)


def test_a_view_with_the_width_of_the_diagonal_holds_a_cube_whole():
    image = view(np.ones_like(BALL), 45, np.degrees(np.arctan(0.5**0.5)), size=64, width=3**0.5)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    assert (border > 180).all() and (image < 255).any(1)[2:-2].all()


@pytest.mark.parametrize(
    "azimuth, elevation, to_left, to_right, down, up",
    [
        (0, 0, None, "y", None, "z"),
        (90, 0, "x", None, None, "z"),
        (180, 0, "y", None, None, "z"),
        (270, 0, None, "x", None, "z"),
        (0, 90, None, "y", "x", None),  # from above
        (0, -90, None, "y", None, "x"),
    ],
)
def test_no_axis_is_mirrored(azimuth, elevation, to_left, to_right, down, up):
    lengths = {"x": 0.5, "y": 0.35, "z": 0.2, None: 0.06}
    silhouette = dark(np.any(list(RODS.values()), 0), azimuth, elevation, size=128)
    assert span(silhouette, axis=0) == pytest.approx((-lengths[to_left], lengths[to_right]), abs=0.035)
    assert span(silhouette, axis=1) == pytest.approx((-lengths[up], lengths[down]), abs=0.035)


def test_the_nearer_object_is_seen():
    """A plate that is lit hides one that leans away from the light, from its own side only."""
    plate = (np.abs(Y) < 0.3) & (np.abs(Z) < 0.3)
    flat, leaning = plate & (np.abs(X - 0.35) < 0.05), plate & (np.abs(X + 0.2 - Z / 2) < 0.08)
    middle = np.s_[28:36, 28:36]
    alone = [view(part, azimuth, size=64)[middle] for azimuth in (0, 180) for part in (flat, leaning)]
    both = [view(flat | leaning, azimuth, size=64)[middle] for azimuth in (0, 180)]
    assert np.abs(alone[0] - alone[1]).mean() > 10 < np.abs(alone[2] - alone[3]).mean()
    assert np.array_equal(both[0], alone[0]) and np.array_equal(both[1], alone[3])


def test_from_above_the_underside_is_not_seen():
    table = (Z > 0.2) & (Z < 0.3) & (np.hypot(X, Y) < 0.4)
    legs = (Z <= 0.2) & (np.hypot(X, Y) < 0.1)
    assert np.array_equal(dark(table | legs, 0, 90), dark(table, 0, 90))
    assert dark(table | legs).sum() > 1.3 * dark(table).sum()


def test_an_object_beside_the_middle_stays_beside_it():
    off = (np.abs(X + 0.3) < 0.1) & (np.abs(Y - 0.2) < 0.1) & (np.abs(Z + 0.25) < 0.1)
    silhouette = dark(off, 90, 0, size=96)  # x is to the left, z up
    assert span(silhouette, axis=0) == pytest.approx((0.2, 0.4), abs=0.03)
    assert span(silhouette, axis=1) == pytest.approx((0.15, 0.35), abs=0.03)
    assert (view(off, 90, size=96)[silhouette == 0] == 255).all()


def test_thin_parts_are_seen_whole():
    pole = np.zeros_like(BALL)
    pole[16, 16] = True
    for azimuth in (0, 20, 45):
        assert (dark(pole, azimuth, 10, size=96).max(1) > 0.4).sum() == pytest.approx(96 / 1.5, abs=3)


def test_a_thin_plate_is_lit_like_a_thick_one_from_both_sides():
    plate, thick = np.zeros((2, *BALL.shape))
    plate[16] = thick[4:28] = True
    for azimuth in (0, 180):
        image, expected = (view(volume, azimuth, size=64)[20:44, 20:44] for volume in (plate, thick))
        assert np.abs(image - expected).max() < 2


@pytest.mark.parametrize("change", [np.uint8, lambda ball: ball * np.uint8(255), lambda ball: 0.25 + 0.5 * ball])
def test_kinds_of_volumes(change):
    assert np.array_equal(view(change(BALL)), view(BALL))


def test_each_volume_has_its_own_view():
    volumes = np.stack([BALL, RODS["x"], RODS["z"]])
    images = render.views(volumes, [0, 90, 20], [0, 10, 80])
    assert (images.shape, images.dtype) == ((3, 32, 32, 1), np.uint8)
    for image, volume, azimuth, elevation in zip(images, volumes, (0, 90, 20), (0, 10, 80), strict=True):
        assert np.array_equal(image[..., 0], view(volume, azimuth, elevation))


def test_parts_of_a_large_view_fit_together(monkeypatch):
    whole = view(BALL | RODS["x"], 30, 20)
    monkeypatch.setattr(render, "SAMPLES", 5_000)
    assert np.array_equal(view(BALL | RODS["x"], 30, 20), whole)


def test_no_object_and_no_volume():
    assert (view(np.zeros_like(BALL)) == 255).all()
    assert render.views(np.zeros((0, 8, 8, 8)), 0, 0).shape == (0, 32, 32, 1)


@pytest.mark.parametrize("shape", [(8, 8, 8), (1, 8, 8, 4), (2, 8, 8)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"Expected volumes \(count, R, R, R\), but got an array of shape"):
        render.views(np.ones(shape), 0, 0)


def test_a_turntable_goes_all_around():
    volume = np.any(list(RODS.values()), 0)
    frames = render.turntable(volume, frames=4, elevation=10, size=48)
    assert [frame.shape for frame in frames] == [(48, 48, 1)] * 4
    for frame, azimuth in zip(frames, (0, 90, 180, 270), strict=True):
        assert np.array_equal(frame[..., 0], view(volume, azimuth, 10, size=48))
