"""Measures how training speed scales with processes, batch size, bfloat16 and XLA, and prints a table.

    .venv/bin/python -m benchmarks.scaling processes|settings|batches [--backend jax] [--size 64] [--rounds 5]

- `processes`: one process on one core against two hosts that train together, each on its own core, with as many images
  in its part of the batch as the single process.
- `settings`: float32 and mixed_bfloat16, with and without XLA.
- `batches`: 32 to 512 images.

Every row is a separate process that trains dcgan at its defaults with `fit`, on random images in memory. All processes
exist at the same time and train in turns, so that other load on the machine affects all alike. Medians are compared.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys

from common.base.paths import PROJECT


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["processes", "settings", "batches"])
    parser.add_argument("--backend", choices=["tensorflow", "jax", "torch"], default="jax")
    parser.add_argument("--size", type=int, default=64, help="pixels of an image")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="training steps measured per turn, after a first one")
    options = parser.parse_args()
    if options.what == "processes" and options.backend != "jax":
        parser.error("only JAX trains with several processes")
    ways = {"processes": processes, "settings": settings, "batches": batch_sizes}[options.what](options)
    rates = measure({name: [start(options, **worker) for worker in workers] for name, workers in ways.items()}, options)
    show(options, rates)


# The variants: a name, and the workers that train together ----------------------------------------------------------


def processes(options):
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        sys.exit("Two processes need two cores, but there is only one.")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    pair = [{"core": core, "hosts": "2", "host": host, "coordinator": coordinator} for host, core in enumerate(cores)]
    return {"one process, one core": [{"core": cores[0]}], "two processes, a core each": pair}


def settings(options):
    xla = {"tensorflow": [False, True], "jax": [True], "torch": [False]}[options.backend]
    return {
        f"{policy}{', XLA' if compiled else ''}": [{"policy": policy, "xla": compiled}]
        for policy in ("float32", "mixed_bfloat16")
        for compiled in xla
    }


def batch_sizes(options):
    return {f"batches of {size}": [{"batch_size": size}] for size in (32, 64, 128, 256, 512)}


# Training in turns --------------------------------------------------------------------------------------------------


def start(options, **worker):
    """Starts a worker process, which waits for its first turn."""
    settings = {"size": options.size, "batch_size": options.batch_size, "steps": options.steps, **worker}
    environment = {**os.environ, "KERAS_BACKEND": options.backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-c", "from benchmarks.scaling import work; work()", json.dumps(settings)],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def measure(ways, options):
    """Returns the images per second of each variant in each round."""
    rates = {name: [] for name in ways}
    for turn in range(options.rounds + 1):
        for name, workers in ways.items():
            answers = take_turn(workers)
            if turn:  # the first turn compiles
                rates[name].append(statistics.mean(answers))
    workers = [worker for workers in ways.values() for worker in workers]
    for worker in workers:
        worker.stdin.close()
    for worker in workers:  # after closing all, since workers wait for each other
        worker.wait()
    return rates


def take_turn(workers):
    for worker in workers:
        worker.stdin.write("train\n")
        worker.stdin.flush()
    # Gloo prints a line of its own.
    answers = [next((line for line in worker.stdout if line.startswith("images/s")), None) for worker in workers]
    if not all(answers):
        sys.exit("A worker ended; its error is above.")
    return [float(answer.split()[1]) for answer in answers]


def show(options, rates):
    medians = {name: statistics.median(found) for name, found in rates.items()}
    first = next(iter(medians.values()))
    print(f"\n{options.backend}, {options.size}×{options.size} pixels, {platform.machine()}, {os.cpu_count()} cores\n")
    print("| variant | images/s | spread | relative to the first |\n|---|---|---|---|")
    for name, median in medians.items():
        spread = (max(rates[name]) - min(rates[name])) / median
        print(f"| {name} | {median:.1f} | ±{spread / 2:.0%} | {median / first:.2f} |")
    if options.what == "processes":
        print(f"\nEfficiency of two processes: {list(medians.values())[1] / first / 2:.2f}")


# A worker -----------------------------------------------------------------------------------------------------------


def work():
    """Trains for one turn per line of standard input, and prints `images/s RATE` after each."""
    settings = json.loads(sys.argv[1])
    if "core" in settings:
        os.sched_setaffinity(0, {settings["core"]})  # before the frameworks count the cores
    from common.launch import quiet  # noqa: F401, I001 (before Keras)
    from common import backend
    from common.training.devices import DeviceOptions, join, spread

    if "hosts" in settings:
        join(DeviceOptions(hosts=settings["hosts"], host=settings["host"], coordinator=settings["coordinator"]))
    with spread(1):
        train = trainer(settings, backend.hosts())
        for _ in sys.stdin:
            print("images/s", train(), flush=True)


def trainer(settings, shard):
    """Returns a function that trains for one turn and returns the images per second of all hosts."""
    import keras
    import numpy as np

    from common import backend
    from common.gan import GAN
    from common.losses import NonSaturating
    from common.training.callbacks import Throughput
    from data_prep.batches import Batches
    from recipes.dcgan import train as dcgan

    config = dcgan.Config()
    keras.config.set_dtype_policy(settings.get("policy", "float32"))
    shape, batch_size = (settings["size"], settings["size"], 3), settings["batch_size"] * shard[1]
    images = np.random.default_rng(0).integers(0, 256, (batch_size * (settings["steps"] + 1), *shape), dtype="uint8")
    batches = Batches(images, batch_size)
    batches.shard = shard
    backend.set_random_seed(0)
    gan = GAN(
        dcgan.ConvolutionalGenerator(config.latent_dim, image_shape=shape, filters=config.filters),
        dcgan.ConvolutionalDiscriminator(shape, filters=config.filters),
        seed=0,
    )
    adams = [keras.optimizers.Adam(config.learning_rate, config.beta_1) for _ in range(2)]
    gan.compile(NonSaturating(), *adams, jit_compile=settings.get("xla", "auto"))
    throughput = Throughput(batch_size)  # measures from the end of the first step, which compiles

    def turn():
        gan.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=[throughput])
        return throughput.rate

    return turn


if __name__ == "__main__":
    main()
