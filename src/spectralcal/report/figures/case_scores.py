"""Scores of a data set as arrays over methods, cases and seeds, for figures that compare methods case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spectralcal.base.errors import ConfigError, ResultError, choices
from spectralcal.report.columns import CALIBRATION, PROTOCOL, SEGMENTATION
from spectralcal.report.figures.choose import counted
from spectralcal.report.figures.text import plain
from spectralcal.report.results import POOL, Results
from spectralcal.report.summary import Column, check_scores
from spectralcal.report.units import in_units
from spectralcal.statistics import Crossed, crossed

#: the metrics of the paper's Tables 1 and 2, in their order
COLUMNS: dict[str, Column] = {column.metric: column for column in (*SEGMENTATION, *CALIBRATION)}
OVERLAP = frozenset(column.metric for column in SEGMENTATION)


@dataclass(frozen=True, eq=False)
class CaseScores:
    """One metric of all methods on one data set by one architecture.

    Attributes:
        dataset, title, architecture: names, `title` as printed.
        column: the metric.
        methods: in the order of figures.
        cases, patients: names, (cases,).
        seeds: of the experiment.
        values: (methods, cases, seeds) in the printed unit, each the mean over classes; NaN where there is none.
        found: seeds that a method has scores of, in the order of `methods`.
    """

    dataset: str
    title: str
    architecture: str
    column: Column
    methods: tuple[str, ...]
    cases: tuple[str, ...]
    patients: tuple[str, ...]
    seeds: tuple[int, ...]
    values: np.ndarray
    found: tuple[int, ...]

    @property
    def by_case(self) -> np.ndarray:
        """(methods, cases), mean over the seeds that are there."""
        return nan_mean(self.values)

    @property
    def status(self) -> dict[str, str]:
        """``ok``, ``incomplete`` (seeds are missing), ``missing`` or ``undefined`` (no case has a value) by method."""
        valued = np.isfinite(self.values).any((1, 2))
        return {
            method: "missing"
            if not seeds
            else "undefined"
            if not value
            else "ok"
            if seeds == len(self.seeds)
            else "incomplete"
            for method, seeds, value in zip(self.methods, self.found, valued, strict=True)
        }

    def of(self, method: str) -> np.ndarray:
        """(cases,) of a method."""
        return self.by_case[self.methods.index(method)]

    def by_seed(self, *methods: str) -> np.ndarray:
        """(methods, seeds, cases) over the seeds that all of these methods have; NaN for a case without a value."""
        chosen = self.values[[self.methods.index(method) for method in methods]].swapaxes(1, 2)
        return chosen[:, np.isfinite(chosen).any(2).all(0)]

    def mean(self, method: str) -> Crossed:
        """Mean of a method over seeds and patients."""
        return crossed(self.by_seed(method)[0], self.patients)

    def difference(self, method: str, baseline: str) -> Crossed:
        """Mean of a method less that of a baseline, paired by seed and patient."""
        first, second = self.by_seed(method, baseline)
        return crossed(first - second, self.patients)

    @property
    def means(self) -> np.ndarray:
        """(methods,) means over cases."""
        return nan_mean(self.by_case)


def case_scores(
    results: Results, experiment: str, dataset: str, architecture: str, metric: str, protocol: str
) -> CaseScores:
    """Scores of one metric; Dice and distances have one protocol, calibration that of the argument.

    Raises:
        ConfigError: the metric is none of the paper's tables.
        ResultError: the protocol was not scored, pools all voxels or holds what cannot be averaged honestly.
    """
    if metric not in COLUMNS:
        raise ConfigError(f"metric: expected {choices(COLUMNS)}, received '{metric}'")
    protocol = PROTOCOL if metric in OVERLAP else protocol
    scores = results.scores(experiment)
    block = scores[(scores.dataset == dataset) & (scores.architecture == architecture)]
    chosen = block[(block.metric == metric) & (block.protocol == protocol)]
    chosen = chosen.astype({"value": float})  # a table without rows has no types
    check_scores(chosen, block, f"{dataset}, {architecture}, {metric} ({protocol})")
    if (chosen.case == POOL).any():
        raise ResultError(
            f"{dataset}, {architecture}, {metric}: expected one score a case, protocol '{protocol}' pools all voxels; "
            "choose a protocol that scores cases, such as 'paper'"
        )
    methods, seeds = tuple(results.ordered_methods(experiment)), tuple(results.config.experiments[experiment].seeds)
    patients = dict(sorted(zip(chosen.case, chosen.patient, strict=True)))
    finite = chosen[np.isfinite(chosen.value)]
    means = finite.groupby(["method", "case", "seed"]).value.mean()
    index = pd.MultiIndex.from_product([methods, list(patients), seeds], names=["method", "case", "seed"])
    (column,) = in_units(results, [COLUMNS[metric]], [dataset])
    values = means.reindex(index).to_numpy(float).reshape(len(methods), len(patients), len(seeds)) * column.scale
    there = chosen.groupby("method").seed.nunique()
    return CaseScores(
        dataset, results.title(dataset), architecture, column, methods, tuple(patients), tuple(patients.values()),
        seeds, values, tuple(int(there.get(method, 0)) for method in methods),
    )  # fmt: skip


def nan_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is there; NaN where nothing is."""
    there = np.isfinite(values)
    count = there.sum(-1)
    total = np.where(there, values, 0.0).sum(-1)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def overall_status(statuses: Sequence[str]) -> str:
    """Status of a method over several metrics or data sets: the same everywhere, else ``incomplete``."""
    return statuses[0] if len(set(statuses)) == 1 else "incomplete"


def metric_label(column: Column) -> str:
    """``ECE (×10⁻³)``."""
    return f"{column.metric} ({column.unit})"


def cases_named(results: Results, blocks: Sequence[CaseScores]) -> str:
    """``Phantom 8 test cases of 8 patients``, the data sets of the blocks."""
    said = dict.fromkeys(block.title for block in blocks)
    for block in sorted(blocks, key=lambda block: len(block.cases)):  # a hole has none
        patients = len(set(block.patients))
        cases = f"{counted(len(block.cases), f'{results.side} case')} of {counted(patients, 'patient')}"
        said[block.title] = f"{block.title} {cases}"
    return "; ".join(said.values())


def hole_sentences(statuses: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """Sentences on methods that are not complete, by what is the matter; empty if there is none."""
    said = {
        "missing": "Without results",
        "undefined": "Without a value in any case",
        "incomplete": "With missing seeds, data sets or metrics",
    }
    out = ""
    for status, text in said.items():
        named = [labels[method] for method, found in statuses.items() if found == status]
        out += f" {text}: {', '.join(named)}." if named else ""
    return out


def not_shown(results: Results, experiment: str, shown: Sequence[str]) -> str:
    """Sentence on methods of an experiment that a figure of two methods leaves out."""
    rest = [results.label(method) for method in results.ordered_methods(experiment) if method not in shown]
    return f" Not shown: {', '.join(rest)}." if rest else ""


def text_width(text: str) -> float:
    """Width of a tick label in mm."""
    import matplotlib as mpl
    from matplotlib.textpath import TextPath

    return TextPath((0, 0), plain(text), size=mpl.rcParams["ytick.labelsize"]).get_extents().width * 25.4 / 72
