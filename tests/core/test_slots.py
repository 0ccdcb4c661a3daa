"""GPU slots: how many there are, who gets which, and that a crash leaves none taken."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.machine import gpus
from spectralcal.machine.gpus import Gpu, visible_gpus
from spectralcal.machine.slots import gpu_slot, slot_count
from spectralcal.study.config import ComputeConfig

HOLD = """
import os, sys, time
from spectralcal.study.config import ComputeConfig
from spectralcal.machine.slots import gpu_slot
with gpu_slot(ComputeConfig(device="cuda", gpu_memory_mb=10)) as device:
    assert "torch" not in sys.modules
    print(device, os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _own_machine(tmp_path, monkeypatch):
    """Locks in a folder of the test, and no GPU but those that a test pretends."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv(gpus.PRETEND, "")


def pretend(monkeypatch, text):
    monkeypatch.setenv(gpus.PRETEND, text)


def test_slots_by_memory(monkeypatch):
    pretend(monkeypatch, "a:81559,b:24000")
    assert slot_count(ComputeConfig()) == 2
    assert slot_count(ComputeConfig(gpu_memory_mb=12000)) == 6 + 2
    assert slot_count(ComputeConfig(gpu_memory_mb=30000)) == 2 + 1
    assert slot_count(ComputeConfig(gpu_memory_mb=30000, device="cpu")) == 0
    pretend(monkeypatch, "a")
    assert slot_count(ComputeConfig(gpu_memory_mb=100)) == 1
    pretend(monkeypatch, "")
    assert slot_count(ComputeConfig()) == 0


def test_cells_spread_over_devices_before_they_share_one(monkeypatch):
    pretend(monkeypatch, "a:30,b:20")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # so that what was there before comes back in the end
    cells = {}

    def enter(number):
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # each is a process of its own in earnest
        cells[number] = gpu_slot(ComputeConfig(device="cuda", gpu_memory_mb=10))
        return cells[number].__enter__()

    assert [enter(number) for number in range(5)] == ["a", "b", "a", "b", "a"]
    cells.pop(1).__exit__(None, None, None)
    assert enter(5) == "b"
    for cell in cells.values():
        cell.__exit__(None, None, None)


def test_the_device_is_shown_to_cuda_and_the_environment_restored(monkeypatch):
    pretend(monkeypatch, "0,1")
    compute = ComputeConfig(device="cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(KeyError), gpu_slot(compute):
        raise KeyError(os.environ["CUDA_VISIBLE_DEVICES"])
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    with gpu_slot(compute):
        assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def start():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def test_processes_are_pinned_apart_and_a_killed_one_leaves_its_slot(monkeypatch):
    pretend(monkeypatch, "a:10,b:10")
    one, other = start(), start()
    processes = {one.stdout.readline(): one, other.stdout.readline(): other}
    assert sorted(processes) == ["a a\n", "b b\n"]
    third = start()
    assert "all 2 GPU slots are taken; waiting for one" in third.stderr.readline()
    processes["b b\n"].send_signal(signal.SIGKILL)
    assert third.stdout.readline() == "b b\n"
    for process in (one, other, third):
        process.kill()
        process.communicate()


def test_without_a_gpu_auto_warns_and_cpu_is_silent(capsys):
    with gpu_slot(ComputeConfig()) as device:
        assert device is None
    assert capsys.readouterr().err.startswith("warning: no GPU is visible, so this runs on the CPU")
    with gpu_slot(ComputeConfig(device="cpu")):
        pass
    assert capsys.readouterr().err == ""


def test_a_gpu_that_torch_cannot_use_is_said(monkeypatch, capsys):
    import torch

    pretend(monkeypatch, "a")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with gpu_slot(ComputeConfig()):
        pass
    assert "cannot use GPU a; this runs on the CPU" in capsys.readouterr().err


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """A program of that name that prints two devices."""
    monkeypatch.delenv(gpus.PRETEND)
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho '0, GPU-aaaa-1, 81559'\necho '1, GPU-bbbb-2, [N/A]'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return program


def test_devices_are_listed_by_identifier(nvidia_smi):
    assert visible_gpus() == [Gpu("GPU-aaaa-1", 81559), Gpu("GPU-bbbb-2", None)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1", ["GPU-bbbb-2"]),
        ("1,0", ["GPU-bbbb-2", "GPU-aaaa-1"]),
        ("GPU-aaaa", ["GPU-aaaa-1"]),
        ("MIG-7", ["MIG-7"]),
        ("0,-1,1", ["GPU-aaaa-1"]),
        ("", []),
        ("-1", []),
    ],
)
def test_visible_devices_are_those_that_the_environment_leaves(nvidia_smi, monkeypatch, value, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert [gpu.id for gpu in visible_gpus()] == expected


def test_a_driver_that_does_not_answer_is_no_gpu(nvidia_smi):
    nvidia_smi.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert visible_gpus() == []
    nvidia_smi.unlink()
    assert visible_gpus() == []


def test_malformed_pretend_devices_are_named(monkeypatch):
    pretend(monkeypatch, "a:x")
    with pytest.raises(ConfigError, match=r"SPECTRALCAL_GPUS: expected entries like 0:81920 .*, found 'a:x'"):
        visible_gpus()


def test_why_there_is_no_cuda():
    import torch

    reason = gpus.why_no_cuda()
    if torch.cuda.is_available():
        assert reason is None
    else:
        assert reason
        assert "\n" not in reason
        assert (torch.version.cuda is None) == ("built without CUDA" in reason)


def test_nowhere_for_the_locks_is_one_line_that_names_tmpdir(monkeypatch, tmp_path):
    pretend(monkeypatch, "0")

    def none():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    with pytest.raises(ResultError, match=r"TMPDIR: expected a folder .* found none \(No usable temporary directory"):
        gpu_slot(ComputeConfig(device="cuda")).__enter__()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path / "gone"))
    with pytest.raises(
        ResultError, match=r"gone/spectralcal-\d+: expected a folder .* No such file or directory; set TMPDIR"
    ):
        gpu_slot(ComputeConfig(device="cuda")).__enter__()
