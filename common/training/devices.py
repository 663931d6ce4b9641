"""Training on several devices and several hosts, with the engines of TensorFlow and JAX; see docs/scaling.md.

All hosts of a run do the same: the first one in the run folder, the others in temporary folders. If a host skipped a
computation, such as the samples of an epoch, the others would wait for it.
"""

import contextlib
import dataclasses
import hashlib
import os
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tyro

from common import backend
from common.base.errors import InputError
from common.base.ranges import Range

MEETING_SECONDS = 300  # how long the hosts wait for each other at the start
HEARTBEAT_SECONDS = 30  # without a heartbeat, after which a host counts as lost
LOST = """
Another host has ended, so this one does too: see its output ({}).
The finished epochs are stored: the same command on all hosts continues after them."""


@dataclasses.dataclass(frozen=True)
class DeviceOptions:
    """Options that distribute each batch; see docs/scaling.md. A run may continue on another number of devices."""

    devices: Annotated[str | None, tyro.conf.arg(metavar="{all,N}")] = None
    """number of devices of this machine that share each batch; by default one, or all of each host with --hosts"""
    hosts: Annotated[str | None, tyro.conf.arg(metavar="{auto,N}")] = None
    """number of machines that share each batch, each started with this command; auto takes it from Slurm or MPI"""
    host: Annotated[int | None, Range(0), tyro.conf.arg(metavar="INDEX")] = None
    """index of this host; host 0 is the first one and writes the run folder"""
    coordinator: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS:PORT")] = None
    """address of the first host, at which the others can reach it"""


# Before training --------------------------------------------------------------------------------------------------


def join(options):
    """Connects the hosts of a run, if there are several. Call it before anything is computed.

    Raises:
        InputError: if the backend does not support it, the options are inconsistent, or the hosts cannot connect.
    """
    name = keras.backend.backend()
    if options.hosts is None:
        if options.host is not None or options.coordinator is not None:
            raise InputError("--host and --coordinator are for training on several machines; add --hosts N.")
        return
    if name != "jax":
        raise InputError(f"Several hosts can train on JAX, not on {name}; add --backend jax.")
    if options.hosts == "auto":
        if options.host is not None or options.coordinator is not None:
            raise InputError("--hosts auto finds --host and --coordinator itself; leave them out.")
        _connect(None, None, None)
        return
    count = number("--hosts", options.hosts, "auto")
    if options.host is None or options.host >= count:
        raise InputError(
            f"--host must be from 0 to {count - 1}, a different one on each of {count} hosts; got {options.host}."
        )
    if not _is_address(options.coordinator):
        raise InputError(
            "--coordinator expects ADDRESS:PORT of the first host, such as 10.0.0.1:8476, "
            f"but got {options.coordinator}."
        )
    print(f"Host {options.host} of {count}, waiting for the others at {options.coordinator}.", flush=True)
    _connect(options.coordinator, count, options.host)


def _is_address(text):
    address, _, port = (text or "").rpartition(":")
    return bool(address) and port.isdecimal() and 0 < int(port) < 65536


