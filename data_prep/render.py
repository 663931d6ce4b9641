"""Grey images of voxel volumes: an orthographic ray caster in NumPy.

A volume has the axes x, y, z, with z up, and fills the cube [-0.5, 0.5]³. A camera at azimuth 0 stands on the x-axis
and has y on its right; with the azimuth it goes counterclockwise as seen from above, and with the elevation up.
"""

import math

import numpy as np

WIDTH = 1.5  # of a view, in sides of the cube: a cube seen from a corner fits but for the tips of its corners
RAYS = 2  # along each side of a pixel, whose grey is their mean
STEPS = 2  # along a ray in each voxel
BLUR = 2  # times that the occupancy is blurred before its gradient is the normal
SAMPLES = 2_000_000  # along the rays that are cast at a time, which bounds the memory
LIGHT = np.array([-0.45, 0.65, 1.0]) / math.hypot(0.45, 0.65, 1.0)  # its direction: right, up, to the camera
DARK, BRIGHT, WHITE = 40, 220, 255  # the surface away from the light and facing it, and the background


def views(volumes, azimuths, elevations, size=32, shaded=True, width=WIDTH):
    """Returns one orthographic view of each volume.

    Args:
        volumes: array `(count, R, R, R)`, z up: bool or integers (occupied where not 0), or floats, probabilities
            (occupied from 0.5).
        azimuths: degrees, a number or `(count,)`: 0 looks from +x, 90 from +y.
        elevations: degrees, a number or `(count,)`: 0 looks from the side, 90 from above.
        size: integer, side of the images in pixels.
        shaded: bool, whether the surface is shaded, by a light from the upper left; else it is a black silhouette.
        width: float, what the image spans, in sides of the cube; with √3 a full cube fits in every direction.

    Returns:
        uint8 images `(count, size, size, 1)`: white, 255, around the object, whose greys are 40 to 220; pixels on
        its outline lie between.

    Raises:
        ValueError: if the volumes have another shape.

    >>> views(np.ones((1, 8, 8, 8)), azimuths=0, elevations=0, size=6)[0, :, :, 0] == 255
    array([[ True,  True,  True,  True,  True,  True],
           [ True, False, False, False, False,  True],
           [ True, False, False, False, False,  True],
           [ True, False, False, False, False,  True],
           [ True, False, False, False, False,  True],
           [ True,  True,  True,  True,  True,  True]])
    """
    volumes = np.asarray(volumes)
    if volumes.ndim != 4 or len(set(volumes.shape[1:])) != 1:
        raise ValueError(f"Expected volumes (count, R, R, R), but got an array of shape {volumes.shape}.")
    images = np.empty((len(volumes), size, size, 1), np.uint8)
    angles = (np.broadcast_to(np.radians(angles), len(volumes)) for angles in (azimuths, elevations))
    for image, volume, azimuth, elevation in zip(images, volumes, *angles, strict=True):
        image[..., 0] = view(occupied(volume), axes_of(azimuth, elevation), size, shaded, width)
    return images


def turntable(volume, frames=24, elevation=25, size=128):
    """Returns the views of a volume `(R, R, R)` all around it, a list of uint8 images `(size, size, 1)`."""
    azimuths = np.arange(frames) * 360 / frames
    return list(views(np.broadcast_to(volume, (frames, *np.shape(volume))), azimuths, elevation, size))


def occupied(volume):
    """Returns a volume as bool."""
    return volume >= 0.5 if volume.dtype.kind == "f" else volume != 0


def axes_of(azimuth, elevation):
    """Returns the axes of a camera, `(3, 3)`: the directions right, up, and to the camera; angles in radians."""
    sin_a, cos_a, sin_e, cos_e = math.sin(azimuth), math.cos(azimuth), math.sin(elevation), math.cos(elevation)
    right = (-sin_a, cos_a, 0)
    up = (-sin_e * cos_a, -sin_e * sin_a, cos_e)
    return np.array([right, up, (cos_e * cos_a, cos_e * sin_a, sin_e)])


