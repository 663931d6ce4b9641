"""Image folders, archives and array files: listed, checked, and read into memory or batch by batch."""

import contextlib
import csv
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from common.base.errors import InputError
from data_prep import decode, folders, images
from data_prep.batches import Batches
from data_prep.images import ImageOptions
from data_prep.skipped import write_skipped
from tests.conftest import call_recipe
from tests.files import SHARED, encoded, picture, write, write_bad_files, write_many

pytestmark = pytest.mark.once


def load(path, split="train", **options):
    return images.load(ImageOptions(data=path, **options), split)


def streamed(path, workers=None, **options):
    return images.load_folder(path, ImageOptions(data=path, **options), memory=0, workers=workers)


def raw(samples, **kwargs):
    return Batches(samples, transform=lambda batch: batch, **kwargs)


def test_colour_images_in_class_folders(tmp_path):
    red = np.zeros((8, 12, 3), "uint8")
    red[:, 1:, 0] = 255
    write(tmp_path / "warm" / "red.png", red)
    write(tmp_path / "cold" / "blue.png", red[..., ::-1])
    found = load(tmp_path)
    assert found.images.shape == (2, 8, 12, 3)
    assert found.class_names == ("cold", "warm")
    assert found.images[np.array([1])][0, 0, 1].tolist() == [255, 0, 0]  # RGB
    assert found.labels.tolist() == [0, 1]
    assert load(tmp_path, classes=("warm",)).images.names.tolist() == [b"warm/red.png"]


def test_classes_are_the_first_level_of_a_nested_folder(tmp_path):
    for name in ("cats/2019/may/a.png", "cats/b.png", "dogs/x/c.png"):
        write(tmp_path / name, picture(8, 8))
    found = load(tmp_path)
    assert found.class_names == ("cats", "dogs")
    assert np.bincount(found.labels).tolist() == [2, 1]


def test_a_flat_folder_is_one_class(tmp_path):
    write_many(tmp_path / "frogs", 3)
    found = load(tmp_path / "frogs")
    assert (found.class_names, found.labels.tolist()) == (("frogs",), [0, 0, 0])


def test_folder_with_a_single_file(tmp_path):
    write(tmp_path / "a.png", picture(4, 4)[..., 0])
    assert load(tmp_path).images.shape == (1, 4, 4, 1)


def test_unicode_and_undecodable_names(tmp_path):
    for name in ("ß 你好.png", "sp ace/öl.PNG", b"latin-\xe9.png".decode("utf-8", "surrogateescape")):
        write(tmp_path / name, picture(8, 8), "PNG")
    assert load(tmp_path).images.shape == (3, 8, 8, 3)
    assert len(streamed(tmp_path).images[np.arange(3)]) == 3


def test_a_folder_with_splits(tmp_path):
    write_many(tmp_path / "train" / "a", 4)
    with pytest.raises(InputError, match="has a folder train, but none of test, val"):
        load(tmp_path, "test")
    write_many(tmp_path / "val" / "a", 3)
    assert (len(load(tmp_path).images), len(load(tmp_path, "test").images)) == (4, 3)


def test_images_of_several_sizes_need_a_size(tmp_path):
    write(tmp_path / "a.png", picture(40, 60))
    write(tmp_path / "b.jpg", picture(30, 30))
    with pytest.raises(InputError, match=r"2 sizes, from 30×30 to 60×40 pixels; choose one size, .* --size 64"):
        load(tmp_path)
    assert load(tmp_path, size="32").images.shape == (2, 32, 32, 3)
    assert load(tmp_path, size="48x96").images.shape == (2, 96, 48, 3)  # width x height
    assert load(tmp_path, size="8", fit="pad", channels="1").images.shape == (2, 8, 8, 1)


@pytest.mark.parametrize("size", ["0", "x", "64x", "-3", "64x0", "1e3"])
def test_invalid_size(tmp_path, size):
    write_many(tmp_path, 1)
    with pytest.raises(InputError, match="--size must be pixels such as 64, or 96x48"):
        load(tmp_path, size=size)


def test_mixed_channels_are_read_as_colour_with_a_message(tmp_path, capsys):
    write(tmp_path / "a.png", picture(8, 8))
    write(tmp_path / "b.png", picture(8, 8)[..., 0])
    assert load(tmp_path).images.shape == (2, 8, 8, 3)
    assert "1 grey and 1 colour images: all are read as colour" in capsys.readouterr().out


