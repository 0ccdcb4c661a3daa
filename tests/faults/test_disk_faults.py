"""Full and read-only disks, dying workers and flipped bytes: the message is clear and the same command goes on."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from disks import change, filled, missing, small_disk
from faulty import INTERVAL, KILL_AT, Study, digest, numbers, thorough, train_arguments

needs_disk = pytest.mark.skipif(missing() is not None, reason=str(missing()))
PREPARE = ("prepare", "--dataset", "phantom")


@pytest.fixture
def disk(tmp_path):
    """A disk of 16 MiB."""
    with small_disk(tmp_path / "disk", 16 * 1024) as folder:
        yield folder


def one_line(text):
    """The error's line; a traceback is not a message."""
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, text
    return lines[0]


def leftovers(folder):
    return sorted(path.name for path in folder.rglob("*.tmp"))


@needs_disk
def test_disk_full_while_preparing(whole, disk, tally):
    study = Study(disk)
    with filled(disk, leave_kib=400):
        code, text = study.verb(*PREPARE)
        assert code == 1
        assert "expected a writable folder with free space, got: " in one_line(text)
        assert not study.paths.manifest("phantom").exists()
        finished = {path: digest(path) for path in study.paths.prepared("phantom").glob("cases/*/*.npy")}
        assert finished
    study.do(*PREPARE)
    lost = any(digest(path) != before for path, before in finished.items())
    wrong = digest(study.paths.manifest("phantom")) != digest(whole.paths.manifest("phantom"))
    assert leftovers(study.paths.prepared("phantom")) == []
    tally("disk full while preparing a case", lost=lost, wrong=wrong)


@needs_disk
def test_disk_full_while_writing_a_checkpoint(whole, disk, tally):
    study = Study(disk, like=whole)
    assert study.train(before=KILL_AT.format(step=21))[0] == -signal.SIGKILL
    kept = study.checkpoint_step()
    with filled(disk, leave_kib=20):
        code, text = study.train()
        assert code == 1
        assert "the checkpoint could not be written" in one_line(text)
        assert "the one before is kept: free disk space" in one_line(text)
        lost = study.checkpoint_step() != kept or kept < 21 - 2 * INTERVAL
    assert study.train()[0] == 0
    assert study.evaluate()[0] == 0
    tally("disk full while writing a checkpoint", lost=lost, wrong=numbers(study.cell) != whole.numbers)


@thorough
@needs_disk
def test_disk_full_while_writing_the_scores(whole, disk, tally):
    study = Study(disk, like=whole)
    assert study.train()[0] == 0
    with filled(disk, leave_kib=2):
        code, text = study.evaluate()
        assert code == 1
        assert "No space left on device" in one_line(text)
        lost = not study.cell.weights.exists() or not study.cell.checkpoint.exists()
        assert not study.cell.evaluation.exists()
    assert study.evaluate()[0] == 0
    assert leftovers(study.folder) == []
    tally("disk full while writing scores", lost=lost, wrong=numbers(study.cell) != whole.numbers)


@thorough
@needs_disk
@pytest.mark.parametrize("verb", [("collect",), ("table", "table1")])
def test_disk_full_while_writing_a_table(whole, disk, tally, verb):
    study = Study(disk, like=whole)
    shutil.copytree(whole.cell.folder, study.cell.folder)
    study.do("collect")
    study.do("table", "table1")
    files = [study.paths.cases, study.paths.table("table1"), study.paths.table("table1").with_suffix(".tex")]
    before = {file: digest(file) for file in files}
    with filled(disk, leave_kib=0):
        code, text = study.verb(*verb)
        assert code == 1
        assert "No space left on device" in one_line(text)
        lost = {file: digest(file) for file in files} != before
    study.do(*verb)
    assert leftovers(study.folder) == []
    tally(f"disk full while writing a table ({verb[0]})", lost=lost, wrong={f: digest(f) for f in files} != before)


