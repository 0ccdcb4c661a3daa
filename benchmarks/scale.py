"""Large studies: how long Snakemake plans one, and what it takes to collect and read its scores.

    python benchmarks/scale.py plan --jobs 10000
    python benchmarks/scale.py collect --cells 2000 --cases 100 --numbers 60

`plan` times `snakemake -n` on a study of that many trainings and scorings of which nothing is done yet. `collect`
writes synthetic scores of that size (1.4 GB at the defaults) and times `spectralcal collect` and the reading of one
experiment; `--peer` adds reading and joining all files with pandas. Each runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).parents[1]
LOSSES = ["ce", "focal", "ls", "mbls", "svls", "crac", "nacl", "mace", "scc", "spectral"]
ARCHITECTURES = ["unet", "nnunet", "unetpp", "attention_unet"]
COLLECT = """
from spectralcal.study.config import load_config
from spectralcal.jobs.steps import collect_step
collect_step(load_config("scale.yaml"))
"""
PEER = """
import pandas as pd, pathlib
files = sorted(pathlib.Path("results/scale/cells").rglob("cases.csv"))
pd.concat([pd.read_csv(f) for f in files]).to_parquet("peer.parquet")
"""
READ = """
from spectralcal.study.config import load_config
from spectralcal.report.results import Results
results = Results(load_config("scale.yaml"))
print(len(results.scores("part")), "rows of one experiment;", len(results.missing("main")), "cells missing")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["plan", "collect"])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--cells", type=int, default=2_000)
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--numbers", type=int, default=60, help="rows of a case")
    parser.add_argument("--peer", action="store_true", help="also time reading everything at once with pandas")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        if arguments.what == "plan":
            plan(folder, arguments.jobs)
        else:
            collect(folder, arguments)


def plan(folder: Path, jobs: int) -> None:
    """Time a dry run."""
    write_config(folder, jobs // 2)
    for part in ("Snakefile", "workflow", "src", "config", "notebooks", "profiles", "environment.yml"):
        (folder / part).symlink_to(ROOT / part)
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", "--configfile", "scale.yaml"]
    measure(f"snakemake -n, {jobs} jobs", command, folder)


def collect(folder: Path, size: argparse.Namespace) -> None:
    """Time collecting and reading."""
    write_config(folder, size.cells)
    write_cells(folder, size)
    rows = size.cells * size.cases * size.numbers
    print(f"{size.cells} cells, {rows / 1e6:g} million rows")
    measure("spectralcal collect", [sys.executable, "-c", COLLECT], folder)
    print(f"{(folder / 'results/scale/cases.parquet').stat().st_size / 2**20:.0f} MiB of Parquet")
    measure("reading one experiment", [sys.executable, "-c", READ], folder)
    if size.peer:
        measure("pandas, all files at once", [sys.executable, "-c", PEER], folder)


def write_config(folder: Path, cells: int) -> None:
    """A study of that many cells."""
    seeds = list(range(max(cells // (len(LOSSES) * len(ARCHITECTURES)), 1)))
    grid = {"datasets": ["phantom"], "architectures": ARCHITECTURES, "methods": LOSSES, "seeds": seeds}
    content = {
        "study": "scale",
        "datasets": {"phantom": {}},
        "architectures": {name: {} for name in ARCHITECTURES},
        "experiments": {"main": grid, "part": {**grid, "architectures": ["unet"], "seeds": seeds[:3]}},
        "tables": {"table1": {"experiment": "main"}, "table2": {"experiment": "main"}},
    }
    (folder / "scale.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def write_cells(folder: Path, size: argparse.Namespace) -> None:
    """Scores of every cell, with as many digits as real ones."""
    os.chdir(folder)
    sys.path.insert(0, str(ROOT / "src"))
    from spectralcal.study.config import load_config
    from spectralcal.study.grid import study_cells
    from spectralcal.study.paths import StudyPaths

    config = load_config("scale.yaml")
    random = np.random.default_rng(0)
    tail = [f"{c},{m},paper" for c in ("organ", "lesion", "vessel", "all") for m in [f"metric_{i}" for i in range(15)]]
    header = "dataset,architecture,method,seed,case,patient,class,metric,protocol,value,status\n"
    for cell in study_cells(config):
        files = StudyPaths(config).cell(cell)
        files.folder.mkdir(parents=True)
        key = f"{cell.dataset},{cell.architecture},{cell.method},{cell.seed}"
        values = random.random((size.cases, size.numbers)).tolist()
        lines = [
            f"{key},phantom_{i:03d},phantom_{i:03d},{tail[j % len(tail)]},{value!r},ok\n"
            for i, row in enumerate(values)
            for j, value in enumerate(row)
        ]
        files.cases.write_text(header + "".join(lines), encoding="utf-8")
        files.evaluation.write_text(json.dumps({"fingerprint": "0" * 16}), encoding="utf-8")


def measure(title: str, command: list[str], folder: Path) -> None:
    """Run a process; print its wall time, its CPU time and its peak memory."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{title}: failed\n{done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The largest child so far: an upper bound for all but the first.
    print(f"{title}: {seconds:.1f} s, {cpu:.1f} s of CPU, peak at most {after.ru_maxrss / 2**20:.2f} GiB")
    for line in (done.stdout + done.stderr).splitlines()[-1:]:
        print(f"  {line.strip()}")


if __name__ == "__main__":
    main()
