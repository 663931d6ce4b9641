"""Verified downloads: resumed after an interruption, checked by hash, and in place only when complete."""

import contextlib
import fcntl
import hashlib
import http.client
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from common.base.errors import InputError
from common.base.files import flush

TRIES = 4  # consecutive attempts without progress
WAIT = 1.0  # seconds before the second attempt; doubled each time
TIMEOUT = 30  # seconds without an answer
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
def locked(path):
    """Holds a lock file beside the path, so that one process works on it and the others wait."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another process is working on {path.name}; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def download(file, path, wait):
    """Downloads to a partial file beside the path, resuming an earlier attempt, and renames it when complete."""
    part = path.with_name(f".part-{path.name}")
    failures, reasons = 0, []
    print(f"Downloading {file.name} ({file.bytes / 1e6:.1f} MB) …", flush=True)
    with bar(file) as advance:
        while failures < TRIES:
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


def transfer(file, address, part, advance):
    """Appends the missing bytes to the partial file.

    Raises:
        TransferError: if too few bytes arrived (they are kept, to be resumed), too many, or the hash is wrong.
    """
    done = size_of(part)
    request = urllib.request.Request(address, headers={"User-Agent": "gan-cookbook"})
    if done < file.bytes:
        if done:
            request.add_header("Range", f"bytes={done}-")
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            continues = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {done}-")
            done = done if continues else 0  # a server without range support starts over
            with part.open("ab" if continues else "wb") as out:
                while done <= file.bytes and (block := answer.read(BLOCK)):
                    out.write(block)
                    done += len(block)
                    advance(done)
    if done < file.bytes:
        raise TransferError(f"only {done} of {file.bytes} bytes arrived")
    if done > file.bytes or sha256(part) != file.sha256:
        part.unlink()
        raise TransferError(
            "it has more bytes than expected" if done > file.bytes else "its SHA-256 is not the expected one"
        )


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
