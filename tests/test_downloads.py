"""Verified downloads from an unreliable server."""

import fcntl
import hashlib
import http.server
import os
import threading

import numpy as np
import pytest

from common.base.errors import InputError
from data_prep import datasets, downloads, images
from data_prep.downloads import File, fetch
from data_prep.images import ImageOptions

pytestmark = pytest.mark.once

DATA = np.random.default_rng(0).bytes(300_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves DATA at every URL, with the fault that the path names; `log` keeps the requested ranges."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.log = []
        self.is_over = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        way = self.path.strip("/").split("/")[0]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.server.log.append((way, start))
        data = DATA
        if way == "missing":
            return self.send_error(404)
        if way == "wrong":
            data = DATA[:-1] + b"?"
        if way == "long":
            data = DATA + b"and more"
        if way == "noranges":
            start = 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        # "short" announces fewer bytes than there are, "lies" more than it sends.
        announced = {"short": 1000, "lies": 2 * len(data)}.get(way, len(data) - start)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        sent = data[start:]
        while way == "drips" and sent and not self.server.is_over.wait(0.005):
            try:
                self.wfile.write(sent[:1])
            except OSError:
                break
            sent = sent[1:]
        self.wfile.write(sent[:100_000] if way in ("cuts", "dies") else sent[:announced])
        return None

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.is_over.set()
    server.shutdown()
    server.server_close()


def file(server, *ways, sha256=None):
    host = f"http://127.0.0.1:{server.server_address[1]}"
    digest = sha256 or hashlib.sha256(DATA).hexdigest()
    return File("data.bin", len(DATA), digest, tuple(f"{host}/{way}/data.bin" for way in ways))


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_download_is_complete_and_happens_once(server, tmp_path):
    for _ in range(2):
        assert fetch(file(server, "good"), tmp_path / "new").read_bytes() == DATA
    assert server.log == [("good", 0)]
    assert visible(tmp_path / "new") == ["data.bin"]


def test_interrupted_connection_is_resumed(server, tmp_path):
    assert fetch(file(server, "cuts"), tmp_path, wait=0).read_bytes() == DATA
    assert server.log == [("cuts", 0), ("cuts", 100_000), ("cuts", 200_000)]


def test_partial_download_of_an_earlier_run_is_resumed(server, tmp_path):
    (tmp_path / ".part-data.bin").write_bytes(DATA[:1234])
    assert fetch(file(server, "good"), tmp_path).read_bytes() == DATA
    assert server.log == [("good", 1234)]


def test_server_without_ranges_restarts_the_download(server, tmp_path):
    (tmp_path / ".part-data.bin").write_bytes(b"x" * 1234)
    assert fetch(file(server, "noranges"), tmp_path).read_bytes() == DATA


def test_wrong_partial_file_is_discarded(server, tmp_path):
    (tmp_path / ".part-data.bin").write_bytes(b"x" * 1234)
    assert fetch(file(server, "good"), tmp_path, wait=0).read_bytes() == DATA
    assert server.log == [("good", 1234), ("good", 0)]


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("missing", "HTTP 404"),
        ("wrong", "its SHA-256 is not the expected one"),
        ("long", "it has more bytes than expected"),
    ],
)
def test_next_mirror_is_tried_after_a_bad_one(server, tmp_path, way, reason):
    assert fetch(file(server, way, "good"), tmp_path, wait=0).read_bytes() == DATA
    with pytest.raises(InputError, match=f"data.bin could not be downloaded .*{reason}") as caught:
        fetch(file(server, way), tmp_path / "other", wait=0)
    assert "fetch it by hand from http://127.0.0.1" in str(caught.value)
    assert f"put it into {tmp_path / 'other'} (SHA-256 {hashlib.sha256(DATA).hexdigest()})" in str(caught.value)
    assert visible(tmp_path / "other") == []


@pytest.mark.parametrize("way", ["short", "lies"])
def test_wrong_content_length_does_no_harm(server, tmp_path, way):
    found = fetch(file(server, way, "good"), tmp_path, wait=0)
    assert found.read_bytes() == DATA


def test_failing_server_is_retried_with_growing_pauses(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(downloads.time, "sleep", waits.append)
    with pytest.raises(InputError, match="could not be downloaded"):
        fetch(file(server, "missing"), tmp_path, wait=1)
    assert waits == [1, 2, 4, 8][: downloads.TRIES]
    assert len(server.log) == downloads.TRIES


def test_unreachable_server(tmp_path):
    with pytest.raises(InputError, match=r"Connection refused.*fetch it by hand"):
        fetch(File("a.bin", 3, "0" * 64, ("http://127.0.0.1:9/a.bin",)), tmp_path, wait=0)


def test_existing_file_is_checked_and_never_overwritten(server, tmp_path):
    (tmp_path / "data.bin").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"is not the expected data\.bin: its SHA-256 differs; delete or replace it"):
        fetch(file(server, "good"), tmp_path)
    assert (tmp_path / "data.bin").read_bytes() == b"mine"
    (tmp_path / "data.bin").write_bytes(DATA)
    fetch(file(server, "good"), tmp_path)
    assert server.log == []


