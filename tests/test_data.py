"""Named data sets, IDX files, and batches: order, balance, augmentation, shards."""

import gzip
import math
import struct
import tracemalloc

import keras
import numpy as np
import pytest

from common.base.errors import InputError
from common.base.pictures import scale, unscale
from data_prep import augment, balance, datasets, idx, images
from data_prep.batches import Batches
from data_prep.images import ImageOptions
from data_prep.make_fashion_mnist_subset import balanced
from tests.files import SHARED, picture, write_many


@pytest.mark.once
def test_scaling_is_exact_both_ways():
    every = np.arange(256, dtype="uint8")
    assert (scale(every).min(), scale(every).max(), scale(every).dtype) == (-1.0, 1.0, np.float32)
    assert np.array_equal(unscale(scale(every)), every)
    assert np.array_equal(unscale(np.array([-3.0, 3.0])), [0, 255])


# Batches ----------------------------------------------------------------------------------------------------------


def numbered(count=10):
    """Returns images whose pixels equal their index."""
    return np.arange(count, dtype="uint8")[:, None, None, None] * np.ones((1, 2, 2, 1), "uint8")


def orders(batches, epochs):
    found = []
    for _ in range(epochs):
        batches.on_epoch_begin()
        found.append([int(value) for index in range(len(batches)) for value in batches[index][:, 0, 0, 0]])
    return found


def raw(samples, **kwargs):
    return Batches(samples, transform=lambda batch: batch, **kwargs)


@pytest.mark.once
def test_order_depends_only_on_seed_and_epoch():
    first, second = orders(raw(numbered(), batch_size=3, seed=5), 2)
    assert len(set(first)) == 9  # no sample twice, the incomplete batch dropped
    assert first != second
    assert orders(raw(numbered(), batch_size=3, seed=5), 2) == [first, second]
    assert orders(raw(numbered(), batch_size=3, seed=6), 1) != [first]
    resumed = raw(numbered(), batch_size=3, seed=5)
    resumed.epoch = 1
    assert orders(resumed, 1) == [second]


def test_fit_gets_a_new_order_each_epoch_and_resumes_it(small_gan):
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


def test_structures_stay_together_and_labels_are_not_scaled():
    values, labels = Batches((numbered(), np.arange(10)), batch_size=4)[0]
    assert np.array_equal(unscale(values[:, 0, 0, 0]), labels)
    assert (values.dtype, labels.dtype) == (np.float32, np.int64)


@pytest.mark.once
def test_batch_larger_than_the_data():
    with pytest.raises(InputError, match="A batch of 11 is larger than the data of 10 samples; use --batch-size 10"):
        Batches(numbered(), batch_size=11)


@pytest.mark.once
def test_a_batch_for_several_updates():
    assert raw(numbered(), batch_size=2, updates=5)[0].shape == (10, 2, 2, 1)
    for updates, advice in ((5, r"batch of 5 × 4 .* use --batch-size 2 or less"), (11, "add images")):
        with pytest.raises(InputError, match=advice):
            raw(numbered(), batch_size=4, updates=updates)


@pytest.mark.once
@pytest.mark.parametrize("paired", [True, False])
def test_shards_of_all_hosts_form_the_batches_of_one_host(paired):
    samples = (np.arange(13), np.arange(100, 113 if paired else 107))
    single, *hosts = (Batches(samples, 6, seed=3, paired=paired) for _ in range(4))
    for index, host in enumerate(hosts):
        host.shard = (index, 3)
    for _ in range(2):
        for batches in (single, *hosts):
            batches.on_epoch_begin()
        assert {len(batches) for batches in (single, *hosts)} == {2}
        for index in range(2):
            parts = [host[index] for host in hosts]
            assert all(len(array) == 2 for part in parts for array in part)
            whole = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
            assert all(map(np.array_equal, whole, single[index]))
            assert len(set(whole[0])) == 6  # no sample twice


@pytest.mark.once
def test_unpaired_arrays_are_shuffled_independently():
    batches = raw((numbered(10), numbered(4)), batch_size=5, paired=False)
    epochs = []
    for _ in range(2):
        batches.on_epoch_begin()
        a, b = (np.concatenate([batches[index][side][:, 0, 0, 0] for index in range(2)]) for side in (0, 1))
        assert sorted(a) == list(range(10))
        assert np.bincount(b).max() - np.bincount(b).min() <= 1  # the shorter array repeats
        epochs.append((a.tolist(), b.tolist()))
    assert epochs[0] != epochs[1]