@pytest.mark.parametrize("memory", [folders.MEMORY, 0])
def test_bad_files_are_skipped_counted_and_listed(tmp_path, memory, capsys):
    write_many(tmp_path / "good", 250)
    reasons = write_bad_files(tmp_path / "bad")
    options = ImageOptions(data=tmp_path, size="16")
    found = images.load_folder(tmp_path, options, memory)
    listed = {row.path.removeprefix("bad/").rstrip("/"): row for row in found.images.skipped}
    assert listed.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert reason in listed[name].reason, name
        assert listed[name].outcome == "skipped"
    assert len(found.labels) == len(found.images)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "10 of 260 images skipped (" in out


@pytest.mark.parametrize("memory", [folders.MEMORY, 0])
def test_the_share_that_is_skipped_is_that_of_the_whole_folder(tmp_path, memory):
    for name in "ab":
        write_many(tmp_path / name, 25)
    for name in ("empty.png", "broken.png"):
        (tmp_path / "a" / name).write_bytes(b"" if name == "empty.png" else encoded(picture(), "PNG")[:-60])
    found = images.load_folder(tmp_path, ImageOptions(data=tmp_path, size="16", classes=("b",)), memory)
    assert (len(found.images), found.class_names) == (25, ("b",))


def test_photographs_in_formats_that_are_not_read_are_said(tmp_path, capsys):
    write_many(tmp_path, 25)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "IMG_1.HEIC").write_bytes(b"a photograph")
    assert len(load(tmp_path).images) == 25
    assert "1 of 26 images skipped (1 × is a HEIC file, convert it to JPEG or PNG" in capsys.readouterr().out
    (tmp_path / "IMG_2.heic").write_bytes(b"another")
    with pytest.raises(InputError, match=r"2 of 27 images .* cannot be used"):
        load(tmp_path)


def test_the_folders_of_the_splits_in_upper_case(tmp_path):
    for name in ("Train/cat", "Train/dog", "Test/cat"):
        write_many(tmp_path / name, 2)
    options = ImageOptions(data=tmp_path)
    assert images.has_splits(options)
    assert folders.split_folder(tmp_path, "train").name == "Train"
    assert images.load(options).labels.tolist() == [0, 0, 1, 1]
    assert images.load(options, "test").labels.tolist() == [0, 0]
    write_many(tmp_path / "train" / "cat", 1)
    assert folders.split_folder(tmp_path, "train").name == "train"  # on a file system that tells them apart


def test_more_than_five_percent_skipped_is_an_error(tmp_path):
    write_many(tmp_path, 57)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jpg").write_text("text")
    assert len(load(tmp_path).images) == 57  # 3 of 60 are 5%
    (tmp_path / "d.png").touch()
    with pytest.raises(
        InputError, match=r"4 of 61 .* \(3 × is not an image.*a\.jpg; 1 × has zero bytes.*--allow-skipped"
    ):
        load(tmp_path)
    assert len(load(tmp_path, allow_skipped=True).images) == 57


def test_damage_in_a_streamed_folder_is_found_before_training(tmp_path):
    write_many(tmp_path, 30, suffix=".jpg")
    for index in range(3):
        path = tmp_path / f"{index:03d}.jpg"
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"3 of 30 images .* cut short"):
        streamed(tmp_path)


