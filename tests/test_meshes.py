"""3D models: surfaces of volumes, files of meshes, voxels of meshes, and the page that turns one."""

import base64
import importlib.util
import io
import json
import re
import shutil
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import trimesh
from PIL import Image

from common.base.errors import InputError
from common.launch import environment
from data_prep import meshes, render
from data_prep.decode import UnusableError
from tests.conftest import PROJECT
from tests.files import binvox

pytestmark = pytest.mark.once

RESOLUTION = 32
X, Y, Z = np.meshgrid(*3 * [(np.arange(RESOLUTION) + 0.5) / RESOLUTION - 0.5], indexing="ij")
BALL = X**2 + Y**2 + Z**2 < 0.5**2
# Rods of three lengths along the axes, from one corner, and so unlike its mirror images; in the middle as a whole.
RODS = (
    ((np.abs(Y + 0.2) < 0.1) & (np.abs(Z + 0.3) < 0.1))
    | ((X < -0.3) & (np.abs(Y) < 0.3) & (np.abs(Z + 0.3) < 0.1))
    | ((X < -0.3) & (np.abs(Y + 0.2) < 0.1) & (np.abs(Z) < 0.4))
)
WRITTEN = (".glb", ".obj", ".ply", ".stl")


def overlap(a, b):
    """Returns the intersection over union."""
    return (a & b).sum() / (a | b).sum()


# Surfaces ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("volume", [BALL, RODS, np.ones((4, 4, 4)), np.where(BALL, 0.5, 0.0)])
def test_a_surface_is_closed_and_outward(volume):
    mesh = meshes.surface(volume)
    assert mesh.is_watertight and mesh.is_winding_consistent
    assert mesh.volume == pytest.approx((volume > 0).mean(), rel=0.1)  # negative if the faces looked inward


def test_a_surface_is_closed_whatever_the_values():
    values = np.random.default_rng(0).random((10, 10, 10)).round(1)  # many of them exactly the level
    for level in (0.2, 0.5, 0.9):
        assert meshes.surface(values, level).is_watertight


def test_a_surface_lies_where_its_volume_does():
    box = (X > 0.25) & (np.abs(Y) < 0.125) & (Z < -0.375)
    assert meshes.surface(box).bounds == pytest.approx(np.array([[0.25, -0.125, -0.5], [0.5, 0.125, -0.375]]))


def test_a_probability_places_the_surface_between_voxels():
    ramp = np.clip(0.5 - (X - 0.1) * 8, 0, 1)
    assert meshes.surface(ramp).bounds[1, 0] == pytest.approx(0.1, abs=1e-3)


def test_an_empty_volume_has_no_surface():
    with pytest.raises(InputError, match=r"a voxel of at least 0\.5 is expected, the largest is 0\.4; use a lower"):
        meshes.surface(np.full((8, 8, 8), 0.4))


# Smoothing ----------------------------------------------------------------------------------------------------------


def roughness(mesh):
    """Returns the mean angle between neighbouring faces."""
    return mesh.face_adjacency_angles.mean()


POLE = (np.maximum(np.abs(X + 1 / 64), np.abs(Y + 1 / 64)) < 1 / 64) & (np.abs(Z) < 0.4)  # a voxel wide
NOISY = np.clip(0.5 - 8 * (np.sqrt(X**2 + Y**2 + Z**2) - 0.35), 0, 1) + np.random.default_rng(0).normal(0, 0.1, X.shape)


@pytest.mark.parametrize(
    "volume, rougher", [(BALL, 1.5), (NOISY, 1.2), (RODS, None), (POLE, None)], ids=["ball", "noise", "rods", "pole"]
)
def test_a_smoothed_surface_is_closed_smoother_and_as_large(volume, rougher):
    mesh = meshes.surface(volume)
    smooth = meshes.smoothed(mesh, 10)
    assert smooth.is_watertight and smooth.is_winding_consistent
    assert smooth.volume == pytest.approx(mesh.volume, rel=0.03)
    assert smooth.extents == pytest.approx(mesh.extents, abs=1 / RESOLUTION)
    if rougher:  # than what is smoothed; boxes and poles have no bumps
        assert roughness(mesh) > rougher * roughness(smooth)