@pytest.mark.once
def test_parts_of_different_sizes_in_one_batch():
    """Arrays within a part belong together; each part has its own order and its own size of a batch."""
    labelled, unlabelled = (np.arange(5), np.arange(5) + 100), np.arange(40)
    for samples, sizes in (((labelled, unlabelled), (2, 8)), ({"x": labelled, "u": unlabelled}, {"x": 2, "u": 8})):
        batches = raw(samples, batch_size=sizes, paired=False)
        assert (len(batches), batches.batch_sizes) == (5, [2, 8])
        keys = ("x", "u") if isinstance(samples, dict) else (0, 1)
        for _ in range(2):
            batches.on_epoch_begin()
            parts = [batches[index] for index in range(len(batches))]
            assert type(parts[0]) is type(samples)
            images, labels = (np.concatenate([part[keys[0]][side] for part in parts]) for side in (0, 1))
            assert np.array_equal(images + 100, labels)
            assert np.bincount(images).tolist() == [2] * 5  # the shorter part repeats
            assert sorted(np.concatenate([part[keys[1]] for part in parts])) == list(range(40))
    assert [array.shape for array in keras.tree.flatten(batches.first(3))] == [(3,)] * 3


def test_a_dictionary_of_arrays_that_belong_together():
    batches = raw({"image": numbered(6), "label": np.arange(6)}, batch_size=3)
    batch = batches[0]
    assert np.array_equal(batch["image"][:, 0, 0, 0], batch["label"])


@pytest.mark.once
def test_arrays_of_different_lengths_are_refused_unless_unpaired():
    with pytest.raises(InputError, match=r"as many samples in each array, but got 6, 5; .* use paired=False"):
        raw((numbered(6), np.arange(5)), batch_size=2)
    with pytest.raises(InputError, match="as many samples in each array, but got 6, 5"):
        raw(((numbered(6), np.arange(5)), numbered(7)), batch_size=2, paired=False)


@pytest.mark.once
def test_each_unpaired_part_is_augmented_by_itself():
    def count(part, rng):
        return keras.tree.map_structure(lambda array: array + len(keras.tree.flatten(part)), part)

    a, b = raw(((np.zeros(4), np.zeros(4)), np.zeros(9)), batch_size=(2, 3), paired=False, augment=count)[0]
    assert (a[0].tolist(), a[1].tolist(), b.tolist()) == ([2, 2], [2, 2], [1, 1, 1])


# Validation -------------------------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("kind", ["folder", "array", "embedded"])
def test_validation_images_are_held_out_of_the_training(tmp_path, kind):
    data = None
    if kind == "folder":
        write_many(tmp_path / "a", 12)
        write_many(tmp_path / "b", 8, first=30)
        data = tmp_path
    if kind == "array":
        np.save(tmp_path / "images.npy", np.arange(20, dtype="uint8")[:, None, None] * np.ones((1, 6, 6), "uint8"))
        data = tmp_path / "images.npy"
    plain, options = (ImageOptions(data=data, validation=share) for share in (0.0, 0.25))
    everything = images.load(plain).images
    training, validation = (images.load(options, split) for split in ("train", "validation"))
    every, kept, held_out = (
        sorted(image.tobytes() for image in part[np.arange(len(part))])
        for part in (everything, training.images, validation.images)
    )
    assert len(held_out) == round(len(every) / 4)
    assert sorted(kept + held_out) == every
    assert len(training.labels) == len(kept)
    again = images.load(options, "validation").images
    assert np.array_equal(again[np.arange(len(again))], validation.images[np.arange(len(again))])
    test = images.load(options, "test").images
    assert len(test) == (2000 if kind == "embedded" else 20)


