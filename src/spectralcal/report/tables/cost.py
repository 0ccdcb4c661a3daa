"""Projected and actual cost of a study: the projection beside the recorded seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from spectralcal.base.errors import ConfigError, choices
from spectralcal.records.costs import Cost, Kind, timed_costs
from spectralcal.records.projection import duration
from spectralcal.report.results import Results
from spectralcal.report.tables.caption import titles
from spectralcal.report.tables.cell import tex
from spectralcal.report.tables.lines import markdown_row
from spectralcal.report.tables.render import Table, latex_table
from spectralcal.study.grid import Cell, is_trained

TITLE = "Projected and actual cost of the study"
FIRST = "the first finished cell"
HEADS = ("trainings", "scorings", "projected", "actual", "actual / projected")


def cost(results: Results, experiment: str, experiments: tuple[str, ...] = ()) -> Table:
    """Seconds of training and scoring by data set, architecture and method, as projected and as recorded.

    The projection is that of `spectralcal doctor --time` where the steps were timed on this sort of device, else what
    one would have said after the first finished training with its scoring: its seconds for every cell of the kind. Only
    cells with a record of both are compared. The start of processes, preparation and drawing are in neither.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        experiments: further ones, none by default; a cell that several have counts once.

    Raises:
        ConfigError: an experiment that the study does not have.
    """
    names = (experiment, *experiments)
    for name in names:
        if name not in results.config.experiments:
            known = choices(results.config.experiments)
            raise ConfigError(f"cost, options.experiments: unknown experiment '{name}'; expected {known}")
    cells = list(dict.fromkeys(cell for name in names for cell in results.cells(name)))
    frame = _frame(results, cells)
    text = _caption(results, names, frame)
    return Table(frame, _markdown(results, frame, text), _latex(results, frame, text))


_FIELDS = ["dataset", "architecture", "method", "label", "trainings", "scorings", "cells", "cells_expected",
           "projected_s", "actual_s", "ratio", "source", "status"]  # fmt: skip


def _frame(results: Results, cells: list[Cell]) -> pd.DataFrame:
    costs = _costs(results, cells)
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    order = results.style.ordered(list(dict.fromkeys(cell.method for cell in cells)))
    kinds = list(dict.fromkeys((cell.dataset, cell.architecture) for cell in cells))
    for cell in sorted(cells, key=lambda c: (kinds.index((c.dataset, c.architecture)), order.index(c.method))):
        groups.setdefault((cell.dataset, cell.architecture, cell.method), []).append(cell)
    rows = []
    for (dataset, architecture, method), group in groups.items():
        known = costs.get((dataset, architecture))
        timed = [_seconds(results, cell, known) for cell in group]
        there = [pair for pair in timed if np.isfinite(pair).all()]
        projected, actual = (sum(column) for column in zip(*there, strict=True)) if there else (np.nan, np.nan)
        trainings = sum(is_trained(results.config, cell) for cell in group)
        status = "ok" if len(there) == len(group) else "incomplete" if there else "missing"
        rows.append([dataset, architecture, method, results.label(method), trainings, len(group), len(there),
                     len(group), projected, actual, actual / projected if there and projected else np.nan,
                     known.source if known else "", status])  # fmt: skip
    return pd.DataFrame(rows, columns=_FIELDS)


def _seconds(results: Results, cell: Cell, known: Cost | None) -> tuple[float, float]:
    """Projected and recorded seconds of a cell; post-hoc steps and ensembles train nothing of their own."""
    run, scored = results.run(cell) or {}, results.evaluation(cell) or {}
    if known is None or known.scoring is None or "seconds" not in scored:
        return np.nan, np.nan
    if not is_trained(results.config, cell):
        return known.scoring, scored["seconds"]
    if "seconds" not in run:
        return np.nan, np.nan
    steps = run["settings"]["training"]["steps"]
    return known.training(cell.method, steps) + known.scoring, run["seconds"] + scored["seconds"]


def _costs(results: Results, cells: Iterable[Cell]) -> Mapping[Kind, Cost]:
    """Timed costs, else those of the first training of each kind that has finished."""
    runs = []
    for cell in cells:
        run, scored = results.run(cell) or {}, results.evaluation(cell) or {}
        # A resumed training recorded only its last stretch.
        if is_trained(results.config, cell) and run.get("seconds") and not run.get("resumes"):
            runs.append((run.get("started", ""), cell, run, scored.get("seconds")))
    gpu = any(not str(run.get("device", "cpu")).startswith("cpu") for _, _, run, _ in runs)
    first: dict[Kind, Cost] = {}
    for _, cell, run, scoring in sorted(runs, key=lambda entry: (entry[0], str(entry[1]))):
        step = run["seconds"] / run["settings"]["training"]["steps"]
        first.setdefault((cell.dataset, cell.architecture), Cost(step, scoring, source=FIRST))
    return first | timed_costs(results.config, gpu)


def _caption(results: Results, names: tuple[str, ...], frame: pd.DataFrame) -> str:
    projected, actual = frame.projected_s.sum(), frame.actual_s.sum()
    said = [
        f"Study {results.config.study}, experiment{'s' * (len(names) > 1)} {', '.join(names)}. Seconds of training and "
        "scoring, one cell after the other, without the start of processes, preparation and drawing."
    ]
    if projected > 0:
        ratio = actual / projected
        said.append(f"Together: projected {duration(projected)}, actual {duration(actual)} ({ratio:.2f} times).")
    sources = sorted({source for source in frame.source if source})
    if sources:
        said.append(f"Projected from {' and '.join(sources)}.")
    if FIRST in sources:
        said.append("`spectralcal doctor --time` projects from timed steps, method by method.")
    if unrecorded := int((frame.cells_expected - frame.cells).sum()):
        said.append(f"Cells without a record of their time: {unrecorded}; they are in neither column.")
    return " ".join(said)


def _texts(results: Results, frame: pd.DataFrame) -> list[tuple[str, list[list[str]]]]:
    names, blocks = titles(results, frame.dataset), []
    for (dataset, architecture), block in frame.groupby(["dataset", "architecture"], sort=False):
        rows = [[row.label, *_cells(row, row.status)] for row in block.itertuples()]
        whole = block[["trainings", "scorings", "projected_s", "actual_s"]].sum()
        whole["ratio"] = whole.actual_s / whole.projected_s if whole.projected_s else np.nan
        rows.append(["all", *_cells(whole, "ok" if block.cells.sum() else "missing")])
        blocks.append((f"{names[dataset]}, {architecture}", rows))
    return blocks


def _cells(row, status: str) -> list[str]:
    counts = [f"{row.trainings:.0f}", f"{row.scorings:.0f}"]
    if status == "missing":
        return [*counts, *["missing"] * 3]
    mark = " †" if status == "incomplete" else ""
    return [*counts, duration(row.projected_s) + mark, duration(row.actual_s) + mark, f"{row.ratio:.2f}"]


def _markdown(results: Results, frame: pd.DataFrame, caption: str) -> str:
    parts = [f"# {TITLE}", caption]
    for title, rows in _texts(results, frame):
        lines = [[title, *HEADS], ["---", *["---:"] * len(HEADS)], *rows]
        parts.append("\n".join(map(markdown_row, lines)))
    if (frame.status == "incomplete").any():
        parts.append("† only of cells that have a record.")
    return "\n\n".join(parts) + "\n"


def _latex(results: Results, frame: pd.DataFrame, caption: str) -> str:
    body = [(title, [[tex(cell) for cell in row] for row in rows]) for title, rows in _texts(results, frame)]
    notes = [tex("† only of cells that have a record.")] if (frame.status == "incomplete").any() else []
    text = f"{TITLE}. {caption.replace('`', '')}"
    return latex_table(text, [("cost", len(HEADS))], [tex(head) for head in HEADS], body, notes)


TABLE = cost