def test_a_pole_of_one_voxel_is_as_thick_as_before():
    mesh = meshes.surface(POLE)
    assert POLE.any((1, 2)).sum() == POLE.any((0, 2)).sum() == 1
    middle = np.abs(mesh.vertices[:, 2]) < 0.3
    for steps in (10, 100):
        found = meshes.smoothed(mesh, steps).vertices[middle]
        assert np.ptp(found[:, :2], axis=0) == pytest.approx([1 / RESOLUTION] * 2, rel=0.2)


def test_smoothing_leaves_its_mesh_and_with_no_step_nothing_changes():
    mesh = meshes.surface(BALL)
    before = mesh.vertices.copy()
    assert np.array_equal(meshes.smoothed(mesh, 0).vertices, before)
    meshes.smoothed(mesh, 3)
    assert np.array_equal(mesh.vertices, before)


# Files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_written_mesh_is_read_as_it_was(tmp_path, suffix):
    mesh = meshes.surface(RODS)
    meshes.save(mesh, tmp_path / f"rods{suffix}")
    found = meshes.read(tmp_path / f"rods{suffix}")
    assert found.is_watertight and len(found.faces) == len(mesh.faces)
    volume = meshes.voxels(found, RESOLUTION, meshes.up_of(f"rods{suffix}"))
    assert np.array_equal(volume, meshes.voxels(mesh, RESOLUTION))
    mirrored = (RODS[::-1], RODS[:, ::-1], RODS[..., ::-1], RODS.transpose(0, 2, 1))
    assert overlap(volume, RODS) > 0.75 > 0.5 > max(overlap(volume, other) for other in mirrored)


@pytest.mark.parametrize("suffix, is_y_up", [(".glb", True), (".obj", True), (".ply", False), (".stl", False)])
def test_y_is_up_where_the_format_says_so_and_nothing_is_mirrored(tmp_path, suffix, is_y_up):
    mesh = meshes.surface(RODS)
    meshes.save(mesh, tmp_path / f"rods{suffix}")
    file = trimesh.load(tmp_path / f"rods{suffix}", force="mesh")
    low, high = mesh.bounds
    expected = [[low[0], low[2], -high[1]], [high[0], high[2], -low[1]]] if is_y_up else [low, high]
    assert file.bounds == pytest.approx(np.array(expected), abs=1e-5)
    assert file.volume == pytest.approx(mesh.volume, rel=1e-3)  # of a mirrored one it is negative


def test_a_file_is_replaced_and_another_suffix_refused(tmp_path):
    path = tmp_path / "ball.STL"
    path.write_text("before")
    meshes.save(meshes.surface(BALL), path)
    assert [path.name for path in tmp_path.iterdir()] == ["ball.STL"] and meshes.read(path).is_watertight
    with pytest.raises(InputError, match=r"written as \.glb, \.obj, \.stl or \.ply, but ball\.fbx is none of them"):
        meshes.save(meshes.surface(BALL), tmp_path / "ball.fbx")


@pytest.mark.parametrize(
    "text",
    [
        "OFF\n4 2 0\n{}",
        "OFF4 2 0\n{}",  # as ModelNet has it
        "OFF 4 2 0\r\n{}",
        "# 9 vertices\nOFF\n# and 99 faces\n\n4 2 0\n{}",
    ],
)
def test_variants_of_off(tmp_path, text):
    (tmp_path / "a.off").write_text(text.format("0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n3 0 2 3\n"))
    mesh = meshes.read(tmp_path / "a.off")
    assert mesh.area == pytest.approx(1) and len(mesh.faces) == 2


def test_a_face_of_four_corners_and_colours(tmp_path):
    corners = "0 0 0 1 0 0 1\n1 0 0 1 0 0 1\n1 1 0 1 1 1 1\n0 1 0 1 1 1 1\n"
    (tmp_path / "a.off").write_text(f"COFF\n4 1 0\n{corners}4 0 1 2 3 0.5 0.5 0.5\n")
    assert meshes.read(tmp_path / "a.off").area == pytest.approx(1)


def test_several_parts_are_one_mesh(tmp_path):
    parts = [trimesh.creation.box((1, 1, 1)).apply_translation((offset, 0, 0)) for offset in (0, 2)]
    trimesh.Scene(parts).export(tmp_path / "two.glb")
    assert meshes.read(tmp_path / "two.glb").extents == pytest.approx([3, 1, 1])


