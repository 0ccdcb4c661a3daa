"""Verbs for predictions of other programs: `spectralcal score` and `spectralcal calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spectralcal.cli.app import app

Probabilities = Annotated[
    str | None, typer.Option(help="npz (nnU-Net), nifti (4-D, or one file per class) or none; found out by default.")
]
Labels = Annotated[
    str | None,
    typer.Option(help="liver,spleen or liver=1,spleen=5 or a dataset.json; found beside the files by default."),
]
Patient = Annotated[
    str | None, typer.Option(help="Regular expression; its first group, in a case's name, is the patient.")
]


@app.command()
def score(
    predictions: Annotated[Path, typer.Option(help="Folder of predictions: CASE.nii.gz, with CASE.npz or not, ...")],
    references: Annotated[Path, typer.Option(help="Folder of references with the same names.")],
    out: Annotated[Path, typer.Option(help="New folder for scores, figures and report.html.")],
    probabilities: Probabilities = None,
    labels: Labels = None,
    region: Annotated[list[str] | None, typer.Option(help="Voxels that figures count; may be repeated.")] = None,
    patient: Patient = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the predictions in tables; their folder's by default.")
    ] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Of the normalised surface Dice, in mm; 2 by default.")
    ] = None,
) -> None:
    """Score predictions of another program (nnU-Net, TotalSegmentator, ...): overlap, distances, calibration."""
    from spectralcal.predictions.score import score_predictions

    typer.echo(
        score_predictions(
            predictions, references, out, probabilities=probabilities, labels=labels, regions=region or (),
            patient=patient, name=name, tolerance_mm=tolerance,
        )
    )  # fmt: skip


@app.command()
def calibrate(
    apply: Annotated[Path, typer.Option(help="Folder of predictions that the map is applied to.")],
    out: Annotated[Path, typer.Option(help="New folder for the map, the calibrated predictions and their effect.")],
    fit: Annotated[Path | None, typer.Option(help="Folder of validation predictions to fit the map to.")] = None,
    references: Annotated[Path | None, typer.Option(help="Folder with the references of --fit.")] = None,
    method: Annotated[str | None, typer.Option(help="temperature, vector, isotonic, ...: a post-hoc step.")] = None,
    map_: Annotated[Path | None, typer.Option("--map", help="map.json of an earlier call, in place of --fit.")] = None,
    apply_references: Annotated[
        Path | None, typer.Option(help="References of --apply; --references is looked at by default.")
    ] = None,
    probabilities: Probabilities = None,
    labels: Labels = None,
    patient: Patient = None,
) -> None:
    """Fit a post-hoc map to validation predictions of another program and apply it to others."""
    from spectralcal.predictions.calibrate import calibrate_predictions

    typer.echo(
        calibrate_predictions(
            apply, out, references=references, fit=fit, method=method, saved=map_, apply_references=apply_references,
            probabilities=probabilities, labels=labels, patient=patient,
        )
    )  # fmt: skip
