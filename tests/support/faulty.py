"""A tiny study whose verbs run as processes of their own, so that tests can kill them and run them again.

The processes are forked from a server that has imported what verbs import: a kill is a kill, but a start costs nothing.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from studies import tiny

from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import CellPaths, StudyPaths

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "src", "profiles", "config", "config.yaml", "environment.yml", "notebooks")
#: the method whose loss keeps a history: it resumes exactly only if everything is in the checkpoint
METHOD = "spectral"
STEPS, INTERVAL = 40, 5
PRELOADED = ("spectralcal.jobs.cells", "spectralcal.engine.train", "spectralcal.scoring.evaluate",
             "spectralcal.engine.fit_post_hoc", "spectralcal.models.unet", "spectralcal.losses.spectral",
             "spectralcal.preparation.prepare", "spectralcal.datasets.phantom", "pandas")  # fmt: skip
#: all tries and all faults, as `make faults` asks for; else one of each kind, quickly
ALL = os.environ.get("SPECTRALCAL_FAULTS") == "all"
thorough = pytest.mark.skipif(not ALL, reason="`make faults` includes it")

#: kills the process in the optimiser's step of this number
KILL_AT = """
import os, signal, torch
_step, _done = torch.optim.AdamW.step, []
def step(self, *args, **kwargs):
    _done.append(1)
    if len(_done) == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
    return _step(self, *args, **kwargs)
