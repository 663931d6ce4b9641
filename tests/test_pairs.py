"""Samples of two images: side by side, paired by name, and unpaired."""

import numpy as np
import pytest

from common.base.errors import InputError
from data_prep import folders, pairs
from data_prep.batches import Batches
from data_prep.pairs import PairOptions
from tests.files import SHARED, picture, write, write_many

pytestmark = pytest.mark.once


def write_side_by_side(folder, count, first=0):
    for index in range(first, first + count):
        write(
            folder / f"{index:03d}.png", np.concatenate([picture(16, 16, index), 255 - picture(16, 16, index)], axis=1)
        )


def load(path, split="train", paired=True, **options):
    return pairs.load(PairOptions(data=path, **{"size": "16", **options}), split, paired)


def batch_of(found, size=4, **options):
    return Batches((found.a, found.b), size, transform=lambda batch: batch, paired=found.paired, **options)[0]


def are_negatives(a, b):
    return np.abs(a.astype(int) + b - 255).max() <= 1


@pytest.mark.parametrize("memory", [folders.MEMORY, 0])
def test_side_by_side(tmp_path, monkeypatch, memory):
    monkeypatch.setattr(folders, "MEMORY", memory)
    write_side_by_side(tmp_path / "train", 40)
    write_side_by_side(tmp_path / "test", 5, first=50)
    found = load(tmp_path)
    assert (found.a.shape, found.b.shape, found.paired) == ((40, 16, 16, 3), (40, 16, 16, 3), True)
    assert (found.a.decoded is None) == (memory == 0)
    a, b = batch_of(found, 8)
    assert are_negatives(a, b)
    assert len(load(tmp_path, "test").a) == 5
    a, b = batch_of(found, 8, augment=PairOptions(augment=("flip", "crop")).augmentation())
    assert are_negatives(a, b)
    assert load(tmp_path, size="8x4", channels="1").a.shape == (40, 4, 8, 1)


@pytest.mark.parametrize("names", [("A", "B"), ("trainA", "trainB"), ("train/A", "train/B")])
@pytest.mark.parametrize("memory", [folders.MEMORY, 0])
def test_two_folders_by_name(tmp_path, monkeypatch, names, memory):
    monkeypatch.setattr(folders, "MEMORY", memory)
    for index in range(30):
        write(tmp_path / names[0] / f"{index}_A.png", picture(20, 20, index))
        write(tmp_path / names[1] / f"{index}_B.bmp", 255 - picture(20, 20, index))
    write(tmp_path / names[0] / "alone.png", picture(20, 20))
    (tmp_path / names[1] / "7_B.bmp").write_bytes((tmp_path / names[1] / "7_B.bmp").read_bytes()[:-50])
    found = load(tmp_path, size="20")
    kept = 30 if memory == 0 else 29  # a damaged file is found at once, or when a batch needs it
    assert (len(found.a), len(found.b)) == (kept, kept)
    assert are_negatives(*batch_of(found, kept))
    reasons = {row.path: row.reason for side in (found.a, found.b) for row in side.skipped}
    assert reasons.keys() == {"alone.png", "7_B.bmp"}
    assert reasons["alone.png"] == "has no partner of the same name"


def test_names_that_end_in_a_or_b_are_names():
    """Only a separated ending that names its own side is no part of a name, and only without a partner of the whole."""
    a, b = ["1a.png", "1b.png", "2a.png", "2b.png", "3c.png"], ["1a.png", "2a.png", "2b.png", "3c.png"]
    found = [(a[first], b[second]) for first, second in pairs.partners(a, b)]
    assert found == [("1a.png", "1a.png"), ("2a.png", "2a.png"), ("2b.png", "2b.png"), ("3c.png", "3c.png")]
    assert pairs.partners(["17_A.png", "x_B.png"], ["17_B.png", "x_A.png"]) == [(0, 0)]
    assert pairs.partners(["17.png", "17_A.png"], ["17.png"]) == [(0, 0)]
    assert pairs.partners(["sub/17-a.png", "alba.png"], ["sub/17.b.jpg", "albb.png"]) == [(0, 0)]


def test_two_folders_given_by_two_options(tmp_path):
    write_many(tmp_path / "paintings", 6)
    write_many(tmp_path / "photos", 9, first=3)
    found = load(tmp_path / "paintings", data_b=tmp_path / "photos", paired=False)
    assert (len(found.a), len(found.b), found.paired) == (6, 9, False)
    assert [side.shape for side in batch_of(found)] == [(4, 16, 16, 3)] * 2
    with pytest.raises(InputError, match=r"3 of 6 .* has no partner of the same name"):
        load(tmp_path / "paintings", data_b=tmp_path / "photos")
    same = load(tmp_path / "paintings", data_b=tmp_path / "photos", allow_skipped=True)
    assert len(same.a) == len(same.b) == 3


def test_unpaired_folders_of_a_split(tmp_path):
    for name, count in (("trainA", 5), ("trainB", 7), ("testA", 2), ("testB", 3)):
        write_many(tmp_path / name, count)
    assert [len(side) for side in load(tmp_path, paired=False)[:2]] == [5, 7]
    assert [len(side) for side in load(tmp_path, "test", paired=False)[:2]] == [2, 3]


def test_folders_without_pairs(tmp_path):
    write_many(tmp_path / "single", 4, (24, 24))
    with pytest.raises(InputError, match="not pairs A\\|B side by side"):
        load(tmp_path / "single")
    with pytest.raises(InputError, match=r"has no folders trainA and trainB .*--data-b"):
        load(tmp_path / "single", paired=False)
    write(tmp_path / "other" / "x.png", picture())
    with pytest.raises(InputError, match=r"No image in .*single has the same name as one in .*other"):
        load(tmp_path / "single", data_b=tmp_path / "other")
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 4)))
    with pytest.raises(InputError, match="expects a folder or an archive of images here"):
        load(tmp_path / "a.npy")


@pytest.mark.skipif(not SHARED.exists(), reason=f"needs the real data in {SHARED}")
def test_real_pairs():
    facades = load(SHARED / "facades", size="64")
    assert facades.a.shape == facades.b.shape == (80, 64, 64, 3)
    assert len(load(SHARED / "facades", "test").a) == 20
    folder = SHARED / "monet2photo"
    unpaired = load(folder / "monet_jpg", data_b=folder / "photo_jpg", paired=False)
    assert [len(side) for side in unpaired[:2]] == [300, 434]
