"""report.html of `spectralcal score`: what was scored, its numbers with their intervals, figures and hardest cases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spectralcal.base.files import write_text
from spectralcal.metrics.floor import FLOOR
from spectralcal.metrics.protocols import PROTOCOLS
from spectralcal.metrics.regions import CHOSEN_BY_LABELS
from spectralcal.predictions import markup
from spectralcal.predictions.cases import PredictedCases
from spectralcal.predictions.summary import MEAN, SEGMENTATION
from spectralcal.predictions.unbinned import REGIONS
from spectralcal.scoring.all_cases import CellScores
from spectralcal.statistics import FEWEST_PATIENTS
from spectralcal.study.config import EvaluationConfig
from spectralcal.study.grid import Cell

#: metric -> scale, unit and decimals of what is printed
PRINTED = {
    "DSC": (100.0, "%", 1), "NSD": (100.0, "%", 1), "HD95": (1.0, "mm", 2), "ASD": (1.0, "mm", 2),
    "ASSD": (1.0, "mm", 2),
}  # fmt: skip
OVERLAP = ("DSC", "NSD", "HD95", "ASD", "ASSD")
CALIBRATION = ("ECE", "SCE", "TACE", "signed_gap", "Brier", "NLL")
_MILLI = (1e3, "×10⁻³", 2)
#: headline numbers of probabilities: (protocol, metric, what is said)
_HEADLINES = (("paper", "ECE", "ECE, all voxels"), ("predicted_foreground", "ECE", "ECE, predicted foreground"),
              ("paper", "signed_gap", "confidence − accuracy"))  # fmt: skip
#: hardest cases that are listed
_HARDEST = 5

Summary = Sequence[Mapping[str, Any]]


def write_page(
    folder: Path,
    cell: Cell,
    cases: PredictedCases,
    scores: CellScores,
    summary: Summary,
    measures: Sequence[Mapping[str, Any]],
    regions: Sequence[str],
    settings: EvaluationConfig,
    notes: Sequence[str],
) -> None:
    """Draw the figures and write report.html.

    Args:
        folder: where both go.
        cell: names of the rows.
        cases, scores, summary, measures, regions, settings: of :func:`spectralcal.predictions.score.score_predictions`.
        notes: what a reader should know.
    """
    by_score = {(row["class"], row["metric"], row["protocol"]): row for row in summary}
    patients = len({pair.patient for pair in cases.pairs})
    title = f"{cell.method} against {cell.dataset}"
    body = [
        markup.heading(title, 1),
        markup.paragraph(_what(cases, patients), "faint"),
        *(markup.paragraph(note, "note") for note in notes),
        markup.cards(_cards(by_score, cases)),
        markup.heading("Overlap and distances"),
        _overlap(by_score, cases, settings),
    ]
    if cases.kind != "none":
        from spectralcal.predictions.figures import draw_all

        panels = draw_all(scores.calibration, regions, folder / "figures")
        body += [
            markup.heading("Calibration"), _calibration(by_score),
            markup.heading("Figures"), markup.figures((panel.svg, panel.caption) for panel in panels),
            markup.heading("Without bins: calibration, proper scores in parts, ranking"), *_unbinned(measures, regions),
        ]  # fmt: skip
    body += [
        markup.heading("Hardest cases"),
        _hardest(scores, cases),
        markup.heading("How to read this"),
        *_reading(patients),
    ]
    write_text(folder / "report.html", markup.page(title, body))


def _what(cases: PredictedCases, patients: int) -> str:
    count, names = len(cases.pairs), cases.classes.names
    stored = {"none": "label maps alone", "npz": "probabilities from npz files", "nifti": "probability maps"}[
        cases.kind
    ]
    people = f" of {patients} patients" if patients != count else ""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{count} cases{people}; {stored}; {len(names)} classes: {', '.join(names[:8])}{more}."


def _cards(by_score: Mapping[tuple[str, str, str], Mapping[str, Any]], cases: PredictedCases) -> Iterator[tuple]:
    name = MEAN if len(cases.classes.names) > 1 else cases.classes.names[0]
    for metric, what in (("DSC", "Dice"), ("HD95", "HD95")):
        yield what, *_value(by_score[name, metric, SEGMENTATION], metric, unit=True)
    if cases.kind != "none":
        for protocol, metric, what in _HEADLINES:
            yield what, *_value(by_score["all", metric, protocol], metric, unit=True)


def _overlap(by_score: Mapping, cases: PredictedCases, settings: EvaluationConfig) -> str:
    names = [*([MEAN] if len(cases.classes.names) > 1 else []), *cases.classes.names]
    heads = [f"{metric} ({PRINTED[metric][1]})" for metric in OVERLAP]
    rows = []
    for name in names:
        scored = [by_score[name, metric, SEGMENTATION] for metric in OVERLAP]
        counts = [str(scored[0][state] or "–") for state in ("missed", "spurious", "absent")]
        rows.append([name, *(_value(row, row["metric"]) for row in scored), *counts])
    said = (
        f"Means over patients, below them 95 % intervals. NSD within {settings.nsd_tolerance_mm:g} mm. A missed "
        "structure has Dice 0 and the image's diagonal as its distance; a spurious one has Dice 0 and no distance; an "
        "absent one, in neither, has no score."
    )
    return markup.table(["class", *heads, "missed", "spurious", "absent"], rows) + markup.paragraph(said, "note")


def _calibration(by_score: Mapping) -> str:
    rows, said = [], []
    for name, protocol in PROTOCOLS.items():
        scored = [by_score["all", metric, name] for metric in CALIBRATION]
        floor = by_score.get(("all", f"ECE{FLOOR}", name))
        values = [_value(row, row["metric"]) for row in scored]
        rows.append([name, *values, "–" if floor is None else _value(floor, "ECE")])
        more = "; the labels choose these voxels, so a calibrated network is not at 0"
        by_labels = more if protocol.region in CHOSEN_BY_LABELS else ""
        region = REGIONS[protocol.region]
        source = protocol.source if region in protocol.source else f"{region}: {protocol.source}"
        said.append((name, source + by_labels))
    heads = [*(metric.replace("signed_gap", "conf. − acc.") for metric in CALIBRATION), "ECE if calibrated"]
    note = (
        "All ×10⁻³, lower is better (confidence − accuracy: nearer to 0). Means over patients with 95 % intervals; "
        '"nixon" is one pool of all voxels and has none. Compare with published numbers under their own protocol only.'
    )
    return markup.table(["protocol", *heads], rows) + markup.paragraph(note, "note") + markup.definitions(said)


def _unbinned(measures: Sequence[Mapping[str, Any]], regions: Sequence[str]) -> Iterator[str]:
    from spectralcal.report.measures import MEASURES
    from spectralcal.report.tables.unbinned import NOTE

    values = {(row["region"], row["measure"]): row["value"] for row in measures}
    shown = [region for region in regions if any(key[0] == region for key in values)]
    rows = [
        [f"{one.heading} ({one.unit})", *(_number(values[region, one.name], one.decimals) for region in shown)]
        for listed in MEASURES.values() for one in listed
    ]  # fmt: skip
    yield markup.table(["all cases in one pool", *(REGIONS[region] for region in shown)], rows)
    yield markup.paragraph(NOTE, "note")


def _hardest(scores: CellScores, cases: PredictedCases) -> str:
    dice: dict[str, list[float]] = {}
    ece: dict[str, float] = {}
    known = {pair.id for pair in cases.pairs}
    for row in scores.rows:
        if row["case"] in known and row["protocol"] == SEGMENTATION and np.isfinite(row["value"]):
            if row["metric"] == "DSC":
                dice.setdefault(row["case"], []).append(row["value"])
            elif row["metric"] == "ECE":
                ece[row["case"]] = row["value"]
    means = {case: float(np.mean(values)) for case, values in dice.items()}
    low, high = sorted(means, key=lambda case: means[case]), sorted(ece, key=lambda case: -ece[case])
    chosen = list(dict.fromkeys([*low[:_HARDEST], *high[:_HARDEST]]))
    rows = [
        [case, _number(means.get(case, np.nan) * 100, 1), *([_number(ece[case] * 1e3, 2)] if case in ece else [])]
        for case in chosen
    ]
    heads = ["case", "mean Dice (%)", *(["ECE, all voxels (×10⁻³)"] if ece else [])]
    said = f"The {_HARDEST} lowest mean Dice" + (f" and the {_HARDEST} highest ECE." if ece else ".")
    return markup.table(heads, rows) + markup.paragraph(said, "note")


def _reading(patients: int) -> Iterator[str]:
    yield markup.paragraph(
        "Intervals are of the mean over patients, who may be other ones; they say nothing of another training, which "
        "takes predictions of several trainings. They are not corrected for the number of classes and metrics."
    )
    if patients < FEWEST_PATIENTS:
        yield markup.paragraph(f"{patients} patients are fewer than {FEWEST_PATIENTS}: their intervals decide nothing.")
    yield markup.paragraph(
        "cases.csv has every score of every case, in the columns of a study; summary.csv the means; calibration.npz "
        "the histograms, which spectralcal.metrics.CalibrationHistogram reads; made_by.json what this was made from."
    )


def _value(row: Mapping[str, Any], metric: str, unit: bool = False) -> tuple[str, str]:
    """A mean and, below it, its interval."""
    scale, of, decimals = PRINTED.get(metric, _MILLI)
    mean, low, high = (row[name] * scale for name in ("mean", "low", "high"))
    ends = f"[{_number(low, decimals)}, {_number(high, decimals)}]" if np.isfinite(low) else "no interval"
    shown = _number(mean, decimals)
    return (f"{shown} {of}" if unit and shown != "–" else shown), ends


def _number(value: float, decimals: int) -> str:
    if not np.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text.replace("-", "−")