@pytest.mark.once
@pytest.mark.parametrize("kind", ["folder", "array"])
def test_a_test_part_without_a_class_has_the_numbers_of_the_training_part(tmp_path, kind):
    data, count = tmp_path / "data", 4
    if kind == "folder":
        for name in ("train/a", "train/b", "train/c", "test/a", "test/c"):
            write_many(data / name, count)
    else:
        data = tmp_path / "data.npz"
        pixels = np.zeros((3 * count, 6, 6), "uint8")
        labels = np.repeat(list("abc"), count)
        kept = labels != "b"
        np.savez(data, x_train=pixels, y_train=labels, x_test=pixels[kept], y_test=labels[kept])
    training, test = (images.load(ImageOptions(data=data), split) for split in ("train", "test"))
    assert test.class_names == training.class_names == images.class_names(ImageOptions(data=data))
    assert test.labels.tolist() == count * [0] + count * [2]
    only = images.load(ImageOptions(data=data, classes=("b", "c")), "test")
    assert (only.labels.tolist(), only.class_names) == (count * [1], ("b", "c"))


@pytest.mark.once
def test_a_class_that_only_the_test_part_has_is_refused(tmp_path):
    for name in ("train/a", "train/b", "test/a", "test/c"):
        write_many(tmp_path / name, 2)
    with pytest.raises(InputError, match=r"has images of c, which its training part does not have; .* both: a, b"):
        images.load(ImageOptions(data=tmp_path), "test")


@pytest.mark.once
def test_parts_of_one_class_need_no_folders_of_the_same_name(tmp_path):
    for name in ("train", "test"):
        write_many(tmp_path / name, 2)
    assert images.load(ImageOptions(data=tmp_path), "test").labels.tolist() == [0, 0]


@pytest.mark.once
def test_validation_images_are_held_out_of_each_class(tmp_path):
    write_many(tmp_path / "many", 30)
    write_many(tmp_path / "few", 3, first=40)
    options = ImageOptions(data=tmp_path, validation=0.9)
    counts = [np.bincount(images.load(options, split).labels).tolist() for split in ("train", "validation")]
    assert counts == [[1, 3], [2, 27]]
    only = ImageOptions(data=tmp_path, validation=0.5, classes=("many",))
    assert [len(images.load(only, split).labels) for split in ("train", "validation")] == [15, 15]


@pytest.mark.once
def test_a_validation_part_without_images_is_refused(tmp_path):
    np.save(tmp_path / "images.npy", np.zeros((4, 6, 6), "uint8"))
    for share, split in ((0.1, "train"), (0.0, "validation")):
        with pytest.raises(InputError, match=r"--validation .* of 4 images holds out none"):
            images.load(ImageOptions(data=tmp_path / "images.npy", validation=share), split)


# Balance ----------------------------------------------------------------------------------------------------------

UNEVEN = np.repeat([0, 1, 2], [70, 20, 10])


def drawn_labels(order, batch_size=10, epochs=1, seed=0):
    batches = raw((np.arange(100), UNEVEN), batch_size=batch_size, order=order, seed=seed)
    found = []
    for _ in range(epochs):
        batches.on_epoch_begin()
        parts = [batches[index] for index in range(len(batches))]
        found.append(tuple(np.concatenate(side) for side in zip(*parts, strict=True)))
    return found


@pytest.mark.once
def test_sampling_shows_all_classes_equally_often():
    ((rows, labels),) = drawn_labels(balance.EqualShares(UNEVEN))
    assert len(rows) == 100
    assert np.bincount(labels).min() >= 32
    assert np.bincount(rows[labels == 2], minlength=100)[90:].min() >= 3  # each of the ten about three times
    assert np.bincount(rows[labels == 0]).max() == 1


@pytest.mark.once
def test_cap_draws_different_images_in_every_epoch():
    first, second = drawn_labels(balance.Capped(UNEVEN), epochs=2)
    for rows, labels in (first, second):
        assert np.bincount(labels).tolist() == [10, 10, 10]
        assert len(set(rows.tolist())) == 30
    assert set(first[0].tolist()) != set(second[0].tolist())
    assert np.array_equal(drawn_labels(balance.Capped(UNEVEN), epochs=2)[1][0], second[0])


@pytest.mark.once
def test_balance_by_option(tmp_path):
    write_many(tmp_path / "many", 12)
    write_many(tmp_path / "few", 3, first=20)
    for choice, count in (("none", 15), ("sampling", 15), ("cap", 6)):
        options = ImageOptions(data=tmp_path, balance=choice)
        found = images.load(options)
        assert Batches(found.images, 3, order=options.balanced_order(found.labels)).count == count
    with pytest.raises(InputError, match="--balance needs classes"):
        ImageOptions(balance="cap").balanced_order(np.zeros(3, int))


