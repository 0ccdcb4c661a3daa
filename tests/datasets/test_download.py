"""Downloads from a server of this process: whole, cut off and continued, and with the wrong content."""

import hashlib
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spectralcal.base.errors import DataError
from spectralcal.datasets import _archive, _download
from spectralcal.datasets.hippocampus import Hippocampus


class Server(ThreadingHTTPServer):
    """Serves one file. `breaks` of the next answers end early, after half of what they owe."""

    def __init__(self, content, ranges=True):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.ranges, self.breaks, self.asked, self.status = content, ranges, 0, [], 200
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}/set.tar"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked, server = self.headers.get("Range"), self.server
        server.asked.append(asked)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        rest, total = server.content[start:], len(server.content)
        if asked and server.ranges and not rest:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.end_headers()
            return
        self.send_response(206 if asked and server.ranges else server.status)
        if asked and server.ranges:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if server.breaks:
            server.breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(content, **options):
        servers.append(Server(content, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def archive(tmp_path, hippocampus_root):
    with tarfile.open(tmp_path / "set.tar", "w") as opened:
        opened.add(hippocampus_root, "Task04_Hippocampus")
    return (tmp_path / "set.tar").read_bytes()


@pytest.fixture
def get(tmp_path):
    def fetch(server, content, folder="Task04_Hippocampus"):
        known = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return _download.download_and_unpack(
            "hippocampus", server.url, known, tmp_path / "data" / folder, 10**6, "ask the author"
        )

    return fetch


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "data").iterdir())


def test_fetch_checks_unpacks_and_tidies_up(serve, get, archive, tmp_path, monkeypatch):
    server = serve(archive)
    folder = get(server, archive)
    assert len(Hippocampus().cases(folder)) == 4
    assert names(tmp_path) == ["Task04_Hippocampus"]
    monkeypatch.setattr(_archive, "unpack", None)
    assert get(server, archive) == folder
    assert server.asked == [None]  # what is there is not fetched again


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_continued(serve, get, archive, tmp_path, monkeypatch, ranges):
    monkeypatch.setattr(_download, "_CHUNK", 64)  # an archive is a multiple of 10240 bytes: no remainder is lost
    server = serve(archive, ranges=ranges)
    server.breaks = 2
    half = len(archive) // 2
    with pytest.raises(DataError, match=rf"hippocampus: download of .* {half} bytes are kept, try again to continue"):
        get(server, archive)
    assert names(tmp_path) == [".Task04_Hippocampus.download.part"]
    kept = (len(archive) - half) // 2 + half if ranges else half
    with pytest.raises(DataError, match=rf"{kept} bytes are kept"):
        get(server, archive)
    assert len(Hippocampus().cases(get(server, archive))) == 4
    assert server.asked == [None, f"bytes={half}-", f"bytes={kept}-"]
    assert names(tmp_path) == ["Task04_Hippocampus"]


def test_a_whole_part_is_only_checked(serve, get, archive, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/.Task04_Hippocampus.download.part").write_bytes(archive)
    assert len(Hippocampus().cases(get(serve(archive), archive))) == 4


def test_a_part_longer_than_the_file_is_dropped(serve, get, archive, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/.Task04_Hippocampus.download.part").write_bytes(archive + b"more")
    server = serve(archive)
    with pytest.raises(DataError, match="shorter than what was kept"):
        get(server, archive)
    assert len(Hippocampus().cases(get(server, archive))) == 4


def test_a_part_of_another_version_fails_the_checksum_and_is_dropped(serve, get, archive, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/.Task04_Hippocampus.download.part").write_bytes(b"older" * 10)
    server = serve(archive)
    with pytest.raises(DataError, match="hash"):
        get(server, archive)
    assert names(tmp_path) == []
    assert len(Hippocampus().cases(get(server, archive))) == 4


def test_a_login_page_in_place_of_the_archive(serve, get, archive, tmp_path):
    with pytest.raises(DataError, match=r"download of .* hash .*By hand: ask the author") as caught:
        get(serve(b"<!DOCTYPE html><title>Sign in</title>"), archive)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_refusal_of_the_server(serve, get, archive):
    server = serve(archive)
    server.status = 403
    with pytest.raises(DataError, match="403"):
        get(server, archive)


def test_no_server(get, archive):
    class Gone:
        url = "http://127.0.0.1:9/set.tar"

    with pytest.raises(DataError, match=r"hippocampus: download of http://127\.0\.0\.1:9/set\.tar failed"):
        get(Gone, archive)
