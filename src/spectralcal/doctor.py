"""What is installed, which device there is, which data sets are in place, and what a data set's files look like."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections import Counter

from spectralcal import registry
from spectralcal.config import StudyConfig
from spectralcal.console import progress
from spectralcal.errors import DataError
from spectralcal.provenance import PACKAGES, commit
from spectralcal.steps import build_dataset


def diagnose(config: StudyConfig | None) -> str:
    """The report of `spectralcal doctor`, as text."""
    import torch

    from spectralcal import __version__
    from spectralcal.training.device import choose_precision, device_name

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    lines = [
        f"spectralcal {__version__} ({commit() or 'not a git checkout'})",
        f"system      Python {platform.python_version()}, {platform.platform()}",
        f"device      {device_name(device)}, {os.cpu_count()} CPU cores, precision {choose_precision('auto', device)}",
        f"disk        {shutil.disk_usage('.').free / 2**30:.0f} GiB free here",
        "packages    " + ", ".join(f"{name} {_version(name)}" for name in (*PACKAGES, "snakemake", "jupytext")),
        f"losses      {', '.join(registry.names('losses'))}",
        f"models      {', '.join(registry.names('models'))}",
    ]
    if config is not None:
        lines += [f"study       {config.study}, raw data under {config.raw_root}", *dataset_lines(config)]
    return "\n".join(lines)


def dataset_lines(config: StudyConfig) -> list[str]:
    """One line per registered data set: in place, downloadable, or missing; `*` marks those of the study."""
    from spectralcal.datasets import Dataset

    lines = []
    for name in registry.names("datasets"):
        used = name in config.datasets
        dataset = build_dataset(config, name) if used else registry.load("datasets", name)()
        found = dataset.locate(config.raw_root)
        downloads = type(dataset).fetch is not Dataset.fetch
        state = "generated" if dataset.modality == "synthetic" else str(found) if found else (
            "missing; downloaded when needed" if downloads else "missing"
        )  # fmt: skip
        lines.append(f"  {'*' if used else ' '} {name:<12} {dataset.title:<34} {state}")
    return lines


def check_dataset(config: StudyConfig, name: str) -> str:
    """Read every case of a data set and summarise it.

    Raises:
        DataError: the data set is missing or has bad cases; every bad case is named.
    """
    registry.require("datasets", name)
    dataset = build_dataset(config, name) if name in config.datasets else registry.load("datasets", name)()
    root = dataset.locate(config.raw_root)
    if root is None:
        raise DataError(f"{name}: not under {config.raw_root}; {' '.join(dataset.source.split())}")
    cases = dataset.cases(root)
    shapes: Counter[tuple[int, ...]] = Counter()
    spacings: Counter[tuple[float, ...]] = Counter()
    labels: Counter[int] = Counter()
    bad: list[str] = []
    with progress(f"{name}: reading", len(cases)) as bar:
        for case in cases:
            try:
                volume = dataset.load(case)
            except DataError as error:
                bad.append(str(error))
            else:
                shapes[volume.image.shape[1:]] += 1
                spacings[tuple(round(value, 3) for value in volume.spacing_mm)] += 1
                if volume.label is not None:
                    labels.update(set(volume.label.ravel().tolist()))
            bar.advance(1, case.id)
    if bad:
        raise DataError(f"{name}: {len(bad)} of {len(cases)} cases cannot be used: " + " | ".join(bad))
    expected = f" (expected {dataset.expected_cases})" if dataset.expected_cases else ""
    return "\n".join(
        [
            f"{name}: {len(cases)} cases{expected} of {len({case.patient for case in cases})} patients in {root}",
            f"  shapes   {len(shapes)} different, from {min(shapes)} to {max(shapes)}",
            f"  spacings {len(spacings)} different, from {min(spacings)} to {max(spacings)} mm",
            "  labels   " + ", ".join(f"{v} ({_label(dataset, v)}) in {n} cases" for v, n in sorted(labels.items())),
        ]
    )


def _label(dataset, value: int) -> str:
    return "background" if value == 0 else dataset.classes[value - 1]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
