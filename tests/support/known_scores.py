"""A study on disk that has scores alone, each of them given: for figures and tables with known answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spectralcal.report.results import COLUMNS, Results
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import StudyPaths

METRICS = ("DSC", "HD95", "ASD", "ECE", "SCE", "TACE")


def known_study(
    root: Path,
    value: Callable[[Cell, str, int], float | None],
    *,
    datasets: Sequence[str] = ("phantom",),
    architectures: Sequence[str] = ("unet",),
    methods: Sequence[str] = ("ce", "spectral"),
    seeds: Sequence[int] = (0,),
    cases: int | Mapping[str, int] = 8,
    cases_per_patient: int = 1,
    status: str = "ok",
) -> Results:
    """Write ``value(cell, metric, case index)`` for every cell, metric and case, as stored (Dice from 0 to 1).

    Args:
        root: folder of the study.
        value: None where the cell has no such score; a cell without any score is missing.
        datasets, architectures, methods, seeds: the grid of the experiment "main".
        cases: test cases, the same number or one for each data set.
        cases_per_patient: every case is a patient of its own by default.
        status: of scores that are not finite.
    """
    grid = {"datasets": list(datasets), "architectures": list(architectures), "methods": list(methods)}
    config = parse_config(
        {
            "study": "known",
            "paper": "spectral_entropy",
            "results_root": str(root / "results"),
            "figures_root": str(root / "figures"),
            "prepared_root": str(root / "prepared"),
            "datasets": {name: {} for name in datasets},
            "architectures": {name: {} for name in architectures},
            "experiments": {"main": {**grid, "seeds": list(seeds)}},
        },
        "the test",
    )
    rows = []
    for cell in study_cells(config):
        for metric in METRICS:
            for index in range(cases if isinstance(cases, int) else cases[cell.dataset]):
                found = value(cell, metric, index)
                if found is None:
                    continue
                rows.append(
                    {"dataset": cell.dataset, "architecture": cell.architecture, "method": cell.method,
                     "seed": cell.seed, "case": f"{cell.dataset}_{index:03d}",
                     "patient": f"{cell.dataset}_p{index // cases_per_patient:03d}", "class": "all", "metric": metric,
                     "protocol": "paper", "value": float(found), "status": "ok" if np.isfinite(found) else status}
                )  # fmt: skip
    paths = StudyPaths(config)
    paths.cases.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(paths.cases, index=False)
    paths.resolved_config.write_text(json.dumps(config.model_dump(mode="json")))
    return Results(config)


def noisy(cell: Cell, metric: str, index: int) -> float:
    """Plausible scores that differ by method and case: patients vary more than methods do."""
    random = np.random.default_rng([*f"{cell.dataset}/{metric}".encode(), index])
    patient = random.uniform(0.0, 1.0)
    mine = np.random.default_rng([*f"{cell}/{metric}".encode(), index]).uniform(0.0, 0.2)
    quality = 0.5 * patient + mine
    return {"DSC": 0.9 - 0.3 * quality, "HD95": 2 + 6 * quality, "ASD": 0.3 + quality}.get(
        metric, 0.01 + 0.04 * quality
    )
