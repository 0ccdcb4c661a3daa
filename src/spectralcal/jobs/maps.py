"""One case by every method: what the figures with images show. The case is chosen by a rule, not by eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spectralcal.base.console import say
from spectralcal.base.errors import ResultError
from spectralcal.base.files import write_arrays
from spectralcal.engine.predict import predict_probabilities
from spectralcal.jobs.cell_data import load_data
from spectralcal.jobs.collect import read_scores
from spectralcal.jobs.trained import trained_network
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, study_cells, trained_cells
from spectralcal.study.methods import method_of
from spectralcal.study.paths import StudyPaths
from spectralcal.study.resolved import resolve

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def maps_step(config: StudyConfig, dataset: str, architecture: str, seed: int) -> None:
    """Predict the chosen case with every trained method of a data set, architecture and seed, and store the maps."""
    paths = StudyPaths(config)
    cells = [cell for cell in cells_of(config, dataset, architecture, seed) if paths.cell(cell).weights.is_file()]
    if not cells:
        raise ResultError(f"maps: no trained cell of {dataset}, {architecture}, seed {seed}; train one first")
    baseline = config.baseline_among([c.method for c in cells_of(config, dataset, architecture, seed)])
    loss = method_of(config, baseline).loss
    plain = next((c for c in cells if method_of(config, c.method).loss == loss), cells[0])
    chosen = median_case(dice_of(paths.cell(plain).cases))
    case = next(case for case in load_data(config, dataset).scored if case.id == chosen)
    predictions, confidences = [], []
    for cell in map(resolve, [config] * len(cells), cells):
        network = trained_network(cell, case.image().shape[0])
        probabilities = predict_probabilities(
            network.model, case.image(), cell.patch, cell.inference, device=network.device, precision=network.precision
        )
        confidence, prediction = probabilities.max(0)
        predictions.append(prediction.numpy().astype(np.uint8))
        confidences.append(confidence.numpy().astype(np.float32))
    path = paths.maps(dataset, architecture, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        "case": np.array(case.id),
        "rule": np.array(f"the test case with the median Dice of {plain.method}"),
        "spacing_mm": np.array(case.spacing_mm, dtype=np.float64),
        "image": np.asarray(case.image()[0], dtype=np.float32),
        "reference": np.asarray(case.label()),
        "methods": np.array([cell.method for cell in cells]),
        "prediction": np.stack(predictions),
        "confidence": np.stack(confidences),
    }
    write_arrays(path, arrays)
    say(f"maps of case {case.id} by {len(cells)} methods in {path}")


def dice_of(path: Path) -> pd.DataFrame:
    """What :func:`median_case` needs of a cell's cases.csv.

    Raises:
        ResultError: the file is no table of scores.
    """
    try:
        return read_scores(path, ("case", "metric", "value")).to_pandas()
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ResultError(f"{path}: expected scores of cases, got: {reason}; evaluate the cell again") from None


def median_case(scores: pd.DataFrame) -> str:
    """The case whose mean Dice over classes is the median one (the lower of two middle ones; ties by name)."""
    dice = scores[(scores.metric == "DSC") & scores.value.notna()].groupby("case").value.mean()
    ordered = dice.reset_index().sort_values(["value", "case"]).case.tolist()
    if not ordered:
        raise ResultError("maps: no test case has a Dice score")
    return ordered[(len(ordered) - 1) // 2]


def cells_of(config: StudyConfig, dataset: str, architecture: str, seed: int) -> list[Cell]:
    """Trained cells that the maps of a data set, architecture and seed show."""
    return [cell for cell in trained_cells(config, study_cells(config))
            if (cell.dataset, cell.architecture, cell.seed) == (dataset, architecture, seed)]  # fmt: skip