def test_folders_without_images(tmp_path):
    with pytest.raises(InputError, match="has no images"):
        load(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing to see")
    (tmp_path / "a.png").write_text("nor here")
    with pytest.raises(InputError, match=r"has no images.*1 files cannot be used .*is not an image"):
        load(tmp_path)
    with pytest.raises(InputError, match=r"--data expects a folder, an archive .*notes\.txt is none of these"):
        load(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="missing does not exist"):
        load(tmp_path / "missing")


def test_fewer_images_than_a_batch(tmp_path):
    write_many(tmp_path, 3)
    with pytest.raises(InputError, match="batch of 64 is larger than the data of 3 samples; use --batch-size 3"):
        Batches(load(tmp_path).images, 64)


def test_files_with_a_wrong_suffix_are_read_and_listed(tmp_path, capsys):
    write(tmp_path / "a.jpg", picture(8, 8), "PNG")
    write(tmp_path / "b.dat", picture(8, 8, 1), "JPEG")
    write(tmp_path / "c", picture(8, 8, 2), "WEBP")
    (tmp_path / "labels.csv").write_text("a,b\n")
    found = load(tmp_path)
    assert len(found.images) == 3
    assert {(row.path, row.outcome) for row in found.images.skipped} == {
        ("a.jpg", "used"),
        ("b.dat", "used"),
        ("c", "used"),
    }
    assert "0 of 3 images skipped" in capsys.readouterr().out


def test_folders_a_thousand_levels_deep_are_listed(tmp_path):
    write_many(tmp_path / "data" / "a", 30)
    with contextlib.chdir(tmp_path / "data"):
        for _ in range(1500):
            Path("d").mkdir()
            os.chdir("d")
    try:
        found = load(tmp_path / "data")
    finally:
        subprocess.run(["rm", "-r", tmp_path / "data"], check=True)  # since pytest cannot
    assert len(found.images) == 30
    assert [(row.path, row.reason) for row in found.images.skipped] == [(101 * "d/", "is within more than 100 folders")]


@pytest.mark.parametrize("name", ["pipe", "pipe.npy", "pipe.zip"])
def test_a_pipe_is_no_data(tmp_path, name):
    os.mkfifo(tmp_path / name)
    (tmp_path / "link.npz").symlink_to(name)
    for path in (tmp_path / name, tmp_path / "link.npz"):
        with pytest.raises(InputError, match=f"--data expects a folder, .* but .*{path.name} is none of these"):
            load(path)
    with pytest.raises(InputError, match=r"has no images.*is a broken link or not a regular file"):
        load(tmp_path)


HOSTILE = os.fsdecode(b"br\xffok\x1b[2J\nen.png")


def test_names_do_not_control_the_terminal(tmp_path, capsys):
    write_many(tmp_path, 30)
    (tmp_path / HOSTILE).write_text("not an image")
    found = load(tmp_path)
    printed = capsys.readouterr().out
    assert r"such as br\udcffok\x1b[2J\nen.png)" in printed
    assert printed.count("\n") == 1
    assert [row.path for row in found.images.skipped] == [HOSTILE]
    write_skipped(tmp_path / "skipped.csv", found.images.skipped)
    assert b"br\xffok\x1b[2J\nen.png" in (tmp_path / "skipped.csv").read_bytes()


def test_a_recipe_with_undecodable_names(tmp_path):
    folder, run = tmp_path / os.fsdecode(b"da\xffta"), tmp_path / os.fsdecode(b"r\xffn")
    write_many(folder / os.fsdecode(b"cl\xff"), 40, (28, 28))
    (folder / HOSTILE).write_text("not an image")
    options = ("--epochs", 1, "--batch-size", 16, "--units", 8, "--run-folder", run)
    answer = call_recipe("vanilla", "--data", folder, *options)
    assert answer.returncode == 0, answer.stderr
    assert "\x1b" not in answer.stdout
    (answer.stdout + answer.stderr).encode()  # what would fail for an undecodable name
    assert r"da\udcffta" in (run / "README.md").read_text("utf-8")


def test_hidden_files_are_ignored(tmp_path):
    write_many(tmp_path, 2)
    write(tmp_path / ".thumbnails" / "a.png", picture())
    write(tmp_path / "__MACOSX" / "a.png", picture())
    (tmp_path / ".DS_Store").write_text("x")
    found = load(tmp_path)
    assert (len(found.images), found.images.skipped) == (2, [])


# Batch by batch ---------------------------------------------------------------------------------------------------


def test_streaming_equals_reading_into_memory(tmp_path):
    write_many(tmp_path / "a", 30)
    write_many(tmp_path / "b", 20, first=40)
    whole, parts = load(tmp_path, size="16"), streamed(tmp_path, size="16")
    assert parts.images.decoded is None
    first, second = raw(whole.images, batch_size=8, seed=3), raw(parts.images, batch_size=8, seed=3)
    assert first.sample_shape == second.sample_shape == (16, 16, 3)
    for batches in (first, second):
        batches.on_epoch_begin()
    assert all(np.array_equal(first[index], second[index]) for index in range(len(first)))


def epochs(batches, count):
    found = []
    for _ in range(count):
        batches.on_epoch_begin()
        found.append(np.stack([batches[index] for index in range(len(batches))]))
    return found


def test_batches_do_not_depend_on_the_number_of_workers(tmp_path):
    write_many(tmp_path, 40, suffix=".jpg")
    (tmp_path / "005.jpg").write_bytes(encoded(picture(), "JPEG")[:-100])
    options = {"size": "16", "augment": ("flip", "noise"), "allow_skipped": True}
    augment = ImageOptions(**options).augmentation()
    one, many = (
        epochs(raw(streamed(tmp_path, workers, **options).images, batch_size=16, augment=augment), 2)
        for workers in (1, 7)
    )
    assert np.array_equal(one, many)
    resumed = raw(streamed(tmp_path, 3, **options).images, batch_size=16, augment=augment)
    resumed.epoch = 1
    assert np.array_equal(epochs(resumed, 1)[0], one[1])


def test_files_damaged_after_the_check_are_replaced_and_listed(tmp_path):
    write_many(tmp_path, 40, suffix=".jpg")
    found = streamed(tmp_path)
    (tmp_path / "007.jpg").write_bytes(encoded(picture(20, 24), "JPEG")[:-100])  # damaged after the initial check
    batches = raw(found.images, batch_size=20)
    found.images._pending.clear()
    (epoch,) = epochs(batches, 1)
    assert epoch.shape == (2, 20, 20, 24, 3)
    assert [(row.path, row.outcome) for row in batches.skipped] == [("007.jpg", "skipped")]
    found_images = epoch.reshape(40, -1)
    substitute = decode.read(tmp_path / "008.jpg").ravel()
    assert (found_images == substitute).all(axis=1).sum() == 2
    batches.refuse_many_skipped()  # 1 of 40 is not too many
    for index in range(3):
        (tmp_path / f"{index:03d}.jpg").write_text("gone")
    found.images._pending.clear()
    epochs(batches, 1)
    with pytest.raises(InputError, match="4 of 40"):
        batches.refuse_many_skipped()


def test_labels_follow_replaced_images(tmp_path):
    for index in range(20):
        write(
            tmp_path / f"{index % 2}" / f"{index:02d}.png",
            np.full((4, 4), 10 * index, "uint8") + np.eye(4, dtype="uint8"),
        )
    found = streamed(tmp_path)
    (tmp_path / "1" / "03.png").write_text("gone")
    batches = raw((found.images, found.labels), batch_size=10)
    found.images._pending.clear()
    for index in range(2):
        values, labels = batches[index]
        assert np.array_equal(values[:, 0, 1, 0] // 10 % 2, labels)


def test_recipe_lists_skipped_files(tmp_path):
    write_many(tmp_path / "data", 70, (28, 28))
    (tmp_path / "data" / "text.jpg").write_text("not an image")
    shutil.copytree(tmp_path / "data", tmp_path / "many")
    for index in range(9):
        (tmp_path / "many" / f"{index}.png").touch()
    options = ("--epochs", 1, "--batch-size", 16, "--units", 8, "--run-folder", tmp_path / "run")
    refused = call_recipe("vanilla", "--data", tmp_path / "many", *options)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "10 of 80 images" in refused.stderr
    assert not (tmp_path / "run" / "config.json").exists()
    answer = call_recipe("vanilla", "--data", tmp_path / "data", "--augment", "flip", "crop", *options)
    assert answer.returncode == 0, answer.stderr
    assert "1 of 71 images skipped (1 × is not an image" in answer.stdout
    rows = list(csv.reader((tmp_path / "run" / "skipped.csv").open()))
    assert rows == [["path", "outcome", "reason"], ["text.jpg", "skipped", "is not an image, despite its name"]]
    assert (tmp_path / "run" / "data.png").exists()


# Archives and arrays ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
def test_archive_is_read_like_a_folder(tmp_path, monkeypatch, suffix):
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path / "cache"))
    write_many(tmp_path / "wrapped" / "cats", 2)
    write_many(tmp_path / "wrapped" / "dogs", 3)
    archive = tmp_path / f"mine{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted((tmp_path / "wrapped").rglob("*.png")):
                file.write(path, path.relative_to(tmp_path))
    else:
        with tarfile.open(archive, "w:gz" if suffix == ".tar.gz" else "w") as file:
            file.add(tmp_path / "wrapped", "wrapped")
    for _ in range(2):  # extracted only the first time
        found = load(archive)
        assert (found.class_names, found.images.shape) == (("cats", "dogs"), (5, 20, 24, 3))
    assert len(list((tmp_path / "cache" / "extracted").glob("mine*"))) == 1


