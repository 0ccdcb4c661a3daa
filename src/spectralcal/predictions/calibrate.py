"""`spectralcal calibrate`: a post-hoc map, fitted to validation predictions and applied to others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spectralcal.base.console import progress, say
from spectralcal.base.errors import ConfigError, DataError, choices
from spectralcal.base.files import atomic_folder, write_arrays, write_json, write_text
from spectralcal.datasets.volumes import StoredGrid, write_volume
from spectralcal.posthoc import PostHocStep
from spectralcal.predictions.cases import (
    PredictedCases,
    find_cases,
    read_pair,
    read_predicted,
    reading,
)
from spectralcal.predictions.classes import BACKGROUND, Classes, stated_classes
from spectralcal.predictions.effect import COLUMNS, effect, effect_lines
from spectralcal.predictions.fit import apply_step, fit_step, new_step, read_step, step_record
from spectralcal.predictions.layout import Files, Kind, Pair, find_predictions, find_references, patient_of
from spectralcal.predictions.output import check_out, write_record
from spectralcal.predictions.probabilities import stored_dtype_floor
from spectralcal.predictions.score import table_text
from spectralcal.scoring import Prediction
from spectralcal.scoring.all_cases import AllCases
from spectralcal.scoring.load import load_scorers
from spectralcal.scoring.score import score_prediction
from spectralcal.study.config import EvaluationConfig

#: what is scored before and after
SCORERS = ("segmentation", "calibration", "predicted")
#: folder of the calibrated predictions
PREDICTIONS = "predictions"


def calibrate_predictions(
    apply: Path,
    out: Path,
    *,
    references: Path | None = None,
    fit: Path | None = None,
    method: str | None = None,
    saved: Path | None = None,
    apply_references: Path | None = None,
    probabilities: str | None = None,
    labels: str | None = None,
    patient: str | None = None,
) -> str:
    """Fit a post-hoc map, or read one, apply it to a folder of predictions and write what became of them.

    Args:
        apply: folder of predictions with probabilities, which the map is applied to.
        out: new folder: map.json, predictions/ (probabilities as the input stores them, and class names in
            dataset.json), and effect.csv where there are references.
        references: folder with the references of the predictions in `fit`, and perhaps of those in `apply`.
        fit: folder of validation predictions; None: the map is read from `saved`.
        method: registered post-hoc step to fit.
        saved: map.json of an earlier call, in the place of `fit` and `method`.
        apply_references: folder with references of the predictions in `apply`; None: `references` is looked at.
        probabilities: "npz" or "nifti"; None: npz.
        labels, patient: as of :func:`spectralcal.predictions.score.score_predictions`.

    Returns:
        What the map did, in a few lines.

    Raises:
        ConfigError, DataError: options, folders or files that cannot be used. Nothing is written then.
    """
    if (fit is None) == (saved is None):
        raise ConfigError(f"expected --fit with --method, or --map, received {'neither' if fit is None else 'both'}")
    if fit is not None and (method is None or references is None):
        raise ConfigError(f"--fit: expected --{'references' if method else 'method'} beside it, received none")
    inputs = [place for place in (fit, apply, references, apply_references) if place is not None]
    check_out(out, *inputs)
    settings = EvaluationConfig(scorers=SCORERS)
    classes, fitted = stated_classes(labels, *[place for place in (fit, apply, *inputs) if place is not None]), None
    record: dict[str, Any] = {}
    if saved is not None:
        method, step, names = read_step(saved)
        classes = classes or Classes.numbered(names)
        if list(classes.names) != names:
            raise DataError(
                f"{saved}: expected a map of the classes {choices(classes.names)}, found one of {choices(names)}; fit "
                "it again, or give its classes with --labels"
            )
    else:
        step = new_step(method)
        fitted = _with_probabilities(
            find_cases(fit, references, probabilities, labels, patient, ("--fit", "--references")), "--fit", fit
        )
        classes = fitted.classes
    cases, untested = _applied_to(apply, apply_references or references, probabilities, classes, labels, patient)
    if fitted is not None:
        record = {"voxels": fit_step(step, fitted, settings), "fitted_to": [pair.id for pair in fitted.pairs]}
        if shared := sorted({pair.id for pair in fitted.pairs} & {*untested, *(pair.id for pair in cases.pairs)}):
            say(f"{len(shared)} cases are both fitted to and applied to, {shared[0]} first: that flatters the map")
    with atomic_folder(out) as folder:
        write_json(folder / "map.json", {**step_record(method, step, cases.classes), **record})
        rows = _write_all(folder, step, cases, untested, settings)
        write_record(folder, {
            "verb": "calibrate", "method": method, "fit": _name(fit), "map": _name(saved), "apply": str(apply),
            "references": _name(references), "apply_references": _name(apply_references),
            "probabilities": cases.kind, "cases": len(cases.pairs) + len(untested),
            "labels": dict(zip(cases.classes.names, cases.classes.values, strict=True)),
        })  # fmt: skip
    return "\n".join([_said(method, step), *effect_lines(rows, step, len(untested)), str(out / PREDICTIONS)])


def _write_all(
    folder: Path, step: PostHocStep, cases: PredictedCases, untested: Mapping[str, Files], settings: EvaluationConfig
) -> list[dict[str, Any]]:
    """Calibrated predictions of every case, and rows of effect.csv of those with a reference."""
    scorers = load_scorers(settings.scorers)
    before, after = (AllCases(scorers, len(cases.pairs)) for _ in range(2))
    place = folder / PREDICTIONS
    changed = voxels = 0
    with progress("applying", len(cases.pairs) + len(untested)) as bar:
        for pair in cases.pairs:
            prediction, case, _, grid = read_pair(cases, pair, settings)
            calibrated = Prediction(_once(apply_step(step, grid.array, stored_dtype_floor(pair.prediction))))
            before.add(pair.id, pair.patient, score_prediction(scorers, prediction, case))
            after.add(pair.id, pair.patient, score_prediction(scorers, calibrated, case))
            changed += int(np.count_nonzero(prediction.label != calibrated.label))
            voxels += case.reference.size
            _write(place, pair.id, calibrated, pair.prediction, cases.kind, cases.classes)
            bar.advance(1, pair.id)
        for name, files in untested.items():
            with reading(name):
                grid, _ = read_predicted(files, cases.classes)
            calibrated = Prediction(_once(apply_step(step, grid.array, stored_dtype_floor(files))))
            changed += int(np.count_nonzero(grid.array.argmax(0) != calibrated.label))
            voxels += calibrated.label.size
            _write(place, name, calibrated, files, cases.kind, cases.classes)
            bar.advance(1, name)
    stored = {BACKGROUND: 0, **dict(zip(cases.classes.names, cases.classes.values, strict=True))}
    write_json(place / "dataset.json", {"labels": stored, "file_ending": ".nii.gz"})
    rows = effect(before.finished().rows, after.finished().rows) if cases.pairs else []
    if rows:
        write_text(folder / "effect.csv", table_text(COLUMNS, rows))
    say(f"{changed} of {voxels} voxels have another most probable class")
    return rows


def _once(values: np.ndarray):
    return lambda: values


def _write(place: Path, case: str, calibrated: Prediction, files: Files, kind: Kind, classes: Classes) -> None:
    """One calibrated case as its input was stored: npz and label map, or a 4-D file."""
    stored = StoredGrid.of(files.first)
    if kind == "nifti":
        write_volume(place / f"{case}.nii.gz", np.moveaxis(calibrated.probabilities, 0, -1), stored)
        return
    axes = stored.from_ras(np.moveaxis(calibrated.probabilities, 0, -1))  # (x, y, z, C)
    write_arrays(place / f"{case}.npz", {"probabilities": np.ascontiguousarray(axes.transpose(3, 2, 1, 0))})
    values = np.array([0, *classes.values])
    small = np.uint8 if values.max() < 256 else np.uint16
    write_volume(place / f"{case}.nii.gz", values.astype(small)[calibrated.label], stored)


def _applied_to(
    apply: Path,
    references: Path | None,
    probabilities: str | None,
    classes: Classes | None,
    labels: str | None,
    patient: str | None,
) -> tuple[PredictedCases, dict[str, Files]]:
    """The cases to apply a map to that have a reference, and the files of those that have none."""
    known = {} if references is None else find_references(references)
    kind, found = find_predictions(apply, probabilities, known, classes, "--apply")
    if classes is None:
        raise DataError(
            f"--apply {apply}: expected the names of the classes, found no dataset.json; give --labels liver,spleen"
        )
    pairs = [
        Pair(case, patient_of(case, patient), found[case], known[case]) for case in sorted(set(found) & set(known))
    ]
    cases = PredictedCases(kind, classes, pairs, len(known))
    untested = {case: found[case] for case in sorted(set(found) - set(known))}
    return _with_probabilities(cases, "--apply", apply), untested


def _with_probabilities(cases: PredictedCases, option: str, folder: Path) -> PredictedCases:
    if cases.kind == "none":
        raise DataError(
            f"{option} {folder}: expected probabilities, found label maps alone; predict with "
            "`nnUNetv2_predict --save_probabilities`, or give --probabilities nifti for probability maps"
        )
    return cases


def _said(method: str, step: PostHocStep) -> str:
    parts = []
    for name, value in step.parameters().items():
        if isinstance(value, float):
            parts.append(f"{name} {value:.4g}")
        elif isinstance(value, list) and all(isinstance(each, float) for each in value) and len(value) <= 8:
            parts.append(f"{name} {', '.join(f'{each:.4g}' for each in value)}")
    return f"{method}: {'; '.join(parts) or 'fitted; see map.json'}"


def _name(path: Path | None) -> str | None:
    return None if path is None else str(path)
