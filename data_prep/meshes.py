"""3D models: from a volume to its surface, to files and to a page that turns it, and from files to a volume.

A volume is an array `(R, R, R)` with the axes x, y, z and z up, over the cube [-0.5, 0.5]³; a mesh made of it has z up,
too. The packages for this, trimesh and scikit-image, are installed when they are first needed.
"""

import base64
import html
import importlib.util
import io
import json
import re
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage, sparse

from common.base.errors import InputError, printable
from common.base.files import whole
from common.launch import environment
from data_prep.decode import UnusableError
from data_prep.render import axes_of

GROUP = "meshes"  # of pyproject.toml
PACKAGES = ("trimesh", "skimage")
FORMATS = (".glb", ".obj", ".off", ".ply", ".stl")  # that are read; all but .off are written
Y_UP = (".glb", ".obj", ".binvox")  # the rule of the first, and the habit of those who write the others
MAX_BYTES = 200_000_000  # of a file: what its text takes in memory is ten times that
MAX_FACES = 2_000_000
MAX_RESOLUTION = 512  # of a .binvox file
NEAR_LEVEL = 1e-3  # a value so near to the level would make triangles without an area
SPACING = 0.45  # voxels between the points of a triangle: below half a voxel no gap lets the filling out
FACES, POINTS = 100_000, 1_000_000  # of triangles at a time, which bounds the memory


def package(name):
    """Returns the module trimesh or skimage.measure, after installing its package if it is missing.

    Raises:
        InputError: if it is missing and cannot be installed.
    """
    environment.ensure_on_demand(GROUP, "Files of 3D models", *PACKAGES)
    return importlib.import_module(name)


# From a volume to a file ------------------------------------------------------------------------------------------


def surface(volume, level=0.5):
    """Returns the surface of a volume as a `trimesh.Trimesh`: watertight, its faces outward, z up.

    Args:
        volume: array `(R, R, R)`, bool or probabilities in 0 … 1.
        level: float above 0: the surface is where the probability crosses it.

    Raises:
        InputError: if no voxel reaches the level.

    Marching cubes: Lewiner et al., 2003, Efficient implementation of Marching Cubes' cases with topological guarantees.
    """
    volume = np.pad(np.asarray(volume, np.float32), 1)
    volume = np.where(np.abs(volume - level) < NEAR_LEVEL, level + NEAR_LEVEL, volume)
    if volume.max() <= level:
        raise InputError(
            f"The volume is empty: a voxel of at least {level:g} is expected, the largest is {volume.max():.2g}; "
            "use a lower level, or a model that has been trained for longer."
        )
    vertices, faces, _, _ = package("skimage.measure").marching_cubes(volume, level, gradient_direction="ascent")
    vertices = (vertices - 0.5) / (len(volume) - 2) - 0.5  # from voxels of the padded volume
    return package("trimesh").Trimesh(vertices, faces, process=True)


def smoothed(mesh, steps, share=0.25):
    """Returns a mesh without the steps and bumps of voxels: as closed as it was, with its volume and its thin parts.

    In each step a vertex goes a share of the way to the mean of its neighbours, along the surface as it is, across it
    less what they go on average. So bumps, where they go another way, are levelled, while a pole, all around which they
    go inward, stays as thick as it is; of the usual smoothing one of a voxel is gone after ten steps.

    Args:
        mesh: `trimesh.Trimesh`.
        steps: integer; 0 changes nothing.
        share: float, above 0 and at most 0.25, up to which no pattern of vertices grows.

    References: Taubin, 1995, A signal processing approach to fair surface design; Vollmer et al., 1999, Improved
    Laplacian smoothing of noisy surface meshes, which subtracts such a mean too, but as vectors, whose mean around a
    pole is 0.
    """
    mesh = mesh.copy()
    first, second = mesh.edges_unique.T
    pairs = np.concatenate([first, second]), np.concatenate([second, first])
    neighbours = sparse.coo_array((np.ones(len(pairs[0])), pairs), 2 * mesh.vertices.shape[:1]).tocsr()
    counts = np.maximum(neighbours.sum(axis=1), 1)[:, np.newaxis]
    for _ in range(steps):
        vertices, normals = np.array(mesh.vertices), mesh.vertex_normals
        to_mean = neighbours @ vertices / counts - vertices
        outward = np.sum(to_mean * normals, axis=1, keepdims=True)
        mesh.vertices = vertices + share * (to_mean - normals * (neighbours @ outward / counts))
    return mesh


