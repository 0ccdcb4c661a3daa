"""Locks between processes: one holder at a time, free again when the holder dies."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spectralcal.base import locks
from spectralcal.base.errors import ResultError
from spectralcal.base.locks import Lock, exclusive

KEEPER = """
import sys, time
from pathlib import Path
from spectralcal.base.locks import Lock
lock = Lock(Path(sys.argv[1]))
assert lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds ``tmp_path/lock``."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KEEPER, tmp_path / "lock"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_one_holder_at_a_time_and_the_file_stays(tmp_path):
    one, other = Lock(tmp_path / "a/lock"), Lock(tmp_path / "a/lock")
    assert one.acquire()
    assert not other.acquire()
    assert not other.is_free()
    one.release()
    assert other.is_free()
    assert other.acquire()
    other.release()
    assert (tmp_path / "a/lock").is_file()


def test_asking_makes_nothing(tmp_path):
    assert Lock(tmp_path / "none/lock").is_free()
    assert not (tmp_path / "none").exists()


def test_a_lock_dies_with_its_holder(tmp_path, holder):
    lock = Lock(tmp_path / "lock")
    assert not lock.acquire()
    assert lock.holder()["pid"] == holder.pid
    assert f"process {holder.pid} on" in lock.holder_text()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert lock.acquire()
    assert lock.holder()["pid"] == os.getpid()
    lock.release()


def test_a_child_that_outlives_its_parent_does_not_keep_the_lock(tmp_path):
    """Shells that a scheduler started go on when it is killed; they must not hold its lock."""
    script = KEEPER.replace('print("held"', 'import subprocess; subprocess.Popen(["sleep", "30"]); print("held"')
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, tmp_path / "lock"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    try:
        assert process.stdout.readline() == "held\n"
        process.kill()
        process.wait()
        assert Lock(tmp_path / "lock").is_free()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


def test_exclusive_waits_says_for_whom_and_goes_on(tmp_path, holder, monkeypatch, capsys):
    monkeypatch.setattr(locks, "POLL_SECONDS", 0.05)
    waited = []

    def sleep(seconds):
        waited.append(seconds)
        if len(waited) == 3:
            holder.kill()
            holder.wait()

    monkeypatch.setattr(locks.time, "sleep", sleep)
    with exclusive(tmp_path / "lock", "cell 7"):
        assert not Lock(tmp_path / "lock").is_free()
    assert len(waited) >= 3
    text = capsys.readouterr().err
    assert text.count("waiting until it ends") == 1
    assert f"cell 7: process {holder.pid} on" in text
    assert Lock(tmp_path / "lock").is_free()


def test_an_error_inside_gives_the_lock_back(tmp_path):
    with pytest.raises(KeyError), exclusive(tmp_path / "lock", "x"):
        raise KeyError
    assert Lock(tmp_path / "lock").is_free()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ResultError, match=r"file: expected a folder that can be written to, got: .*results_root"):
        Lock(tmp_path / "file/lock").acquire()


def test_a_file_system_without_locks_warns_and_goes_on(tmp_path, monkeypatch, capsys):
    def unsupported(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    with exclusive(tmp_path / "lock", "x"):
        pass
    assert "has no file locks" in capsys.readouterr().err


def test_damaged_records_of_a_holder_are_no_matter(tmp_path):
    for content in ("", "{", "[1]", json.dumps({"pid": 3})):
        (tmp_path / "lock").write_text(content)
        assert Lock(tmp_path / "lock").holder_text() == "another process"


def test_waiting_costs_no_processor_time(tmp_path, holder):
    """A cell may wait for hours; polling must not take a core from the one that works."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    script = "import sys; from pathlib import Path; from spectralcal.base.locks import exclusive\n"
    script += "with exclusive(Path(sys.argv[1]), 'x'): pass"
    waiter = subprocess.Popen([sys.executable, "-c", script, tmp_path / "lock"], env=environment, stderr=-3)
    time.sleep(1.5)
    before = _cpu_seconds(waiter.pid)
    time.sleep(2)
    assert waiter.poll() is None
    assert _cpu_seconds(waiter.pid) - before < 0.1
    holder.kill()
    assert waiter.wait(20) == 0


def _cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_lock_has_the_mode_that_the_umask_gives(tmp_path):
    before = os.umask(0o002)
    try:
        assert Lock(tmp_path / "lock").acquire()
    finally:
        os.umask(before)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o664


@pytest.mark.skipif(os.getuid() != 0, reason="another user takes root")
@pytest.mark.parametrize(("mode", "answer"), [(0o664, "taken"), (0o640, "taken"), (0o600, "one of")])
def test_another_user_of_the_group_takes_a_lock_or_learns_whose_it_is(tmp_path, mode, answer):
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    lock = tmp_path / "shared/lock"
    first = Lock(lock)
    assert first.acquire()
    first.release()
    os.chown(lock.parent, 1001, 2000)
    lock.parent.chmod(0o2775)
    os.chown(lock, 1001, 2000)
    lock.chmod(mode)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.setgroups([2000])
        os.setgid(2000)
        os.setuid(1002)
        try:
            said = "taken" if Lock(lock).acquire() else "held"
        except ResultError as error:
            said = str(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    assert answer in said
    assert mode != 0o600 or str(lock) in said