def glb(tree, numbers=b""):
    """Returns the bytes of a .glb file."""
    text = json.dumps({"asset": {"version": "2.0"}, **tree}).encode()
    text += b" " * (-len(text) % 4)
    parts = [(b"JSON", text)] + ([(b"BIN\0", numbers)] if numbers else [])
    chunks = b"".join(struct.pack("<I4s", len(part), kind) + part for kind, part in parts)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def triangle(**buffer):
    """Returns the tree of a .glb file with one triangle."""
    return {
        "buffers": [{"byteLength": 36, **buffer}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "accessors": [{"bufferView": 0, "count": 3, "componentType": 5126, "type": "VEC3"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
    }


CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
PLY = "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\n"
BAD = {
    "text.off": (b"a shopping list", "cannot be read as OFF, or is damaged"),
    "text.obj": (b"a shopping list", "has no triangles"),
    "text.stl": (b"a shopping list", "has no triangles"),
    "text.ply": (b"a shopping list", "cannot be read as PLY"),
    "text.glb": (b"a shopping list, which is long enough", "cannot be read as GLB"),
    "list.txt": (b"a shopping list", "is not a file of a 3D model"),
    "empty.off": (b" \n", "is empty"),
    "vertices.off": (b"OFF\n3 0 0\n0 0 0\n1 0 0\n0 1 0\n", "has no triangles"),
    "point.off": (b"OFF\n3 1 0\n1 1 1\n1 1 1\n1 1 1\n3 0 1 2\n", "has no size"),
    "lines.off": (
        b"OFF\n4 2 0\n0 0 0\n1 1 0\n2 2 0\n3 3 0\n3 0 1 2\n3 0 0 3\n",
        "has no area: all its triangles are lines",
    ),
    "nan.off": (b"OFF\n3 1 0\nnan 0 0\n1 0 0\n0 1 0\n3 0 1 2\n", "not finite numbers"),
    "far.obj": (b"v 1e200 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not finite numbers"),
    "range.off": (b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 9\n", "damaged"),
    "range.glb": (glb({**triangle(), "meshes": [{"primitives": [{"attributes": {"POSITION": 7}}]}]}, CORNERS), "GLB"),
    "cut.off": (b"OFF\n3 1 0\n0 0 0\n1 0", "damaged"),
    "claims.off": (b"OFF4 999999999999 0\n0 0 0", "has 999,999,999,999 faces or vertices, more than 2,000,000"),
    "claims.ply": ((PLY.format(10**9) + "end_header\n").encode(), "has 1,000,000,000 faces or vertices"),
    "claims.glb": (glb({"accessors": [{"count": 10**9, "componentType": 5126, "type": "VEC3"}]}), "faces or vertices"),
    "many.glb": (glb({**triangle(), "nodes": [{"mesh": 0}] * 9, "scenes": [{"nodes": [*range(9)]}]}, CORNERS), "has 9"),
    "many.stl": (bytes(80) + struct.pack("<I", 9) + bytes(9 * 50), "has 9 faces or vertices, more than 8"),
    "deep.glb": (struct.pack("<4sIII4s", b"glTF", 2, 0, 100_000, b"JSON") + b"[" * 100_000, "cannot be read as GLB"),
    "else.glb": (glb(triangle(uri="corners.bin")), "cannot be read as GLB"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_sentence(tmp_path, monkeypatch, capfd, name):
    content, reason = BAD[name]
    if name.startswith("many"):  # in the .glb each node shows the triangle once more
        monkeypatch.setattr(meshes, "MAX_FACES", 8)
    (tmp_path / "corners.bin").write_bytes(CORNERS)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        meshes.read(tmp_path / name)
    assert reason in str(caught.value) and "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / name} ") and str(caught.value).endswith("or export it again.")
    assert capfd.readouterr() == ("", "")


def test_a_large_file_is_not_opened(tmp_path):
    with (tmp_path / "large.stl").open("wb") as file:
        file.truncate(meshes.MAX_BYTES + 1_000_000)  # sparse
    with pytest.raises(InputError, match="has 201 MB, more than 200 MB"):
        meshes.read(tmp_path / "large.stl")
    with pytest.raises(InputError, match="does not exist"):
        meshes.read(tmp_path / "missing.stl")
    with pytest.raises(InputError, match="is not a regular file"):
        (tmp_path / "folder.stl").mkdir()
        meshes.read(tmp_path / "folder.stl")


def test_what_a_file_refers_to_is_not_opened(tmp_path, monkeypatch):
    opened = []
    for resolver in ("FilePathResolver", "WebResolver"):
        monkeypatch.setattr(getattr(trimesh.resolvers, resolver), "get", lambda self, name: opened.append(name))
    (tmp_path / "a.mtl").write_text("newmtl red\nmap_Kd a.png\n")
    (tmp_path / "a.obj").write_text("mtllib a.mtl\nusemtl red\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert len(meshes.read(tmp_path / "a.obj").faces) == 1
    trimesh.load(tmp_path / "a.obj", process=False)
    assert opened == ["a.mtl"]  # by this last line, which shows that it would have been


@pytest.mark.parametrize("suffix", (*WRITTEN, ".off", ".binvox"))
def test_damaged_bytes_are_refused_or_read(tmp_path, suffix):
    mesh, path, rng = trimesh.creation.icosphere(1), tmp_path / f"a{suffix}", np.random.default_rng(0)
    whole = binvox(BALL) if suffix == ".binvox" else mesh.export(file_type=suffix[1:])
    whole = bytearray(whole.encode() if isinstance(whole, str) else whole)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, min(len(damaged), rng.choice([200, len(damaged)])), 3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(damaged))] if rng.random() < 0.3 else damaged)
        try:
            found = meshes.read_binvox(path) if suffix == ".binvox" else meshes.parsed(path)
        except UnusableError:
            continue
        assert found.shape == BALL.shape if suffix == ".binvox" else np.isfinite(found.vertices).all()


# Voxels -----------------------------------------------------------------------------------------------------------


def test_a_ball_comes_back():
    volume = meshes.voxels(meshes.surface(BALL), RESOLUTION)
    assert volume.dtype == bool and volume.shape == BALL.shape
    assert overlap(volume, BALL) > 0.95


def test_the_longest_side_fills_the_cube_and_the_middle_is_in_the_middle():
    mesh = trimesh.creation.box((1, 2, 4)).apply_translation((100, -7, 3))
    for up, sides in (("z", (8, 16, 32)), ("y", (8, 32, 16))):
        volume = meshes.voxels(mesh, RESOLUTION, up)
        for axis, side in enumerate(sides):
            (layers,) = np.nonzero(volume.any(tuple({0, 1, 2} - {axis})))
            assert layers[-1] + 1 - layers[0] == pytest.approx(side, abs=2)
            assert layers[0] + layers[-1] == pytest.approx(RESOLUTION - 1, abs=1)


def test_a_mesh_is_turned_up_as_its_volume_is():
    mesh = meshes.surface(RODS)
    turned = meshes.voxels(mesh, RESOLUTION, "y")
    assert np.array_equal(turned, meshes.with_z_up(meshes.voxels(mesh, RESOLUTION)))
    assert overlap(meshes.voxels(meshes.with_y_up(mesh), RESOLUTION, "y"), meshes.voxels(mesh, RESOLUTION)) > 0.99


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("sides", [(4, 3, 2), (4, 0.8, 0.8)])
def test_closed_meshes_are_filled_from_every_side(seed, sides):
    """Long triangles have no gaps: through one the inside would count as outside."""
    turn = trimesh.transformations.random_rotation_matrix(np.random.default_rng(seed).random(3))
    box = trimesh.creation.box(sides).apply_transform(turn)
    scale = (RESOLUTION - 1) / box.extents.max()
    assert meshes.voxels(box, RESOLUTION).sum() > 0.98 * np.prod(sides) * scale**3


def test_a_mesh_with_a_hole_keeps_its_surface():
    box = trimesh.creation.box((1, 1, 1))
    volume = meshes.voxels(trimesh.Trimesh(box.vertices, box.faces[box.face_normals[:, 2] < 0.5]), RESOLUTION)
    assert not volume[4:-4, 4:-4, 4:-4].any()
    assert volume[:, :, 0].all() and volume[0].all() and volume[:, -1].all()


def test_a_crack_is_closed():
    box = trimesh.creation.box((1, 1, 1))
    is_lid = box.face_normals[:, 2] > 0.5
    for share, is_filled in ((0.98, True), (0.8, False)):  # of the width, in the lid: a third of a voxel on each side
        lid = box.vertices[box.faces[is_lid]] * (share, share, 1)
        corners = np.concatenate([box.vertices[box.faces[~is_lid]], lid]).reshape(-1, 3)
        mesh = trimesh.Trimesh(corners, np.arange(len(corners)).reshape(-1, 3))
        assert not mesh.is_watertight
        assert meshes.voxels(mesh, RESOLUTION).all() == is_filled


def test_a_flat_mesh_is_one_voxel_thick():
    square = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    volume = meshes.voxels(square, RESOLUTION)
    assert volume.any(2).all() and volume.sum() == RESOLUTION**2


def globe(side):
    """Returns a ball of 2 * side² faces, with a pinhole at each pole."""
    around, along = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    azimuths, angles = around * 2 * np.pi / side, (along + 0.5) * np.pi / side
    ball = np.stack([np.cos(azimuths) * np.sin(angles), np.sin(azimuths) * np.sin(angles), np.cos(angles)], -1)
    here, above = along + side * around, np.minimum(along + 1, side - 1) + side * around
    beside, both = (here + side) % side**2, (above + side) % side**2
    faces = np.stack([[here, beside, both], [here, both, above]]).reshape(2, 3, -1).transpose(0, 2, 1).reshape(-1, 3)
    return trimesh.Trimesh(ball.reshape(-1, 3), faces, process=False)


@pytest.mark.slow
def test_a_mesh_of_a_million_faces_takes_little_memory():
    mesh = globe(720)
    assert len(mesh.faces) > 1_000_000
    tracemalloc.start()
    volume = meshes.voxels(mesh, RESOLUTION)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 120e6  # its corners alone are 75 MB, and what is computed of them several times that
    assert overlap(volume, meshes.voxels(trimesh.creation.icosphere(4), RESOLUTION)) > 0.95


def test_cavities_are_filled_and_openings_are_not():
    shell = BALL & (X**2 + Y**2 + Z**2 > 0.4**2)
    assert np.array_equal(meshes.filled(shell), BALL)
    tunnel = BALL & (np.hypot(X, Y) > 0.1)
    assert np.array_equal(meshes.filled(tunnel), tunnel)


def test_parts_of_many_triangles_make_the_same_volume(monkeypatch):
    mesh = trimesh.creation.icosphere(3)
    whole = meshes.voxels(mesh, RESOLUTION)
    monkeypatch.setattr(meshes, "POINTS", 50)
    assert np.array_equal(meshes.voxels(mesh, RESOLUTION), whole)


def test_binvox_has_its_axes(tmp_path):
    (tmp_path / "a.binvox").write_bytes(binvox(RODS))
    assert np.array_equal(meshes.read_binvox(tmp_path / "a.binvox"), RODS)
    theirs = trimesh.load(tmp_path / "a.binvox").matrix
    assert np.array_equal(theirs, RODS)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"a shopping list", "cannot be read as BINVOX"),
        (binvox(BALL, "32 32"), "cannot be read as BINVOX"),
        (binvox(BALL, "32 32 16"), "has 32×32×16 voxels; a cube"),
        (binvox(BALL, "99999 99999 99999"), "a cube of at most 512"),
        (binvox(BALL, "16 16 16"), "more or fewer voxels than its header says"),
        (binvox(BALL)[:-20], "more or fewer voxels"),
    ],
)
def test_bad_binvox(tmp_path, content, reason):
    (tmp_path / "a.binvox").write_bytes(content)
    with pytest.raises(UnusableError, match=reason):
        meshes.read_binvox(tmp_path / "a.binvox")


