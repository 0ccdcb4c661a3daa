"""Snakemake killed, started twice and under a clock that jumps: the same command goes on, finished work stays."""

import json
import os
import random
import signal
import time
from pathlib import Path

import pytest
import yaml
from faulty import METHOD, Project, thorough

pytestmark = thorough


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A project whose study ran through, and how long that took."""
    project = Project(tmp_path_factory.mktemp("undisturbed"))
    begun = time.monotonic()
    code, text = project.run()
    assert code == 0, text
    project.seconds = time.monotonic() - begun
    return project


def finished(project):
    """Scored cells with the times of their files: they must never be made again."""
    return {
        file: file.stat().st_mtime_ns
        for method in ("ce", METHOD)
        for file in (project.cell(method).cases, project.cell(method).weights)
        if project.cell(method).evaluation.exists() and not project.cell(method).checkpoint.exists()
    }


@pytest.mark.parametrize("whole_group", [False, True], ids=["scheduler", "everything"])
@pytest.mark.parametrize("number", range(3))
def test_snakemake_killed(undisturbed, tmp_path, tally, whole_group, number):
    """Alone (its cells run on), or with all its processes, as a power cut does it."""
    project = Project(tmp_path)
    process = project.start("--cores", "2")
    time.sleep(random.Random(f"{number}{whole_group}").uniform(0.2, 0.95) * undisturbed.seconds)
    if whole_group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    kept = finished(project)
    code, text = project.run()
    assert code == 0, text
    assert list((project.folder / ".snakemake").glob("locks/*")) == []
    now = finished(project)
    tally(
        f"Snakemake killed ({'with all its processes' if whole_group else 'its cells run on'})",
        lost=any(now.get(file) != before for file, before in kept.items()),
        wrong=project.products() != undisturbed.products(),
    )


def test_a_second_snakemake_and_then_a_stop(undisturbed, tmp_path, tally):
    project = Project(tmp_path)
    content = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    process = project.start("--cores", "2")
    while not project.cell().checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.05)
    code, text = project.run()
    assert code != 0
    assert f"the study '{content['study']}' is being run by process {process.pid} on" in text
    code, text = project.run("--cores", "2", "--nolock")
    assert code != 0
    assert f"is being run by process {process.pid} on" in text
    assert "wait until it ends" in text
    assert "Traceback" not in text
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(120)
    code, text = project.run()
    assert code == 0, text
    tally("Snakemake started twice, then stopped (SIGTERM)", wrong=project.products() != undisturbed.products())


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_snakemake_asked_to_stop(undisturbed, tmp_path, tally, name):
    """Ctrl-C reaches Snakemake and its cells alike: cells write a checkpoint."""
    project = Project(tmp_path)
    environment = {"PYTHONPATH": str(project.slow(0.5)), "OMP_NUM_THREADS": "7"}
    process = project.start("--cores", "2", environment=environment)
    while not project.cell().checkpoint.exists():
        assert process.poll() is None, project.log.read_text()
        time.sleep(0.05)
    for training in project.trainings():  # as many threads as a cell is given, whatever the shell says
        assert b"\0OMP_NUM_THREADS=1\0" in Path(f"/proc/{training}/environ").read_bytes()
    os.killpg(process.pid, signal.Signals[name])
    assert process.wait(120) != 0
    assert not project.trainings()
    stopped = f"error: stopped by {name} after step" in project.training_log()
    code, text = project.run(environment=environment)
    assert code == 0, text
    lost = not stopped or json.loads(project.cell().run.read_text())["resumes"] != 1
    tally(f"Snakemake asked to stop ({name})", lost=lost, wrong=project.products() != undisturbed.products())


@pytest.mark.parametrize("hours", [-24, 24])
def test_the_clock_jumped_between_two_runs(undisturbed, tally, hours):
    """Files whose times contradict their order are no reason to compute again what did not change."""
    folder = undisturbed.folder
    touched = [folder / "prepared/tiny/phantom/manifest.csv", folder / "results/tiny/splits/phantom.json"]
    before = undisturbed.products()
    times = {file: file.stat() for file in touched}
    for file in touched:
        moved = time.time() + 3600 * hours
        os.utime(file, (moved, moved))
    kept = finished(undisturbed)
    code, text = undisturbed.run()
    assert code == 0, text
    assert "training " not in text
    for file, stat in times.items():
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    lost = any(finished(undisturbed).get(file) != when for file, when in kept.items())
    tally("clock jumps between two runs", lost=lost, wrong=undisturbed.products() != before)


def test_a_gpu_that_is_not_there_stops_the_start(undisturbed, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("torch can use CUDA here")
    project = Project(tmp_path, compute={"device": "cuda"})
    code, text = project.run()
    assert code != 0
    assert "compute.device: 'cuda' is asked for, but torch cannot use it here: " in text
    assert "Traceback" not in text
    assert not (project.folder / "prepared").exists()
    assert project.run("-n")[0] == 0
