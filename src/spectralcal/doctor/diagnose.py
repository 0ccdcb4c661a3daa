"""What is installed, which device there is, which data sets are in place, and what a data set's files look like."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spectralcal.base import registry
from spectralcal.base.console import Progress, progress
from spectralcal.base.errors import DataError, SpectralcalError
from spectralcal.datasets import Dataset
from spectralcal.doctor.arithmetic import arithmetic_lines
from spectralcal.jobs.data_sets import build_dataset
from spectralcal.machine.environment import PACKAGES, commit, usable_cores
from spectralcal.preparation.survey import survey_dataset
from spectralcal.preparation.survey_text import survey_content, survey_text
from spectralcal.study.config import StudyConfig

if TYPE_CHECKING:
    import torch

#: layouts of a user's own data: they stand for no data set until a configuration gives them a name
KINDS = frozenset({"datalist", "decathlon", "folder_pair", "nnunet_raw"})


def diagnose(config: StudyConfig | None, *, probe: bool = False) -> str:
    """The report of `spectralcal doctor`, as text.

    Args:
        config: a study, whose data sets and networks are looked at too.
        probe: ask how its networks compute in bfloat16 where no verdict is kept, which takes a few training steps each.
    """
    import torch

    from spectralcal import __version__
    from spectralcal.machine.device import device_name, native_precision

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = {"bf16": "bf16 for networks that pass its probe", "fp32": "fp32"}[native_precision(device)]
    lines = [
        f"spectralcal {__version__} ({commit() or 'not a git checkout'})",
        f"system      Python {platform.python_version()}, {platform.platform()}",
        f"device      {device_name(device)}, {usable_cores()} CPU cores, precision {precision}",
        f"memory      {memory_text(device)}",
        f"disk        {shutil.disk_usage('.').free / 2**30:.0f} GiB free here",
        "packages    " + ", ".join(f"{name} {_version(name)}" for name in (*PACKAGES, "snakemake", "jupytext")),
        f"losses      {', '.join(registry.names('losses'))}",
        f"models      {', '.join(registry.names('models'))}",
    ]
    if config is not None:
        lines += [f"study       {config.study}, raw data under {config.raw_root}", *dataset_lines(config)]
        lines += arithmetic_lines(config, ask=probe)
    return "\n".join(lines)


def time_and_project(config: StudyConfig, at_once: int) -> str:
    """Time a few steps of every kind of cell here and say how long the study takes, as text.

    Args:
        config: the study.
        at_once: cells that will run side by side on this machine.
    """
    from spectralcal.doctor.timing import time_study
    from spectralcal.records.costs import known_costs, timed_costs
    from spectralcal.records.projection import all_cells, missing_cells, project
    from spectralcal.records.projection_text import projection_table, projection_work

    content, failed = time_study(config)
    gpu, missing = content["gpu"], missing_cells(config)
    projection = project(config, *all_cells(config), timed_costs(config, gpu))
    lines = [
        f"timing      {content['device']}, torch {content['torch']}, {content['threads']} CPU thread(s) a cell",
        projection_table(projection, config, at_once),
        *(f"  {dataset} with {architecture}: {reason}" for (dataset, architecture), reason in failed.items()),
    ]
    cores = usable_cores()
    busy = os.getloadavg()[0] - content["threads"]  # more than there are cores where work waits for one
    if not gpu and busy > 0.5:
        kept = f"{busy:.1f} of {cores}" if busy < cores else f"all {cores}"
        lines.append(f"  other work kept {kept} cores busy: on a free machine steps are faster")
    if missing != all_cells(config):
        rest = projection_work(project(config, *missing, known_costs(config, gpu)), at_once)
        lines.append(f"of these still to do: {rest}")
    return "\n".join(lines)


def memory_text(device: torch.device) -> str:
    """Memory of the machine and, on CUDA, of the device: available or free, and in all."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    available = _available()
    text = f"{_gib(total)} GiB" if available is None else f"{_gib(available)} of {_gib(total)} GiB available"
    if device.type != "cuda":
        return text
    import torch

    free, total = torch.cuda.mem_get_info(device)
    return f"{text}; on the GPU {_gib(free)} of {_gib(total)} GiB"


def dataset_lines(config: StudyConfig) -> list[str]:
    """One line per registered data set: in place, downloadable, or missing; `*` marks those of the study."""
    lines = []
    for name in dict.fromkeys((*registry.names("datasets"), *config.datasets)):
        used = name in config.datasets
        if not used and name in KINDS:
            continue
        try:
            dataset = _build(config, name)
        except SpectralcalError as error:
            lines.append(f"  * {name:<12} {error}")
            continue
        folder = dataset.locate(config.raw_root)
        state = "generated" if dataset.modality == "synthetic" else str(folder) if folder else (
            "missing; downloaded when needed" if dataset.open_access else "missing"
        )  # fmt: skip
        lines.append(f"  {'*' if used else ' '} {name:<12} {dataset.title:<16} {state}")
    return lines


def check_dataset(config: StudyConfig, name: str, as_json: bool = False, workers: int | None = None) -> Report:
    """Read every case of a data set once and report what is there, what is wrong and what is left out.

    Args:
        config: the study, for the data root and the options of the data set.
        name: a data set of the study, or any registered one at its defaults.
        as_json: make :attr:`Report.text` JSON, for machines.
        workers: processes; None: as many as there are cores, eight at most.

    Raises:
        DataError: the data set is not in place; the message says how to get it. Everything else is in the report.
    """
    dataset = _build(config, name)
    root = dataset.locate(config.raw_root)
    if root is None:
        place = dataset.expected_at(config.raw_root)
        raise DataError(f"{name}: expected at {place}, found nothing; {' '.join(dataset.source.split())}")
    plan = config.preparation_of(name) if name in config.datasets else config.preparation
    rules = {"spacing": plan.spacing, "ct_clip": plan.ct_clip, "crop_nonzero": plan.crop_nonzero}
    with ExitStack() as stack:
        bar: Progress | None = None

        def advance(done: int, total: int) -> None:
            nonlocal bar
            bar = bar or stack.enter_context(progress(f"{name}: reading", total))
            bar.advance(done - bar.done)

        survey = survey_dataset(dataset, root, workers or min(usable_cores(), 8), advance, **rules)
    content = survey_content(survey)
    text = json.dumps(content, indent=1) if as_json else survey_text(content)
    return Report(text=text, errors=survey.errors)


def fetch_dataset(config: StudyConfig, name: str) -> Path:
    """Download a data set of the study, or any registered one, and return its folder.

    Raises:
        DataError: it cannot be downloaded without an account, or is the user's own; the message says how to get it.
    """
    return _build(config, name).fetch(config.raw_root)


@dataclass(frozen=True)
class Report:
    """The result of a check: what to print, and what is wrong; a verb exits with 1 if there are `errors`."""

    text: str
    errors: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


def _build(config: StudyConfig, name: str) -> Dataset:
    if name in config.datasets:
        return build_dataset(config, name)
    registry.require("datasets", name)
    return registry.load("datasets", name)()


def _available() -> int | None:
    """Bytes that programs may still take, what the page cache holds among them; None where Linux does not say it."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