# The page ---------------------------------------------------------------------------------------------------------

IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 1), np.uint8)


def test_the_page_needs_no_network_and_has_the_image(tmp_path):
    meshes.page(meshes.surface(BALL), tmp_path / "ball.html", IMAGE, "<script>&'\"\x1b")
    text = (tmp_path / "ball.html").read_text("utf-8")
    assert {source[:5] for source in re.findall(r"""(?:src|href)=(?:&quot;|["'])([^"'&]+)""", text)} == {"data:"}
    urls = set(re.findall(r"https?://[\w./-]+", text))
    assert urls <= {"http://www.w3.org/1999/xhtml", "https://github.com/mrdoob/three.js/pull/23228"}  # names, a message
    assert "default-src 'none'" in text and "connect-src data:" in text
    (png,) = re.findall(r"data:image/png;base64,([\w+/=]+)", text)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))), IMAGE[..., 0])
    assert "<title>&lt;script&gt;&amp;&#x27;&quot;\\x1b</title>" in text and "<script>" not in text


def test_a_page_without_an_image(tmp_path):
    meshes.page(meshes.surface(BALL), tmp_path / "ball.html")
    assert "<img" not in (tmp_path / "ball.html").read_text("utf-8")


# Looks at the canvas, turns the mesh as a mouse would, looks again, and leaves what it saw in the title.
LOOK = """<script>
addEventListener("load", () => setTimeout(() => {
  const inner = document.querySelector("iframe").contentWindow, canvas = inner.document.querySelector("canvas");
  canvas.setPointerCapture = canvas.releasePointerCapture = () => {};  // of a pointer that is none
  const look = () => {
    inner.render();
    const gl = inner.renderer.getContext(), pixels = new Uint8Array(4 * gl.drawingBufferWidth * gl.drawingBufferHeight);
    gl.readPixels(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    let dark = 0, left = 0;
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i] < 250) {
      dark++;
      if (i / 4 % gl.drawingBufferWidth < gl.drawingBufferWidth / 2) left++;
    }
    return [dark / (pixels.length / 4), left / dark];
  };
  const point = (kind, x) => canvas.dispatchEvent(new inner.PointerEvent(kind,
    {pointerId: 1, pointerType: "mouse", button: 0, clientX: x, clientY: 200, bubbles: true}));
  const before = look();
  point("pointerdown", 100); point("pointermove", 250);
  setTimeout(() => { point("pointerup", 250); document.title = "saw " + JSON.stringify([before, look()]); }, 500);
}, 1500));
</script>"""


