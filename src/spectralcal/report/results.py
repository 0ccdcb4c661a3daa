"""Reading a study's results: scores, histograms, spectra, histories and probes, without torch and without raw data."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from spectralcal.base.errors import ResultError
from spectralcal.base.files import load_arrays
from spectralcal.records.light.files import has, read_arrays, read_text
from spectralcal.report.score_table import COLUMNS, KEYS, POOL, WRITTEN_POOL, ScoreTable
from spectralcal.report.vocabulary import Vocabulary
from spectralcal.study.conditions import TEST, condition_of, is_tested
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, experiment_cells, trained_cell

if TYPE_CHECKING:
    from pathlib import Path

    from spectralcal.metrics.curve import CurveHistogram

#: columns that every training history has
HISTORY = ("step", "loss")


class Results(Vocabulary):
    """The results of one study under one condition.

    Args:
        config: the study.
        condition: what networks were tested on: "test", or a name under `evaluation.conditions`.

    Methods take an experiment's name or a cell; a cell without results gives None, so that a table or figure can show
    what is missing. Files that are there but unreadable raise :class:`~spectralcal.base.errors.ResultError`.

    Raises:
        ConfigError: the study has no such condition.
    """

    def __init__(self, config: StudyConfig, condition: str = TEST) -> None:
        super().__init__(config)
        self.condition = condition_of(config, condition)
        self._table = ScoreTable(self.paths.cases, condition)
        self._rows: dict[str, pd.DataFrame] = {}

    def under(self, condition: str | None) -> Results:
        """The same study under a condition; None: the ordinary test.

        Raises:
            ConfigError: the study has no such condition.
        """
        name = condition or TEST
        return self if name == self.condition.name else Results(self.config, name)

    @property
    def tested(self) -> str:
        """A sentence for captions that says what networks were tested on; empty for the ordinary test."""
        name = self.condition.name
        return "" if name == TEST else f"Networks are tested under the condition '{name}' ({self.condition})."

    def baseline(self, experiment: str) -> str:
        """The method that an experiment's others are compared with: the paper's, or the experiment's first."""
        return self.config.baseline_among(self.methods(experiment))

    @property
    def side(self) -> str:
        """Which cases the scores are of, in a word for captions: "test" or "validation"."""
        return self.condition.side

    def scores(self, experiment: str) -> pd.DataFrame:
        """Tidy scores of an experiment's cells: dataset, architecture, method, seed, case, patient, class, metric,
        protocol, value, status. The case of a score of all voxels together is :data:`POOL`."""
        wanted = pd.DataFrame([vars(cell) for cell in self.cells(experiment)])
        if experiment not in self._rows:
            self._rows[experiment] = self._table.near(self.cells(experiment))
        return self._rows[experiment].merge(wanted, on=list(KEYS), how="inner")

    def cells(self, experiment: str) -> list[Cell]:
        """All cells of an experiment that should have scores under the condition, whether complete or not."""
        cells = experiment_cells(self.config, experiment)
        return [cell for cell in cells if is_tested(self.config, cell, self.condition.name)]

    def datasets(self, experiment: str) -> list[str]:
        """Data sets of those cells, in the order of the configuration."""
        return list(dict.fromkeys(cell.dataset for cell in self.cells(experiment)))

    def missing(self, experiment: str) -> list[Cell]:
        """Cells of an experiment without scores."""
        return [cell for cell in self.cells(experiment) if tuple(vars(cell).values()) not in self._table.scored]

    def methods(self, experiment: str) -> list[str]:
        """Canonical names of the methods that an experiment tests, in the order of the configuration."""
        return list(dict.fromkeys(cell.method for cell in self.cells(experiment)))

    def ordered_methods(self, experiment: str) -> list[str]:
        """Canonical method names of an experiment, in the order of tables and figures."""
        return self.style.ordered(self.methods(experiment))

    def unit(self, dataset: str) -> str:
        """Unit of distances of networks trained on a data set: that of the one they are tested on."""
        return super().unit(self.condition.dataset or dataset)

    def paper_dataset(self, dataset: str) -> str | None:
        """Name of a data set in the paper's tables, which have the ordinary test alone; None if it does not use it."""
        return super().paper_dataset(dataset) if self.condition.name == TEST else None

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
        return {region: CurveHistogram.from_arrays(content) for region, content in regions.items()}

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
            path = self.paths.cell(cell, self.condition.name).calibration
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
        return self._record(self.paths.cell(cell, self.condition.name).evaluation)

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
        return numbers_of(
            name, measured, self.paths.probe(name, dataset, architecture, seed), self.config.probes.get(name, {})
        )

    def _arrays(self, cell: Cell, kind: str) -> dict[str, np.ndarray] | None:
        return read_arrays(getattr(self.paths.cell(cell, self.condition.name), kind))

    def _record(self, path: Path) -> dict | None:
        try:
            return json.loads(read_text(path)) if has(path) else None
        except (OSError, ValueError) as error:
            raise ResultError(f"{path}: damaged ({error}); delete it and run the cell again") from error

    def _read(self, path) -> dict[str, np.ndarray] | None:
        return load_arrays(path) if path.is_file() else None


__all__ = ["COLUMNS", "KEYS", "POOL", "WRITTEN_POOL", "Results"]