def _connect(address, count, host):
    where = f" at {address}" if address else ""
    # The engine's own timeout aborts the program with a C++ stack trace, so this one is shorter.
    alarm = threading.Timer(
        MEETING_SECONDS, give_up, [f"The hosts did not meet{where} within {MEETING_SECONDS} seconds"]
    )
    alarm.daemon = True
    alarm.start()
    try:
        backend.join(address, count, host, HEARTBEAT_SECONDS, MEETING_SECONDS + 60)
    except (ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        if address is None:
            raise InputError(
                f"Neither Slurm nor MPI says which host this is ({reason}); set --hosts N, --host and --coordinator."
            ) from error
        raise InputError(f"The hosts did not meet{where} ({reason}); see docs/scaling.md.") from error
    finally:
        alarm.cancel()


def give_up(problem):
    print(f"Error: {problem}; start all of them, where they can reach that address.", file=sys.stderr, flush=True)
    os._exit(2)  # called in a timer's thread, while the main thread is blocked outside Python


def number(option, text, word):
    if not (text.isdecimal() and int(text)):
        raise InputError(f"{option} must be {word} or a number from 1, but is {text!r}.")
    return int(text)


def device_count(options):
    """Returns the number of devices that each host trains on.

    Raises:
        InputError: if fewer are available, or the backend supports only one.
    """
    found = backend.device_count()
    if options.devices is None:
        return found if is_shared() else 1
    wanted = found if options.devices == "all" else number("--devices", options.devices, "all")
    if keras.backend.backend() == "torch" and wanted > 1:
        raise InputError(
            "PyTorch trains on one device here; add --backend jax or --backend tensorflow, or use --devices 1."
        )
    if wanted > found:
        raise InputError(
            f"--devices is {wanted}, but there {'is' if found == 1 else 'are'} {found}; use --devices all."
        )
    return wanted


def spread(count):
    """Returns the context in which networks are built and trained, with each batch on `count` devices per host."""
    return backend.distributed(count)


def refuse_uneven(batches, gan, count):
    """Raises an `InputError` if a batch cannot be divided equally among the devices."""
    parts = count * backend.hosts()[1]
    steps = max(gan.discriminator_steps, gan.generator_steps)
    uneven = [size for size in batches.batch_sizes if size % (parts * steps)] if parts > 1 else []
    if uneven:
        split = f", split into {steps} steps," if steps > 1 else ""
        raise InputError(
            f"A batch of {uneven[0]}{split} cannot be divided equally among {parts} devices; "
            "choose another --batch-size, or another number of devices."
        )


# One of several hosts ---------------------------------------------------------------------------------------------


def is_shared():
    """Returns whether several hosts train together."""
    return backend.hosts()[1] > 1


def is_first():
    """Returns whether this host is the one that writes the run folder."""
    return backend.hosts()[0] == 0


@contextlib.contextmanager
def own_folder(folder):
    """Yields the run folder on the first host; on the others a temporary folder, with standard output silenced."""
    if is_first():
        yield folder
        return
    with (
        tempfile.TemporaryDirectory(prefix="gan_cookbook_host_") as own,
        Path(os.devnull).open("w") as silence,
        contextlib.redirect_stdout(silence),
    ):
        yield Path(own) / "run"


def copy_from_first(folder, names):
    """Copies files of the first host's folder, if they exist, into the folders of the others."""
    if not is_shared():
        return
    for name in names:
        path = folder / name
        content = path.read_bytes() if is_first() and path.exists() else b""
        size = int(backend.from_first(np.array(len(content))))
        content = backend.from_first(np.frombuffer(content or bytes(size), np.uint8))
        if size and not is_first():
            path.write_bytes(content.tobytes())


def refuse_differing(what, value):
    """Raises an `InputError`, on all hosts, if a JSON-compatible value differs between hosts."""
    if not is_shared():
        return
    digests = backend.gather(np.frombuffer(hashlib.sha256(repr(value).encode()).digest(), np.uint8))
    differing = [host for host, digest in enumerate(digests) if not np.array_equal(digest, digests[0])]
    if differing:
        with contextlib.suppress(Exception):
            backend.gather(digests[0])  # no host may end before all have compared
        raise InputError(
            f"Host {', '.join(map(str, differing))} differs from the first one in {what}; "
            "start the same version with the same options and data everywhere, except for --host."
        )


@contextlib.contextmanager
def ending_together():
    """Within this context an error ends the process at once, so that the other hosts notice; a lost host is reported.

    A host that exits normally would wait for the others, and they for it.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt):
        raise  # reported by the command line
    except Exception as error:
        if not is_shared():
            raise
        end(1, LOST.format(str(error).splitlines()[0]) if backend.is_lost_host_error(error) else traceback.format_exc())


def end(code, message=""):
    """Ends the program without waiting for other hosts."""
    if message:
        print(message, file=sys.stderr)
    if not is_shared():
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