def test_array_files(tmp_path):
    array = np.stack([picture(8, 8, seed) for seed in range(5)])
    np.save(tmp_path / "a.npy", array)
    found = load(tmp_path / "a.npy")
    assert np.array_equal(found.images, array)
    assert isinstance(found.images, np.memmap)
    np.savez(
        tmp_path / "b.npz",
        x_train=array[..., 0],
        y_train=[7, 9, 7, 9, 9],
        x_test=array[:2, ..., 0],
        y_test=[7, 9],
    )
    found = load(tmp_path / "b.npz")
    assert (found.images.shape, found.labels.tolist(), found.class_names) == ((5, 8, 8, 1), [0, 1, 0, 1, 1], ("7", "9"))
    assert load(tmp_path / "b.npz", "test").images.shape == (2, 8, 8, 1)
    assert load(tmp_path / "b.npz", classes=("9",), size="4", channels="3").images.shape == (3, 4, 4, 3)
    np.savez(tmp_path / "c.npz", train=array)
    (tmp_path / "only").mkdir()
    shutil.copy(tmp_path / "c.npz", tmp_path / "only")
    assert load(tmp_path / "only").images.shape == (5, 8, 8, 3)


@pytest.mark.parametrize(
    "convert",
    [
        lambda array: array.astype("float32") / 255,
        lambda array: array / 127.5 - 1,
        lambda array: array.astype("uint16") * 257,
        lambda array: array.astype("int64"),
        lambda array: array.astype("float64"),
        lambda array: np.moveaxis(array, 3, 1),
    ],
    ids=["0 to 1", "-1 to 1", "16 bits", "integers", "floats to 255", "channels first"],
)
def test_arrays_of_other_types_and_ranges(tmp_path, convert):
    expected = np.stack([picture(8, 12, seed) for seed in range(3)])
    expected[0, 0, 0], expected[0, 0, 1] = 0, 255
    np.save(tmp_path / "a.npy", convert(expected))
    assert np.abs(load(tmp_path / "a.npy").images.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 4))}, "shape .3, 4."),
        ({"x": np.zeros((3, 4, 4, 5))}, "shape"),
        ({"x": np.full((3, 4, 4), -7.0)}, "values from -7"),
        ({"x": np.array([["a"]])}, "shape|numbers"),
        ({"a": np.zeros((3, 4, 4)), "b": np.zeros(3)}, "holds the arrays a, b; .* expected under"),
        ({"x": np.zeros((3, 4, 4)), "y": np.zeros(2)}, "3 x but 2 y"),
        ({"x": np.array([{"an": "object"}])}, "Python objects"),
    ],
)
def test_arrays_that_are_not_images(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "a.npz")