# Augmentation -----------------------------------------------------------------------------------------------------

STEPS = [augment.Flip(), augment.Crop(), augment.Rotate(), augment.Colour(), augment.Noise()]


@pytest.mark.once
@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("channels", [1, 3])
def test_augmentation_differs_by_epoch_and_is_reproducible_by_seed(step, channels):
    samples = np.stack([picture(16, 12, seed)[..., :channels] for seed in range(8)])

    def epochs(seed):
        batches = raw(samples, batch_size=8, seed=seed, augment=step)
        found = []
        for _ in range(3):
            batches.on_epoch_begin()
            found.append(batches[0][np.argsort(batches._orders[0])])  # in the order of the data
        return found

    first, second, third = epochs(0)
    assert first.shape == samples.shape
    assert first.dtype == np.uint8
    assert not np.array_equal(first, second) or not np.array_equal(second, third)
    assert all(np.array_equal(a, b) for a, b in zip(epochs(0), (first, second, third), strict=True))
    assert not np.array_equal(epochs(1)[0], first)
    assert np.abs(first.astype(int) - samples).mean() < 60  # still similar to the original


@pytest.mark.once
@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
def test_both_images_of_a_pair_are_augmented_alike(step):
    samples = np.stack([picture(16, 12, seed) for seed in range(8)])
    a, b, labels = augment.Compose(step, step)((samples, samples.copy(), np.arange(8)), np.random.default_rng(0))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, samples)
    assert labels.tolist() == list(range(8))


@pytest.mark.once
def test_flip_flips_half():
    samples = np.stack([picture(4, 6, seed) for seed in range(200)])
    found = augment.Flip()(samples, np.random.default_rng(0))
    flipped = (found == samples[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 70 < flipped.sum() < 130
    assert np.array_equal(found[~flipped], samples[~flipped])


@pytest.mark.once
def test_evaluation_is_not_augmented():
    options = ImageOptions(augment=("flip", "noise"))
    test = images.load(options, "test")
    assert np.array_equal(test.images, images.load(ImageOptions(), "test").images)


@pytest.mark.once
def test_augmentation_does_not_change_the_stored_data():
    samples = np.stack([picture(8, 8, seed) for seed in range(8)])
    before = samples.copy()
    batches = Batches(samples, 4, augment=ImageOptions(augment=("flip", "crop")).augmentation())
    assert (batches[0].dtype, batches.sample_shape) == (np.float32, (8, 8, 3))
    assert np.array_equal(samples, before)
    assert np.array_equal(batches.first(8), batches.first(8))


# Data sets --------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_embedded_data():
    train, test = images.load(ImageOptions()), images.load(ImageOptions(), "test")
    assert train.images.shape == (10000, 28, 28, 1)
    assert test.images.shape == (2000, 28, 28, 1)
    assert np.bincount(train.labels).tolist() == [1000] * 10
    assert np.bincount(test.labels).tolist() == [200] * 10
    assert datasets.EMBEDDED.stat().st_size < 6e6
    assert images.load(ImageOptions(size="32", channels="3"), "test").images.shape == (2000, 32, 32, 3)


@pytest.mark.once
@pytest.mark.skipif(not datasets.DEBIAN_FASHION_MNIST.exists(), reason="needs Debian's package dataset-fashion-mnist")
def test_embedded_data_is_what_the_script_makes():
    with np.load(datasets.EMBEDDED) as arrays:
        made = balanced(*idx.read_split(datasets.DEBIAN_FASHION_MNIST, "train"), 1000, np.random.default_rng(2017))
        assert np.array_equal(made[0], arrays["train_images"])
        assert np.array_equal(made[1], arrays["train_labels"])
    assert images.load(ImageOptions(dataset="fashion_mnist_full")).images.shape == (60000, 28, 28, 1)


@pytest.mark.once
def test_classes_by_name_and_number():
    chosen = images.load(ImageOptions(classes=("sneaker", "9")))
    assert chosen.class_names == ("sneaker", "ankle-boot")
    assert np.bincount(chosen.labels).tolist() == [1000, 1000]
    everything = images.load(ImageOptions())
    assert np.array_equal(chosen.images, everything.images[np.isin(everything.labels, [7, 9])])


@pytest.mark.once
@pytest.mark.parametrize(("name", "hint"), [("snaeker", "did you mean sneaker"), ("11", "choose among t-shirt")])
def test_unknown_class(name, hint):
    with pytest.raises(InputError, match=hint):
        images.load(ImageOptions(classes=(name,)))


def write_idx(path, array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    data = header + array.tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


@pytest.mark.once
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_folder_of_idx_files(tmp_path, suffix):
    array = np.arange(3 * 4, dtype="uint8").reshape(3, 2, 2)
    write_idx(tmp_path / f"train-images-idx3-ubyte{suffix}", array)
    with pytest.raises(InputError, match="has no file train-labels"):
        images.load(ImageOptions(dataset="mnist", data=tmp_path))
    write_idx(tmp_path / f"train-labels-idx1-ubyte{suffix}", np.array([7, 8, 7], "uint8"))
    found = images.load(ImageOptions(dataset="mnist", data=tmp_path, classes=("7",)))
    assert np.array_equal(found.images[..., 0], array[[0, 2]])
    path = tmp_path / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match="not a complete IDX file"):
        images.load(ImageOptions(dataset="mnist", data=tmp_path))


@pytest.mark.once
@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (((4,), (4,)), "holds images of shape .4,. and labels of shape .4,.; expected are"),
        (((2, 4, 4, 7), (2,)), "holds images of shape .2, 4, 4, 7."),
        (((2, 4, 4), (2, 3)), "holds images of shape .2, 4, 4. and labels of shape .2, 3."),
        (((2, 4, 4), ()), "labels of shape ..;"),
        ((255 * (1,), (1,)), "says that it has 255 dimensions; images and labels have 3 and 1"),
        (((0, 4, 4), (0,)), "not a complete IDX file .* but it holds 0 values"),
        (((2**32 - 1, 2**32 - 1, 0), (0,)), "not a complete IDX file .* but it holds 0 values"),
    ],
    ids=["1", "7 channels", "labels of 2", "labels of 0", "255", "none", "huge"],
)
def test_idx_files_of_other_shapes(tmp_path, shapes, words):
    for name, shape in zip(("images-idx3", "labels-idx1"), shapes, strict=True):
        header = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
        (tmp_path / f"train-{name}-ubyte").write_bytes(header + bytes(math.prod(shape)))
    with pytest.raises(InputError, match=words):
        images.load(ImageOptions(data=tmp_path))