torch.optim.AdamW.step = step
"""

#: makes the first training of METHOD slow, whoever starts it, so that it can be caught at work; a sitecustomize.py
SLOW_AT_FIRST = """
import os, sys
words = sys.orig_argv
if "spectralcal" in words and "train" in words and "{method}" in words:
    try:
        os.close(os.open("{flag}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        pass
    else:
        import time, torch
        _step = torch.optim.AdamW.step
        torch.optim.AdamW.step = lambda self, *a, **k: (time.sleep({seconds}), _step(self, *a, **k))[1]
"""


class Study:
    """A tiny study in `folder`.

    Args:
        folder: for its configuration, data and results.
        like: take prepared data and split from this study instead of making them.
        changes: keys of the configuration that differ.
    """

    def __init__(self, folder: Path, like: Study | None = None, **changes) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        content = tiny(str(self.folder), compute={"device": "cpu"}, tables={"table1": {"experiment": "main"}})
        content["training"] |= {"steps": STEPS, "epoch_steps": 10, "checkpoint_interval": INTERVAL}
        content["training"] |= {"precision": "fp32"}
        content["experiments"]["main"]["methods"] = [METHOD]
        if like is not None:
            content["prepared_root"] = str(like.config.prepared_root)
        content |= changes
        self.config = parse_config(content, "the test")
        self.paths = StudyPaths(self.config)
        self.file = self.folder / "tiny.yaml"
        self.file.write_text(yaml.safe_dump(content))
        if like is not None:
            self.paths.split("phantom").parent.mkdir(parents=True)
            shutil.copy(like.paths.split("phantom"), self.paths.split("phantom"))

    @property
    def cell(self) -> CellPaths:
        """Files of the study's only cell."""
        return self.paths.cell(Cell("phantom", "unet", METHOD, 0))

    def start(self, *arguments: str, before: str = "") -> Verb:
        """A verb in a process; `before` is Python that runs in it first."""
        return Verb(self, arguments, before)

    def verb(self, *arguments: str, before: str = "") -> tuple[int, str]:
        """Exit code and output of a verb."""
        process = self.start(*arguments, before=before)
        return process.wait(), process.text()

    def do(self, *arguments: str, before: str = "") -> str:
        """Output of a verb that must succeed."""
        code, text = self.verb(*arguments, before=before)
        assert code == 0, text
        return text

    def train(self, **options: str) -> tuple[int, str]:
        """The `train` verb on the cell."""
        return self.verb(*train_arguments(), **options)

    def evaluate(self) -> tuple[int, str]:
        """The `evaluate` verb on the cell."""
        return self.verb("evaluate", *cell_arguments())

    def checkpoint_step(self) -> int:
        """Steps that the checkpoint holds."""
        from safetensors import safe_open

        with safe_open(self.cell.checkpoint, framework="pt") as file:
            return json.loads(file.metadata()["checkpoint"])["step"]


class Verb:
    """A running verb."""

    def __init__(self, study: Study, arguments: tuple[str, ...], before: str) -> None:
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(list(PRELOADED))
        # Beside the study's folder: that one may be a disk that is full.
        place = study.folder.with_name(f"{study.folder.name}-output")
        place.mkdir(exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=place)
        os.close(descriptor)
        self._output = Path(name)
        self.process = server.Process(target=_run, args=(str(study.folder), str(study.file), name, arguments, before))
        self.process.start()

    def wait(self, seconds: float = 300) -> int:
        """The exit code; negative, a signal's number."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"still running after {seconds} s: {self.text()}"
        return self.process.exitcode

    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.is_alive()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.join()

    def text(self) -> str:
        """What it printed so far."""
        return self._output.read_text()


def _run(folder: str, config: str, output: str, arguments: tuple[str, ...], before: str) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(folder)
    for name in ("SPECTRALCAL_GPUS", "CUDA_VISIBLE_DEVICES"):
        os.environ.pop(name, None)
    os.environ["SPECTRALCAL_CONFIG"] = config
    exec(before, {})
    from spectralcal.cli.main import main

    main(list(arguments))


def cell_arguments() -> list[str]:
    """Options that name the cell."""
    return ["--dataset", "phantom", "--arch", "unet", "--method", METHOD, "--seed", "0"]


def train_arguments() -> list[str]:
    """The `train` verb with its options."""
    return ["train", *cell_arguments()]


def digest(file: Path) -> str:
    """SHA-256 of a file; of nothing if it is not there."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def numbers(files: CellPaths) -> dict[str, object]:
    """What a cell's result is made of, without clocks and machine: the weights, the history and the scores."""
    history = [line.rpartition(",")[0] for line in files.history.read_text().splitlines()]
    assert files.history.read_text().splitlines()[0].endswith(",seconds")
    return {"weights": digest(files.weights), "history": history, "scores": digest(files.cases)}


class Project:
    """A copy of the project in `folder`, for runs of Snakemake itself."""

    def __init__(self, folder: Path, **changes) -> None:
        self.folder, self.runs = folder, 0
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("*.egg-info"))
            else:
                shutil.copy(source, folder / part)
        content = tiny(".", compute={"device": "cpu"}, tables={"table1": {"experiment": "main"}})
        content["training"] |= {"steps": STEPS, "epoch_steps": 10, "checkpoint_interval": INTERVAL}
        content["training"] |= {"precision": "fp32"}
        content["experiments"]["main"]["methods"] = ["ce", METHOD]
        (folder / "tiny.yaml").write_text(yaml.safe_dump({**content, **changes}))

    def start(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen:
        """Snakemake on the study, in a session of its own."""
        command = [sys.executable, "-m", "snakemake", "--configfile", "tiny.yaml", *arguments]
        known = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPECTRALCAL_DATA", "SPECTRALCAL_GPUS")}
        self.runs += 1
        with self.log.open("w") as log:  # no pipe: cells may outlive Snakemake and would hold it open
            return subprocess.Popen(
                command, cwd=self.folder, env=known | {"OMP_NUM_THREADS": "1"} | (environment or {}),
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def slow(self, seconds: float) -> Path:
        """Make the steps of METHOD's first training this slow; the folder goes into PYTHONPATH."""
        folder = self.folder / "slow"
        folder.mkdir()
        text = SLOW_AT_FIRST.format(method=METHOD, flag=folder / "begun", seconds=seconds)
        (folder / "sitecustomize.py").write_text(text)
        return folder

    def trainings(self) -> list[int]:
        """Processes that train METHOD in this folder, and nowhere else."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().decode().split("\0")
                if {"spectralcal", "train", METHOD} <= set(words) and (process / "cwd").resolve() == self.folder:
                    found.append(int(process.name))
            except OSError:
                continue  # it has ended meanwhile
        return found

    def training_log(self, method: str = METHOD) -> str:
        """Log of a cell's training."""
        cell = f"dataset=phantom/arch=unet/method={method}/seed=0"
        return (self.folder / f"results/tiny/logs/train/{cell}.log").read_text()

    @property
    def log(self) -> Path:
        """Output of the last run."""
        return self.folder / f"run-{self.runs}.log"

    def run(self, *arguments: str, **options) -> tuple[int, str]:
        """Exit code and output of Snakemake on the study."""
        process = self.start(*(arguments or ("--cores", "2")), **options)
        return process.wait(580), self.log.read_text()

    def cell(self, method: str = METHOD) -> CellPaths:
        """Files of a cell."""
        return CellPaths(self.folder / f"results/tiny/cells/dataset=phantom/arch=unet/method={method}/seed=0")

    def products(self) -> dict[str, str]:
        """Hashes of what the study is for."""
        files = [self.cell(method).weights for method in ("ce", METHOD)]
        files += [self.cell(method).cases for method in ("ce", METHOD)]
        files += [self.folder / "results/tiny/tables/table1.csv"]
        return {str(file.relative_to(self.folder)): digest(file) for file in files}
