"""What the package does outside its own folders: it fetches listed archives over TLS, and leaves nothing for others to
read or to put in its way."""

import ast
import importlib
import os
import re
import socket
import stat
from pathlib import Path

import pytest
from recorded import recorded

from spectralcal.base import registry
from spectralcal.base.errors import ResultError
from spectralcal.machine.environment import environment
from spectralcal.machine.slots import _lock_folder
from spectralcal.report.rebuild import rebuild_study
from spectralcal.sharing import merging
from spectralcal.sharing.merging import import_study
from spectralcal.sharing.shared import export_study
from spectralcal.sharing.verify import verify_study

SOURCE = Path(__file__).parents[1] / "src/spectralcal"
NETWORK = {"requests", "pooch", "urllib", "urllib3", "http", "ftplib", "smtplib", "httpx", "aiohttp", "socket", "ssl"}


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def test_one_module_alone_opens_connections():
    found = {}
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        used = NETWORK & set(imports(tree))
        if used == {"socket"}:  # for the name of the machine in a lock
            calls = {node.attr for node in ast.walk(tree)
                     if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "socket"}  # fmt: skip
            used = set() if calls == {"gethostname"} else used
        if used:
            found[path.relative_to(SOURCE).as_posix()] = used
    assert found == {"datasets/_download.py": {"pooch", "requests"}}


def test_what_is_fetched_is_listed_with_tls_and_a_checksum():
    fetching = []
    for name in registry.names("datasets"):
        module = importlib.import_module(f"spectralcal.datasets.{name}")
        source = Path(module.__file__).read_text(encoding="utf-8")
        if "download_and_unpack" in source:
            fetching.append(name)
            assert re.fullmatch(r"https://[\w./?=-]+", module.URL), name
            assert re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", module.HASH), name
            calls = [node for node in ast.walk(ast.parse(source))
                     if isinstance(node, ast.Call) and ast.unparse(node.func) == "download_and_unpack"]  # fmt: skip
            assert [[ast.unparse(given) for given in call.args[1:3]] for call in calls] == [["URL", "HASH"]], name
    assert {"hippocampus", "acdc"} <= set(fetching)
    plain = [path for path in SOURCE.rglob("*.py") if "http://" in path.read_text()]
    assert plain == []


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("a connection was opened")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_results_are_shared_checked_and_rebuilt_without_network(tmp_path, offline):
    config = recorded(tmp_path / "home", methods=("ce",), seeds=(0,), cases=3)
    export_study(config, tmp_path / "x.zip")
    merged = import_study(tmp_path / "x.zip", None, tmp_path / "away")
    assert rebuild_study(config).failed == []
    assert verify_study(merged.config).findings == []
    assert environment()["packages"]


def test_what_is_unpacked_is_private_until_it_is_checked_and_gone_afterwards(tmp_path, monkeypatch):
    config = recorded(tmp_path / "home", methods=("ce",), seeds=(0,), cases=3)
    export_study(config, tmp_path / "x.zip")
    modes, unpack = [], merging.unpack_archive

    def watched(path, folder, *arguments):
        modes.append(stat.S_IMODE(folder.stat().st_mode))
        return unpack(path, folder, *arguments)

    monkeypatch.setattr(merging, "unpack_archive", watched)
    before = os.umask(0)
    try:
        import_study(tmp_path / "x.zip", None, tmp_path / "away")
    finally:
        os.umask(before)
    assert modes == [0o700]
    assert sorted(path.name for path in (tmp_path / "away").iterdir()) == ["small"]


def test_locks_in_the_shared_temporary_folder_are_this_users_own(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = os.umask(0)
    try:
        place = _lock_folder().parent
    finally:
        os.umask(before)
    assert place.parent == tmp_path
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.parametrize("trap", ["folder of another", "link"])
def test_a_trap_in_the_shared_temporary_folder_is_refused(tmp_path, monkeypatch, trap):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    user = os.getuid()
    if trap == "link":
        (tmp_path / "mine").mkdir()
        (tmp_path / f"spectralcal-{user}").symlink_to(tmp_path / "mine")
    else:
        (tmp_path / f"spectralcal-{user + 1}").mkdir()
        monkeypatch.setattr(os, "getuid", lambda: user + 1)
    with pytest.raises(ResultError, match="expected a folder of this user, found another's; set TMPDIR elsewhere"):
        _lock_folder()