def save(mesh, path):
    """Writes a mesh with z up as .glb, .obj, .stl or .ply, by the suffix; replaces a file that is there.

    In .glb and .obj y is up: in .glb it has to be, and programs that open .obj expect it.

    Raises:
        InputError: if the suffix is another one.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in FORMATS or kind == ".off":
        raise InputError(f"A 3D model is written as .glb, .obj, .stl or .ply, but {path.name} is none of them.")
    content = with_y_up(mesh).export(file_type=kind[1:]) if kind in Y_UP else mesh.export(file_type=kind[1:])
    with whole(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def with_y_up(mesh):
    """Returns a mesh with z up as one with y up, turned about the x-axis."""
    x, y, z = np.asarray(mesh.vertices).T
    return package("trimesh").Trimesh(np.stack([x, z, -y], 1), mesh.faces, process=False)


# A page -----------------------------------------------------------------------------------------------------------

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; color: #222 }
main { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center }
img { width: 16rem; image-rendering: pixelated; border: 1px solid #ccc }
iframe { flex: 1 1 24rem; height: 32rem; border: 1px solid #ccc }
"""
COLOUR = (120, 135, 160, 255)
# Nothing that the page does can reach the network.
POLICY = "default-src 'none'; img-src data:; connect-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def page(mesh, path, image=None, title="", azimuth=30, elevation=25):
    """Writes one HTML file that shows a mesh, to be turned by mouse or touch, without a network.

    Args:
        mesh: `trimesh.Trimesh` with z up.
        path: of the file, which is replaced if it is there.
        image: uint8 array `(height, width, 1 or 3)`, shown beside the mesh, or None.
        title: string.
        azimuth, elevation: degrees, from where the mesh is first seen, as in `render.views`.
    """
    shown = html.escape(printable(title or "3D model"))
    beside = f'<img alt="the input" src="data:image/png;base64,{png(image)}">' if image is not None else ""
    text = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" '
        f'content="{POLICY}"><title>{shown}</title><style>{STYLE}</style></head>\n<body><h1>{shown}</h1>\n<main>{beside}'
        f'<iframe title="{shown}" srcdoc="{html.escape(viewer(mesh, azimuth, elevation))}"></iframe></main>\n'
        "<p>Drag to turn, scroll or pinch to zoom.</p></body></html>\n"
    )
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def png(image):
    """Returns an image as a PNG file in base64."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def viewer(mesh, azimuth, elevation):
    """Returns trimesh's page with a mesh, three.js and its camera, which stands where that of a view does."""
    trimesh = package("trimesh")
    from trimesh.viewer.notebook import scene_to_html

    turned = with_y_up(mesh)
    material = trimesh.visual.material.PBRMaterial(baseColorFactor=COLOUR, metallicFactor=0.0, roughnessFactor=0.9)
    turned.visual = trimesh.visual.TextureVisuals(material=material)
    turned.vertex_normals  # noqa: B018 (once computed they are in the page, and the shading is smooth)
    scene = turned.scene()
    right, up, back = axes_of(*np.radians((azimuth, elevation)))[:, [0, 2, 1]] * (1, 1, -1)
    pose = np.eye(4)
    pose[:3] = np.stack([right, up, back, scene.centroid + back * 1.2 * scene.scale], 1)
    scene.camera_transform = pose
    return scene_to_html(scene)


# From a file ------------------------------------------------------------------------------------------------------


def read(path):
    """Returns the mesh of an .off, .obj, .stl, .ply or .glb file, one even if the file has several.

    Its up axis is that of the file (`up_of`). Materials and whatever the file refers to outside it are left out.

    Raises:
        InputError: if the file has no mesh, or is too large.
    """
    try:
        mesh = parsed(path)
    except UnusableError as error:
        raise InputError(
            f"{path} {error}; expected is a mesh of at most {MAX_FACES:,} triangles, as {', '.join(FORMATS)}: "
            "simplify it, or export it again."
        ) from error
    vertices, places = np.unique(mesh.vertices + 0.0, axis=0, return_inverse=True)  # .stl has three for each triangle
    return package("trimesh").Trimesh(vertices, places.reshape(-1)[mesh.faces], process=False)


def up_of(path):
    """Returns the axis that is up in files of this kind, "y" or "z", where nothing else is known.

    >>> up_of("chair.glb"), up_of("chair.off")
    ('y', 'z')
    """
    return "y" if Path(path).suffix.lower() in Y_UP else "z"


