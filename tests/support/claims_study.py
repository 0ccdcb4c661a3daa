"""Studies on disk whose scores are chosen number by number, for the claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spectralcal.report.claims.catalogue import catalogue
from spectralcal.report.claims.finding import Finding
from spectralcal.report.claims.ledger import Entry, decide, roles
from spectralcal.report.claims.study import Study
from spectralcal.report.results import COLUMNS, Results
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell, study_cells
from spectralcal.study.paths import StudyPaths

SIX = ("brats2020", "iseg2017", "flare2021", "acdc", "atlas2023", "promise12")
LOSSES = ("ce", "focal", "ls", "mbls", "svls", "crac", "spectral")
#: a plain level of each score in stored units
LEVEL = {"DSC": 0.85, "HD95": 5.0, "ASD": 1.0, "ECE": 0.02, "SCE": 0.01, "TACE": 0.03}

Value = Callable[..., float]


class Made:
    """A study with chosen scores.

    Attributes:
        results: its reader.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self.paths = results.paths

    def findings(self, claim: str) -> dict[str, Finding]:
        """Findings of a claim by place."""
        return {finding.where: finding for finding in self.entry(claim).findings}

    def write(self, name: str, arrays: Callable[[Cell], Mapping[str, np.ndarray]]) -> Made:
        """Write ``spectra`` or ``calibration`` of every cell."""
        for cell in study_cells(self.results.config):
            np.savez(getattr(self.paths.cell(cell), name), **arrays(cell))
        return self

    def write_histories(self, columns: Callable[[Cell], Mapping[str, np.ndarray]]) -> Made:
        """Write the training history of every cell."""
        for cell in study_cells(self.results.config):
            pd.DataFrame(dict(columns(cell))).to_csv(self.paths.cell(cell).history, index=False)
        return self

    @property
    def cases(self) -> np.ndarray:
        """Names of the test cases."""
        return np.array(sorted(set(pd.read_parquet(self.paths.cases).case)))

    def entry(self, claim: str) -> Entry:
        """A claim with its verdict."""
        return decide(Study(self.results, roles(self.results.config)), catalogue("spectral_entropy")[claim])


def write_study(
    root: Path,
    value: Value | None = None,
    *,
    datasets: Sequence[str] = SIX,
    kinds: Mapping[str, str] | None = None,
    methods: Sequence[str] = LOSSES,
    further: Mapping[str, Sequence[str]] | None = None,
    architectures: Sequence[str] = ("unet",),
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    patients: int = 8,
    missing: Sequence[tuple[str, str, int]] = (),
    noise: float = 0.002,
    edit: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
    training: Mapping[str, object] | None = None,
) -> Made:
    """Write scores.

    Args:
        value: ``value(dataset=, method=, metric=, seed=, patient=, architecture=)`` is a score in stored units; None
            leaves the default :data:`LEVEL`. Every score gets an offset of its patient, shared by all methods, and a
            smaller one of its own.
        kinds: what reads a data set, if not the one of its name.
        further: other experiments by name, with their methods; they play the role of their name.
        missing: cells (data set, method, seed) without results.
        noise: standard deviation of the own offset, as a share of the level.
        edit: a last change of the table of scores.
    """
    grid = {"datasets": list(datasets), "architectures": list(architectures), "seeds": list(seeds)}
    experiments = {"main": list(methods), **{name: list(found) for name, found in (further or {}).items()}}
    config = parse_config(
        {
            "study": "constructed",
            "paper": "spectral_entropy",
            "results_root": str(root / "results"),
            "datasets": {name: {"kind": (kinds or {}).get(name)} for name in datasets},
            "architectures": {name: {} for name in architectures},
            "experiments": {name: {**grid, "methods": found} for name, found in experiments.items()},
            "claims": {"main": "main", **{name: name for name in further or {}}},
            "training": dict(training or {}),
        },
        "the test",
    )
    paths, rows = StudyPaths(config), []
    for cell in study_cells(config):
        if (cell.dataset, cell.method, cell.seed) in missing:
            continue
        paths.cell(cell).folder.mkdir(parents=True)
        one = {"dataset": cell.dataset, "architecture": cell.architecture, "method": cell.method,
               "seed": cell.seed, "status": "ok"}  # fmt: skip
        for patient in range(patients):
            shared = np.random.default_rng([patient, *cell.dataset.encode()]).standard_normal()
            for metric, level in LEVEL.items():
                own = np.random.default_rng(
                    [patient, cell.seed, *cell.method.encode(), *metric.encode(), *cell.dataset.encode()]
                ).standard_normal()
                chosen = value and value(dataset=cell.dataset, method=cell.method, metric=metric, seed=cell.seed,
                                         patient=patient, architecture=cell.architecture)  # fmt: skip
                base = level if chosen is None else chosen
                rows.append({**one, "case": f"case_{patient}", "patient": f"patient_{patient}",
                             "class": "organ" if metric in ("DSC", "HD95", "ASD") else "all", "metric": metric,
                             "protocol": "paper", "value": base + level * (0.05 * shared + noise * own)})  # fmt: skip
                if metric == "ECE":
                    rows.append({**rows[-1], "protocol": "boundary"})
    frame = edit(pd.DataFrame(rows, columns=list(COLUMNS)))
    paths.cases.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(paths.cases, index=False)
    return Made(Results(config))


def better(*, by: float = 0.2, method: str = "spectral", metrics: Sequence[str] = tuple(LEVEL), where=SIX):
    """A value function: `method` is better by a share of the level in these metrics and data sets."""

    def value(*, dataset, method: str, metric, **_, ) -> float | None:  # fmt: skip
        if method != chosen or metric not in metrics or dataset not in where:
            return None
        return LEVEL[metric] * (1 + by if metric == "DSC" else 1 - by)

    chosen = method
    return value
