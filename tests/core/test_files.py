"""One writer that flushes and one reader of JSON: what they promise, and that nobody else in the package does it."""

import ast
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from spectralcal.base import files
from spectralcal.base.errors import DataError, ResultError

PACKAGE = Path(files.__file__).parents[1]
#: modules that read JSON from something else than a file of its own, and what that is
JSON_READERS = {
    "base/files.py": "the one reader",
    "base/integrity.py": "a record on its way to a file, as it will come back",
    "engine/checkpoint.py": "the header of a safetensors file",
    "preparation/_case.py": "settings on their way to a file, as they will come back",
    "records/light/cell.py": "a member of a light file",
    "records/light/parcel.py": "the head of a member of a light file",
    "sharing/archive.py": "the index of an archive",
}
#: places that rename something which is no file
OTHER_RENAMES = {"report/figures/true_calibration.py": "columns of a table"}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def events(monkeypatch):
    """The order of flushes and renames, by name of the file or folder."""
    seen, fsync, replace = [], os.fsync, os.replace

    def flushed(descriptor):
        seen.append(("flush", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def renamed(source, target):
        seen.append(("rename", Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    return seen


@pytest.mark.parametrize(
    "write",
    [
        lambda path: files.write_bytes(path, b"x"),
        lambda path: files.write_text(path, "x"),
        lambda path: files.write_json(path, {"a": 1}),
        lambda path: files.write_arrays(path, {"a": np.zeros(3)}),
    ],
    ids=["bytes", "text", "json", "arrays"],
)
def test_the_content_is_on_disk_before_the_name_and_the_name_before_the_call_returns(tmp_path, events, write):
    write(tmp_path / "out" / "file")
    assert events == [("flush", f".file.{os.getpid()}.tmp"), ("rename", "file"), ("flush", "out")]
    assert names(tmp_path / "out") == ["file"]


def test_a_checkpoint_is_written_by_the_same_writer(tmp_path, events):
    from spectralcal.engine.checkpoint import Checkpoint, save_checkpoint

    save_checkpoint(tmp_path / "checkpoint.safetensors", Checkpoint("f", 1, {}))
    assert [kind for kind, _ in events] == ["flush", "rename", "flush"]


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "file"
    files.write_text(path, "old")
    with pytest.raises(TypeError), files.atomic_write(path) as temporary, temporary.open("wb") as stream:
        stream.writelines([b"half", "no bytes"])
    assert path.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["file"]


def test_a_folder_that_fails_leaves_the_folder_as_it_was(tmp_path):
    folder = tmp_path / "folder"
    for content in ("old", "new"):
        with files.atomic_folder(folder) as temporary:
            (temporary / content).touch()
    assert names(folder) == ["new"]
    with pytest.raises(FileNotFoundError), files.atomic_folder(folder) as temporary:
        shutil.copy(folder / "new", temporary / "no such folder" / "file")
    assert names(folder) == ["new"]
    assert names(tmp_path) == ["folder"]


def test_prepared_cases_are_flushed_before_the_manifest_speaks_of_them(tmp_path, monkeypatch):
    from spectralcal.datasets.phantom import Phantom
    from spectralcal.preparation import prepare_dataset

    there = []
    monkeypatch.setattr(os, "sync", lambda: there.append(sorted(path.name for path in tmp_path.glob("out/*"))))
    prepare_dataset(Phantom(cases=2, shape=(8, 8, 8)), tmp_path, tmp_path / "out")
    assert there == [["cases"]]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / ".case.12.tmp").mkdir()
    (tmp_path / ".case.12.tmp" / "image.npy").touch()
    (tmp_path / ".file.12.tmp").touch()
    (tmp_path / "kept").touch()
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == ["kept"]


def test_text_is_utf8_without_changed_line_ends(tmp_path):
    files.write_text(tmp_path / "file", "µ\r\n\n")
    assert (tmp_path / "file").read_bytes() == b"\xc2\xb5\r\n\n"


DAMAGED = {
    "empty": b"",
    "cut off": b'{"a": 1',
    "no UTF-8": b'{"a": "\xff"}',
    "nested too deeply": b"[" * 200_000,
    "no object": b"[1]",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    assert files.read_json(path) == {}
    assert files.read_record(path) == {}
    with pytest.raises(ResultError) as error:
        files.require_json(path, "a record", "train again", error=ResultError, where="cell 1: ")
    assert str(error.value).startswith(f"cell 1: {path}: expected a record, found ")
    assert str(error.value).endswith("; train again")
    assert "\n" not in str(error.value)


def test_a_missing_file(tmp_path):
    path = tmp_path / "run.json"
    assert files.read_json(path) == {}
    assert files.read_record(path) is None
    with pytest.raises(DataError, match=r"run\.json: expected a record, found no such file; train again"):
        files.require_json(path, "a record", "train again")


def test_a_good_file(tmp_path):
    path = tmp_path / "run.json"
    files.write_json(path, {"a": [1], "path": Path("x")})
    expected = {"a": [1], "path": "x"}
    assert files.read_json(path) == files.read_record(path) == files.require_json(path, "a", "b") == expected
    path.write_text("[1]", encoding="utf-8")
    assert files.require_json(path, "a list", "b", types=list) == [1]


def calls():
    """(file, call, name of what is called) of every call in the package."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield file.relative_to(PACKAGE).as_posix(), node, ast.unparse(node.func)


def test_only_one_module_gives_files_their_names():
    """``path.replace(target)`` has one argument, ``text.replace(old, new)`` has two."""
    odd = []
    for file, call, name in calls():
        moves = name in ("os.replace", "os.rename", "os.renames", "shutil.move", "move_file")
        moves |= name.endswith((".replace", ".rename")) and len(call.args) == 1 and not call.keywords
        if moves and file != "base/files.py" and file not in OTHER_RENAMES:
            odd.append(f"{file}:{call.lineno}: {name}")
    assert odd == [], "use spectralcal.base.files"


def test_only_one_module_knows_temporary_names():
    users = {
        file.relative_to(PACKAGE).as_posix()
        for file in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".tmp")
    }
    assert users == {"base/files.py"}


def test_only_one_module_reads_json_files():
    readers, odd = set(), []
    for file, call, name in calls():
        if name in ("json.load", "json.loads"):
            readers.add(file)
            inner = {ast.unparse(node.func).rpartition(".")[2] for node in ast.walk(call) if isinstance(node, ast.Call)}
            reads = name == "json.load" or (inner & {"read_bytes", "open"}) or ".read_text(" in ast.unparse(call)
            if reads and file != "base/files.py":
                odd.append(f"{file}:{call.lineno}")
    assert odd == [], "use read_json, read_record or require_json of spectralcal.base.files"
    assert readers == set(JSON_READERS)


def test_text_files_name_their_encoding():
    """Else what a file says hangs on the locale of the machine that reads it."""
    odd = []
    for file, call, name in calls():
        owner, _, method = name.rpartition(".")
        words = [node.value for part in call.args for node in ast.walk(part) if isinstance(node, ast.Constant)]
        binary = any(isinstance(word, str) and "b" in word for word in words)
        text = method in ("read_text", "write_text") and owner not in ("", "self")
        text |= method == "open" and owner not in ("os", "tarfile", "Image", "archive", "opened") and not binary
        if text and not any(keyword.arg == "encoding" for keyword in call.keywords):
            odd.append(f"{file}:{call.lineno}: {name}")
    assert odd == []


def test_the_exceptions_are_files_that_there_are():
    assert all((PACKAGE / file).is_file() for file in OTHER_RENAMES)


def test_a_damaged_archive_of_arrays_is_one_error_whichever_byte_is_wrong(tmp_path):
    """Deflated data, headers of members and the directory each fail in a way of their own, zlib's among them."""
    good = tmp_path / "good.npz"
    files.write_arrays(good, {"a": np.arange(400.0) % 7, "b": np.zeros((3, 5), np.int16)})
    content, random = good.read_bytes(), np.random.default_rng(0)
    bad = tmp_path / "bad.npz"
    refused = 0
    for position in random.permutation(len(content))[:250]:
        bad.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            files.load_arrays(bad)
        except ResultError:
            refused += 1
    assert refused > 100
    for length in range(0, len(content), 40):
        bad.write_bytes(content[:length])
        with pytest.raises(ResultError, match=r"bad\.npz: damaged \(.*\); delete it and run the cell again"):
            files.load_arrays(bad)


def test_a_record_under_a_name_that_no_file_can_have_is_missing(tmp_path):
    assert files.read_record(tmp_path / ("a" * 5000) / "run.json") is None