def parsed(path):
    """Returns the mesh of a file: see `read`; equal vertices are not merged, which takes longer than the rest.

    Raises:
        UnusableError: with the reason.
    """
    kind = Path(path).suffix.lower()[1:]
    if f".{kind}" not in FORMATS:
        raise UnusableError("is not a file of a 3D model")
    data = content(path)
    refuse_many_faces(announced_faces(data, kind))
    trimesh = package("trimesh")
    try:
        # Of bytes and not of a path, so that nothing that the file refers to can be found.
        scene = trimesh.load_scene(io.BytesIO(data), file_type=kind, process=False, skip_materials=True)
        faces = {name: len(part.faces) for name, part in scene.geometry.items() if isinstance(part, trimesh.Trimesh)}
        refuse_many_faces(sum(faces.get(scene.graph[node][1], 0) for node in scene.graph.nodes_geometry))
        found = scene.to_mesh()
        vertices, triangles = np.array(found.vertices, np.float64), np.array(found.faces, np.int64)
    except (UnusableError, MemoryError):
        raise
    except Exception as error:  # its parsers raise whatever damaged bytes lead to
        raise UnusableError(f"cannot be read as {kind.upper()}, or is damaged") from error
    refuse_degenerate(vertices, triangles)
    return trimesh.Trimesh(vertices, triangles, process=False)


