"""What claims read of a study: paired samples of scores, spectra and histograms and histories, or what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from spectralcal.base import registry
from spectralcal.base.errors import ResultError
from spectralcal.report.claims.catalogue import ANY, NAMED, Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, not_measured
from spectralcal.report.claims.sample import Sample
from spectralcal.report.columns import PROTOCOL
from spectralcal.report.results import Results
from spectralcal.report.summary import case_means, check_scores
from spectralcal.study.grid import Cell
from spectralcal.study.methods import method_of

#: where to report a missing result that belongs to no data set
THIS_STUDY = "this study"


class Score(NamedTuple):
    """A score and the unit in which claims state it."""

    metric: str
    scale: float
    unit: str
    higher: bool = False
    protocol: str = ""  # empty: the headline protocol


DSC = Score("DSC", 100.0, "pp", higher=True, protocol=PROTOCOL)
HD95 = Score("HD95", 1.0, "mm", protocol=PROTOCOL)
ASD = Score("ASD", 1.0, "mm", protocol=PROTOCOL)
ECE = Score("ECE", 1e3, "×10⁻³")
SCE = Score("SCE", 1e3, "×10⁻³")
TACE = Score("TACE", 1e3, "×10⁻³")
SIX = (DSC, HD95, ASD, ECE, SCE, TACE)


class Study:
    """A study's results as claims see them.

    Args:
        results: the study's results.
        roles: role ("main", "ablation", ...) -> experiment that plays it (`claims` in the configuration).
    """

    def __init__(self, results: Results, roles: Mapping[str, str | None]) -> None:
        self.results = results
        self.roles = {role: name for role, name in roles.items() if name}
        self._scores: dict[str, pd.DataFrame] = {}

    def experiment(self, role: str) -> str:
        """The experiment that plays a role.

        Raises:
            NotMeasured: none does.
        """
        if role not in self.roles:
            raise NotMeasured(f"the study has no experiment for the role '{role}'")
        return self.roles[role]

    def data_sets(self, role: str) -> tuple[str, ...]:
        """Data sets of a role's experiment; none if nothing plays it."""
        return self.results.config.experiments[self.roles[role]].datasets if role in self.roles else ()

    def each(
        self, claim: Claim, role: str, measure: Callable[[str], Finding], *, elsewhere: bool = True
    ) -> list[Finding]:
        """One finding for each data set that the claim is about, and for each other one of the role's experiment.

        Args:
            claim: names its data sets.
            role: as in :meth:`experiment`.
            measure: data set -> finding; may raise :class:`NotMeasured` or
                :class:`~spectralcal.base.errors.ResultError`.
            elsewhere: also on data sets that the claim does not name.
        """
        present = self.data_sets(role)
        if not present and not claim.data_sets:
            return [not_measured(THIS_STUDY, f"the study has no experiment for the role '{role}'")]
        others = [name for name in present if name not in claim.data_sets]
        findings = []
        for name in [*claim.data_sets, *(others if elsewhere else [])]:
            try:
                experiment = self.experiment(role)
                if name not in present:
                    raise NotMeasured(f"not in experiment '{experiment}'")
                if name in claim.data_sets and self.results.config.kind_of(name) != name:
                    raise NotMeasured(f"'{name}' is the study's name for {self.results.config.kind_of(name)} data")
                findings.append(measure(name))
            except (NotMeasured, ResultError) as reason:
                findings.append(not_measured(name, reason))
        return findings

    def counts(self, claim: Claim, name: str) -> bool:
        """Do findings on a data set count for the claim as a whole?

        Claims about named data sets stand or fall with these. Claims about training in general are tested on any real
        data; synthetic data never count, they show that the measurement works.
        """
        if claim.kind == NAMED:
            return name in claim.data_sets
        config = self.results.config
        if claim.kind != ANY or name not in config.datasets:
            return False
        return registry.load("datasets", config.kind_of(name)).modality != "synthetic"

    def architecture(self, role: str) -> str:
        """The architecture of most claims: the first of the experiment."""
        return self.results.config.experiments[self.experiment(role)].architectures[0]

    def named(self, role: str, *names: str) -> list[str]:
        """Methods of an experiment by their names in the paper's tables.

        Raises:
            NotMeasured: the experiment lacks one of them.
        """
        experiment = self.experiment(role)
        by_name = {self.results.paper_name(method): method for method in self.results.methods(experiment)}
        lacking = [name for name in names if name not in by_name]
        if lacking:
            raise NotMeasured(f"experiment '{experiment}' has no {', '.join(lacking)}")
        return [by_name[name] for name in names]

    def variants(self, role: str, loss: str, option: str) -> dict[object, str]:
        """Methods of a loss that differ in one option alone: its value -> method, the loss without options included.

        Raises:
            NotMeasured: no two such methods.
        """
        from spectralcal.study.methods import loss_options

        experiment, config = self.experiment(role), self.results.config
        by_value = {}
        for method in self.results.methods(experiment):
            parsed = method_of(config, method)
            if parsed.loss == loss and parsed.is_trained and {key for key, _ in parsed.options} <= {option}:
                by_value[loss_options(config, method)[option]] = method
        if len(by_value) < 2:
            raise NotMeasured(f"experiment '{experiment}' does not vary {loss}'s {option}")
        return by_value

    def cells(self, role: str, data_set: str, methods: Sequence[str], architecture: str = "") -> list[list[Cell]]:
        """Cells (methods, seeds) of an experiment.

        Raises:
            NotMeasured: one of them has no scores.
        """
        experiment = self.experiment(role)
        architecture = architecture or self.architecture(role)
        if data_set not in self.data_sets(role):
            raise NotMeasured(f"{data_set} is not in experiment '{experiment}'")
        seeds = self.results.config.experiments[experiment].seeds
        wanted = [[Cell(data_set, architecture, method, seed) for seed in seeds] for method in methods]
        missing = set(self.results.missing(experiment))
        gone = [cell for row in wanted for cell in row if cell in missing]
        if gone:
            more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
            raise NotMeasured(f"no results of {gone[0]}{more}")
        return wanted

    def scores(
        self, role: str, data_set: str, methods: Sequence[str], scores: Sequence[Score], architecture: str = ""
    ) -> Sample:
        """Scores of methods by case: quantities in the order of `scores`, in their units.

        Raises:
            NotMeasured: a cell or a score is missing.
            ResultError: scores that cannot be averaged honestly (:func:`spectralcal.report.summary.check_scores`).
        """
        cells = self.cells(role, data_set, methods, architecture)
        experiment = self.experiment(role)
        if experiment not in self._scores:
            self._scores[experiment] = self.results.scores(experiment)
        frame = self._scores[experiment]
        block = frame[
            (frame.dataset == data_set)
            & (frame.architecture == cells[0][0].architecture)
            & frame.method.isin(list(methods))
        ]
        tables = []
        for score in scores:
            protocol = score.protocol or self.results.protocol
            chosen = block[(block.metric == score.metric) & (block.protocol == protocol)]
            where = f"{data_set}, {cells[0][0].architecture}, {score.metric} ({protocol})"
            check_scores(chosen, block, where)
            tables.append(case_means(chosen))
        patients = dict(sorted({pair for table in tables for pair in zip(table.case, table.patient, strict=True)}))
        seeds = [cell.seed for cell in cells[0]]
        index = pd.MultiIndex.from_product([list(methods), seeds, list(patients)], names=["method", "seed", "case"])
        columns = [table.set_index(["method", "seed", "case"]).value.reindex(index).to_numpy(float) for table in tables]
        shape = len(methods), len(seeds), len(patients)
        scaled = [score.scale * column.reshape(shape) for score, column in zip(scores, columns, strict=True)]
        values = np.stack(scaled, axis=1)
        sample = Sample.of_cases(methods, values, list(patients.values()))
        empty = [score for q, score in enumerate(scores) if not np.isfinite(sample.values[:, q]).any()]
        if empty:
            protocol = empty[0].protocol or self.results.protocol
            raise NotMeasured(f"no case has {empty[0].metric} ({protocol}) by {', '.join(methods)}")
        return sample

    def arrays(
        self, role: str, data_set: str, methods: Sequence[str], read: Callable[[Cell], tuple[np.ndarray, np.ndarray]]
    ) -> Sample:
        """Numbers that lie in the files of cells.

        Args:
            read: cell -> names of cases (N,) and numbers (N, Q); may raise :class:`NotMeasured`.

        Raises:
            NotMeasured: a cell, its file or a number is missing, or cells have other cases.
        """
        rows, names = [], None
        for row in self.cells(role, data_set, methods):
            by_seed = []
            for cell in row:
                cases, numbers = read(cell)
                order = np.argsort(cases)
                names = cases[order] if names is None else names
                if not np.array_equal(names, cases[order]):
                    raise NotMeasured(f"{cell}: scored on other test cases than the cells that it is compared with")
                by_seed.append(np.asarray(numbers, float)[order])
            rows.append(by_seed)
        patients = self.patients(role, data_set)
        values = np.array(rows).transpose(0, 3, 1, 2)  # (M, seeds, N, Q) -> (M, Q, seeds, N)
        sample = Sample.of_cases(methods, values, [patients.get(str(name), str(name)) for name in names])
        if not np.isfinite(sample.values).any(axis=(0, 2, 3)).all():
            raise NotMeasured(f"a number is undefined in every test case of {', '.join(methods)}")
        return sample

    def patients(self, role: str, data_set: str) -> dict[str, str]:
        """Patient of each case."""
        scores = self.results.scores(self.experiment(role))
        pairs = scores[scores.dataset == data_set][["case", "patient"]].drop_duplicates()
        return dict(zip(pairs.case, pairs.patient, strict=True))

    def spectra(self, cell: Cell, name: str) -> np.ndarray:
        """An array of a cell's spectra.

        Raises:
            NotMeasured: the file or the array is missing.
        """
        return _entry(self.results.spectra(cell), name, f"{cell}: spectra.npz")

    def bins(self, cell: Cell, region: str) -> dict[str, np.ndarray]:
        """Top-label bins of each case: count, confidence and hits (cases, bins), and ``cases``.

        Raises:
            NotMeasured: the histograms or the region are missing.
        """
        arrays = self.results.case_calibration(cell, region)
        where = f"{cell}: calibration.npz, region '{region}'"
        count = _entry(arrays, "count", where)[:, 0].astype(float)
        filled = {
            name: np.where(count > 0, np.nan_to_num(_entry(arrays, name, where)[:, 0]) * count, 0.0)
            for name in ("confidence", "accuracy")
        }
        return {"cases": arrays["cases"], "count": count, "confidence": filled["confidence"],
                "hits": filled["accuracy"]}  # fmt: skip

    def histories(self, role: str, data_set: str, method: str, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Training history of each seed.

        Raises:
            NotMeasured: a cell, its history or one of the columns is missing.
        """
        for cell in self.cells(role, data_set, [method])[0]:
            history = self.results.history(cell)
            if history is None:
                raise NotMeasured(f"{cell}: no history.csv")
            lacking = [name for name in columns if name not in history]
            if lacking:
                raise NotMeasured(f"{cell}: history.csv has no {', '.join(lacking)}")
            if history[list(columns)].isna().any(axis=None):
                raise NotMeasured(f"{cell}: history.csv has empty fields in {', '.join(columns)}")
            yield history

    def table(self, role: str, source: str) -> str:
        """Where a reader finds the numbers of a role: the study's table of that kind, else the scores themselves."""
        experiment = self.experiment(role)
        for name, output in self.results.config.tables.items():
            if (output.source or name) == source and not output.options.get("protocol"):
                named = (output.experiment, *output.options.get("experiments", ()))
                if experiment in named:
                    return f"{self.results.paths.table(name)}"
        return f"{self.results.config.results / 'cells'}: cases.csv of experiment {experiment}"

    def files(
        self, role: str, data_set: str, methods: Sequence[str], name: str, architectures: Sequence[str] = ()
    ) -> str:
        """Where a reader finds files of cells: the cells' folders, and after a colon the file.

        In published cells it lies inside of their light.zip, so that the folder alone is a path in every tree.
        """
        folder = self.results.config.results / "cells"
        networks = _braced(architectures or [self.architecture(role)])
        return f"{folder}/dataset={data_set}/arch={networks}/method={_braced(methods)}/seed=*: {name}"


def _braced(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else "{" + ",".join(names) + "}"


def _entry(arrays: Mapping[str, np.ndarray] | None, name: str, where: str) -> np.ndarray:
    if arrays is None or name not in arrays:
        raise NotMeasured(f"{where} has no {name}" if arrays is not None else f"{where} is missing")
    return arrays[name]