def view(solid, axes, size, shaded, width):
    """Returns one view `(size, size)` of a bool volume `(R, R, R)`, by a camera with the axes."""
    resolution, count = len(solid), size * RAYS
    greys = np.full((count, count), float(WHITE))
    if not solid.any():
        return greys[::RAYS, ::RAYS]
    solid, middle = cropped(solid)
    reach = np.abs(axes) @ (np.array(solid.shape) / 2) + 1e-6  # to the right, up and to the camera, in voxels
    places = ((np.arange(count) + 0.5) / count - 0.5) * width * resolution  # of the rays, in voxels
    across, up, _ = axes @ middle
    columns = np.flatnonzero(np.abs(places - across) < reach[0])
    rows = np.flatnonzero(np.abs(-places - up) < reach[1])
    depths = np.arange(-reach[2], reach[2], 1 / STEPS)
    space = np.pad(solid, 1 + math.ceil(np.linalg.norm(reach)))
    field = gradient(blurred(np.pad(solid, BLUR + 3).astype(np.float32))) if shaded else None
    for part in np.array_split(rows, 1 + len(rows) * len(columns) * len(depths) // SAMPLES):
        hits, points = cast(space, axes, places[columns] - across, -places[part] - up, depths)
        seen = np.full(hits.shape, float(WHITE))
        seen[hits] = shade(field, axes, points) if shaded else 0
        greys[np.ix_(part, columns)] = seen
    return np.rint(greys.reshape(size, RAYS, size, RAYS).mean((1, 3)))


def cropped(solid):
    """Returns the part of a volume that holds the object, and how far its centre is from that of the volume."""
    ends = [(layers.min(), layers.max() + 1) for layers in np.nonzero(solid)]
    part = solid[tuple(slice(*pair) for pair in ends)]
    return part, np.mean(ends, 1) - len(solid) / 2


def cast(space, axes, columns, rows, depths):
    """Casts a ray through each column of some rows of a view.

    Args:
        space: bool array, the object in the middle of so much space that no ray leaves it.
        axes: of the camera.
        columns, rows, depths: in voxels from the centre of the space: the places of the rays to the right and up, and
            of the samples along them, away from the camera.

    Returns:
        which rays hit the object `(rows, columns)`, and the points just before they do, `(hits, 3)`, from the centre.
    """
    right, up, back = axes
    # A row is a plane, which a column shifts to the right. That way is level: z is the same for all columns.
    x, y, z = (np.add.outer(up[i] * rows, space.shape[i] / 2 - back[i] * depths).astype(np.float32) for i in range(3))
    index = z.astype(np.intp)[:, None]
    for start, way, stride in ((y, right[1], space.shape[2]), (x, right[0], space.shape[1] * space.shape[2])):
        index = index + (start[:, None] + (way * columns).astype(np.float32)[:, None]).astype(np.intp) * stride
    inside = space.ravel().take(index)
    first = inside.argmax(-1)
    hits = np.take_along_axis(inside, first[..., None], -1)[..., 0]
    row, column = np.nonzero(hits)
    return hits, np.stack([columns[column], rows[row], -depths[first[hits]] + 1 / STEPS], 1) @ axes


# Shading ----------------------------------------------------------------------------------------------------------


def shade(field, axes, points):
    """Returns the greys of points of the surface, `(count, 3)` in voxels from the centre of the `gradient` there."""
    inward = interpolated(field, points)
    normals = -inward / np.maximum(np.linalg.norm(inward, axis=-1, keepdims=True), 1e-9)
    darkest = -math.hypot(*LIGHT[:2])  # of what the camera sees
    return DARK + (BRIGHT - DARK) * np.clip((normals @ (LIGHT @ axes) - darkest) / (1 - darkest), 0, 1)


def blurred(volume):
    """Returns a volume blurred by about a voxel; two layers are lost on each side."""
    for _ in range(BLUR):
        for _ in range(3):
            volume = np.moveaxis(volume[:-2] + 2 * volume[1:-1] + volume[2:], 0, 2)
    return volume


def gradient(volume):
    """Returns the differences along each axis, `(…, 3)`; a layer is lost on each side."""
    inner, below, above = slice(1, -1), slice(None, -2), slice(2, None)

    def shifted(axis, place):
        return volume[tuple(place if other == axis else inner for other in range(3))]

    return np.stack([shifted(axis, above) - shifted(axis, below) for axis in range(3)], -1)


def interpolated(field, points):
    """Returns the vectors of a field `(…, 3)` at points in voxels from its centre, trilinearly."""
    shape = np.array(field.shape[:3])
    places = points + (shape - 1) / 2
    corners = places.astype(np.intp)
    above = (places - corners).astype(np.float32)
    shares = (1 - above, above)
    rows, strides = field.reshape(-1, 3), (shape[1] * shape[2], shape[2], 1)
    start, found = (corners * strides).sum(-1), 0
    for i, j, k in np.ndindex(2, 2, 2):
        weights = shares[i][:, 0] * shares[j][:, 1] * shares[k][:, 2]
        found = found + weights[:, None] * rows.take(start + np.dot((i, j, k), strides), axis=0)
    return found