@pytest.mark.once
def test_no_more_of_an_idx_file_is_read_than_its_header_says(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    with gzip.open(path, "wb") as file:
        file.write(struct.pack(">HBB3I", 0, 8, 3, 2, 4, 4))
        for _ in range(8):
            file.write(bytes(1 << 24))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"says shape \(2, 4, 4\), but it holds more values"):
        idx.read(path)
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    path.write_bytes(gzip.compress(struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3) + bytes(9)))
    with pytest.raises(InputError, match="but it holds 9 values"):
        idx.read(path)


@pytest.mark.once
def test_idx_labels_without_a_name_are_called_by_their_number(tmp_path):
    """Such as those of EMNIST."""
    for prefix, labels in (("train", [3, 11]), ("t10k", [3, 12])):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte", np.ones((2, 4, 4), "uint8"))
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte", np.array(labels, "uint8"))
    found = images.load(ImageOptions(data=tmp_path))
    assert list(found.labels) == [3, 11]
    assert found.class_names[3] == datasets.DIGITS[3]
    assert found.class_names[10:] == ("10", "11", "12")
    assert images.load(ImageOptions(data=tmp_path, classes=("12",)), "test").class_names == ("12",)


@pytest.mark.once
@pytest.mark.skipif(not (SHARED / "mnist").exists(), reason=f"needs MNIST's IDX files in {SHARED}")
def test_real_mnist_files():
    found = images.load(ImageOptions(dataset="mnist", data=SHARED / "mnist", classes=("3",)), "test")
    assert found.images.shape == (1010, 28, 28, 1)


def test_keras_layers_can_augment_too(small_gan):
    layer = keras.layers.RandomFlip("horizontal", seed=0)
    batches = Batches(numbered(8), 4, transform=lambda batch: np.asarray(layer(scale(batch), training=True)))
    assert batches[0].shape == (4, 2, 2, 1)
