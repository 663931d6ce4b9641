"""The report on a data set of 3D models, with the sections of that on images as far as they apply."""

import collections
import shlex

import numpy as np

from data_prep import analysis, arrays, folders, sources, volumes
from data_prep.render import views
from data_prep.report import THUMBNAIL, Section, counted, histogram, some, unusable

RESOLUTION = 32
SHARES = (0.01, 0.03, 0.1, 0.3)  # of the cube that is occupied


def resolution_of(path):
    """Returns the resolution of the volumes that a path given by the user holds; of meshes, the one for the report.

    Returns:
        integer, or None if the path holds no 3D models, or more images than models.

    Raises:
        InputError: if there is no data, or it is damaged.
    """
    path = sources.opened(path)
    if path.is_dir():
        models = folders.find(path, volumes.is_model).names
        return RESOLUTION if models and len(models) > len(folders.find(path).names) else None
    with arrays.refusing_damage(path):
        content = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(content, np.ndarray):
            return side_of(content)
        with content:
            return side_of(content[content.files[0]]) if content.files else None


def side_of(array):
    is_cubes = array.ndim == 4 and len(set(array.shape[1:])) == 1 and array.shape[1] > 4  # channels are fewer
    return array.shape[1] if is_cubes else None


def collect(path, resolution):
    """Returns the `analysis.Collection`, the `analysis.Measured`, and the sections of a path that holds 3D models."""
    found = volumes.read(volumes.VolumeOptions(path, allow_skipped=True), resolution)
    labels = [found.class_names[label] for label in found.labels]

    def read(index):
        return views(found.volumes[index : index + 1], 30, 25, THUMBNAIL)[0], found.volumes[index].tobytes()

    records = np.zeros(len(labels), analysis.RECORD)
    records["index"] = np.arange(len(labels))
    data = analysis.Collection(path, found.names, labels, found.splits.tolist(), read, found.skipped, True)
    return data, analysis.Measured(records, found.skipped), sections(path, found, labels)


def sections(path, found, labels):
    """Returns the sections of the report, a list of `report.Section`."""

    def shown(groups):
        return [[(found.names[row], row) for row in group] for group in groups]

    parts = collections.Counter(split or "neither" for split in found.splits.tolist())
    copies = groups_of_copies(found)
    leaks = [group for group in copies if {"train", "test"} <= set(found.splits[group])]
    leak_lines = (
        counted(leaks, "the same", "3D model") if "test" in parts else ["the data has no folders train and test"]
    )
    return [
        Section(
            "Overview",
            [
                f"{len(labels)} 3D models in {path}, {len(found.skipped)} more cannot be used",
                *(
                    [", ".join(f"{count} for {part}" for part, count in sorted(parts.items()))]
                    if len(parts) > 1
                    else []
                ),
            ],
        ),
        Section("Random sample", groups=shown(np.array_split(some(len(labels)), 1))),
        Section("Classes", bars=sorted(collections.Counter(labels).items())),
        Section("Occupied share of the cube", bars=histogram(found.volumes.mean((1, 2, 3)), SHARES)),
        unusable(found.skipped),
        Section("Exact copies", counted(copies, "voxel for voxel the same", "3D model"), groups=shown(copies)),
        Section("Leaks between train and test", leak_lines, groups=shown(leaks)),
        Section("What to do", [f"./run_recipe.sh image_to_3d --data {shlex.quote(str(path))}   (copies are left out)"]),
    ]


def groups_of_copies(found):
    """Returns lists of the rows whose volumes are equal."""
    groups = collections.defaultdict(list)
    for row, original in volumes.copies_of(found).items():
        groups[original].append(row)
    return [sorted([original, *rows]) for original, rows in sorted(groups.items())]
