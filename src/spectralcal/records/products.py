"""Records of products: which cells a table or figure was made from, by which code, and the hashes of its files."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spectralcal.base.digests import file_digest
from spectralcal.base.files import write_json
from spectralcal.base.integrity import file_hashes, sealed
from spectralcal.machine.environment import environment
from spectralcal.study.conditions import TEST, is_tested
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, experiment_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import claims_recipe, output_recipe

VERBS = {"tables": "table", "figures": "figure"}


def record_output(config: StudyConfig, kind: str, name: str, files: Iterable[Path]) -> Path:
    """Write the record of a table or figure that was just made.

    Args:
        config: the study.
        kind: "tables" or "figures".
        name: its name in the configuration.
        files: what was written.
    """
    output = getattr(config, kind)[name]
    experiments = [output.experiment, *output.options.get("experiments", ())]
    return write_record(
        config,
        kind,
        name,
        files,
        command=f"spectralcal {VERBS[kind]} {name} --config {StudyPaths(config).resolved_config}",
        cells=dict.fromkeys(
            cell
            for experiment in experiments
            for cell in experiment_cells(config, experiment)
            if is_tested(config, cell, output.condition or TEST)
        ),
        condition=output.condition or TEST,
        source=output.source or name,
        experiments=experiments,
        options=output.options,
        recipe=output_recipe(config, kind, name),
    )


def record_claims(config: StudyConfig, files: Iterable[Path]) -> Path:
    """Write the record of the claims ledger that was just made."""
    roles = {role: name for role, name in (config.claims or {}).items() if name is not None}
    return write_record(
        config,
        "claims",
        "claims",
        files,
        command=f"spectralcal claims --config {StudyPaths(config).resolved_config}",
        cells=dict.fromkeys(cell for experiment in roles.values() for cell in experiment_cells(config, experiment)),
        experiments=roles,
        recipe=claims_recipe(config),
    )


def write_record(
    config: StudyConfig,
    kind: str,
    name: str,
    files: Iterable[Path],
    *,
    command: str,
    cells: Iterable[Cell],
    condition: str = TEST,
    **more: Any,
) -> Path:
    """Write the record of a product that is drawn from the collected scores.

    Args:
        config: the study.
        kind: "tables", "figures", "claims" or "scores"; names a folder under ``provenance``.
        name: the product's name.
        files: what was written.
        command: what makes it again.
        cells: the cells that it shows, present or not.
        condition: what they were tested on.
        more: further JSON values.
    """
    paths = StudyPaths(config)
    collected = collected_cells(paths, condition)
    tested = {} if condition == TEST else {"condition": condition}
    listed = [
        {**vars(cell), **tested, "status": "missing", "fingerprint": "", **collected.get(cell, {})}  # as collected
        for cell in cells
    ]
    files = list(files)
    record = {
        "kind": kind,
        "name": name,
        "command": command,
        "folder": str(files[0].parent) if files else "",
        **more,
        "scores": file_digest(paths.cases) if paths.cases.is_file() else None,
        "cells": listed,
        "environment": environment(),
        "files": file_hashes(files),
    }
    path = paths.record(kind, name)
    write_json(path, sealed(record))
    return path


def collected_cells(paths: StudyPaths, condition: str = TEST) -> dict[Cell, dict[str, str]]:
    """``status`` and ``fingerprint`` of every cell under a condition, when scores were collected; empty before."""
    try:
        with paths.cells.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except FileNotFoundError:
        return {}
    return {
        Cell(row["dataset"], row["architecture"], row["method"], int(row["seed"])): {
            "status": row["status"],
            "fingerprint": row["fingerprint"],
        }
        for row in rows
        if row.get("condition", TEST) == condition
    }
