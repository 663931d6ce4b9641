"""Times how data is loaded for `fit`, and prints three tables.

    .venv/bin/python -m benchmarks.data [--rounds 7] [--files 1000 10000 100000]

1. Decoding a folder of 256×256 JPEGs to 64×64 batches, against the rate of a bare loop of `cv2.imread` and `cv2.resize`
   in one thread, times the number of cores. Rounds are interleaved and medians compared.
2. Batches of an array in memory, against the images per second that vanilla, the fastest recipe, trains on.
3. Start-up time and peak memory of a folder that is read batch by batch, each size in a separate process. The files
   are links to 1,000 different ones, so that the disk does not fill up.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

DISTINCT, SIZE = 1000, 64


def photograph(seed):
    """Returns a 256×256 image whose spectrum decays like that of photographs."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)) + 1 / 256
    planes = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=(256, 256))) / frequency) for _ in range(3)]
    mixed = np.stack([planes[0] + 0.3 * plane for plane in planes], axis=-1)
    return np.clip(128 + 50 * mixed / mixed.std(), 0, 255).astype(np.uint8)


def make_files(folder, count):
    """Writes `count` JPEGs of 256×256 pixels into ten class folders; only the first `DISTINCT` are different."""
    for index in range(count):
        path = folder / f"class_{index % 10}" / f"{index:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index < DISTINCT:
            cv2.imwrite(str(path), photograph(index), [cv2.IMWRITE_JPEG_QUALITY, 90])
        else:
            first = index % DISTINCT
            path.hardlink_to(folder / f"class_{first % 10}" / f"{first:06d}.jpg")


def bare_loop(paths):
    for path in paths:
        cv2.resize(cv2.imread(path), (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def epoch(batches):
    for index in range(len(batches)):
        batches[index]


def seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def streamed(folder):
    from data_prep import images

    return images.load_folder(folder, images.ImageOptions(data=folder, size=str(SIZE)), memory=0)


def time_decoding(folder, rounds):
    from data_prep.batches import Batches

    paths = [str(path) for path in sorted(folder.rglob("*.jpg"))]
    batches = Batches(streamed(folder).images, 64)
    bare, ours = [], []
    for _ in range(rounds):
        bare.append(len(paths) / seconds(bare_loop, paths))
        batches.on_epoch_begin()
        ours.append(64 * len(batches) / seconds(epoch, batches))
    cores = os.cpu_count()
    share = statistics.median(our / (cores * one) for our, one in zip(ours, bare, strict=True))
    print(
        "\n| variant | images/s |\n|---|---|\n"
        f"| bare loop, one thread | {statistics.median(bare):.0f} |\n"
        f"| batches of a folder, {cores} threads | {statistics.median(ours):.0f} |\n"
        f"| share of the bare loop times {cores} cores | {share:.2f} |"
    )


def time_memory(rounds):
    import keras

    from common.gan import GAN
    from common.losses import NonSaturating
    from data_prep import images
    from data_prep.batches import Batches
    from recipes.vanilla.train import DenseDiscriminator, DenseGenerator

    batches = Batches(images.load(images.ImageOptions()).images, 64)
    gan = GAN(
        DenseGenerator(100, image_shape=(28, 28, 1), units=512), DenseDiscriminator((28, 28, 1), units=512), seed=0
    )
    gan.compile(NonSaturating(), keras.optimizers.Adam(), keras.optimizers.Adam(), steps_per_execution=8)
    fit = {"shuffle": False, "verbose": 0}
    gan.fit(batches, **fit)
    alone, trained = [], []
    for _ in range(rounds):
        alone.append(64 * len(batches) / seconds(epoch, batches))
        trained.append(64 * len(batches) / seconds(lambda: gan.fit(batches, **fit)))
    ratio = statistics.median(one / other for one, other in zip(alone, trained, strict=True))
    print(
        "\n| | images/s |\n|---|---|\n"
        f"| batches of an array in memory | {statistics.median(alone):.0f} |\n"
        f"| the training of vanilla | {statistics.median(trained):.0f} |\n"
        f"| ratio | {ratio:.1f} |"
    )


def start_up(folder):
    """Prints the seconds until the first batch, and the peak memory after 50 batches, without Keras."""
    from data_prep import images  # noqa: F401 (measures the memory of the imports)

    before = peak_memory()
    start = time.perf_counter()
    loaded = streamed(folder).images
    order = np.random.default_rng(0).permutation(len(loaded))
    loaded[order[:64]]
    ready = time.perf_counter() - start
    for index in range(1, 50):
        loaded[order[64 * index % len(order) :][:64]]
    print(json.dumps({"seconds": ready, "imports": before, "peak": peak_memory()}))


def peak_memory():
    """Returns this process's peak memory in megabytes (Linux; `getrusage` would include that of its parent)."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def time_start_up(counts):
    print("\n| files | start-up, s | s per 10,000 files | memory after imports, MB | peak, MB |\n|---|---|---|---|---|")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            make_files(Path(folder), count)
            command = [sys.executable, "-m", "benchmarks.data", "--start-up", folder]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        row = (found["seconds"], found["seconds"] / count * 10000)
        memory = (found["imports"], found["peak"])
        print(f"| {count:,} | {row[0]:.2f} | {row[1]:.2f} | {memory[0]:.0f} | {memory[1]:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--start-up", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.start_up:
        return start_up(Path(options.start_up))
    with tempfile.TemporaryDirectory() as folder:
        make_files(Path(folder), DISTINCT)
        time_decoding(Path(folder), options.rounds)
    time_memory(options.rounds)
    return time_start_up(options.files)


if __name__ == "__main__":
    main()
