"""Verified downloads: resumed after an interruption, checked by hash, and in place only when complete."""

import contextlib
import fcntl
import hashlib
import http.client
import shutil
import stat
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from common.base.errors import InputError
from common.base.files import flush, open_itself

TRIES = 4  # consecutive attempts without progress
WAIT = 1.0  # seconds before the second attempt; doubled each time
TIMEOUT = 30  # seconds without an answer
SLOWEST = 10_000  # bytes per second
WINDOW = 60  # seconds over which the speed is averaged
BLOCK = 1 << 16


class File(NamedTuple):
    """A file to download, of known size and hash.

    Attributes:
        name: string, its name on disk.
        bytes: integer, its size.
        sha256: string, its hash in hexadecimal digits.
        mirrors: tuple of URLs, tried in order.
    """

    name: str
    bytes: int
    sha256: str
    mirrors: tuple[str, ...]


class TransferError(OSError):
    """A server sent something unexpected."""


def fetch(file, folder, wait=WAIT):
    """Returns the path of a file in a folder, downloading it if it is missing.

    Args:
        file: `File`.
        folder: path, created if missing.
        wait: float, seconds before the second attempt.

    Raises:
        InputError: if no mirror delivers the file; the message says what to fetch by hand. Also if the existing file
            has another hash.
    """
    path = Path(folder) / file.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            if not path.exists():
                refuse_full_disk(file, path)
                download(file, path, wait)
            elif path.stat().st_size != file.bytes or sha256(path) != file.sha256:
                raise InputError(f"{path} is not the expected {file.name}: its SHA-256 differs; delete or replace it.")
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); name another place: GAN_COOKBOOK_DATA=/path"
        ) from error
    return path


@contextlib.contextmanager
def locked(path, wait=True):
    """Holds a lock file beside the path, so that one process works on it and the others wait.

    Raises:
        BlockingIOError: if another process works on it, and `wait` is false.
    """
    with open_itself(path.with_name(f".{path.name}.lock"), "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise
            print(f"Another process is working on {path.name}; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def download(file, path, wait):
    """Downloads to a partial file beside the path, resuming an earlier attempt, and renames it when complete.

    Gives up after some attempts without progress, and when it takes longer than at the speed `SLOWEST`.
    """
    part = partial(path)
    failures, reasons = 0, []
    deadline = time.monotonic() + TRIES * WINDOW + file.bytes / SLOWEST
    print(f"Downloading {file.name} ({file.bytes / 1e6:.1f} MB) …", flush=True)
    with bar(file) as advance:
        while failures < TRIES and time.monotonic() < deadline:
            before = size_of(part)
            for address in file.mirrors:
                try:
                    transfer(file, address, part, advance)
                    flush(part)
                    return part.replace(path)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    reasons.append(f"{address}: {reason_of(error)}")
            failures = 0 if size_of(part) > before else failures + 1
            if failures:
                time.sleep(wait * 2 ** (failures - 1))
    raise InputError(
        f"{file.name} could not be downloaded ({'; '.join(dict.fromkeys(reasons))}); fetch it by hand from "
        f"{' or '.join(file.mirrors)} and put it into {path.parent} (SHA-256 {file.sha256})."
    )


def partial(path):
    """Returns the path of the partial file. Its name is known, so what is no file of its own there is removed first."""
    part = path.with_name(f".part-{path.name}")
    with contextlib.suppress(FileNotFoundError):
        status = part.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:  # it would be written through to another file
            part.unlink()
    return part


def transfer(file, address, part, advance):
    """Appends the missing bytes to the partial file.

    Raises:
        TransferError: if too few bytes arrived (they are kept, to be resumed), too many, too slowly, or the hash is
            wrong.
    """
    done = size_of(part)
    request = urllib.request.Request(address, headers={"User-Agent": "gan-cookbook"})
    if done < file.bytes:
        if done:
            request.add_header("Range", f"bytes={done}-")
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            continues = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {done}-")
            done = done if continues else 0  # a server without range support starts over
            with open_itself(part, "ab" if continues else "wb") as out:
                for block in blocks(answer):
                    out.write(block)
                    done += len(block)
                    advance(done)
                    if done > file.bytes:
                        break
    if done < file.bytes:
        raise TransferError(f"only {done} of {file.bytes} bytes arrived")
    if done > file.bytes or sha256(part) != file.sha256:
        part.unlink()
        raise TransferError(
            "it has more bytes than expected" if done > file.bytes else "its SHA-256 is not the expected one"
        )


def blocks(answer):
    """Yields what arrives, when it arrives.

    Raises:
        TransferError: if it arrives more slowly than `SLOWEST`, such as a byte now and then, which is no timeout.
    """
    end, arrived = time.monotonic() + WINDOW, 0
    while block := answer.read1(BLOCK):
        yield block
        arrived += len(block)
        if time.monotonic() > end:
            if arrived < WINDOW * SLOWEST:
                raise TransferError(f"slower than {SLOWEST / 1000:g} kB per second")
            end, arrived = time.monotonic() + WINDOW, 0


def sha256(path):
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size_of(path):
    return path.stat().st_size if path.exists() else 0


def reason_of(error):
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(getattr(error.reason, "strerror", None) or error.reason)
    return str(error) or type(error).__name__


def refuse_full_disk(file, path):
    free = shutil.disk_usage(path.parent).free
    if free < file.bytes - size_of(path.with_name(f".part-{path.name}")):
        raise InputError(
            f"{file.name} needs {file.bytes / 1e6:.0f} MB in {path.parent}, but only {free / 1e6:.0f} MB are free; "
            "make room, or name another place: GAN_COOKBOOK_DATA=/path"
        )


@contextlib.contextmanager
def bar(file):
    """Yields a function that shows the progress in bytes, if the output is a terminal."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task(file.name, total=file.bytes)
        yield lambda done: progress.update(task, completed=done)