def test_damaged_array_files(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 8, 8)))
    np.save(tmp_path / "b.npy", np.zeros((9, 8, 8)))
    for name in ("a.npz", "b.npy"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-300])
        with pytest.raises(InputError, match=f"{name} is damaged or contains Python objects"):
            load(path)


def test_array_files_are_told_apart_by_their_content(tmp_path):
    array = np.stack([picture(8, 8, seed) for seed in range(5)])
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", x=array, y=np.arange(5))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    for name in ("a.npz", "b.npy"):
        assert np.array_equal(load(tmp_path / name).images, array)
    assert load(tmp_path / "b.npy").labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("offset", "value"), [(10, 97), (8, 1)], ids=["unknown compression", "encrypted"])
def test_array_files_that_cannot_be_unpacked(tmp_path, offset, value):
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 8, 8)))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[data.index(b"PK\x01\x02") + offset] = value
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.npz is damaged .*(compression method is not supported|encrypted)"):
        load(tmp_path / "a.npz")


def test_changed_bytes_of_array_files_are_errors_of_one_kind(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype("uint8")
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "b.npz", x=array, y=np.arange(3))
    originals = [(tmp_path / name).read_bytes() for name in ("a.npy", "b.npz")]
    for seed in range(300):
        rng = random.Random(seed)
        data = bytearray(originals[seed % 2])
        for _ in range(1 + rng.randrange(5)):
            data[rng.randrange(min(len(data), 400))] = rng.choice([*b"(){}'<>fuiOVS019,", rng.randrange(256)])
        (tmp_path / "c.npz").write_bytes(data)
        with contextlib.suppress(InputError):
            load(tmp_path / "c.npz")


@pytest.mark.skipif(not SHARED.exists(), reason=f"needs the real data in {SHARED}")
@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("monet2photo", {"size": "64"}, (734, 64, 64, 3)),
        ("facades", {"size": "64x32"}, (80, 32, 64, 3)),
        ("cifar10_frogs/frogs.npz", {}, (3000, 32, 32, 3)),
        ("mnist", {"size": "32"}, (60000, 32, 32, 1)),
    ],
)
def test_real_data(name, options, shape):
    found = load(SHARED / name, **options)
    assert found.images.shape == shape
    assert Batches(found.images, 8)[0].shape == (8, *shape[1:])
