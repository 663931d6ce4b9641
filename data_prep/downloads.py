"""Downloads that can be trusted: continued after a cut, checked, and in place only when whole."""

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

from common.errors import InputError
from common.files import flush

TRIES = 4  # in a row without a byte more
WAIT = 1.0  # seconds before the second try; doubled each time
TIMEOUT = 30  # seconds without an answer
BLOCK = 1 << 16


class File(NamedTuple):
    """A file on the network, known beforehand.

    Attributes:
        name: string, under which it is stored.
        bytes: integer, its size.
        sha256: string, its hash in hexadecimal digits.
        mirrors: tuple of addresses, tried in order.
    """

    name: str
    bytes: int
    sha256: str
    mirrors: tuple[str, ...]


class TransferError(OSError):
    """A server sent something else than was expected."""


def fetch(file, folder, wait=WAIT):
    """Returns the path of a file in a folder, downloading it if it is not there.

    Args:
        file: `File`.
        folder: path, made when missing.
        wait: float, seconds before the second try.

    Raises:
        InputError: if no mirror gives the file, with what to fetch by hand; or if the file there is another one.
    """
    path = Path(folder) / file.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            if not path.exists():
                refuse_full_disk(file, path)
                download(file, path, wait)
            elif path.stat().st_size != file.bytes or sha256(path) != file.sha256:
                raise InputError(
                    f"{path} is not {file.name} as it is known: its SHA-256 differs; delete or replace it."
                )
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); name another place: GAN_COOKBOOK_DATA=/path"
        ) from error
    return path


@contextlib.contextmanager
def locked(path):
    """Holds a lock beside the path, so that of two runs one downloads and the other waits."""
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another process is at work on {path.name}; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def download(file, path, wait):
    """Downloads to a part beside the path, from where the last try ended, and renames it when it is whole."""
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
    """Appends to the part what is missing of it.

    Raises:
        TransferError: if less came than the file has (that is kept, and continued), or more, or another hash.
    """
    done = size_of(part)
    request = urllib.request.Request(address, headers={"User-Agent": "gan-cookbook"})
    if done < file.bytes:
        if done:
            request.add_header("Range", f"bytes={done}-")
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            continues = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {done}-")
            done = done if continues else 0  # a server that does not know ranges begins anew
            with part.open("ab" if continues else "wb") as out:
                while done <= file.bytes and (block := answer.read(BLOCK)):
                    out.write(block)
                    done += len(block)
                    advance(done)
    if done < file.bytes:
        raise TransferError(f"{done} of {file.bytes} bytes came")
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
            f"{file.name} needs {file.bytes / 1e6:.0f} MB in {path.parent}, and {free / 1e6:.0f} MB are free; "
            "make room, or name another place: GAN_COOKBOOK_DATA=/path"
        )


@contextlib.contextmanager
def bar(file):
    """Yields a function that shows how many bytes are done, if someone is watching."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task(file.name, total=file.bytes)
        yield lambda done: progress.update(task, completed=done)
