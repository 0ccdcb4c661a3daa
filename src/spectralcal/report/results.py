"""Reading a study's results: scores, histograms, spectra, histories and probes, without torch and without raw data."""

from __future__ import annotations

import io
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, ResultError, choices
from spectralcal.base.files import load_arrays, parse_json
from spectralcal.base.papers import FILE, paper_of
from spectralcal.base.record_types import is_sound
from spectralcal.records.light.files import has, read_arrays, read_text
from spectralcal.report.style import Style
from spectralcal.study.conditions import TEST
from spectralcal.study.config import PaperConfig, StudyConfig
from spectralcal.study.grid import Cell, experiment_cells, experiment_methods, trained_cell
from spectralcal.study.methods import method_of
from spectralcal.study.paths import StudyPaths

if TYPE_CHECKING:
    from pathlib import Path

    from spectralcal.datasets import DataFacts, Dataset
    from spectralcal.metrics.curve import CurveHistogram

COLUMNS = (
    "dataset",
    "architecture",
    "method",
    "seed",
    "case",
    "patient",
    "class",
    "metric",
    "protocol",
    "value",
    "status",
)
#: columns that every training history has
HISTORY = ("step", "loss")
KEYS = ("dataset", "architecture", "method", "seed")
#: case of a score of all voxels together, among scores that were read: no case can have a name that is no folder's
POOL = "pooled/"
WRITTEN_POOL = "pooled"