@thorough
@needs_disk
def test_read_only_results(whole, disk, tally):
    study = Study(disk, like=whole)
    assert study.train(before=KILL_AT.format(step=12))[0] == -signal.SIGKILL
    kept = study.checkpoint_step()
    change(disk, "ro")
    code, text = study.train()
    change(disk, "rw")
    assert code == 1
    assert "expected a folder that can be written to, got: Read-only file system; make it writable" in one_line(text)
    lost = study.checkpoint_step() != kept
    assert study.train()[0] == 0
    assert study.evaluate()[0] == 0
    tally("read-only results folder", lost=lost, wrong=numbers(study.cell) != whole.numbers)


@thorough
def test_a_worker_that_dies_while_preparing(tmp_path, tally):
    changes = {"datasets": {"phantom": {"options": {"cases": 12, "shape": [24, 24, 24]}}}}
    quiet, study = Study(tmp_path / "quiet", **changes), Study(tmp_path / "study", **changes)
    quiet.do(*PREPARE)
    verb = study.start(*PREPARE, "--workers", "2")
    worker = _first_worker(verb)
    os.kill(worker, signal.SIGKILL)
    assert verb.wait() == 1
    assert "a worker process ended early, expected 2 to stay alive" in one_line(verb.text())
    assert not study.paths.manifest("phantom").exists()
    study.do(*PREPARE, "--workers", "2")
    wrong = digest(study.paths.manifest("phantom")) != digest(quiet.paths.manifest("phantom"))
    tally("a worker dies while preparing", wrong=wrong)


def _first_worker(verb):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert verb.running(), verb.text()
        children = (
            Path(f"/proc/{verb.process.pid}/task/{verb.process.pid}/children").read_text(encoding="utf-8").split()
        )
        for child in children:
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
        time.sleep(0.02)
    raise AssertionError("no worker started")


@thorough
def test_preparation_killed(whole, tmp_path, tally):
    study = Study(tmp_path)
    before = """
import os
from spectralcal.preparation import _case
_write, _count = _case._write, []
def write(*arguments):
    _count.append(1)
    if len(_count) == 4:
        os.kill(os.getpid(), 9)
    return _write(*arguments)
_case._write = write
"""
    assert study.verb(*PREPARE, before=before)[0] == -signal.SIGKILL
    finished = {path: path.stat().st_mtime_ns for path in study.paths.prepared("phantom").glob("cases/*/*.npy")}
    assert finished
    study.do(*PREPARE)
    lost = any(path.stat().st_mtime_ns != before for path, before in finished.items())
    wrong = digest(study.paths.manifest("phantom")) != digest(whole.paths.manifest("phantom"))
    tally("preparation killed between cases", lost=lost, wrong=wrong)


def test_a_flipped_byte_in_a_prepared_array(whole, tmp_path, tally):
    """Training does not hash its arrays, which may be hundreds of gigabytes; `verify` and `prepare` do."""
    study = Study(tmp_path)
    study.do(*PREPARE)
    victim = sorted(study.paths.prepared("phantom").glob("cases/*/image.npy"))[3]
    others = {path: path.stat().st_mtime_ns for path in study.paths.prepared("phantom").glob("cases/*/image.npy")}
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    code, text = study.verb("verify", "--data")
    assert code == 1, text
    assert victim.parent.name in text
    study.do(*PREPARE)
    again = {path: path.stat().st_mtime_ns for path in others}
    lost = [path for path in others if path != victim and again[path] != others[path]]
    content[-1] ^= 1
    wrong = victim.read_bytes() != bytes(content)
    wrong |= digest(study.paths.manifest("phantom")) != digest(whole.paths.manifest("phantom"))
    tally("flipped byte in a prepared array", lost=lost, wrong=wrong)


def test_an_array_that_is_no_array_is_refused(whole, tmp_path):
    study = Study(tmp_path)
    study.do(*PREPARE)
    study.do("split", "--dataset", "phantom")
    for path in study.paths.prepared("phantom").glob("cases/*/image.npy"):
        path.write_bytes(path.read_bytes()[:60])
    code, text = study.verb(*train_arguments())
    assert code == 1
    assert "image.npy: expected a prepared array" in one_line(text)
    assert "run `spectralcal prepare` again" in text