def test_concurrent_runs_download_once(server, tmp_path, capsys):
    with (tmp_path / ".data.bin.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        threads = [threading.Thread(target=fetch, args=(file(server, "good"), tmp_path)) for _ in range(3)]
        for thread in threads:
            thread.start()
        threads[0].join(timeout=0.2)
        assert threads[0].is_alive()
        assert server.log == []
    for thread in threads:
        thread.join(timeout=20)
    assert server.log == [("good", 0)]
    assert "Another process is working on data.bin; waiting for it." in capsys.readouterr().out


def test_full_disk(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000}))
    with pytest.raises(InputError, match=r"needs 0 MB in .*; make room, or name another place: GAN_COOKBOOK_DATA"):
        fetch(file(server, "good"), tmp_path)


def test_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"cannot be written .*GAN_COOKBOOK_DATA"):
        fetch(file(server, "good"), tmp_path / "file" / "data")


def test_the_table_is_complete():
    table = datasets.table()
    for entry in table.values():
        assert entry.what
        assert entry.licence
        assert entry.citation
        for file in entry.files:
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.bytes > 1000
            assert file.mirrors
            assert all(mirror.endswith(f"/{file.name}") for mirror in file.mirrors)
    assert {"fashion_mnist", "fashion_mnist_full", "mnist", "cifar10"} < table.keys()


@pytest.mark.parametrize("name", ["mnist", "cifar10", "fashion_mnist_full"])
def test_without_a_network_the_error_says_which_file_to_put_where(monkeypatch, tmp_path, name):
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path))
    monkeypatch.setattr(datasets, "DEBIAN_FASHION_MNIST", tmp_path / "missing")
    monkeypatch.setattr(downloads, "TRIES", 1)
    monkeypatch.setattr(downloads.time, "sleep", lambda seconds: None)

    def unreachable(request, timeout):
        raise OSError("no network")

    monkeypatch.setattr(downloads.urllib.request, "urlopen", unreachable)
    first = datasets.table()[name].files[0]
    with pytest.raises(InputError, match=f"{first.name} could not be downloaded .*no network") as caught:
        images.load(ImageOptions(dataset=name))
    assert first.mirrors[0] in str(caught.value)
    assert f"put it into {tmp_path / name}" in str(caught.value)


def test_cifar10_from_its_archive(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_COOKBOOK_DATA", str(tmp_path))
    planes = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32)).astype("uint8")
    records = np.concatenate([np.arange(4, dtype="uint8")[:, None], planes.reshape(4, -1)], axis=1)
    folder = tmp_path / "made" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
        records.tofile(folder / name)
    monkeypatch.setattr(datasets, "folder_of", lambda name: folder)
    found = images.load(ImageOptions(dataset="cifar10", classes=("bird",)))
    assert found.images.shape == (5, 32, 32, 3)
    assert np.array_equal(found.images[0], np.moveaxis(planes[2], 0, 2))
    assert images.load(ImageOptions(dataset="cifar10"), "test").labels.tolist() == [0, 1, 2, 3]


def test_a_slow_server_is_given_up(server, tmp_path, monkeypatch):
    """A byte now and then is progress, and never a timeout."""
    monkeypatch.setattr(downloads, "WINDOW", 0.05)
    monkeypatch.setattr(downloads, "SLOWEST", 1_000_000)
    with pytest.raises(InputError, match=r"could not be downloaded \(.*slower than 1000 kB per second\); fetch it by"):
        fetch(file(server, "drips"), tmp_path, wait=0)
    assert len(server.log) >= downloads.TRIES
    assert fetch(file(server, "drips", "good"), tmp_path, wait=0).read_bytes() == DATA


@pytest.mark.parametrize("kind", ["link", "hard link", "pipe"])
def test_nothing_is_written_through_a_link(server, tmp_path, kind):
    mine, part = tmp_path / "mine.txt", tmp_path / "data" / ".part-data.bin"
    mine.write_bytes(DATA[:1000])
    part.parent.mkdir()
    {"link": part.symlink_to, "hard link": part.hardlink_to, "pipe": lambda _: os.mkfifo(part)}[kind](mine)
    assert fetch(file(server, "good"), tmp_path / "data").read_bytes() == DATA
    assert mine.read_bytes() == DATA[:1000]
    assert server.log == [("good", 0)]


def test_a_link_in_the_place_of_the_lock(server, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / ".data.bin.lock").symlink_to("mine.txt")
    with pytest.raises(InputError, match="cannot be written"):
        fetch(file(server, "good"), tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"