@pytest.mark.slow
def test_a_browser_shows_the_mesh_and_turns_it(tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if not browser:
        pytest.skip("there is no Chromium on this machine")
    side = (np.abs(X) < 0.1) & (Y > 0) & (np.abs(Z) < 0.2)  # on the right, seen from +x
    anchor = (np.abs(X) < 0.1) & (Y < -0.45) & (np.abs(Z) < 0.05)
    meshes.page(meshes.surface(side | anchor), tmp_path / "a.html", azimuth=0, elevation=0)
    text = (tmp_path / "a.html").read_text("utf-8")
    (tmp_path / "a.html").write_text(text.replace("</head>", LOOK + "</head>"), "utf-8")
    options = ["--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--dump-dom"]
    command = [browser, *options, "--virtual-time-budget=20000", f"--user-data-dir={tmp_path / 'profile'}"]
    answer = subprocess.run([*command, f"file://{tmp_path / 'a.html'}"], capture_output=True, text=True, timeout=120)
    saw = re.search(r"<title>saw (.*?)</title>", answer.stdout)
    assert saw, answer.stderr[-2000:]
    (dark, left), (turned, _) = json.loads(saw[1])
    assert 0.02 < dark < 0.6 and left < 0.3
    assert abs(turned - dark) > 0.1 * dark


# The packages -----------------------------------------------------------------------------------------------------


def test_importing_the_module_imports_no_package():
    code = "import sys, data_prep.meshes; print(sorted({'trimesh', 'skimage', 'keras'} & sys.modules.keys()))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True)
    assert answer.stdout == "[]\n"


def test_missing_packages_are_installed_or_a_sentence_says_which(monkeypatch):
    monkeypatch.setattr(meshes.importlib.util, "find_spec", lambda name: None if name == "trimesh" else importlib)
    asked = []
    monkeypatch.setattr(environment, "ensure", asked.append)
    monkeypatch.setattr(environment, "VENV", environment.Path(sys.prefix))
    assert meshes.package("trimesh") is trimesh
    assert asked == [["meshes"]]
    monkeypatch.setattr(environment, "VENV", environment.Path(sys.prefix) / "other")
    with pytest.raises(
        InputError, match=r"3D models need .* not the environment of the project; install scikit-image=="
    ):
        meshes.surface(BALL)


def test_the_page_shows_the_mesh_as_a_view_does():
    """The camera of the page, turned back to z up, has the axes of that of a view."""
    page = meshes.viewer(meshes.surface(BALL), 30, 25)
    data = base64.b64decode(re.search(r'base64_data="([^"]+)"', page)[1])
    scene = trimesh.load_scene(io.BytesIO(data), file_type="glb")
    right, up, back = scene.graph[scene.camera.name][0][:3, :3].T[:, [0, 2, 1]] * (1, -1, 1)
    assert np.array([right, up, back]) == pytest.approx(render.axes_of(*np.radians((30, 25))), abs=1e-4)