class Results:
    """The results of one study.

    Args:
        config: the study.

    Methods take an experiment's name or a cell; a cell without results gives None, so that a table or figure can show
    what is missing. Files that are there but unreadable raise :class:`~spectralcal.base.errors.ResultError`.
    """

    def __init__(self, config: StudyConfig) -> None:
        self.config = config
        self.paths = StudyPaths(config)
        self._rows: dict[str, pd.DataFrame] = {}
        self._facts: dict[str, DataFacts | None] = {}

    @cached_property
    def _table(self) -> Path:
        """The file of all scores, known to be one."""
        import pyarrow.parquet as pq

        try:
            columns = pq.read_schema(self.paths.cases).names
        except (OSError, ValueError) as error:
            raise ResultError(f"{self.paths.cases}: cannot be read ({error}); run `spectralcal collect`") from error
        missing = [name for name in COLUMNS if name not in columns]
        if missing:
            raise ResultError(f"{self.paths.cases}: column '{missing[0]}' is missing; run `spectralcal collect` again")
        return self.paths.cases

    @cached_property
    def _scored(self) -> set[tuple]:
        """Keys of the cells that have scores."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        scored: set[tuple] = set()
        for batch in pq.ParquetFile(self._table).iter_batches(columns=list(KEYS)):
            distinct = pa.Table.from_batches([batch]).group_by(list(KEYS)).aggregate([])
            scored.update(zip(*(distinct.column(key).to_pylist() for key in KEYS), strict=True))
        return scored

    def _rows_near(self, experiment: str) -> pd.DataFrame:
        """Rows of every combination of an experiment's keys: memory goes by the experiment, not by the study."""
        if experiment not in self._rows:
            cells = [vars(cell) for cell in self.cells(experiment)]
            filters = [(key, "in", {cell[key] for cell in cells}) for key in KEYS]
            if self.config.evaluation.conditions:
                filters.append(("condition", "==", TEST))
            if not self._scored:  # columns of a table without rows have no type to compare with
                filters = None
            self._rows[experiment] = _with_pools(pd.read_parquet(self._table, filters=filters))
        return self._rows[experiment]

    @property
    def paper(self) -> PaperConfig:
        """What the study's paper says of itself; the defaults if it has none."""
        return self.config.paper_facts

    @property
    def paper_folder(self) -> Path | None:
        """The folder of the study's paper; None if it has none."""
        return None if self.config.paper is None else paper_of(self.config.paper).folder

    @property
    def protocol(self) -> str:
        """Protocol of calibration scores where nothing else is said: the paper's.

        Raises:
            ConfigError: the paper names one that there is not.
        """
        return self._known("protocol", self.paper.protocol)

    @property
    def headline(self) -> tuple[str, ...]:
        """Protocols that say whether a network is calibrated, in the order of tables: the paper's.

        Raises:
            ConfigError: the paper names one that there is not.
        """
        return tuple(self._known("headline", name) for name in self.paper.headline)

    def _known(self, key: str, protocol: str) -> str:
        from spectralcal.metrics.protocols import PROTOCOLS

        if protocol not in PROTOCOLS:
            file = self.paper_folder / FILE
            raise ConfigError(f"{file}: {key}: unknown '{protocol}'; expected {choices(PROTOCOLS)}")
        return protocol

    @cached_property
    def style(self) -> Style:
        """Order and looks of methods."""
        return Style.of(self.paper)

    def baseline(self, experiment: str) -> str:
        """The method that an experiment's others are compared with: the paper's, or the experiment's first."""
        return self.config.baseline_among(self.methods(experiment))

    @property
    def side(self) -> str:
        """Which cases the scores are of, in a word for captions: "test" or "validation"."""
        return self.config.evaluation.side

    def scores(self, experiment: str) -> pd.DataFrame:
        """Tidy scores of an experiment's cells: dataset, architecture, method, seed, case, patient, class, metric,
        protocol, value, status. The case of a score of all voxels together is :data:`POOL`."""
        wanted = pd.DataFrame([vars(cell) for cell in self.cells(experiment)])
        return self._rows_near(experiment).merge(wanted, on=list(KEYS), how="inner")

    def cells(self, experiment: str) -> list[Cell]:
        """All cells that an experiment should have, whether complete or not."""
        return experiment_cells(self.config, experiment)

    def missing(self, experiment: str) -> list[Cell]:
        """Cells of an experiment without scores."""
        return [cell for cell in self.cells(experiment) if tuple(vars(cell).values()) not in self._scored]

    def methods(self, experiment: str) -> list[str]:
        """Canonical method names of an experiment, in the order of the configuration."""
        return experiment_methods(self.config, experiment)

    def ordered_methods(self, experiment: str) -> list[str]:
        """Canonical method names of an experiment, in the order of tables and figures."""
        return self.style.ordered(self.methods(experiment))

    def label(self, method: str) -> str:
        """Short name of a method for tables and legends: ``FL``, ``FL (gamma=1.0)``, ``CE + temperature``,
        ``Ensemble of 5, CE``."""
        parsed = method_of(self.config, method)
        entry = self.paper.methods.get(parsed.loss)
        label = (entry and entry.label) or registry.constant("losses", parsed.loss, "LABEL")
        label = label or parsed.loss.rpartition(":")[2]
        if parsed.options:
            label += f" ({', '.join(f'{key}={value}' for key, value in parsed.options)})"
        if parsed.members:
            label = f"Ensemble of {parsed.members}, {label}"
        return label + (f" + {parsed.post_hoc.replace('_', ' ')}" if parsed.post_hoc else "")

    def title(self, dataset: str) -> str:
        """Printed name of a data set: its own, or the one that the configuration gives it."""
        kind = self.config.kind_of(dataset)
        return registry.load("datasets", kind).title if kind == dataset else dataset

    def paper_dataset(self, dataset: str) -> str | None:
        """Name of a data set in the paper's tables; None if the paper does not use it."""
        kind = self.config.kind_of(dataset)
        return self.paper.datasets.get(kind) if kind == dataset else None

    def facts(self, dataset: str) -> DataFacts | None:
        """Facts of a data set as it is prepared here, or as they came with shared results; None if they were not kept.

        Raises:
            DataError: the file is damaged.
        """
        from spectralcal.preparation.facts import read_facts

        if dataset not in self._facts:
            places = (self.paths.facts(dataset), self.paths.shared_facts(dataset))
            stored = next((path for path in places if path.is_file()), None)
            self._facts[dataset] = None if stored is None else read_facts(stored)
        return self._facts[dataset]

    def unit(self, dataset: str) -> str:
        """Unit of a data set's distances, "mm" or "px"; without facts that of its class."""
        facts = self.facts(dataset)
        return facts.unit if facts else self._entry(dataset).unit

    def _entry(self, dataset: str) -> type[Dataset]:
        return registry.load("datasets", self.config.kind_of(dataset))

    def classes(self, dataset: str) -> tuple[str, ...]:
        """Names of a data set's foreground classes; those of the user's own data from a trained cell.

        Raises:
            ResultError: they are the user's own data and no cell is trained.
        """
        facts = self.facts(dataset)
        known = facts.classes if facts else getattr(self._entry(dataset), "classes", None)
        if known:
            return known
        for cell in (cell for name in self.config.experiments for cell in self.cells(name)):
            if cell.dataset == dataset and (network := self.network(cell)):
                named = network.get("classes")
                if isinstance(named, list) and len(named) > 1 and all(isinstance(name, str) for name in named):
                    return tuple(named[1:])
        raise ResultError(f"{dataset}: expected a trained cell that names the classes, found none; train one")

    def paper_name(self, method: str) -> str | None:
        """Name of a method in the paper's tables; None for variants and methods that it does not have."""
        parsed = method_of(self.config, method)
        entry = self.paper.methods.get(parsed.loss)
        return None if parsed.options or not parsed.is_trained or entry is None else entry.printed

    def calibration(self, cell: Cell) -> dict[str, CurveHistogram] | None:
        """Curve of a cell by voxel region ("all", "reference", ...), pooled over its test cases: what is published of
        its histogram, also where the whole one is there, so that numbers are the same everywhere."""
        from spectralcal.metrics.curve import CurveHistogram

        arrays = self._arrays(cell, "calibration")
        if arrays is None:
            return None
        regions: dict[str, dict[str, np.ndarray]] = {}
        for key, value in arrays.items():
            if "/pooled/" in key:
                region, _, name = key.partition("/pooled/")
                regions.setdefault(region, {})[name] = value
        try:
            return {region: CurveHistogram.from_arrays(content) for region, content in regions.items()}
        except (ValueError, TypeError, IndexError) as error:
            path = self.paths.cell(cell).calibration
            raise ResultError(f"{path}: damaged ({error}); evaluate the cell again") from error

    def case_calibration(self, cell: Cell, region: str = "all") -> dict[str, np.ndarray] | None:
        """Bins of a region for each test case (cases on the first axis), and ``cases``."""
        arrays = self._arrays(cell, "calibration")
        if arrays is None:
            return None
        prefix = f"{region}/cases/"
        return {
            "cases": arrays["cases"],
            **{k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)},
        }

    def distance_calibration(
        self, cell: Cell, by: Literal["reference", "prediction"] = "reference"
    ) -> dict[str, np.ndarray] | None:
        """Top-label bins of each test case in bands of distance to the boundary of the reference or the prediction.

        Returns:
            ``cases`` (N,), ``edges_mm`` (bands, 2) signed ends, negative outside; ``count``, ``confidence``, ``hits``
            (N, bands, bins), sums over voxels. None if the cell has no results, or was scored without the prediction's.

        Raises:
            ResultError: the cell was scored before there were bands.
        """
        arrays = self._arrays(cell, "calibration")
        if arrays is None:
            return None
        prefix = {"reference": "distance/", "prediction": "predicted_distance/"}[by]
        if f"{prefix}count" not in arrays:
            if by == "prediction":
                return None
            path = self.paths.cell(cell).calibration
            raise ResultError(f"{path}: expected arrays 'distance/...', found none; evaluate the cell again")
        return {
            "cases": arrays["cases"],
            **{k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)},
        }

    def spectra(self, cell: Cell) -> dict[str, np.ndarray] | None:
        """Spectra of a cell: ``frequency`` (F,), ``cases`` (N,), and for each map ``psd_<map>`` (N, F),
        ``band_power_<map>`` (N, K), ``entropy_<map>`` (N,); maps: max_logit, max_log_prob, max_prob, margin."""
        return self._arrays(cell, "spectra")

    def history(self, cell: Cell) -> pd.DataFrame | None:
        """Training history of a cell: step, learning_rate, loss, loss_<term>, gradient_<term> (norm at the logits),
        gradient_norm, seconds and what the loss reports of itself; of an ensemble that of its first member."""
        path = self.paths.cell(trained_cell(self.config, cell)).history
        if not has(path):
            return None
        try:
            history = pd.read_csv(io.BytesIO(read_text(path)))
        except (OSError, ValueError) as error:
            raise ResultError(f"{path}: damaged ({error}); delete it and train the cell again") from error
        if lacking := [name for name in HISTORY if name not in history]:
            raise ResultError(
                f"{path}: expected columns {', '.join(HISTORY)}, found no '{lacking[0]}'; train the cell again"
            )
        return history

    def run(self, cell: Cell) -> dict | None:
        """Provenance of a cell's training (run.json); of an ensemble that of its first member."""
        return self._record(self.paths.cell(trained_cell(self.config, cell)).run)

    def network(self, cell: Cell) -> dict | None:
        """What was trained (model.json): architecture, options, classes and ``parameters``."""
        return self._record(self.paths.cell(trained_cell(self.config, cell)).model)

    def evaluation(self, cell: Cell) -> dict | None:
        """What a cell was scored with (evaluation.json): fingerprint, device, seconds and, after a post-hoc step,
        ``post_hoc`` with what was fitted."""
        return self._record(self.paths.cell(cell).evaluation)

    def probe(self, name: str, dataset: str, architecture: str, seed: int) -> dict[str, np.ndarray] | None:
        """The arrays that a probe measured here, images among them (``measure`` of its class says which); None where
        its file is not, as in shared results."""
        return self._read(self.paths.probe(name, dataset, architecture, seed))

    def probe_numbers(self, name: str, dataset: str, architecture: str, seed: int) -> dict[str, np.ndarray] | None:
        """What a probe says in numbers without images (``numbers`` of its class): of the file that is here, or as they
        came with shared results; None if there are neither."""
        from spectralcal.scoring.probe import numbers_of

        measured = self.probe(name, dataset, architecture, seed)
        if measured is None:
            return self._read(self.paths.numbers(name, dataset, architecture, seed))
        return numbers_of(name, measured, self.paths.probe(name, dataset, architecture, seed))

    def _arrays(self, cell: Cell, kind: str) -> dict[str, np.ndarray] | None:
        return read_arrays(getattr(self.paths.cell(cell), kind))

    def _record(self, path: Path) -> dict | None:
        try:
            record = parse_json(read_text(path)) if has(path) else None
            if record is not None and not (isinstance(record, dict) and is_sound(record)):
                raise ValueError("a value of another kind than records have")
        except (OSError, ValueError) as error:
            raise ResultError(f"{path}: damaged ({error}); delete it and run the cell again") from error
        return record

    def _read(self, path) -> dict[str, np.ndarray] | None:
        return load_arrays(path) if path.is_file() else None


def _with_pools(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores whose pools of all voxels have the case :data:`POOL`: in files they are called "pooled", which a case of
    the user's may be called too. Such a case has scores under a protocol that scores by case, and stands first."""
    from spectralcal.metrics.protocols import PROTOCOLS

    named = scores.case == WRITTEN_POOL
    if not named.any():
        return scores
    kind = scores.protocol.map({name: protocol.aggregation for name, protocol in PROTOCOLS.items()})
    if (named & (kind == "case")).any():
        again = scores.duplicated([*KEYS, "case", "class", "metric", "protocol"])
        named &= (kind == "pooled") | (kind.isna() & again)
    return scores.assign(case=scores.case.mask(named, POOL))
