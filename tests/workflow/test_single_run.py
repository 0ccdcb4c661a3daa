"""One scheduler a study: what a killed run leaves is removed, what a living one holds is not."""

import json
import os
import subprocess
import sys

import pytest
from studies import tiny

from spectralcal.base.errors import ResultError
from spectralcal.jobs import single_run
from spectralcal.jobs.single_run import StudyRun
from spectralcal.study.config import parse_config
from spectralcal.study.paths import StudyPaths


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return parse_config(tiny("."), "tiny")


def mark(number, *files):
    """A lock of Snakemake's, as it writes them."""
    folder = single_run.Path(".snakemake/locks")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{number}.output.lock"
    file.write_text("\n".join(files) + "\n")
    return file


def hold(study):
    """Another process that runs the study."""
    code = "import sys, time; from spectralcal.base.locks import Lock; from pathlib import Path\n"
    code += "lock = Lock(Path(sys.argv[1])); assert lock.acquire(); print('held', flush=True); time.sleep(60)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, StudyPaths(study).study_lock], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout.readline() == "held\n"
    return process


def end(process):
    process.kill()
    process.communicate()


def test_the_marks_of_a_killed_run_are_removed_and_those_of_others_stay(study):
    end(hold(study))
    ours, other = mark(0, "results/tiny/cases.parquet"), mark(1, "results/tiny2/cases.parquet", "other.txt")
    assert "was killed; going on from there" in StudyRun(study).look()
    assert not ours.exists()
    assert other.exists()
    assert StudyRun(study).look() is None


def test_a_living_run_keeps_its_marks_and_refuses_a_second(study):
    process = hold(study)
    ours = mark(0, "results/tiny/cases.parquet")
    try:
        assert StudyRun(study).look() == (
            f"note: the study 'tiny' is being run by {StudyRun(study)._lock.holder_text()}"
        )
        assert ours.exists()
        with pytest.raises(
            ResultError, match=rf"'tiny' is being run by process {process.pid} on .*; wait until it ends"
        ):
            StudyRun(study).begin()
    finally:
        end(process)


def test_marks_of_a_run_on_another_machine_are_left_to_a_person(study):
    end(hold(study))
    lock = StudyPaths(study).study_lock
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "host": "node7"}))
    ours = mark(0, "results/tiny/cases.parquet")
    note = StudyRun(study).look()
    assert "on node7 since" in note
    assert "snakemake --unlock" in note
    assert ours.exists()


def test_marks_without_a_record_are_not_judged(study):
    ours = mark(0, "results/tiny/cases.parquet")
    assert StudyRun(study).look() is None
    assert ours.exists()


def test_looking_writes_nothing(study, tmp_path):
    StudyRun(study).look()
    assert list(tmp_path.iterdir()) == []


def test_a_gpu_that_torch_cannot_use_stops_the_start_here_but_not_on_a_login_node(study, monkeypatch):
    wanting = study.model_copy(update={"compute": study.compute.model_copy(update={"device": "cuda"})})
    monkeypatch.setattr(single_run, "why_no_cuda", lambda: "torch is built without CUDA")
    with pytest.raises(ResultError, match=r"compute.device: 'cuda' is asked for, .*: torch is built without CUDA"):
        StudyRun(wanting).begin()
    run = StudyRun(wanting)
    run.begin(local=False)
    assert not StudyRun(study)._lock.is_free()