def content(path):
    """Returns the bytes of a file.

    Raises:
        UnusableError: if it cannot be read, is empty, or has more than `MAX_BYTES`.
    """
    try:
        path = Path(path)
        if not path.is_file():
            raise UnusableError("does not exist" if not path.exists() else "is not a regular file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise UnusableError(f"has {size / 1e6:,.0f} MB, more than {MAX_BYTES / 1e6:.0f} MB")
        data = path.read_bytes()
    except OSError as error:
        raise UnusableError(f"cannot be read: {error.strerror}") from error
    if not data.strip():
        raise UnusableError("is empty")
    return data


def announced_faces(data, kind):
    """Returns the number of faces, or of vertices if there are more, that a file claims to have, before it is parsed.

    An .stl file in text has no more than its size allows.
    """
    if kind == "off":
        counts = re.search(rb"OFF\D*(\d{1,18})\s+(\d{1,18})", re.sub(rb"#[^\n]*", b"", data[:10_000]))
        return max(map(int, counts.groups())) if counts else 0
    if kind == "ply":
        return max(map(int, re.findall(rb"element\s+\S+\s+(\d{1,18})", data[: data.find(b"end_header")])), default=0)
    if kind == "obj":
        return data.count(b"\nf ")
    if kind == "stl":
        count = int.from_bytes(data[80:84], "little")
        return count if len(data) == 84 + 50 * count else 0
    return glb_numbers(data) // 5 if kind == "glb" else 0


def glb_numbers(data):
    """Returns the length of all arrays of a .glb file together, which may have none of the bytes that they should have.

    A face has three numbers of its own, and half a vertex with up to four.
    """
    try:
        length = int.from_bytes(data[12:16], "little")
        return sum(int(array["count"]) for array in json.loads(data[20 : 20 + length]).get("accessors", ()))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UnusableError("cannot be read as GLB, or is damaged") from error


def refuse_many_faces(count):
    if count > MAX_FACES:
        raise UnusableError(f"has {count:,} faces or vertices, more than {MAX_FACES:,}")


def refuse_degenerate(vertices, faces):
    """Raises an `UnusableError` for a mesh that has no faces, no size, or impossible numbers."""
    if not len(faces):
        raise UnusableError("has no triangles")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise UnusableError("has faces of vertices that are not there")
    corners = used(vertices, faces)
    if not np.isfinite(corners).all() or np.abs(corners).max() > 1e30:
        raise UnusableError("has vertices that are not finite numbers")
    size = np.ptp(corners, 0).max()
    if not size > 0:
        raise UnusableError("has no size: all its vertices are one point")
    if not any(has_area(vertices[part] / size) for part in in_parts(faces)):
        raise UnusableError("has no area: all its triangles are lines")


def used(vertices, faces):
    """Returns the vertices that a face has."""
    is_used = np.zeros(len(vertices), bool)
    is_used[faces] = True
    return vertices[is_used]


def has_area(triangles):
    """Returns whether one of the triangles `(count, 3, 3)`, of a mesh of size 1, is more than a line."""
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return np.abs(np.cross(first, second)).max() > 1e-12


def in_parts(faces):
    """Returns an array of faces as a list of arrays, whose corners take little memory."""
    return np.array_split(faces, 1 + len(faces) // FACES)


# To a volume ------------------------------------------------------------------------------------------------------


def voxels(mesh, resolution, up="z"):
    """Returns the volume of a mesh: the voxels that its surface touches, and those that it encloses.

    The mesh is centred and scaled so that its longest side is one voxel short of the cube: touched, all are occupied.
    A crack narrower than a voxel is closed; where the surface has larger holes, only the surface is occupied.

    Args:
        mesh: `trimesh.Trimesh`.
        resolution: integer, voxels along each side.
        up: "z" or "y", the axis of the mesh that becomes z.

    Returns:
        bool array `(resolution, resolution, resolution)`.
    """
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces)
    corners = used(vertices, faces)
    low, high = corners.min(0), corners.max(0)
    places = (vertices - (low + high) / 2) / (high - low).max() * (resolution - 1) + resolution / 2
    surface_voxels = np.zeros((resolution,) * 3, bool)
    for part in in_parts(faces):
        surface_voxels |= touched(places[part], resolution)
    volume = filled(surface_voxels)
    return with_z_up(volume) if up == "y" else volume


def with_z_up(volume):
    """Returns a volume with y up as one with z up, turned about the x-axis."""
    return volume.transpose(0, 2, 1)[:, ::-1]


def touched(triangles, resolution):
    """Returns the voxels that triangles `(count, 3, 3)` touch, in voxels from the corner of the volume.

    Points on each triangle are at most `SPACING` apart: on the lines from its most acute corner to the opposite side.
    """
    lengths = np.linalg.norm(np.roll(triangles, -1, 1) - triangles, axis=-1)
    order = (lengths.argmin(1)[:, None] + [2, 0, 1]) % 3  # that corner, and the ends of the shortest side
    tips, starts, ends = np.moveaxis(np.take_along_axis(triangles, order[..., None], 1), 1, 0).astype(np.float32)
    volume = np.zeros((resolution,) * 3, bool)
    along, across = (
        2 ** np.ceil(np.log2(np.maximum(side / SPACING, 1))).astype(int) for side in (lengths.max(1), lengths.min(1))
    )
    for pair in set(zip(along.tolist(), across.tolist(), strict=True)):  # powers of two, so that there are few
        s, t = np.meshgrid(*(np.linspace(0, 1, count + 1, dtype=np.float32) for count in pair))
        s, t = s.reshape(-1, 1), t.reshape(-1, 1)
        rows = np.flatnonzero((along == pair[0]) & (across == pair[1]))
        for part in np.array_split(rows, 1 + len(rows) * len(s) // POINTS):
            tip, start, end = (corner[part][:, None] for corner in (tips, starts, ends))
            points = tip + s * (start - tip + t * (end - start))
            x, y, z = np.clip(points.astype(np.int32), 0, resolution - 1).reshape(-1, 3).T
            volume[x, y, z] = True
    return volume


def filled(volume):
    """Returns a bool volume with all that it encloses: what no way along the axes leads to from outside."""
    parts, _ = ndimage.label(~np.pad(volume, 1))
    return (parts != parts[0, 0, 0])[1:-1, 1:-1, 1:-1]


def read_binvox(path):
    """Returns the bool volume of a .binvox file, with the axes of the file: y is up in ShapeNet's.

    Format: a header in text, then pairs of bytes: a value, and how often it is repeated; x is slowest, y fastest.

    Raises:
        UnusableError: if the file is damaged, or no cube.
    """
    header, found, runs = content(path).partition(b"\ndata\n")
    lines = dict(line.partition(" ")[::2] for line in header.decode("latin-1").splitlines())
    sides = lines.get("dim", "").split()
    if not found or not header.startswith(b"#binvox") or len(sides) != 3 or not all(map(str.isdigit, sides)):
        raise UnusableError("cannot be read as BINVOX, or is damaged")
    side = int(sides[0])
    if len(set(sides)) > 1 or not 1 <= side <= MAX_RESOLUTION:
        raise UnusableError(f"has {'×'.join(sides)} voxels; a cube of at most {MAX_RESOLUTION} is expected")
    runs = np.frombuffer(runs[: len(runs) // 2 * 2], np.uint8).reshape(-1, 2)
    if runs[:, 1].sum(dtype=np.int64) != side**3:
        raise UnusableError("is damaged: it has more or fewer voxels than its header says")
    return np.repeat(runs[:, 0] != 0, runs[:, 1]).reshape(side, side, side).transpose(0, 2, 1)
