"""Images with captions: of a table or of text files, and what is said if they do not belong together."""

import pytest

from common.base.errors import InputError
from data_prep import captions
from data_prep.captions import CaptionOptions
from tests.files import write_many

pytestmark = pytest.mark.once


@pytest.fixture
def photos(tmp_path):
    write_many(tmp_path / "photos", 12)
    return tmp_path / "photos"


def with_texts(photos):
    for path in list(photos.iterdir()):
        path.with_suffix(".txt").write_text(f"image {path.stem}\n\n  another {path.stem}  \n", "utf-8")


def table(photos, lines, encoding="utf-8"):
    path = photos.parent / "captions.csv"
    path.write_bytes("\n".join(["image,caption", *lines]).encode(encoding))
    return path


def of_names(photos, prefix=""):
    return [f"{prefix}{path.name},caption of {path.stem}" for path in sorted(photos.iterdir())]


def refused(options, words, split="train"):
    with pytest.raises(InputError, match=words):
        captions.load(options, split)


def test_text_files_beside_the_images(photos):
    with_texts(photos)
    found = captions.load(CaptionOptions(data=photos), "train")
    assert found.images.shape == (10, 20, 24, 3)  # every tenth is held out
    assert found.captions[0] == ("image 001", "another 001")
    assert captions.load(CaptionOptions(data=photos), "test").captions[1] == ("image 010", "another 010")


def test_a_table_with_several_captions_of_an_image(photos):
    path = table(photos, [*of_names(photos), '001.png,"a second, with a comma"'], "utf-8-sig")
    found = captions.load(CaptionOptions(data=photos, captions=path), "train")
    assert found.captions[0] == ("caption of 001", "a second, with a comma")
    assert len(found.captions) == len(found.images) == 10


@pytest.mark.parametrize("prefix", ["", "photos/", "{split}/photos/"])
def test_a_table_names_images_in_folders(tmp_path, prefix):
    for split, count in (("train", 3), ("test", 2)):
        write_many(tmp_path / "all" / split / "photos", count, first=10 * (split == "test"))
    lines = [
        line
        for split in ("train", "test")
        for line in of_names(tmp_path / "all" / split / "photos", prefix.format(split=split))
    ]
    options = CaptionOptions(data=tmp_path / "all", captions=table(tmp_path / "all", lines))
    assert captions.load(options, "train").captions[2] == ("caption of 002",)
    assert captions.load(options, "test").captions[1] == ("caption of 011",)


def test_images_without_a_caption(photos):
    path = table(photos, of_names(photos)[:6])
    words = "have no caption, such as 006.png, 007.png, 008.png; expected a line in"
    refused(CaptionOptions(data=photos, captions=path), words)
    with_texts(photos)
    (photos / "005.txt").unlink()
    words = "1 of 10 images .* have no caption, such as 005.png; expected the file 005.txt beside it"
    refused(CaptionOptions(data=photos), words)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["gone.png,a car"], "captions of 1 images that are not in .* such as gone.png"),
        (["001.png,"], "Line 2 of .* has no caption"),
        ([",a car"], "Line 2 of .* has no image"),
        ([], "has no captions"),
    ],
)
def test_a_table_that_does_not_fit(photos, lines, words):
    refused(CaptionOptions(data=photos, captions=table(photos, lines)), words)


def test_files_that_cannot_be_read(photos):
    with_texts(photos)
    (photos / "003.txt").write_bytes("größer".encode("latin-1"))
    refused(CaptionOptions(data=photos), "003.txt cannot be read as text")
    path = table(photos, ["001.png,größer"], "utf-16")
    refused(CaptionOptions(data=photos, captions=path), "cannot be read as a table")
    path.write_text("file,text\n001.png,a car\n", "utf-8")
    refused(
        CaptionOptions(data=photos, captions=path), r"has the columns \['file', 'text'\]; expected image and caption"
    )
