"""People and machines: no home, nowhere for temporary files, a checkout to be read only, one core, fork and spawn.

Each is a process of its own that ends with the numbers of an undisturbed run, or in one clear line.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from disks import filled, missing, small_disk
from faulty import ROOT, Study, cell_arguments, digest, numbers, thorough
from strangers import COMMAND, give
from strangers import missing as no_stranger

needs_stranger = pytest.mark.skipif(no_stranger() is not None, reason=str(no_stranger()))
needs_disk = pytest.mark.skipif(missing() is not None, reason=str(missing()))
TEMPORARY = ("TMPDIR", "TEMP", "TMP")
HOMES = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")

#: verbs one after the other in one process, as a cell and its table need them; the exit code is the first that is not 0
VERBS = """
import sys
from spectralcal.cli.main import main
for line in sys.argv[2:]:
    try:
        main([*line.split(), "--config", sys.argv[1]])
    except SystemExit as end:
        if end.code:
            raise
"""
CELL = " ".join(cell_arguments())
STEPS = (f"train {CELL} --then-evaluate", f"evaluate {CELL}", "collect", "table table1", "figure training_curves")
#: a figure too, whose library keeps caches of its own
FIGURE = {"figures": {"training_curves": {"experiment": "main"}}}


def run(study, *steps, cwd=ROOT, prefix=(), drop=(), **environment):
    """Exit code and output of verbs in a process whose environment lacks `drop`."""
    known = {name: value for name, value in os.environ.items() if name not in (*TEMPORARY, *drop)}
    known |= {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command = [*prefix, sys.executable, "-c", VERBS, str(study.file), *(steps or STEPS)]
    done = subprocess.run(
        command,
        cwd=cwd,
        env=known,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=580,
        check=False,
    )
    return done.returncode, done.stdout


def run_script(script, *arguments, prefix=()):
    """The finished process of a script, in the script's folder."""
    command = [*prefix, sys.executable, str(script), *map(str, arguments)]
    known = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=script.parent, env=known, capture_output=True, text=True, timeout=580, check=False
    )


def is_whole(study, whole):
    """Whether a study ended with the numbers of the undisturbed one."""
    made = numbers(study.cell) == whole.numbers
    return made and digest(study.paths.table("table1")) == digest(whole.paths.table("table1"))


@pytest.fixture
def open_folder():
    """A folder whose parents anybody may enter, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="spectralcal-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def strangers_study(whole, open_folder):
    """A study in a folder of somebody who can write nowhere else."""
    study = Study(open_folder / "study", like=whole, **FIGURE)
    give(study.folder)
    return study


@needs_stranger
@pytest.mark.parametrize(
    "home", ["none", pytest.param("not there", marks=thorough), pytest.param("not theirs", marks=thorough)]
)
def test_without_a_home_in_a_checkout_to_be_read_only(whole, strangers_study, tmp_path, tally, home):
    """Package and current folder belong to root; results lie elsewhere."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    place = {"none": {}, "not there": {"HOME": "/nonexistent/home"}, "not theirs": {"HOME": str(theirs)}}
    code, text = run(strangers_study, prefix=COMMAND, drop=HOMES, **place[home])
    assert code == 0, text
    assert "Traceback" not in text
    assert list(theirs.iterdir()) == []
    tally(f"home: {home}; checkout read-only", wrong=not is_whole(strangers_study, whole))


@thorough
@needs_stranger
def test_a_checkout_that_is_also_to_hold_the_results_is_refused_in_one_line(strangers_study):
    strangers_study.file.write_text(
        strangers_study.file.read_text().replace(f"{strangers_study.folder}/results", "/results")
    )
    code, text = run(strangers_study, f"train {CELL}", prefix=COMMAND)
    assert code == 1
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: /results")


@thorough
@pytest.mark.parametrize("place", ["not there", pytest.param("full", marks=needs_disk)])
def test_a_folder_for_temporary_files_that_is_of_no_use(whole, tmp_path, tally, place):
    """/tmp serves in its place."""
    study = Study(tmp_path / "study", like=whole, **FIGURE)
    if place == "not there":
        code, text = run(study, TMPDIR=str(tmp_path / "nowhere"))
    else:
        with small_disk(tmp_path / "disk", 64) as disk, filled(disk, leave_kib=0):
            code, text = run(study, TMPDIR=str(disk))
    assert code == 0, text
    tally(f"TMPDIR {place}", wrong=not is_whole(study, whole))


