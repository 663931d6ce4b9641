"""Where images come from, and how they reach `fit`."""

import gzip
import struct
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from common.errors import InputError
from data_prep import idx, images
from data_prep.batches import Batches, scale, unscale
from data_prep.images import ImageOptions
from data_prep.make_fashion_mnist_subset import balanced

SHARED = Path(__file__).parents[2] / "shared" / "data"


def test_scaling_is_exact_both_ways():
    every = np.arange(256, dtype="uint8")
    assert (scale(every).min(), scale(every).max(), scale(every).dtype) == (-1.0, 1.0, np.float32)
    assert np.array_equal(unscale(scale(every)), every)
    assert np.array_equal(unscale(np.array([-3.0, 3.0])), [0, 255])


def numbered(count=10):
    """Images whose value is their number."""
    return np.arange(count, dtype="uint8")[:, None, None, None] * np.ones((1, 2, 2, 1), "uint8")


def orders(batches, epochs):
    found = []
    for _ in range(epochs):
        batches.on_epoch_begin()
        found.append([int(value) for index in range(len(batches)) for value in batches[index][:, 0, 0, 0]])
    return found


def raw(samples, **kwargs):
    return Batches(samples, transform=lambda batch: batch, **kwargs)


def test_order_depends_on_seed_and_epoch_alone():
    first, second = orders(raw(numbered(), batch_size=3, seed=5), 2)
    assert len(set(first)) == 9  # no sample twice, the incomplete batch left out
    assert first != second
    assert orders(raw(numbered(), batch_size=3, seed=5), 2) == [first, second]
    assert orders(raw(numbered(), batch_size=3, seed=6), 1) != [first]
    resumed = raw(numbered(), batch_size=3, seed=5)
    resumed.epoch = 1
    assert orders(resumed, 1) == [second]


def test_fit_sees_a_new_order_each_epoch_and_continues_it(small_gan):
    class Recorded(Batches):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            seen.setdefault(self.epoch, {})[index] = batch[:, 0].tolist()
            return batch

    def orders_of_fit(first_epoch):
        seen.clear()
        batches = Recorded(samples, batch_size=4, seed=1, transform=lambda batch: batch)
        batches.epoch = first_epoch
        small_gan().fit(batches, initial_epoch=first_epoch, epochs=3, shuffle=False, verbose=0)
        return {epoch: list(seen[epoch].items()) for epoch in range(first_epoch + 1, 4)}

    samples, seen = np.arange(24, dtype="float32").reshape(12, 2), {}
    whole = orders_of_fit(0)
    assert whole[1] != whole[2] != whole[3]
    assert orders_of_fit(2)[3] == whole[3]


def test_structures_stay_together():
    batches = raw((numbered(), np.arange(10)), batch_size=4)
    pictures, labels = batches[0]
    assert np.array_equal(pictures[:, 0, 0, 0], labels)


def test_batch_larger_than_the_data():
    with pytest.raises(InputError, match="A batch of 11 is larger than the data of 10 samples; use --batch-size 10"):
        Batches(numbered(), batch_size=11)


def test_embedded_data():
    train, test = images.load(ImageOptions()), images.load(ImageOptions(), "test")
    assert train.images.shape == (10000, 28, 28, 1)
    assert test.images.shape == (2000, 28, 28, 1)
    assert np.bincount(train.labels).tolist() == [1000] * 10
    assert np.bincount(test.labels).tolist() == [200] * 10
    assert images.EMBEDDED.stat().st_size < 6e6


@pytest.mark.skipif(not images.DEBIAN_FASHION_MNIST.exists(), reason="needs Debian's package dataset-fashion-mnist")
def test_embedded_data_is_what_the_script_makes():
    with np.load(images.EMBEDDED) as arrays:
        made = balanced(*idx.read_split(images.DEBIAN_FASHION_MNIST, "train"), 1000, np.random.default_rng(2017))
        assert np.array_equal(made[0], arrays["train_images"])
        assert np.array_equal(made[1], arrays["train_labels"])
    assert images.load(ImageOptions(dataset="fashion_mnist_full")).images.shape == (60000, 28, 28, 1)


