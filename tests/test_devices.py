"""Training on several devices and several hosts: equal losses, different data on each, the loss of a host."""

import csv
import functools
import os
import signal
import socket
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from common import backend
from common.base.errors import InputError
from common.training import devices
from common.training.devices import DeviceOptions
from data_prep.batches import Batches
from tests.conftest import PROJECT, heeding_ctrl_c

BACKEND = keras.backend.backend()
# On TensorFlow each device computes batch norm over its own part of a batch, so it is disabled there.
WITHOUT_BATCH_NORM = {"GAN_COOKBOOK_WITHOUT_BATCH_NORM": "1"} if BACKEND == "tensorflow" else {}
EPOCHS = 3
OPTIONS = {
    "vanilla": ("--units", 16, "--classes", "bag", "--batch-size", 250),
    "dcgan": ("--filters", 4, "--classes", "bag", "--batch-size", 250),
    "simgan": ("--count", 500, "--filters", 2, "--batch-size", 250, "--pretraining", 1, 1, "--size", 14),
}

on_several_devices = pytest.mark.skipif(BACKEND == "torch", reason="PyTorch trains on one device here")
on_several_hosts = pytest.mark.skipif(BACKEND != "jax", reason="only JAX trains on several hosts")


def start(folder, *options, epochs=EPOCHS, count=2, recipe="dcgan"):
    """Starts a training on a CPU that is split into `count` virtual devices."""
    command = [sys.executable, "-m", "tests.on_virtual_devices", str(count), f"recipes.{recipe}.train"]
    command += map(str, OPTIONS[recipe])
    command += ["--backend", BACKEND, "--epochs", str(epochs), "--run-folder", str(folder), *map(str, options)]
    with heeding_ctrl_c():
        return subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **WITHOUT_BATCH_NORM, "KERAS_BACKEND": BACKEND, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def answers(*processes, seconds=300):
    """Waits for the processes; returns the exit code, output and errors of each."""
    texts = [process.communicate(timeout=seconds) for process in processes]
    return [(process.returncode, *pair) for process, pair in zip(processes, texts, strict=True)]


def train(folder, *options, **numbers):
    ((code, output, errors),) = answers(start(folder, *options, **numbers))
    assert code == 0, errors
    return output


def rows(folder):
    path = folder / "log.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return [(float(row["d_loss"]), float(row["g_loss"])) for row in csv.DictReader(file)]


def start_hosts(folder, options=((), ()), **numbers):
    """Starts two hosts of one training; the second one has its own run folder, as on another machine."""
    common = ["--hosts", 2, "--coordinator", f"127.0.0.1:{free_port()}"]
    folders = [folder / "run", folder / "elsewhere"]
    return [start(folders[host], *common, "--host", host, *options[host], count=1, **numbers) for host in range(2)]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Returns a function from a recipe to its losses on one device."""

    @functools.cache
    def losses(recipe):
        folder = tmp_path_factory.mktemp("alone") / "run"
        train(folder, recipe=recipe)
        return rows(folder)

    return losses


def close(losses, expected):
    return np.allclose(losses, expected, rtol=1e-5, atol=1e-5)


# Devices ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@on_several_devices
def test_losses_are_those_of_one_device_also_when_continued_on_one(alone, tmp_path):
    train(tmp_path / "run", "--devices", 2, epochs=EPOCHS - 1)
    assert f"2 × {backend.device()}" in (tmp_path / "run" / "README.md").read_text("utf-8")
    assert "Continuing" in train(tmp_path / "run", "--devices", 1)
    expected = alone("dcgan")
    assert close(rows(tmp_path / "run"), expected)
    assert not close(expected[0], expected[1])  # the tolerance distinguishes epochs


@pytest.mark.slow
@on_several_devices
def test_simgan_with_pretraining(tmp_path):
    """On TensorFlow each device also has its own image pool."""
    processes = [start(tmp_path / "one", recipe="simgan", epochs=1)]
    if BACKEND == "jax":
        processes += start_hosts(tmp_path, recipe="simgan", epochs=1)
    else:
        processes += [start(tmp_path / "run", "--devices", 2, recipe="simgan", epochs=1)]
    assert {code for code, _, _ in answers(*processes)} == {0}
    found = np.array(rows(tmp_path / "run")), np.array(rows(tmp_path / "one"))
    assert np.allclose(*found, rtol=1e-4 if BACKEND == "jax" else 0.01)


@pytest.mark.slow
@on_several_devices
def test_each_device_draws_rows_of_its_own():
    """Otherwise all devices would have the same fakes, or each device would generate all of them."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.on_virtual_devices", "2", "tests.rows_of_two_devices"],
        cwd=PROJECT,
        env={**os.environ, "KERAS_BACKEND": BACKEND},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (answer.returncode, answer.stdout.split()) == (0, ["3", "3", "True", "True"]), answer.stderr