@thorough
@needs_disk
@needs_stranger
def test_nowhere_for_temporary_files(whole, open_folder, tally):
    """Every usual place can only be read. torch's optimisers look for one; scores and tables need none."""
    with small_disk(open_folder / "disk", 32 * 1024) as disk:
        study = Study(disk / "study", like=whole, **FIGURE)
        shutil.copytree(whole.cell.folder, study.cell.folder)
        give(study.folder)
        closed = "mount --rbind /tmp /tmp && mount -o remount,bind,ro /tmp && mount -t tmpfs -o ro none /var/tmp"
        prefix = ("unshare", "--mount", "sh", "-c", f'{closed} && exec "$@"', "sh", *COMMAND)
        if not disk.is_relative_to("/tmp"):
            pytest.skip("the tests' own files lie elsewhere than in /tmp")
        code, text = run(study, *STEPS[1:4], f"train {CELL} --force", prefix=prefix, drop=HOMES)
        wrong = not is_whole(study, whole)
    assert code == 1
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: TMPDIR: expected a folder for temporary files that can be written to, found none")
    tally("nowhere for temporary files", wrong=wrong)


@thorough
@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset is not installed")
def test_on_one_core(whole, tmp_path, tally):
    study = Study(tmp_path / "study", **FIGURE)
    core = str(min(os.sched_getaffinity(0)))
    steps = ("prepare --dataset phantom --workers 2", "split --dataset phantom", *STEPS, "doctor")
    script = tmp_path / "verbs.py"  # a worker of `prepare` imports the script that started it
    script.write_text(f"def work():\n{textwrap.indent(VERBS, '    ')}\nif __name__ == '__main__':\n    work()\n")
    done = run_script(script, study.file, *steps, prefix=("taskset", "-c", core))
    assert done.returncode == 0, done.stderr
    assert ", 1 CPU cores," in done.stdout
    tally("one core", wrong=not is_whole(study, whole))


#: trains here, then the same in a child that is started by the method given
STARTED = """
import multiprocessing, sys
from pathlib import Path

def work(path):
    from spectralcal.jobs.cells import evaluate_cell, train_cell
    from spectralcal.study.config import load_config
    from spectralcal.study.grid import study_cells
    config = load_config(Path(path))
    (cell,) = study_cells(config)
    train_cell(config, cell)
    evaluate_cell(config, cell)

if __name__ == "__main__":
    method, here, there = sys.argv[1:]
    multiprocessing.set_start_method(method)
    work(here)
    child = multiprocessing.Process(target=work, args=(there,))
    child.start()
    child.join()
    sys.exit(child.exitcode)
"""


@thorough
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_a_process_that_has_trained_ends_with_the_same_bits(whole, tmp_path, tally, method):
    studies = [Study(tmp_path / place, like=whole) for place in ("here", "there")]
    script = tmp_path / "started.py"
    script.write_text(STARTED)
    done = run_script(script, method, *(study.file for study in studies))
    assert done.returncode == 0, done.stderr
    for study in studies:
        tally(f"processes by {method}", wrong=numbers(study.cell) != whole.numbers)


def test_a_script_that_begins_its_own_work_in_every_worker_does_not_wait_for_itself(tmp_path, tally):
    """The worker would wait for the data set's lock, and the process that holds it for the worker."""
    study = Study(tmp_path / "study")
    script = tmp_path / "unguarded.py"
    script.write_text(f"import sys\nsys.argv[1:1] = [{str(study.file)!r}]\n{VERBS}")
    done = run_script(script, "prepare --dataset phantom --workers 2")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = {line for line in done.stderr.splitlines() if line.startswith("error: ")}
    assert lines
    assert all('`if __name__ == "__main__":`' in line for line in lines)
    assert not study.paths.manifest("phantom").exists()
    tally("workers of a script without a guard")
