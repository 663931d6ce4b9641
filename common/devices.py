"""Training on several devices and several hosts, by the engines of TensorFlow and JAX; see docs/scaling.md.

Every host of a run does the same, the first in the run folder and the others in a folder of their own that vanishes
with them: a host that left a step out, such as drawing the samples of an epoch, would leave the others waiting for it.
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
from common.errors import InputError
from common.options import Range

MEETING_SECONDS = 300  # for which the hosts wait for each other
HEARTBEAT_SECONDS = 30  # without a sign of life after which a host counts as gone
LOST = """
Another host has ended, so this one does too: see what that one said ({}).
The finished epochs are stored: the same command on all hosts continues after them."""


@dataclasses.dataclass(frozen=True)
class DeviceOptions:
    """The options by which a user spreads each batch: see docs/scaling.md. Any number of devices continues a run."""

    devices: Annotated[str | None, tyro.conf.arg(metavar="{all,N}")] = None
    """how many devices of this machine share each batch; by default one, or all of each host"""
    hosts: Annotated[str | None, tyro.conf.arg(metavar="{auto,N}")] = None
    """how many machines share each batch, each started with this command; auto asks Slurm or MPI"""
    host: Annotated[int | None, Range(0), tyro.conf.arg(metavar="INDEX")] = None
    """which of the hosts this is, from 0, the first one, which writes the run folder"""
    coordinator: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS:PORT")] = None
    """of the first host, where the others can reach it"""


# Before the training ----------------------------------------------------------------------------------------------


def join(options):
    """Connects the hosts of a run, if there are several; to be called before anything is computed.

    Raises:
        InputError: if the backend cannot, the options do not say who is who, or the hosts do not find each other.
    """
    name = keras.backend.backend()
    if options.hosts is None:
        if options.host is not None or options.coordinator is not None:
            raise InputError("--host and --coordinator are of a training on several machines; add --hosts N.")
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
            f"--host must be from 0 to {count - 1}, another one on each of {count} hosts; got {options.host}."
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
    # The engine ends the program with a trace of C++ when its own time is over, so ours is over before.
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
                f"Neither Slurm nor MPI told which host this is ({reason}); say --hosts N, --host and --coordinator."
            ) from error
        raise InputError(f"The hosts did not meet{where} ({reason}); see docs/scaling.md.") from error
    finally:
        alarm.cancel()


def give_up(problem):
    print(f"Error: {problem}; start all of them, where they can reach that address.", file=sys.stderr, flush=True)
    os._exit(2)  # this is not the main thread, which waits outside of Python


def number(option, text, word):
    if not (text.isdecimal() and int(text)):
        raise InputError(f"{option} must be {word} or a number from 1, but is {text!r}.")
    return int(text)


def device_count(options):
    """Returns how many devices each host trains on.

    Raises:
        InputError: if there are not as many.
    """
    found = backend.device_count()
    if options.devices is None:
        return found if is_shared() else 1
    wanted = found if options.devices == "all" else number("--devices", options.devices, "all")
    if keras.backend.backend() == "torch" and wanted > 1:
        raise InputError(
            "PyTorch trains on one device here; add --backend jax or --backend tensorflow, or say --devices 1."
        )
    if wanted > found:
        raise InputError(
            f"--devices is {wanted}, but there {'is' if found == 1 else 'are'} {found}; say --devices all."
        )
    return wanted


def spread(count):
    """Returns the context in which networks are built and trained, each batch spread over `count` devices a host."""
    return backend.distributed(count)


def refuse_uneven(batches, gan, count):
    """Raises an `InputError` if the devices cannot get equal parts of each batch."""
    parts = count * backend.hosts()[1]
    steps = max(gan.discriminator_steps, gan.generator_steps)
    if batches.batch_size % (parts * steps):
        each = f", each of {steps} steps" if steps > 1 else ""
        raise InputError(
            f"{parts} devices share a batch of {batches.batch_size}{each}, which does not divide it; "
            "choose another --batch-size, or another number of devices."
        )


# One of several hosts ---------------------------------------------------------------------------------------------


def is_shared():
    """Tells whether several hosts train together."""
    return backend.hosts()[1] > 1


def is_first():
    """Tells whether this host is the one that writes the run folder."""
    return backend.hosts()[0] == 0


@contextlib.contextmanager
def own_folder(folder):
    """Gives the run folder to the first host; to each other one a folder that vanishes, and no voice."""
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
    """Brings files of the first host's folder, as far as they exist, into the folders of the others."""
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
    """Raises an `InputError`, on all hosts, if a value that JSON can hold is not the same everywhere."""
    if not is_shared():
        return
    digests = backend.gather(np.frombuffer(hashlib.sha256(repr(value).encode()).digest(), np.uint8))
    differing = [host for host, digest in enumerate(digests) if not np.array_equal(digest, digests[0])]
    if differing:
        with contextlib.suppress(Exception):
            backend.gather(digests[0])  # none is to end before all know
        raise InputError(
            f"Host {', '.join(map(str, differing))} differs from the first one in {what}; "
            "start the same version with the same options and data everywhere, but for --host."
        )


@contextlib.contextmanager
def ending_together():
    """Within it, an error of a host ends its process at once, by which the others notice, and a lost host is told.

    Without it, a host that ends in the usual way would wait for the others, and they for it.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt):
        raise  # said by the command line
    except Exception as error:
        if not is_shared():
            raise
        end(1, LOST.format(str(error).splitlines()[0]) if backend.tells_of_lost_host(error) else traceback.format_exc())


def end(code, message=""):
    """Ends the program, not waiting for other hosts."""
    if message:
        print(message, file=sys.stderr)
    if not is_shared():
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
