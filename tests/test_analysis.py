"""The report on a data set, and its cleaned copy."""

import base64
import csv
import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from common.base.errors import InputError
from data_prep import analysis, clean, images, report
from data_prep.images import ImageOptions
from tests.conftest import PROJECT
from tests.files import SHARED, picture, write, write_bad_files, write_many

pytestmark = pytest.mark.once


def data_prep(*arguments, cwd=None, env=()):
    """Runs `python -m data_prep` as a user does."""
    command = [sys.executable, "-m", "data_prep", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), **dict(env)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def measured(path):
    data = analysis.collect(path)
    return data, analysis.measure(data)


def names_of(data, records, groups):
    return [sorted(data.names[records["index"][row]] for row in group) for group in groups]


def reasons_of(data, records):
    return {data.names[records["index"][row]]: reason for row, reason in analysis.outliers(records).items()}


@pytest.fixture
def folder(tmp_path):
    """A folder of 60 good images in two classes with a training and a test part, and one problem of each kind."""
    root = tmp_path / "data"
    write_many(root / "train" / "cats", 40, (48, 48))
    write_many(root / "train" / "dogs", 12, (48, 48), first=40)
    write_many(root / "test" / "cats", 8, (48, 48), first=60)
    write(root / "train" / "cats" / "copy.png", picture(48, 48, 3))  # the same bytes as 003.png
    write(root / "train" / "dogs" / "again.jpg", picture(48, 48, 7), quality=60)  # 007.png in another format
    write(root / "train" / "cats" / "larger.png", picture(96, 96, 9))
    write(root / "test" / "cats" / "leak.jpg", picture(48, 48, 11), quality=90)
    write(root / "train" / "cats" / "noise.png", np.random.default_rng(0).integers(0, 256, (48, 48, 3)).astype("uint8"))
    nearly_blank = np.full((48, 48, 3), 128, "uint8")
    nearly_blank[0, 0] = 130
    write(root / "train" / "cats" / "plain.png", nearly_blank)
    (root / "train" / "text.jpg").write_text("not an image")
    return root


def test_duplicates_outliers_and_leaks_are_found(folder):
    data, found = measured(folder)
    records = found.records
    assert names_of(data, records, analysis.exact_groups(records)) == [["train/cats/003.png", "train/cats/copy.png"]]
    assert sorted(names_of(data, records, analysis.near_groups(records))) == [
        ["test/cats/leak.jpg", "train/cats/011.png"],
        ["train/cats/003.png", "train/cats/copy.png"],
        ["train/cats/007.png", "train/dogs/again.jpg"],
        ["train/cats/009.png", "train/cats/larger.png"],
    ]
    reasons = reasons_of(data, records)
    assert reasons["train/cats/noise.png"] == "noisy"
    assert reasons["train/cats/plain.png"] == "blank"
    assert len(reasons) <= 4
    assert [row.path for row in found.skipped] == ["train/text.jpg"]


