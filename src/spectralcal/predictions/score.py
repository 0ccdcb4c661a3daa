"""`spectralcal score`: predictions of another program against references, as cells of a study are scored."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spectralcal.base.console import progress, say
from spectralcal.base.errors import ConfigError
from spectralcal.base.files import atomic_folder, write_arrays, write_text
from spectralcal.jobs.score_files import cases_text
from spectralcal.predictions.cases import PredictedCases, find_cases, read_pair
from spectralcal.predictions.output import check_out, write_record
from spectralcal.predictions.summary import COLUMNS as SUMMARY_COLUMNS
from spectralcal.predictions.summary import summarize
from spectralcal.predictions.unbinned import COLUMNS as MEASURE_COLUMNS
from spectralcal.predictions.unbinned import chosen_regions, measured
from spectralcal.scoring.all_cases import AllCases, CellScores
from spectralcal.scoring.load import load_scorers
from spectralcal.scoring.score import score_prediction
from spectralcal.study.config import EvaluationConfig
from spectralcal.study.grid import Cell

#: what is scored of probabilities, and of label maps alone
SCORERS = ("segmentation", "calibration", "distance", "predicted", "floor")
LABEL_SCORERS = ("segmentation",)
#: architecture of rows whose network nobody here knows
ARCHITECTURE = "external"


def score_predictions(
    predictions: Path,
    references: Path,
    out: Path,
    *,
    probabilities: str | None = None,
    labels: str | None = None,
    regions: Sequence[str] = (),
    patient: str | None = None,
    name: str | None = None,
    tolerance_mm: float | None = None,
) -> str:
    """Score a folder and write the results to another, which is complete or not there.

    Args:
        predictions: folder of label maps, of nnU-Net's label maps and npz, or of probability maps
            (:mod:`spectralcal.predictions.layout`).
        references: folder of label maps, or of structures. Further references are left alone.
        out: new folder: cases.csv, summary.csv, made_by.json and report.html; of probabilities also calibration.npz
            and measures.csv, and the figures.
        probabilities: "npz", "nifti" or "none"; None: npz where the folder has such files, else none.
        labels: ``liver,spleen``, ``liver=1,spleen=5`` or a dataset.json; None: dataset.json beside the predictions or
            references, names of structures, or numbers.
        regions: voxels that figures and measures without bins are about; all voxels and the predicted foreground by
            default. cases.csv has the protocols of every region.
        patient: regular expression whose first group is the patient in a case's name; None: every case is one.
        name: of the predictions in tables; None: that of their folder.
        tolerance_mm: of the normalised surface Dice; 2 mm by default, as in a study.

    Returns:
        What was found, in a few lines.

    Raises:
        ConfigError, DataError: options, folders or files that cannot be used. Nothing is written then.
    """
    check_out(out, predictions, references)
    shown = chosen_regions(regions)
    if tolerance_mm is not None and not 0 < tolerance_mm < np.inf:
        raise ConfigError(f"--tolerance: expected millimetres above 0, found {tolerance_mm:g}")
    cases = find_cases(predictions, references, probabilities, labels, patient)
    settings = EvaluationConfig(
        scorers=LABEL_SCORERS if cases.kind == "none" else SCORERS,
        **({} if tolerance_mm is None else {"nsd_tolerance_mm": tolerance_mm}),
    )
    if cases.references > len(cases.pairs):
        say(f"{len(cases.pairs)} of {cases.references} references have a prediction; the others are left alone")
    scores, notes = score_cases(cases, settings, f"{predictions.name}: scoring")
    summary = summarize(scores.rows)
    cell = Cell(references.name, ARCHITECTURE, name or predictions.resolve().name, 0)
    patients = {pair.id: pair.patient for pair in cases.pairs}
    for note in notes:
        say(note)
    with atomic_folder(out) as folder:
        write_text(folder / "cases.csv", cases_text(cell, scores.rows))
        write_text(folder / "summary.csv", table_text(SUMMARY_COLUMNS, summary))
        measures: list[dict[str, Any]] = []
        if cases.kind != "none":
            measures = measured(scores.calibration, shown, patients)
            write_arrays(folder / "calibration.npz", scores.calibration)
            write_text(folder / "measures.csv", table_text(MEASURE_COLUMNS, measures))
        from spectralcal.predictions.page import write_page

        write_page(folder, cell, cases, scores, summary, measures, shown, settings, notes)
        write_record(folder, {
            "verb": "score", "predictions": str(predictions), "references": str(references),
            "probabilities": cases.kind, "cases": len(cases.pairs), "patients": len(set(patients.values())),
            "labels": dict(zip(cases.classes.names, cases.classes.values, strict=True)), "regions": shown,
            "scorers": settings.scorers, "nsd_tolerance_mm": settings.nsd_tolerance_mm, "notes": notes,
        })  # fmt: skip
    return lines(summary, out)


def score_cases(cases: PredictedCases, settings: EvaluationConfig, title: str) -> tuple[CellScores, list[str]]:
    """Scores of every case, one in memory at a time, and what a reader should know of them.

    Raises:
        DataError: a file that cannot be used.
    """
    scorers = load_scorers(settings.scorers)
    gathered, differing = AllCases(scorers, len(cases.pairs)), {}
    with progress(title, len(cases.pairs)) as bar:
        for pair in cases.pairs:
            prediction, case, differ, _ = read_pair(cases, pair, settings)
            gathered.add(pair.id, pair.patient, score_prediction(scorers, prediction, case))
            if differ:
                differing[pair.id] = differ
            bar.advance(1, pair.id)
    return gathered.finished(), differing_notes(differing, len(cases.pairs))


def differing_notes(differing: Mapping[str, int], count: int) -> list[str]:
    """One line where label maps are not the most probable classes of the npz beside them."""
    if not differing:
        return []
    case = max(differing, key=lambda name: differing[name])
    return [
        f"In {len(differing)} of {count} cases the label map is not everywhere the most probable class (at most "
        f"{differing[case]} voxels, in {case}): was it postprocessed? Everything here is of the probabilities."
    ]


def table_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV; a number that is not there is an empty value."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _plain(row[key]) for key in columns})
    return buffer.getvalue()


def lines(summary: Sequence[Mapping[str, Any]], out: Path) -> str:
    """The headline numbers, for the terminal."""
    wanted = (("DSC", "paper"), ("HD95", "paper"), ("ECE", "paper"), ("ECE", "predicted_foreground"))
    said = []
    for metric, protocol in wanted:
        rows = [row for row in summary if (row["metric"], row["protocol"]) == (metric, protocol)]
        if rows and np.isfinite(rows[0]["mean"]):
            row = rows[0]
            ends = f" [{row['low']:.4g}, {row['high']:.4g}]" if np.isfinite(row["low"]) else ""
            of = f" ({protocol})" if metric == "ECE" else f" ({row['class']})"
            said.append(f"{metric}{of}: {row['mean']:.4g}{ends} {row['unit']}".rstrip() + f", {row['cases']} cases")
    return "\n".join([*said, f"{out / 'report.html'}"])


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return "" if np.isnan(value) else repr(float(value))
    return value
