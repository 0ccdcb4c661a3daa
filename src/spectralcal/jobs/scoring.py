"""The scoring of a cell: predictions of the trained network against the references, and the record of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spectralcal.base import registry
from spectralcal.base.console import progress, say
from spectralcal.base.digests import package_digest
from spectralcal.base.files import write_arrays, write_json, write_text
from spectralcal.base.integrity import file_hashes, sealed
from spectralcal.engine.fit_post_hoc import fit_post_hoc
from spectralcal.engine.predict import unchanged
from spectralcal.jobs.cell_data import CellData
from spectralcal.jobs.limits import say_limits
from spectralcal.jobs.score_files import cases_text
from spectralcal.jobs.trained import TrainedNetwork, trained_network
from spectralcal.machine.device import device_name
from spectralcal.machine.environment import environment, peak_memory_mb
from spectralcal.scoring import evaluate
from spectralcal.scoring.evaluate import CellScores
from spectralcal.scoring.samples import draws
from spectralcal.study.conditions import TEST
from spectralcal.study.paths import CellPaths
from spectralcal.study.recipe import evaluation_identity
from spectralcal.study.resolved import ResolvedCell


def score_network(cell: ResolvedCell, data: CellData, stamp: Mapping[str, Any], folder: Path) -> None:
    """Score a cell with the weights of its trainings and leave scores and record in `folder`.

    Args:
        cell: which cell.
        data: its cases.
        stamp: what the scores are made from; goes into the record.
        folder: of the cell, or of scores that wait for adoption.
    """
    begun = time.perf_counter()
    network = trained_network(cell, data.in_channels)
    step = _fitted_step(cell, data, network)
    scores = _scored(cell, data, network, step)
    written = _write_scores(cell, scores, CellPaths(folder))
    record = {
        **stamp,
        **({} if step is None else {"post_hoc": {cell.method.post_hoc: step.parameters()}}),
        "limits": say_limits(str(cell), getattr(step, "limits", [])),
        "cases": len(data.scored),
        "seconds": round(time.perf_counter() - begun - network.probe_seconds, 2),
        "device": device_name(network.device),
        "precision": network.precision,
        "arithmetic": network.arithmetic.record(),
        "peak_memory_mb": peak_memory_mb(),
        "cell": asdict(cell.key),
        **({} if cell.condition.name == TEST else {"condition": cell.condition.name}),
        **_drawn(cell, network),
        "parts": _parts(stamp["recipe"], data),
        "identity": evaluation_identity(cell),
        "code": package_digest(),
        "environment": environment(),
        "files": file_hashes(written),
    }
    write_json(CellPaths(folder).evaluation, sealed(record))


def _drawn(cell: ResolvedCell, network: TrainedNetwork) -> dict[str, Any]:
    """Whether predictions were drawn, where the condition asks for it."""
    if not cell.condition.samples:
        return {}
    drawn = draws(network.model)
    if not drawn:
        say(f"{cell}: the network draws nothing; its one prediction stands for all {cell.condition.samples} samples")
    return {"samples": cell.condition.samples, "drawn": drawn}


def _parts(recipe: str, data: CellData) -> dict[str, str]:
    """What the fingerprint is a digest of."""
    names = ("manifest", "split", "tested_manifest", "tested_split")
    return {"recipe": recipe, **dict(zip(names, data.hashes, strict=False))}


def _fitted_step(cell: ResolvedCell, data: CellData, network: TrainedNetwork) -> Any:
    """The post-hoc step of the cell's method, fitted to its validation cases; None: it has none."""
    if cell.method.post_hoc is None:
        return None
    step = registry.load("posthoc", cell.method.post_hoc)()
    place = {"device": network.device, "precision": network.precision}
    fit_post_hoc(step, network.model, data.validation, cell.patch, **place)
    return step


def _scored(cell: ResolvedCell, data: CellData, network: TrainedNetwork, step: Any) -> CellScores:
    with progress(f"{cell}: scoring", len(data.scored)) as bar:
        return evaluate.evaluate_cases(
            network.model,
            data.scored,
            data.facts,
            cell.patch,
            cell.inference,
            cell.evaluation,
            device=network.device,
            precision=network.precision,
            transform=unchanged if step is None else step,
            samples=cell.condition.samples,
            advance=lambda case: bar.advance(1, case),
        )


def _write_scores(cell: ResolvedCell, scores: CellScores, files: CellPaths) -> list[Path]:
    """Write scores and arrays, and return their files; that of further scorers only where the study names such."""
    write_text(files.cases, cases_text(cell.key, scores.rows))
    arrays = [name for name in scores.arrays if name != "scorers" or cell.evaluation.further_scorers]
    for name in arrays:
        write_arrays(getattr(files, name), scores.arrays[name])
    return [files.cases, *(getattr(files, name) for name in arrays)]