def test_blurred_and_foreign_images_are_outliers(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(60):
        image = picture(64, 64, index).astype(int) + rng.integers(-25, 26, (64, 64, 1))
        write(tmp_path / f"{index:02d}.png", np.clip(image, 0, 255).astype("uint8"))
    sharp = cv2.imread(str(tmp_path / "05.png"))[..., ::-1]
    write(tmp_path / "blurred.png", cv2.GaussianBlur(sharp, (0, 0), 3))
    page = np.full((64, 64, 3), 255, "uint8")
    page[8:56:6, 6:58] = 0
    write(tmp_path / "page.png", page)
    data, found = measured(tmp_path)
    reasons = {
        data.names[found.records["index"][row]]: reason for row, reason in analysis.outliers(found.records).items()
    }
    assert reasons["blurred.png"] == "blurred"
    assert reasons["page.png"] in ("far from the rest", "noisy")
    assert len(reasons) <= 3


def test_banded_search_equals_comparing_all_pairs():
    rng = np.random.default_rng(0)
    records = np.zeros(300, analysis.RECORD)
    records["hash"] = rng.integers(0, 2**63, 300, dtype=np.uint64)
    for row in range(0, 60, 2):  # a partner that differs in up to 8 bits
        flipped = rng.permutation(64)[: row // 2 % 9].astype(np.uint64)
        records["hash"][row + 1] = records["hash"][row] ^ np.bitwise_or.reduce(np.uint64(1) << flipped, initial=0)
    found = {tuple(group.tolist()) for group in analysis.near_groups(records)}
    bits = np.bitwise_count(records["hash"][:, None] ^ records["hash"])
    expected = {(int(a), int(b)) for a, b in np.argwhere(np.triu(bits <= analysis.NEAR_BITS, 1))}
    assert found == expected
    assert len(found) == 24


def test_few_images_have_no_outliers(tmp_path):
    write_many(tmp_path, 3)
    assert analysis.outliers(measured(tmp_path)[1].records) == {}
    assert analysis.outliers(np.empty(0, analysis.RECORD)) == {}


def test_copies_of_one_image_have_no_outliers(tmp_path):
    np.save(tmp_path / "same.npy", np.repeat(picture()[np.newaxis], 20, axis=0))
    assert analysis.outliers(measured(tmp_path / "same.npy")[1].records) == {}


def test_report_in_the_terminal_and_as_one_page(folder, tmp_path):
    answer = data_prep("report", folder, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    for line in (
        "66 images in",
        "1 more cannot be used",
        "9 for test, 57 for train",
        "The largest class has 4.1 times the images of the smallest: see --balance.",
        "48×48",
        "train/text.jpg: is not an image",
        "1 image is byte for byte the same as another one, in 1 group",
        "train/cats/003.png, train/cats/copy.png",
        "noisy: train/cats/noise.png",
        "./run_recipe.sh projected_gan --data",
    ):
        assert line in answer.stdout, line
    page = (tmp_path / "report.html").read_text("utf-8")
    for title in (
        "Classes",
        "Sizes",
        "Aspect",
        "Brightness",
        "Exact duplicates",
        "Near duplicates",
        "Leaks",
        "Outliers",
    ):
        assert f"<h2>{title}" in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # self-contained
    shown = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    assert len(shown) > 50
    assert cv2.imdecode(np.frombuffer(base64.b64decode(shown[0]), np.uint8), 1).shape == (96, 96, 3)


def test_names_are_escaped_in_the_page(tmp_path):
    write(tmp_path / "data" / "<script>alert(1)</script>" / "&.png", picture(8, 8), "PNG")
    data, found = measured(tmp_path / "data")
    report.write(tmp_path / "a.html", data, found, report.sections(data, found))
    assert "<script>" not in (tmp_path / "a.html").read_text("utf-8")


def test_report_overwrites_only_reports(tmp_path):
    write_many(tmp_path / "data", 3)
    (tmp_path / "thesis.html").write_text("years of work")
    answer = data_prep("report", tmp_path / "data", "--out", tmp_path / "thesis.html")
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert "exists already and is not a report" in answer.stderr
    assert (tmp_path / "thesis.html").read_text() == "years of work"
    for _ in range(2):
        assert data_prep("report", tmp_path / "data", "--out", tmp_path / "a.html").returncode == 0


def test_report_without_usable_images(tmp_path):
    write_bad_files(tmp_path / "data")
    answer = data_prep("report", "data", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "0 images in data, 10 more cannot be used" in answer.stdout
    assert "There are no images to train on." in answer.stdout


def test_report_on_arrays(tmp_path):
    array = np.stack([picture(16, 16, seed) for seed in range(20)])
    np.savez(tmp_path / "a.npz", train=array, test=array[:2])
    data, found = measured(tmp_path / "a.npz")
    text = report.text(report.sections(data, found))
    assert "22 images in" in text
    assert "2 images are byte for byte the same as another one" in text
    assert "2 images are the same, or nearly, as another one" in text
    assert "test/000000.png" in text


# Cleaning ---------------------------------------------------------------------------------------------------------


def left_out(out):
    with (out / "left_out.csv").open(newline="", encoding="utf-8") as file:
        return {row["path"]: row["reason"] for row in csv.DictReader(file)}


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("drop", ["duplicates", "outliers", "duplicates,outliers"])
def test_cleaning_keeps_the_source_and_lists_what_it_left_out(folder, tmp_path, drop):
    before, out = files_of(folder), tmp_path / "clean"
    answer = data_prep("clean", folder, "--out", out, "--drop", drop)
    assert answer.returncode == 0, answer.stderr
    assert files_of(folder) == before
    reasons = left_out(out)
    assert reasons["train/text.jpg"].startswith("is not an image")
    if "duplicates" in drop:
        assert reasons["train/cats/copy.png"] == "exact duplicate of train/cats/003.png"
        assert reasons["train/cats/011.png"] == "near duplicate of test/cats/leak.jpg"  # the test part keeps its copy
    if drop == "duplicates":
        assert reasons["train/cats/009.png"] == "near duplicate of train/cats/larger.png"  # the larger one is kept
        assert len(reasons) == 5
    if "outliers" in drop:
        assert reasons["train/cats/noise.png"] == "outlier: noisy"
    copied = files_of(out)
    copied.pop("left_out.csv")
    assert copied == {name: data for name, data in before.items() if name not in reasons}
    assert f"{len(copied)} images in {out}; {len(reasons)} left out" in answer.stdout
    assert np.unique(images.load(ImageOptions(data=out), "test").labels).tolist() == [0]  # cats


def test_cleaning_to_a_size_and_a_cap(folder, tmp_path):
    out = tmp_path / "clean"
    assert data_prep("clean", folder, "--out", out, "--drop", "none", "--size", "24x16", "--cap", 10).returncode == 0
    found = images.load(ImageOptions(data=out))
    assert found.images.shape == (20, 16, 24, 3)
    assert np.bincount(found.labels).tolist() == [10, 10]
    assert "over the cap of 10 for its class" in left_out(out).values()


def test_cleaning_an_array_gives_a_folder(tmp_path):
    array = np.stack([picture(16, 16, seed)[..., :1] for seed in range(20)])
    array[5] = array[3]
    np.savez(tmp_path / "a.npz", images=array, labels=np.repeat([0, 1], 10))
    data = analysis.collect(tmp_path / "a.npz")
    assert clean.clean(data, tmp_path / "out") == (19, 1)
    found = images.load(ImageOptions(data=tmp_path / "out"))
    assert (found.images.shape, found.class_names) == ((19, 16, 16, 1), ("0", "1"))
    assert np.array_equal(found.images[np.arange(5)], array[[0, 1, 2, 3, 4]])


def test_no_two_images_of_a_cleaning_have_one_name(tmp_path):
    names = ("a", "a.png", "a.jpg", "a.jpg.png", "a.jpg.png.png", "b.PNG")
    for seed, name in enumerate(names):
        write(tmp_path / "data" / name, picture(16, 16, seed), "PNG")
    assert clean.clean(analysis.collect(tmp_path / "data"), tmp_path / "out", size=(16, 16)) == (6, 0)
    copies = {path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".csv"}
    assert copies == {"a.png", "a.png.png", "a.jpg.png", "a.jpg.png.png", "a.jpg.png.png.png", "b.PNG"}
    assert len({cv2.imread(str(tmp_path / "out" / name)).tobytes() for name in copies}) == 6


@pytest.mark.parametrize("label", ["../../outside", "/outside", "..", ".hidden", "a/b"])
def test_a_class_of_an_array_leads_nowhere(tmp_path, label):
    np.savez(tmp_path / "a.npz", x=np.stack([picture(16, 16, seed) for seed in range(4)]), y=[label, "b", "b", "b"])
    with pytest.raises(InputError, match=re.escape(f"The class {label!r} of {tmp_path}/a.npz cannot be the name")):
        clean.clean(analysis.collect(tmp_path / "a.npz"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_interrupted_cleaning_continues(tmp_path, monkeypatch):
    monkeypatch.setattr(analysis, "CHUNK", 10)
    write_many(tmp_path / "data", 40)
    data, out = analysis.collect(tmp_path / "data"), tmp_path / "out"
    whole = tmp_path / "whole"
    clean.clean(data, whole)
    seen, fail_after = [], 25

    def interrupted(index, image, bytes_):
        seen.append(index)
        if len(seen) == fail_after:
            raise KeyboardInterrupt
        return measure_one(index, image, bytes_)

    measure_one = analysis.measure_one
    monkeypatch.setattr(analysis, "measure_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        clean.clean(data, out)
    with pytest.raises(InputError, match="holds an interrupted cleaning with other options"):
        clean.clean(data, out, drop=())
    seen.clear()
    fail_after = 0
    clean.clean(data, out)
    assert len(seen) == 20  # two chunks of ten were measured before
    assert files_of(out) == files_of(whole)


def test_a_killed_cleaning_continues(tmp_path):
    write_many(tmp_path / "data", 1500, (64, 64))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "data_prep", "clean", str(tmp_path / "data"), "--out", str(out)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    deadline = time.monotonic() + 60
    while not list(out.glob(".cleaning/*.npz")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "left_out.csv").exists()
    assert data_prep("clean", tmp_path / "data", "--out", out).returncode == 0
    assert len(files_of(out)) == 1501
    assert all(
        data == files_of(tmp_path / "data")[name] for name, data in list(files_of(out).items())[:9] if "csv" not in name
    )


@pytest.mark.parametrize("where", ["data", "data/inside", "."])
def test_the_copy_must_be_outside_of_the_source(tmp_path, where):
    write_many(tmp_path / "data", 3)
    answer = data_prep("clean", "data", "--out", where, cwd=tmp_path)
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert "must be outside of" in answer.stderr


def test_nonempty_folder_is_not_written_to(tmp_path):
    write_many(tmp_path / "data", 3)
    write_many(tmp_path / "mine", 1)
    before = files_of(tmp_path / "mine")
    answer = data_prep("clean", tmp_path / "data", "--out", tmp_path / "mine")
    assert answer.returncode == 2
    assert "exists already and is not overwritten" in answer.stderr
    assert files_of(tmp_path / "mine") == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("clean",), "clean needs a path"),
        (("report",), "report needs a path"),
        (("tidy", "x"), "There is no action 'tidy'; there are report, clean, download"),
        (("report", "missing"), "missing does not exist"),
        (("clean", "."), "clean needs a folder for the copy: --out"),
        (("clean", ".", "--out", "x", "--drop", "all"), "--drop must be some of duplicates,outliers, or none"),
        (("clean", ".", "--out", "x", "--size", "big"), "--size must be pixels"),
        (("clean", ".", "--cap", "0"), "--cap must be at least 1"),
        (("report", ".", "--uot", "x"), "did you mean --out"),
        (("download", "imagenet"), "There is no data set 'imagenet'; there are fashion_mnist"),
    ],
)
def test_wrong_commands_give_an_error_of_one_line(tmp_path, arguments, message):
    answer = data_prep(*arguments, cwd=tmp_path)
    assert answer.returncode == 2
    assert message in answer.stderr
    assert answer.stderr.startswith("Error: ")
    assert answer.stderr.count("\n") == 1


def test_modules_of_the_current_folder_are_not_run(tmp_path):
    """Also if PYTHONPATH has an empty part, which stands for it."""
    for name in ("cv2", "numpy", "dataclasses", "common", "tyro", "csv"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('run')")
    for path in (f"{PROJECT}", f":{PROJECT}"):
        answer = data_prep("download", cwd=tmp_path, env={"PYTHONPATH": path})
        assert answer.returncode == 0, answer.stderr
        assert "cite Xiao et al." in answer.stdout


def test_names_in_a_report_do_not_control_the_terminal(tmp_path):
    folder = tmp_path / os.fsdecode(b"d\xff\x1b[2J")
    write_many(folder / "c\x1b[31mlass", 9)
    write(folder / "c\x1b[31mlass" / "copy\n\x9b.png", picture(20, 24, 3))
    (folder / os.fsdecode(b"br\xffok\x1b[2J\nen.png")).write_text("not an image")
    answer = data_prep("report", folder, "--out", folder / "report.html")
    assert answer.returncode == 0, answer.stderr
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", answer.stdout)
    assert r"  br\udcffok\x1b[2J\nen.png: is not an image" in answer.stdout
    assert "\x1b" not in (folder / "report.html").read_text("utf-8")
    answer = data_prep("clean", folder, "--out", tmp_path / "out\x1b[2J")
    assert answer.returncode == 0, answer.stderr
    assert "\x1b" not in answer.stdout


def test_a_report_is_not_read_from_a_pipe(tmp_path):
    write_many(tmp_path / "data", 2)
    os.mkfifo(tmp_path / "pipe")
    data = analysis.collect(tmp_path / "data")
    with pytest.raises(InputError, match="pipe exists already and is not a report"):
        report.write(tmp_path / "pipe", data, analysis.measure(data), [])


def test_help_and_the_table_of_data_sets():
    assert "python -m data_prep report PATH" in data_prep().stdout
    assert "--overwrite" in data_prep("report", "--help").stdout
    assert "licence MIT; cite Xiao et al." in data_prep("download").stdout
    assert "fashion_mnist comes with the project" in data_prep("download", "fashion_mnist").stdout


def test_without_keras(tmp_path):
    write_many(tmp_path, 2)
    code = "import sys; import data_prep.__main__, data_prep.pairs; print({'keras', 'tensorflow'} & set(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "set()\n"


@pytest.mark.skipif(not SHARED.exists(), reason=f"needs the real data in {SHARED}")
@pytest.mark.parametrize(("name", "count"), [("facades", 100), ("monet2photo", 734), ("cifar10_frogs/frogs.npz", 4000)])
def test_real_data(name, count, tmp_path):
    data, found = measured(SHARED / name)
    assert len(found.records) == count
    report.write(tmp_path / "a.html", data, found, report.sections(data, found))
    assert clean.clean(data, tmp_path / "out")[0] > 0.98 * count


def test_another_package_keeps_its_current_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("import data_prep")
    (tmp_path / "mine" / "__main__.py").write_text("import beside")
    (tmp_path / "beside.py").write_text("print('found')")
    answer = subprocess.run(
        [sys.executable, "-m", "mine"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout == "found\n", answer.stderr