def test_classes_by_name_and_number():
    chosen = images.load(ImageOptions(classes=("sneaker", "9")))
    assert chosen.class_names == ("sneaker", "ankle-boot")
    assert np.bincount(chosen.labels).tolist() == [1000, 1000]
    everything = images.load(ImageOptions())
    assert np.array_equal(chosen.images, everything.images[np.isin(everything.labels, [7, 9])])


@pytest.mark.parametrize(("name", "hint"), [("snaeker", "did you mean sneaker"), ("11", "choose among t-shirt")])
def test_unknown_class(name, hint):
    with pytest.raises(InputError, match=hint):
        images.load(ImageOptions(classes=(name,)))


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def test_folder_of_colour_pictures_in_class_folders(tmp_path):
    red = np.zeros((8, 12, 3), "uint8")
    red[..., 2] = 255  # OpenCV writes BGR
    write(tmp_path / "warm" / "red.png", red)
    write(tmp_path / "cold" / "blue.png", red[..., ::-1])
    found = images.load(ImageOptions(data=tmp_path))
    assert found.images.shape == (2, 8, 12, 3)
    assert found.class_names == ("cold", "warm")
    assert found.images[1, 0, 0].tolist() == [255, 0, 0]  # RGB
    assert found.labels.tolist() == [0, 1]


def test_folder_of_grey_pictures(tmp_path):
    write(tmp_path / "a.png", np.full((4, 4), 7, "uint8"))
    assert images.load(ImageOptions(data=tmp_path)).images.tolist() == [[[[7]] * 4] * 4]


def test_folder_errors(tmp_path):
    with pytest.raises(InputError, match="holds no image"):
        images.load(ImageOptions(data=tmp_path))
    with pytest.raises(InputError, match="expects a folder"):
        images.load(ImageOptions(data=tmp_path / "missing"))
    write(tmp_path / "a.png", np.zeros((4, 4), "uint8"))
    write(tmp_path / "b.png", np.zeros((4, 6), "uint8"))
    with pytest.raises(InputError, match=r"one size: a\.png has 4×4 pixels with 1 channel, b.png has 6×4"):
        images.load(ImageOptions(data=tmp_path))
    (tmp_path / "b.png").write_text("no picture")
    with pytest.raises(InputError, match=r"b\.png cannot be read"):
        images.load(ImageOptions(data=tmp_path))
    write(tmp_path / "b.png", np.zeros((4, 4, 4), "uint8"))
    with pytest.raises(InputError, match="has 4 channels"):
        images.load(ImageOptions(data=tmp_path))


def write_idx(path, array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    data = header + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_folder_of_idx_files(tmp_path, suffix):
    pictures = np.arange(3 * 4, dtype="uint8").reshape(3, 2, 2)
    write_idx(tmp_path / f"train-images-idx3-ubyte{suffix}", pictures)
    with pytest.raises(InputError, match="has no file train-labels"):
        images.load(ImageOptions(dataset="mnist", data=tmp_path))
    write_idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", np.array([7, 8, 7], "uint8"))
    found = images.load(ImageOptions(dataset="mnist", data=tmp_path, classes=("7",)))
    assert np.array_equal(found.images[..., 0], pictures[[0, 2]])
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match="no whole IDX file"):
        images.load(ImageOptions(dataset="mnist", data=tmp_path))


@pytest.mark.parametrize(
    ("name", "module", "file"),
    [
        ("mnist", "mnist", "mnist.npz"),
        ("cifar10", "cifar10", "cifar-10"),
        ("fashion_mnist_full", "fashion_mnist", "gz"),
    ],
)
def test_without_a_network_the_error_names_the_file(monkeypatch, name, module, file):
    def unreachable():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(getattr(keras.datasets, module), "load_data", unreachable)
    monkeypatch.setattr(images, "DEBIAN_FASHION_MNIST", Path("/missing"))
    with pytest.raises(InputError, match=f"{name} could not be downloaded.*put .*{file}"):
        images.load(ImageOptions(dataset=name))


@pytest.mark.skipif(not (SHARED / "mnist").exists(), reason=f"needs MNIST's IDX files in {SHARED}")
def test_real_mnist_files():
    found = images.load(ImageOptions(dataset="mnist", data=SHARED / "mnist", classes=("3",)), "test")
    assert found.images.shape == (1010, 28, 28, 1)
