"""3D models as volumes: folders, arrays, classes, parts, copies, and files that cannot be used."""

import numpy as np
import pytest
import trimesh

from common.base.arguments import parse
from common.base.errors import InputError
from common.training import data_record
from data_prep import folders, meshes, report_models, volumes
from data_prep.__main__ import main
from data_prep.skipped import Skipped
from data_prep.volumes import VolumeOptions
from tests.files import binvox, write_many

pytestmark = pytest.mark.once

SIDE = 16


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path_factory.mktemp("cache")))


def boxes(count, seed=0):
    """Returns volumes of different boxes, which fill the height of the cube."""
    rng = np.random.default_rng(seed)
    found = np.zeros((count, SIDE, SIDE, SIDE), bool)
    sides = rng.permutation([(width, depth) for width in range(1, SIDE) for depth in range(1, SIDE)])[:count]
    for volume, (width, depth) in zip(found, sides, strict=True):
        volume[:width, :depth] = True
    return found


def write_box(path, sides, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    trimesh.creation.box(sides).export(path, **options)


def write_boxes(folder, numbers):
    """Writes boxes of which no two have the same voxels."""
    for number in numbers:
        write_box(folder / f"{number:02d}.stl", (1 + 2 * (number % 7), 1 + 2 * (number // 7), SIDE - 1))


def no_data():
    raise AssertionError("the embedded data was asked for")


def load(data, **options):
    return volumes.load(VolumeOptions(data=data, **options), SIDE, no_data)


def counts(found):
    """Returns the number of models for each class and part."""
    pairs = [(found.class_names[label], str(split)) for label, split in zip(found.labels, found.splits, strict=True)]
    return {pair: pairs.count(pair) for pair in pairs}


# Arrays -----------------------------------------------------------------------------------------------------------


def test_embedded_classes_are_held_out_alike_for_each_seed():
    data = {"chair": boxes(100), "table": boxes(40, seed=1)[:, ::-1]}
    found, again, other = (volumes.load(VolumeOptions(), SIDE, lambda: data, seed) for seed in (0, 0, 1))
    assert counts(found) == {
        **{("chair", "train"): 81, ("chair", "validation"): 9, ("chair", "test"): 10},
        **{("table", "train"): 32, ("table", "validation"): 4, ("table", "test"): 4},
    }
    assert found.volumes.dtype == bool and found.volumes.shape == (140, SIDE, SIDE, SIDE)
    assert np.array_equal(found.splits, again.splits) and not np.array_equal(found.splits, other.splits)
    for row, name in enumerate(found.names):
        kind, place = name.split("/")
        assert (
            np.array_equal(found.volumes[row], data[kind][int(place)]) and found.class_names[found.labels[row]] == kind
        )
    test = found.part("test")
    assert len(test.volumes) == len(test.names) == 14 and set(test.splits) == {"test"}


@pytest.mark.parametrize(
    "content, expected",
    [
        (
            {"x_train": boxes(30), "y_train": ["b", "a"] * 15, "x_test": boxes(40)[30:], "y_test": ["a"] * 10},
            {("a", "test"): 10, ("a", "train"): 13, ("a", "validation"): 2, ("b", "train"): 13, ("b", "validation"): 2},
        ),
        (
            {"train": boxes(10), "test": boxes(12)[10:]},
            {("all", "train"): 9, ("all", "validation"): 1, ("all", "test"): 2},
        ),
        ({"data": boxes(10)}, {("all", "train"): 8, ("all", "validation"): 1, ("all", "test"): 1}),
        ({"chair": boxes(3)}, {("chair", "train"): 1, ("chair", "validation"): 1, ("chair", "test"): 1}),
        ({"chair": boxes(1)}, {("chair", "train"): 1}),
    ],
)
def test_kinds_of_arrays(tmp_path, content, expected):
    np.savez(tmp_path / "models.npz", **content)
    assert counts(load(tmp_path / "models.npz")) == expected


@pytest.mark.parametrize("change", [np.uint8, np.float32, lambda array: array[..., None], lambda array: 0.6 * array])
def test_values_of_arrays(tmp_path, change):
    np.save(tmp_path / "boxes.npy", change(boxes(5)))
    assert np.array_equal(load(tmp_path / "boxes.npy").volumes, boxes(5))


def test_chosen_classes(tmp_path):
    np.savez(tmp_path / "models.npz", bed=boxes(5), chair=boxes(10)[5:], desk=boxes(15)[10:])
    found = load(tmp_path / "models.npz", classes=("desk", "0"))
    assert found.class_names == ("bed", "desk") and sorted({name.split("/")[0] for name in found.names}) == [
        "bed",
        "desk",
    ]
    with pytest.raises(InputError, match="There is no class 'chairs' in this data; did you mean chair"):
        load(tmp_path / "models.npz", classes=("chairs",))


def test_a_larger_volume_keeps_thin_parts(tmp_path):
    large = np.zeros((1, 2 * SIDE, 2 * SIDE, 2 * SIDE), bool)
    large[0, 5, 7] = True  # a pole one voxel wide
    np.save(tmp_path / "pole.npy", large)
    (found,) = load(tmp_path / "pole.npy").volumes
    assert found[2, 3].all() and found.sum() == SIDE


def test_shells_become_solid_and_y_up_becomes_z_up(tmp_path):
    shell = np.zeros((1, SIDE, SIDE, SIDE), bool)
    shell[0, 2:8, 2:14, 2:6] = True
    shell[0, 3:7, 3:13, 3:5] = False
    np.save(tmp_path / "shell.npy", shell)
    (found,) = load(tmp_path / "shell.npy").volumes
    assert found.sum() == 6 * 12 * 4
    (turned,) = load(tmp_path / "shell.npy", up="y").volumes
    assert turned[2:8, 10:14, 2:14].all() and turned.sum() == 6 * 12 * 4  # its height along y is along z


@pytest.mark.parametrize(
    "content, reason",
    [
        (
            {"a": np.zeros((3, 8, 8))},
            r"array a holds float64 of shape \(3, 8, 8\); expected are numbers of shape \(count",
        ),
        ({"a": np.zeros((3, 8, 8, 4), bool)}, r"holds bool of shape \(3, 8, 8, 4\)"),
        ({"a": np.full((1, 2, 2, 2), "x")}, r"holds <U1 of shape"),
        (
            {"a": np.ones((3, 24, 24, 24), bool)},
            "has volumes of 24 voxels along each side; expected are 16, or a multiple",
        ),
        ({"a": np.ones((3, 8, 8, 8), bool)}, "has volumes of 8 voxels"),
        ({"a": np.zeros((3, SIDE, SIDE, SIDE))}, "has no volume with an occupied voxel"),
        ({"x": boxes(3), "y": [1, 2]}, "has 3 x but 2 y; save it again"),
        ({"a": np.array([None])}, "damaged or contains Python objects"),
    ],
)
def test_bad_arrays(tmp_path, content, reason):
    np.savez(tmp_path / "models.npz", **content)
    with pytest.raises(InputError, match=reason) as caught:
        load(tmp_path / "models.npz")
    assert "\n" not in str(caught.value) and str(tmp_path / "models.npz") in str(caught.value)


def test_missing_and_damaged_data(tmp_path):
    (tmp_path / "cut.npz").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(InputError, match="damaged"):
        load(tmp_path / "cut.npz")
    with pytest.raises(InputError, match="does not exist; check the path"):
        load(tmp_path / "missing")
    with pytest.raises(InputError, match=r"has no 3D models \(\.binvox, \.glb, \.obj, \.off, \.ply, \.stl\)"):
        (tmp_path / "empty").mkdir()
        load(tmp_path / "empty")


# Copies -----------------------------------------------------------------------------------------------------------


def test_copies_are_left_out_before_the_parts_are_made(tmp_path, capsys):
    data = {"chair": np.concatenate([boxes(20)] * 3)}
    found = volumes.load(VolumeOptions(), SIDE, lambda: data)
    assert len({volume.tobytes() for volume in found.volumes}) == len(found.volumes) == 20
    assert counts(found) == {("chair", "train"): 16, ("chair", "validation"): 2, ("chair", "test"): 2}
    assert capsys.readouterr().out == "40 of 60 3D models are left out as exact copies of others.\n"
    assert found.skipped[0] == Skipped("chair/20", "skipped", "is an exact copy of: chair/0")


def test_the_copy_in_the_test_part_is_kept(tmp_path, capsys):
    np.savez(tmp_path / "models.npz", train=boxes(20), test=np.concatenate([boxes(30)[20:], boxes(20)[:3], boxes(1)]))
    found = load(tmp_path / "models.npz")
    assert {name for name in found.names if name.startswith("test/")} == {f"test/{row}" for row in range(13)}
    assert not {"train/0", "train/1", "train/2"} & set(found.names)
    assert (
        "4 of 34 3D models are left out as exact copies of others, 3 of them in the training part of"
        in capsys.readouterr().out
    )


def test_without_copies_nothing_is_said(capsys):
    volumes.load(VolumeOptions(), SIDE, lambda: {"chair": boxes(20)})
    assert capsys.readouterr().out == ""


# Folders ----------------------------------------------------------------------------------------------------------

LAYOUTS = {"as in ModelNet": "{kind}/{part}", "as folders of images": "{part}/{kind}"}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_classes_and_parts_of_folders(tmp_path, layout):
    for kind, part, numbers in (
        ("bed", "train", (0, 1, 2, 3, 4)),
        ("sofa", "train", (5, 6, 7, 8)),
        ("sofa", "test", (9, 10)),
    ):
        write_boxes(tmp_path / layout.format(kind=kind, part=part), numbers)
    found = load(tmp_path)
    assert counts(found) == {
        **{("bed", "train"): 4, ("bed", "validation"): 1},
        **{("sofa", "train"): 3, ("sofa", "validation"): 1, ("sofa", "test"): 2},
    }
    assert {name[-6:] for name in found.part("test").names} == {"09.stl", "10.stl"}


def test_files_of_every_kind_are_upright_and_in_the_middle(tmp_path):
    """A tower: whatever the format, it stands along z."""
    for suffix in (".glb", ".obj"):
        write_box(tmp_path / "towers" / f"a{suffix}", (1, 4, 2))
    for suffix in (".off", ".ply", ".stl"):
        write_box(tmp_path / "towers" / f"a{suffix}", (1, 2, 4))
    corner = np.zeros(3 * (SIDE,), bool)
    corner[:4, :, :8] = True  # y is up
    (tmp_path / "towers" / "a.binvox").write_bytes(binvox(corner))
    _, found, skipped = volumes.converted(folders.find(tmp_path, volumes.is_model), SIDE, "auto")
    assert (len(found), skipped) == (6, [])
    for volume in found:
        lows, highs = zip(*((layers.min(), layers.max()) for layers in np.nonzero(volume)), strict=True)
        assert (np.subtract(highs, lows) + 1 == pytest.approx([4, 8, 16], abs=1)) and (lows[2], highs[2]) == (0, 15)
        assert np.add(lows, highs) == pytest.approx([15, 15, 15], abs=1)


def test_up_can_be_given(tmp_path):
    write_box(tmp_path / "towers" / "a.stl", (1, 4, 2))
    (lying,), (standing,) = (load(tmp_path, up=up).volumes for up in ("auto", "y"))
    assert lying.any((0, 2)).all() and standing.any((0, 1)).all() and not lying.any((0, 1)).all()


def test_only_the_files_of_chosen_classes_are_read(tmp_path, monkeypatch):
    write_box(tmp_path / "bed" / "a.stl", (1, 4, 2))
    write_box(tmp_path / "sofa" / "b.stl", (1, 4, 2))
    read, real = [], meshes.parsed
    monkeypatch.setattr(meshes, "parsed", lambda path: read.append(path.name) or real(path))
    assert load(tmp_path, classes=("1",)).class_names == ("sofa",)
    assert read == ["b.stl"]


def folder_with_bad_files(root, good=30):
    write_boxes(root / "chair", range(good))
    (root / "chair" / "bad.off").write_text("a shopping list")
    (root / "chair" / "notes.txt").write_text("no model, and no matter")
    return root


def test_bad_files_are_left_out_and_listed(tmp_path, capsys):
    found = load(folder_with_bad_files(tmp_path))
    assert len(found.volumes) == 30
    assert found.skipped == [Skipped("chair/bad.off", "skipped", "cannot be read as OFF, or is damaged")]
    expected = "1 of 31 3D models skipped (1 × cannot be read as OFF, or is damaged, such as chair/bad.off)."
    assert expected in capsys.readouterr().out


def test_meshes_with_holes_are_used_and_those_without_a_surface_listed(tmp_path):
    box = trimesh.creation.box((1, 1, 1))
    write_boxes(tmp_path, range(3))
    trimesh.Trimesh(box.vertices, box.faces[box.face_normals[:, 2] < 0.5]).export(tmp_path / "open.stl")
    square = "0 0 0\n1 0 0\n1 1 0\n0 1 0\n"
    (tmp_path / "flat.off").write_text(f"OFF\n4 2 0\n{square}3 0 1 2\n3 0 2 3\n")
    (tmp_path / "empty.off").write_text(f"OFF\n4 0 0\n{square}")
    (tmp_path / "line.off").write_text(f"OFF\n4 1 0\n{square}3 0 0 1\n")
    (tmp_path / "text.off").write_text("a shopping list")
    found = load(tmp_path, allow_skipped=True)
    volume_of = dict(zip(found.names, found.volumes, strict=True))
    assert volume_of["flat.off"].sum() == SIDE**2
    assert volume_of["open.stl"][..., 0].all() and volume_of["open.stl"][0].all()
    assert not volume_of["open.stl"][2:-2, 2:-2, 2:].any()  # it is open above
    assert {row.path: row.reason for row in found.skipped} == {
        "empty.off": "has no triangles",
        "line.off": "has no area: all its triangles are lines",
        "text.off": "cannot be read as OFF, or is damaged",
    }


def test_many_bad_files_stop_a_run(tmp_path):
    folder_with_bad_files(tmp_path, good=10)
    with pytest.raises(InputError, match=r"1 of 11 3D models in .* cannot be used .*--allow-skipped"):
        load(tmp_path)
    assert len(load(tmp_path, allow_skipped=True).volumes) == 10


def test_volumes_of_files_are_cached_until_one_changes(tmp_path, monkeypatch):
    folder_with_bad_files(tmp_path)
    first = load(tmp_path)
    monkeypatch.setattr(volumes, "of_file", lambda *_: pytest.fail("a file was read again"))
    second = load(tmp_path)
    assert np.array_equal(first.volumes, second.volumes) and first.names == second.names
    assert first.skipped == second.skipped
    for change in (lambda: load(tmp_path, up="y"), lambda: volumes.load(VolumeOptions(data=tmp_path), 8, no_data)):
        with pytest.raises(pytest.fail.Exception, match="read again"):
            change()
    write_box(tmp_path / "chair" / "00.stl", (9, 9, 9))
    with pytest.raises(pytest.fail.Exception, match="read again"):
        load(tmp_path)


def test_a_damaged_or_missing_cache_is_made_anew(tmp_path, monkeypatch):
    folder_with_bad_files(tmp_path)
    first = load(tmp_path)
    (cache,) = (volumes.paths.downloads() / "volumes").iterdir()
    cache.write_bytes(cache.read_bytes()[:500])
    assert np.array_equal(load(tmp_path).volumes, first.volumes)
    file = tmp_path / "a_file"
    file.touch()
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(file))  # where no folder can be made
    assert np.array_equal(load(tmp_path).volumes, first.volumes)


# Options ----------------------------------------------------------------------------------------------------------


def test_options_of_the_command_line(tmp_path):
    (options,) = parse(
        "x", "y", {"models": VolumeOptions}, ["--data", str(tmp_path), "--up", "y", "--classes", "a", "b"]
    )
    assert options == VolumeOptions(tmp_path, ("a", "b"), "y")
    with pytest.raises(InputError, match="--up has no effect without --data"):
        parse("x", "y", {"models": VolumeOptions}, ["--up", "y"])


def test_a_run_notices_another_model(tmp_path):
    config = VolumeOptions(data=tmp_path)
    write_box(tmp_path / "chair" / "a.stl", (1, 4, 2))
    first = data_record.record_of(config)
    write_box(tmp_path / "chair" / "b.stl", (1, 4, 2))
    assert first["data"]["files"] == 1 and data_record.record_of(config)["data"]["files"] == 2


# The report -------------------------------------------------------------------------------------------------------


def test_report_on_models(tmp_path, capsys):
    root = folder_with_bad_files(tmp_path / "mine", good=12)
    write_boxes(root / "chair" / "train", (20, 21, 22))
    write_boxes(root / "chair" / "test", (22, 23))
    write_boxes(root / "desk", (0, 30))
    main(["report", str(root), "--out", str(tmp_path / "report.html")])
    text = capsys.readouterr().out
    for line in (
        f"19 3D models in {root}, 1 more cannot be used",
        "2 for test, 3 for train",
        "chair/bad.off: cannot be read as OFF",
        "2 3D models are voxel for voxel the same as another one, in 2 groups",
        "1 3D model is the same as another one, in 1 group",
        f"./run_recipe.sh image_to_3d --data {root}",
    ):
        assert line in text
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("data:image/jpeg") == 19 + 4 + 2  # a sample, the copies, the leak


def test_report_on_volumes(tmp_path, capsys):
    np.savez(tmp_path / "models.npz", chair=boxes(5), desk=boxes(5))
    main(["report", str(tmp_path / "models.npz"), "--out", str(tmp_path / "report.html")])
    text = capsys.readouterr().out
    assert "10 3D models in" in text and "5 3D models are voxel for voxel the same" in text


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 28, 28, 3), (3, 28, 28, 1), (3, 3, 3, 3)])
def test_images_are_no_volumes(tmp_path, shape):
    np.savez(tmp_path / "images.npz", x=np.zeros(shape, np.uint8))
    assert not report_models.resolution_of(tmp_path / "images.npz")


def test_a_folder_of_images_with_a_model_is_one_of_images(tmp_path):
    write_box(tmp_path / "a.stl", (1, 2, 3))
    assert report_models.resolution_of(tmp_path)
    write_many(tmp_path / "cats", 2)
    assert not report_models.resolution_of(tmp_path)