def test_batches_that_cannot_be_divided(small_gan):
    gan = small_gan(discriminator_steps=5)
    batches = Batches((np.zeros((30, 2)), np.zeros((300, 2))), (6, 64), paired=False)
    devices.refuse_uneven(batches, gan, 1)  # a single device takes whatever there is
    with pytest.raises(InputError, match=r"A batch of 6, split into 5 steps, cannot be divided .* among 2 devices"):
        devices.refuse_uneven(batches, gan, 2)


def test_more_devices_than_available():
    with pytest.raises(InputError, match="--devices"):
        devices.device_count(DeviceOptions(devices="64"))


@pytest.mark.skipif(BACKEND != "torch", reason="the other backends support it")
def test_pytorch_refuses_several_devices():
    with pytest.raises(InputError, match="PyTorch trains on one device here; add --backend jax"):
        devices.device_count(DeviceOptions(devices="2"))


@pytest.mark.parametrize("wrong", ["0", "two", "-1", "1.5"])
def test_invalid_number_of_devices(wrong):
    with pytest.raises(InputError, match=f"--devices must be all or a number from 1, but is '{wrong}'"):
        devices.device_count(DeviceOptions(devices=wrong))


def test_all_devices_and_the_default():
    assert devices.device_count(DeviceOptions(devices="all")) == backend.device_count()
    assert devices.device_count(DeviceOptions()) == 1


def test_a_batch_that_cannot_be_divided_among_the_devices(small_gan):
    batches = Batches(np.zeros((30, 2), "float32"), 10)
    devices.refuse_uneven(batches, small_gan(), 5)
    with pytest.raises(InputError, match="A batch of 10 cannot be divided equally among 4 devices; choose another"):
        devices.refuse_uneven(batches, small_gan(), 4)
    with pytest.raises(InputError, match="of 10, split into 3 steps, cannot be divided equally among 2 devices"):
        devices.refuse_uneven(batches, small_gan(discriminator_steps=3), 2)


# Hosts ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@on_several_hosts
def test_two_hosts_have_the_losses_of_one_and_only_the_first_writes(alone, tmp_path):
    first, second = answers(*start_hosts(tmp_path))
    assert (first[0], second[0]) == (0, 0), first[2] + second[2]
    assert close(rows(tmp_path / "run"), alone("dcgan"))
    assert "Made in" in first[1]
    assert second[1].splitlines()[0].startswith("Host 1 of 2, waiting for the others at 127.0.0.1:")
    assert "Epoch" not in second[1]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.slow
@on_several_hosts
@pytest.mark.parametrize(("killed", "how"), [(0, "KILL"), (1, "KILL"), (1, "INT")])
def test_the_loss_of_a_host_ends_the_other_and_the_run_continues(alone, tmp_path, killed, how):
    hosts = start_hosts(tmp_path, epochs=5000, recipe="vanilla")
    while len(rows(tmp_path / "run")) < 2:
        assert [host.poll() for host in hosts] == [None, None]
        time.sleep(0.1)
    hosts[killed].send_signal(getattr(signal, f"SIG{how}"))
    ended = answers(*hosts, seconds=60)
    assert ended[killed][0] == {"KILL": -signal.SIGKILL, "INT": 130}[how]
    code, _, errors = ended[1 - killed]
    assert code not in (0, None)
    assert "Another host has ended, so this one does too" in errors or "another task died" in errors, errors
    assert "Traceback" not in errors
    if killed:
        return  # what is left of the run is the same
    done = len(rows(tmp_path / "run"))
    output = train(tmp_path / "run", epochs=done + 1, count=1, recipe="vanilla")
    assert "Continuing" in output
    assert close(rows(tmp_path / "run")[:2], alone("vanilla")[:2])
    assert len(rows(tmp_path / "run")) in (done, done + 1)  # the last row may belong to an epoch that was not stored


