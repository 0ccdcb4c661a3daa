"""The scoring of a cell: predictions of the trained network against the references; scores that wait for adoption."""

from __future__ import annotations

import csv
import io
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.base import registry
from spectralcal.base.console import progress
from spectralcal.base.digests import package_digest
from spectralcal.base.files import move, read_json, write_arrays, write_json, write_text
from spectralcal.base.integrity import altered, file_hashes, sealed
from spectralcal.jobs.networks import label_facts, load_network
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell
from spectralcal.study.methods import parse_method
from spectralcal.study.paths import CellPaths
from spectralcal.study.recipe import evaluation_identity

if TYPE_CHECKING:
    from spectralcal.jobs.cell_data import CellData

CASE_COLUMNS = ("dataset", "architecture", "method", "seed", "case", "patient", "class", "metric", "protocol", "value",
                "status")  # fmt: skip


def score_network(
    config: StudyConfig, cell: Cell, sources: Sequence[CellPaths], data: CellData, stamp: dict[str, Any], folder: Path
) -> None:
    """Score a cell with the weights of `sources` and leave scores and record in `folder`."""
    import torch

    from spectralcal.engine.arithmetic import scoring_arithmetic
    from spectralcal.engine.fit_post_hoc import fit_post_hoc
    from spectralcal.machine.device import choose_device, device_name
    from spectralcal.machine.environment import environment, peak_memory_mb
    from spectralcal.scoring.evaluate import evaluate_cases

    begun = time.perf_counter()
    torch.set_num_threads(config.compute.threads)
    settings = config.training_of(cell.dataset, cell.architecture)
    device = choose_device(config.compute.device)
    in_channels = data.scored[0].image().shape[0]
    model = load_network(config, cell, in_channels)
    trained_in = [read_json(source.run).get("precision") for source in sources]
    asked = time.perf_counter()
    # Members of an ensemble are alike: one is asked, and float32 of any is that of all.
    lowest, one = "fp32" if "fp32" in trained_in else trained_in[0], getattr(model, "members", [model])[0]
    arithmetic = scoring_arithmetic(settings, config.inference, lowest, one, in_channels, device, str(cell))
    precision = arithmetic.precision
    begun += time.perf_counter() - asked  # a study asks once, whichever of its cells comes first
    classes, _ = label_facts(config, cell.dataset)
    name = parse_method(cell.method, config.methods).post_hoc
    # Few data sets have regions; what the others would inherit would make their prepared data obsolete.
    options = {"nested": getattr(registry.load("datasets", config.kind_of(cell.dataset)), "nested", None)}
    if name is not None:
        step = registry.load("posthoc", name)()
        fit_post_hoc(step, model, data.validation, settings.patch, device=device, precision=precision)
        options["transform"] = step
        stamp = {**stamp, "post_hoc": {name: step.parameters()}}
    with progress(f"{cell}: scoring", len(data.scored)) as bar:
        scores = evaluate_cases(
            model, data.scored, classes, settings.patch, config.inference, config.evaluation,
            device=device, precision=precision, advance=lambda case: bar.advance(1, case), **options,
        )  # fmt: skip
    files = CellPaths(folder)
    write_text(files.cases, cases_text(cell, scores.rows))
    arrays = [name for name in scores.arrays if name != "scorers" or config.evaluation.further_scorers]
    for name in arrays:
        write_arrays(getattr(files, name), scores.arrays[name])
    cost = {
        "seconds": round(time.perf_counter() - begun, 2),
        "device": device_name(device),
        "precision": precision,
        "arithmetic": arithmetic.record(),
        "peak_memory_mb": peak_memory_mb(),
    }
    made = {
        "cell": asdict(cell),
        "parts": {"recipe": stamp["recipe"], "manifest": data.manifest_hash, "split": data.split_hash},
        "identity": evaluation_identity(config, cell),
        "code": package_digest(),
        "environment": environment(),
        "files": file_hashes([files.cases, *(getattr(files, name) for name in arrays)]),
    }
    write_json(files.evaluation, sealed({**stamp, "cases": len(data.scored), **cost, **made}))


def adopt_staged(files: CellPaths, stamp: dict[str, Any]) -> bool:
    """Make staged scores final if they carry the same stamp; drop them otherwise."""
    staged = CellPaths(files.staged)
    if not staged.evaluation.is_file():
        return False
    record = read_json(staged.evaluation)
    matches = all(record.get(key) == value for key, value in stamp.items())
    matches = matches and not altered(staged.folder, record.get("files", {}))
    if matches:
        further = ["scorers"] if staged.scorers.name in record["files"] else []
        for name in ("cases", "calibration", "spectra", *further, "evaluation"):
            move(getattr(staged, name), getattr(files, name))
    shutil.rmtree(files.staged, ignore_errors=True)
    return matches


def cases_text(cell: Cell, rows: list[dict[str, Any]]) -> str:
    """Scores of a cell as the text of cases.csv."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CASE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        value = row["value"]
        number = "" if np.isnan(value) else repr(float(value))
        writer.writerow({**asdict(cell), **row, "value": number})
    return buffer.getvalue()
