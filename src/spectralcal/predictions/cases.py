"""A folder of predictions and one of references as cases that scorers take, read one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spectralcal.base.errors import DataError
from spectralcal.datasets.facts import DataFacts
from spectralcal.datasets.volumes import BadFile, Grid, same_grid
from spectralcal.predictions.axes import differing_voxels
from spectralcal.predictions.classes import Classes, stated_classes
from spectralcal.predictions.labels import read_labels
from spectralcal.predictions.layout import Files, Kind, Pair, find_predictions, find_references, pair
from spectralcal.predictions.probabilities import npz_header, read_probabilities
from spectralcal.scoring import Prediction, ScoredCase

if TYPE_CHECKING:
    from spectralcal.study.config import EvaluationConfig


@dataclass(frozen=True)
class PredictedCases:
    """Cases of a folder.

    Attributes:
        kind: how probabilities are stored; "none": there are label maps alone.
        classes: of both sides.
        pairs: the cases.
        references: how many references there are, with and without a prediction.
    """

    kind: Kind
    classes: Classes
    pairs: list[Pair]
    references: int

    @property
    def facts(self) -> DataFacts:
        """What scorers are told of the data."""
        return DataFacts(self.classes.names, 3, "mm", ())


class LabelMap(Prediction):
    """A prediction of which there is only a label map.

    Args:
        label: (*spatial) classes.
    """

    def __init__(self, label: np.ndarray) -> None:
        super().__init__(self._nothing)
        self._label = label

    @cached_property
    def label(self) -> np.ndarray:
        """(*spatial) classes."""
        return self._label

    def _nothing(self) -> np.ndarray:
        raise ValueError("probabilities: expected a prediction with some, received a label map alone")


def find_cases(
    predictions: Path,
    references: Path,
    kind: str | None = None,
    labels: str | None = None,
    patient: str | None = None,
    options: tuple[str, str] = ("--predictions", "--references"),
) -> PredictedCases:
    """The cases of two folders; only names and headers are read.

    Args:
        predictions, references: folders, see :mod:`spectralcal.predictions.layout`.
        kind: how probabilities are stored; None: as the folder shows.
        labels: as of :func:`~spectralcal.predictions.classes.stated_classes`.
        patient: as of :func:`~spectralcal.predictions.layout.pair`.
        options: names of both folders, for messages.

    Raises:
        ConfigError: an option that cannot be understood.
        DataError: folders that do not fit together, or classes that nobody names.
    """
    classes = stated_classes(labels, predictions, references, references.parent)
    known = find_references(references, options[1])
    stored, found = find_predictions(predictions, kind, known, classes, options[0])
    pairs = pair(found, known, patient, references, options[1])
    return PredictedCases(stored, classes or _unstated(stored, pairs[0]), pairs, len(known))


def read_pair(cases: PredictedCases, one: Pair, settings: EvaluationConfig) -> tuple[Prediction, ScoredCase, int, Grid]:
    """A case as scorers take it.

    Returns:
        The prediction; the case; voxels whose most probable class is not that of the label map beside an npz; and the
        grid of the prediction, with the probabilities (C, R, A, S) or the labels (R, A, S) as its array.

    Raises:
        DataError: a file that cannot be used.
    """
    with reading(one.id):
        reference = read_labels(one.reference, cases.classes)
        prediction, grid, differ = _read(cases, one, reference)
    case = ScoredCase(reference.array, reference.spacing_mm, cases.facts, settings)
    return prediction, case, differ, grid


def read_predicted(files: Files, classes: Classes) -> tuple[Grid, int]:
    """Probabilities (C, R, A, S) of a case without a reference; and as the second what :func:`read_pair` says.

    Raises:
        BadFile: a file that cannot be used.
    """
    grid = read_probabilities(files, classes, None, None)
    return grid, _differing(files, classes, Prediction(lambda: grid.array))


@contextmanager
def reading(case: str) -> Iterator[None]:
    """Turn a BadFile into a DataError that names the case."""
    try:
        yield
    except BadFile as error:
        raise DataError(f"case {case}: {error}") from error


def _read(cases: PredictedCases, one: Pair, reference: Grid) -> tuple[Prediction, Grid, int]:
    if cases.kind == "none":
        grid = read_labels(one.prediction, cases.classes)
        same_grid(one.prediction.first, grid, one.reference.first, reference)
        return LabelMap(grid.array), grid, 0
    grid = read_probabilities(one.prediction, cases.classes, reference, one.reference.first)
    prediction = Prediction(lambda: grid.array)
    return prediction, grid, _differing(one.prediction, cases.classes, prediction)


def _differing(files: Files, classes: Classes, prediction: Prediction) -> int:
    if files.npz is None:
        return 0
    return differing_voxels(files.npz, prediction.label, read_labels(Files(volume=files.volume), classes).array)


def _unstated(kind: Kind, first: Pair) -> Classes:
    """Classes that nobody named: from the names of structures, or numbered as an npz has channels."""
    with reading(first.id):
        if kind == "npz":
            return Classes.numbered([f"class {number}" for number in range(1, npz_header(first.prediction.npz)[1][0])])
    parts = first.prediction.parts or first.reference.parts
    if kind == "none" and parts and not (first.prediction.volume or first.reference.volume):
        return Classes.numbered(sorted(parts))
    raise DataError(
        f"{first.prediction.first}: expected the names of the labels, found no dataset.json beside predictions or "
        "references; give --labels liver,spleen (labels 1, 2), --labels liver=1,spleen=5 or --labels dataset.json"
    )