@pytest.mark.slow
@on_several_hosts
def test_hosts_continue_a_run_that_only_the_first_one_has(alone, tmp_path):
    train(tmp_path / "run", epochs=1, count=1, recipe="vanilla")
    first, second = answers(*start_hosts(tmp_path, recipe="vanilla"))
    assert (first[0], second[0]) == (0, 0), first[2] + second[2]
    assert "Continuing" in first[1]
    assert close(rows(tmp_path / "run"), alone("vanilla"))


@pytest.mark.slow
@on_several_hosts
def test_hosts_with_different_options_are_refused(tmp_path):
    for code, _, errors in answers(*start_hosts(tmp_path, ((), ("--learning-rate", "0.1")), recipe="vanilla")):
        assert code == 2
        assert (
            "Error: Host 1 differs from the first one in its options or its versions; start the same version" in errors
        )


@pytest.mark.slow
@on_several_hosts
@pytest.mark.parametrize("host", [0, 1])
def test_a_host_without_the_other_times_out(host):
    script = f"""
from common.training import devices
devices.MEETING_SECONDS = 3
devices.join(devices.DeviceOptions(hosts="2", host={host}, coordinator="127.0.0.1:{free_port()}"))
"""
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 2
    assert "Error: The hosts did not meet at 127.0.0.1:" in answer.stderr
    assert "within 3 seconds; start all of them, where they can reach that address." in answer.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (DeviceOptions(host=1), "--host and --coordinator are for training on several machines; add --hosts N"),
        (DeviceOptions(hosts="some"), "--hosts must be auto or a number from 1, but is 'some'"),
        (DeviceOptions(hosts="2"), "--host must be from 0 to 1, a different one on each of 2 hosts; got None"),
        (DeviceOptions(hosts="2", host=2), "--host must be from 0 to 1, a different one on each of 2 hosts; got 2"),
        (DeviceOptions(hosts="2", host=0), "--coordinator expects ADDRESS:PORT of the first host, .* but got None"),
        (DeviceOptions(hosts="2", host=0, coordinator="10.0.0.1"), "--coordinator expects ADDRESS:PORT"),
        (DeviceOptions(hosts="2", host=0, coordinator="a:99999"), "--coordinator expects ADDRESS:PORT"),
        (DeviceOptions(hosts="auto", host=0), "--hosts auto finds --host and --coordinator itself; leave them out"),
    ],
)
def test_invalid_host_options(monkeypatch, options, sentence):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match=sentence):
        devices.join(options)


@pytest.mark.skipif(BACKEND == "jax", reason="JAX supports it")
def test_hosts_need_jax():
    with pytest.raises(InputError, match=f"Several hosts can train on JAX, not on {BACKEND}; add --backend jax"):
        devices.join(DeviceOptions(hosts="2", host=0, coordinator="127.0.0.1:8476"))


@pytest.mark.slow
@on_several_hosts
def test_hosts_of_a_slurm_job(alone, tmp_path, monkeypatch):
    """From the variables that Slurm sets for each task of a job; the port follows from the job's ID."""
    monkeypatch.setenv("SLURM_JOB_ID", str(free_port()))
    monkeypatch.setenv("SLURM_STEP_NODELIST", "localhost")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    hosts = []
    for host in "01":
        monkeypatch.setenv("SLURM_PROCID", host)
        monkeypatch.setenv("SLURM_LOCALID", host)
        folder = tmp_path / ("run" if host == "0" else "elsewhere")
        hosts.append(start(folder, "--hosts", "auto", count=1, epochs=2, recipe="vanilla"))
    first, second = answers(*hosts)
    assert (first[0], second[0]) == (0, 0), first[2] + second[2]
    assert close(rows(tmp_path / "run"), alone("vanilla")[:2])
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.slow
@on_several_hosts
def test_auto_without_slurm_or_mpi(tmp_path):
    ((code, _, errors),) = answers(start(tmp_path / "run", "--hosts", "auto", recipe="vanilla"))
    assert code == 2
    assert errors.startswith("Error: Neither Slurm nor MPI says which host this is (")
