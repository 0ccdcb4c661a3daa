"""Results of the studies behind our own hypotheses, number by number: their real configurations, invented scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from spectralcal.report.claims.ledger import Entry, ledger
from spectralcal.report.results import COLUMNS, Results
from spectralcal.study.config import load_config
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import StudyPaths

CONFIGS = Path(__file__).parents[2] / "config"
#: (metric, protocol) -> level in stored units
LEVEL = {
    ("DSC", "paper"): 0.84,
    ("ECE", "paper"): 0.008,
    ("ECE", "predicted_foreground"): 0.12,
    ("ECE", "predicted_boundary"): 0.04,
    ("NLL", "paper"): 0.055,
    ("signed_gap", "paper"): 0.007,
    ("signed_gap", "predicted_foreground"): 0.12,
    ("signed_gap", "predicted_boundary"): 0.037,
    ("true_SCE", "truth"): 0.01,
}
#: spread of a cell and patient around what is chosen, as a share of the level
NOISE = 0.003

#: cell, metric, protocol -> score in stored units, or None for its level
Value = Callable[[Cell, str, str], float | None]


def write(
    root: Path,
    study: str,
    value: Value = lambda cell, metric, protocol: None,
    *,
    entropy: Callable[[Cell, str], float] = lambda cell, kind: 1.3,
    patients: int = 8,
    missing: Callable[[Cell], bool] = lambda cell: False,
    protocols: tuple[str, ...] = ("paper", "predicted_foreground", "predicted_boundary", "truth"),
) -> Results:
    """Scores and entropies of every cell of ``config/<study>.yaml``.

    Args:
        value: score of a cell; each patient adds an offset that all cells share, and a small one of its own.
        entropy: spectral entropy of a cell's map.
        missing: cells without results.
        protocols: those that were scored.
    """
    config = load_config(CONFIGS / f"{study}.yaml").model_copy(update={"results_root": root / "results"})
    paths, rows = StudyPaths(config), []
    cases = [f"case_{number}" for number in range(patients)]
    shared = np.random.default_rng(0).standard_normal(patients)
    for cell in study_cells(config):
        if missing(cell):
            continue
        random = np.random.default_rng([cell.seed, *f"{cell.dataset}{cell.architecture}{cell.method}".encode()])
        for (metric, protocol), level in LEVEL.items():
            if protocol not in protocols:
                continue
            chosen = value(cell, metric, protocol)
            numbers = (level if chosen is None else chosen) + level * (
                0.05 * shared + NOISE * random.standard_normal(patients)
            )
            rows += [
                (cell.dataset, cell.architecture, cell.method, cell.seed, case, case,
                 "organ" if metric == "DSC" else "all", metric, protocol, float(number), "ok")
                for case, number in zip(cases, numbers, strict=True)
            ]  # fmt: skip
        paths.cell(cell).folder.mkdir(parents=True)
        np.savez(
            paths.cell(cell).spectra,
            cases=np.array(cases),
            **{
                f"entropy_{kind}": entropy(cell, kind) + 0.002 * random.standard_normal(patients)
                for kind in ("max_logit", "max_prob")
            },
        )
    names = ("dataset", "architecture", "method", "seed", "case", "patient", "class", "metric", "protocol", "value",
             "status")  # fmt: skip
    paths.cases.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=list(names))[list(COLUMNS)].to_parquet(paths.cases, index=False)
    return Results(config)


def decided(results: Results) -> dict[str, Entry]:
    """The ledger by hypothesis."""
    return {entry.claim.id: entry for entry in ledger(results)}
