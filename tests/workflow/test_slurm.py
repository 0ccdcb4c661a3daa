"""The SLURM profile, for real: a cluster of one node with two GPUs that are none, a time limit and a kill."""

import importlib.util
import os
import re
import signal
import time
from pathlib import Path

import pytest
import slurm
import yaml
from faulty import METHOD, Project, thorough
from tallying import tally  # noqa: F401

PLUGIN = importlib.util.find_spec("snakemake_executor_plugin_slurm")
pytestmark = [
    thorough,
    pytest.mark.skipif(PLUGIN is None, reason="snakemake-executor-plugin-slurm is not installed"),
    pytest.mark.skipif(slurm.missing() is not None, reason=str(slurm.missing())),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with slurm.cluster(tmp_path_factory.mktemp("cluster")):
        yield


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The same study, run on this machine."""
    project = Project(tmp_path_factory.mktemp("local"))
    code, text = project.run()
    assert code == 0, text
    return project.products()


def submit(folder, *, minutes=2, slow=False):
    """Start the study on the cluster, with the profile but for what a test's cluster and patience need.

    Returns:
        the project, the process, and a function that starts it again.
    """
    project = Project(folder, compute={"device": "auto"})
    profile = folder / "profiles/slurm/config.yaml"
    content = yaml.safe_load(profile.read_text())
    content |= {"slurm-status-command": "squeue", "slurm-init-seconds-before-status-checks": 3, "latency-wait": 10}
    content |= {"slurm-keep-successful-logs": True, "seconds-between-status-checks": 3}
    extra = [entry.replace("@120", "@30") for entry in content["default-resources"] if "slurm_extra" in entry]
    content["default-resources"] = ["runtime=5", "mem_mb=1500", *extra]
    content["set-resources"]["train"]["runtime"] = minutes - 1  # a group's jobs add up
    content["set-resources"]["evaluate"]["runtime"] = 1
    profile.write_text(yaml.safe_dump(content))
    places = [str(Path(PLUGIN.origin).parents[1])]
    if slow:
        places.insert(0, str(project.slow(4)))
    environment = {"PYTHONPATH": os.pathsep.join(places)}

    def start():
        return project.start("--profile", "profiles/slurm", environment=environment)

    return project, start(), start


def wait_for(ready, process, project, seconds=150):
    end = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, project.log.read_text()
        assert time.monotonic() < end, project.log.read_text()
        time.sleep(0.2)


def submissions(project):
    """Jobs and groups that were submitted, in order."""
    return re.findall(r"^Job (\S+) has been submitted with SLURM jobid", project.log.read_text(), re.M)


def test_a_cell_is_one_submission_on_a_gpu_of_its_own(cluster, local, tmp_path, tally):  # noqa: F811
    project, process, _ = submit(tmp_path)
    assert process.wait(560) == 0, project.log.read_text()
    text = project.log.read_text()
    steps = int(re.search(r"of (\d+) steps \(100%\) done", text)[1])
    # Two cells of two jobs each; `all` runs where Snakemake does.
    assert len(submissions(project)) == steps - 3, text
    assert len(set(submissions(project))) == steps - 3, text
    devices = {re.search(r"GPU (\S+), slot 0", project.training_log(method))[1] for method in ("ce", METHOD)}
    assert devices == {"0", "1"}
    tally("SLURM: nothing happens", wrong=project.products() != local)


def test_a_cell_that_reaches_its_time_limit_goes_on(cluster, local, tmp_path, tally):  # noqa: F811
    project, process, _ = submit(tmp_path, slow=True)
    assert process.wait(560) == 0, project.log.read_text()
    text = project.log.read_text()
    stops = re.findall(r"error: stopped by SIGTERM after step (\d+); run again to continue", text)
    assert stops, text
    assert "Trying to restart" in text
    run = yaml.safe_load(project.cell().run.read_text())
    tally("SLURM: time limit reached", lost=run["resumes"] != len(set(stops)), wrong=project.products() != local)


def test_a_job_that_is_killed_is_submitted_again(cluster, local, tmp_path, tally):  # noqa: F811
    project, process, _ = submit(tmp_path, minutes=10, slow=True)
    wait_for(project.cell().checkpoint.exists, process, project)
    victims = project.trainings()
    assert victims
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    assert process.wait(560) == 0, project.log.read_text()
    run = yaml.safe_load(project.cell().run.read_text())
    tally("SLURM: job killed (SIGKILL)", lost=run["resumes"] != 1, wrong=project.products() != local)


def test_a_run_that_is_stopped_goes_on(cluster, local, tmp_path, tally):  # noqa: F811
    project, process, again = submit(tmp_path, minutes=10, slow=True)
    wait_for(project.cell().checkpoint.exists, process, project)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) != 0
    end = time.monotonic() + 60
    while project.trainings():  # cancelled, and given the time to write a checkpoint
        assert time.monotonic() < end
        time.sleep(0.2)
    kept = project.training_log()
    process = again()
    assert process.wait(560) == 0, project.log.read_text()
    run = yaml.safe_load(project.cell().run.read_text())
    lost = "stopped by SIGTERM after step" not in kept or run["resumes"] != 1
    tally("SLURM: Snakemake stopped (Ctrl-C)", lost=lost, wrong=project.products() != local)
