"""What each open point of the paper changes: every reading that the study trained, against the default reading."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from spectralcal.base.errors import ConfigError, choices
from spectralcal.metrics.protocols import PROTOCOLS
from spectralcal.papers.spectral_entropy.tables.table1 import COLUMNS as SEGMENTATION
from spectralcal.papers.spectral_entropy.tables.table1 import PROTOCOL
from spectralcal.papers.spectral_entropy.tables.table2 import COLUMNS as CALIBRATION
from spectralcal.report.pairing import tables
from spectralcal.report.results import POOL, Results
from spectralcal.report.summary import Column, case_means, check_finite
from spectralcal.report.tables.caption import titles
from spectralcal.report.tables.cell import tex
from spectralcal.report.tables.lines import heading, markdown_row
from spectralcal.report.tables.render import Table, latex_table
from spectralcal.statistics import FEWEST_PATIENTS, FEWEST_SEEDS, crossed
from spectralcal.study.methods import method_of

PRINTED = Path(__file__).parents[1] / "printed"
TITLE = "What the open points change"
LOSS = "spectral"
COLUMNS = tuple(c for c in (*SEGMENTATION, *CALIBRATION) if c.metric in ("DSC", "ECE", "SCE", "TACE"))
#: open points of the evaluation; they need no further training
READINGS = {"case": ("E1", "which voxels count"), "pooled": ("E2", "cases or one pool of voxels")}


def ambiguities(results: Results, experiment: str, experiments: tuple[str, ...] = ()) -> Table:
    """Differences of each trained reading of the spectral loss, and of each protocol, to the default.

    A reading is a method of the loss ``spectral`` with an option off its default. Its difference to the default is
    paired by seed and patient, over the seeds that both have. Protocols are compared on the default's own
    predictions.

    Args:
        results: the study's results.
        experiment: where readings are looked for.
        experiments: further ones; none by default.

    Raises:
        ConfigError: an experiment that the study does not have.
        ResultError: a score that is not finite although its status is ok.
    """
    names = (experiment, *experiments)
    for name in names:
        if name not in results.config.experiments:
            known = choices(results.config.experiments)
            raise ConfigError(f"ambiguities, options.experiments: unknown experiment '{name}'; expected {known}")
    scores = pd.concat([results.scores(name) for name in names]).drop_duplicates(
        ["dataset", "architecture", "method", "seed", "case", "class", "metric", "protocol"]
    )
    read = scores[scores.metric.isin([column.metric for column in COLUMNS])]
    for (dataset, architecture, metric, protocol), block in read.groupby(
        ["dataset", "architecture", "metric", "protocol"], sort=False
    ):
        check_finite(block, f"{dataset}, {architecture}, {metric} ({protocol})")
    wanted = dict.fromkeys((cell.dataset, cell.architecture, cell.method) for n in names for cell in results.cells(n))
    frame = pd.DataFrame([*_readings(results, scores, wanted), *_protocols(scores)], columns=_FIELDS)
    return Table(frame, _markdown(results, names, frame), _latex(results, names, frame))


_FIELDS = ["dataset", "architecture", "method", "point", "question", "reading", "metric", "protocol", "unit",
           "difference", "low", "high", "patients", "seeds", "shortage", "status"]  # fmt: skip


def _readings(results: Results, scores: pd.DataFrame, wanted: Iterable[tuple[str, str, str]]) -> list[dict]:
    points = {row["option"]: (row["id"], row["question"]) for row in _open_points()}
    rows = []
    for dataset, architecture, method in wanted:
        parsed = method_of(results.config, method)
        if parsed.loss != LOSS or not parsed.is_trained or not parsed.options:
            continue
        found = [points.get(option, ("-", option)) for option, _ in parsed.options]
        about = {
            "dataset": dataset,
            "architecture": architecture,
            "method": method,
            "point": ", ".join(point for point, _ in found),
            "question": "; ".join(question for _, question in found),
            "reading": ", ".join(f"{option}={value}" for option, value in parsed.options),
            "protocol": PROTOCOL,
        }
        block = scores[(scores.dataset == dataset) & (scores.architecture == architecture)]
        for column in COLUMNS:
            chosen = block[(block.metric == column.metric) & (block.protocol == PROTOCOL)]
            difference = _paired(chosen[chosen.method == method], chosen[chosen.method == LOSS], column)
            rows.append({**about, "metric": column.metric, "unit": column.unit, **difference})
    return rows


def _open_points() -> list[dict[str, str]]:
    """Open points that are options of the loss: id as in docs/ambiguities.md, question, option."""
    with (PRINTED / "ambiguities.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _protocols(scores: pd.DataFrame) -> list[dict]:
    rows = []
    default = scores[scores.method == LOSS]
    for (dataset, architecture), block in default.groupby(["dataset", "architecture"], sort=False):
        for name, protocol in PROTOCOLS.items():
            if name == PROTOCOL:
                continue
            point, question = READINGS[protocol.aggregation]
            for column in CALIBRATION:
                chosen = block[block.metric == column.metric]
                ours, base = (chosen[chosen.protocol == key] for key in (name, PROTOCOL))
                if not len(ours):
                    continue
                pooled = set(ours.case) == {POOL}
                found = _pooled(ours, base, column) if pooled else _paired(ours, base, column)
                rows.append({"dataset": dataset, "architecture": architecture, "method": LOSS, "point": point,
                             "question": question, "reading": f"protocol {name}", "metric": column.metric,
                             "protocol": name, "unit": column.unit, **found})  # fmt: skip
    return rows


def _paired(ours: pd.DataFrame, base: pd.DataFrame, column: Column) -> dict:
    """Mean difference over seeds and patients; a patient's cases are averaged, seeds that one side lacks left out."""
    seeds = sorted(set(ours.seed) & set(base.seed))
    ours, base = (side[side.seed.isin(seeds) & side.value.notna()] for side in (ours, base))
    both = ours.merge(base, on=["seed", "case", "patient", "class"], suffixes=("", "_default"))
    if not len(both):
        return _nothing(len(seeds))
    both = both.assign(method="difference", value=(both.value - both.value_default) * column.scale)
    by_method, patients = tables(case_means(both), ["difference"])
    found = crossed(by_method["difference"], patients)
    return {"difference": found.estimate, "low": found.low, "high": found.high, "patients": found.patients,
            "seeds": len(seeds), "shortage": found.shortage, "status": "ok"}  # fmt: skip


def _pooled(ours: pd.DataFrame, base: pd.DataFrame, column: Column) -> dict:
    """One value a seed against the mean of the cases: a difference without an interval."""
    seeds = sorted(set(ours.seed) & set(base.seed))
    if not seeds:
        return _nothing(0)
    each = ours.groupby("seed").value.mean() - base.groupby("seed").value.mean()
    return {"difference": float(each[seeds].mean() * column.scale), "low": np.nan, "high": np.nan,
            "patients": base.patient.nunique(), "seeds": len(seeds), "shortage": "", "status": "ok"}  # fmt: skip


def _nothing(seeds: int) -> dict:
    return {"difference": np.nan, "low": np.nan, "high": np.nan, "patients": 0, "seeds": seeds, "shortage": "",
            "status": "missing"}  # fmt: skip


def _texts(results: Results, frame: pd.DataFrame) -> list[tuple[str, list[list[str]]]]:
    """By data set and architecture the rows: point, reading, then a number for each column."""
    blocks, names = [], titles(results, frame.dataset)
    for (dataset, architecture), block in frame.groupby(["dataset", "architecture"], sort=False):
        rows = []
        for (point, reading), entries in block.groupby(["point", "reading"], sort=False):
            cells = {row.metric: row for row in entries.itertuples()}
            rows.append([point, reading, *(_number(cells.get(column.metric), column) for column in COLUMNS)])
        count = block.patients.max()
        blocks.append((f"{names[dataset]}, {architecture} ({count} patient{'' if count == 1 else 's'})", rows))
    return blocks


def _number(row, column: Column) -> str:
    if row is None:
        return ""
    if row.status != "ok":
        return row.status
    text = f"{row.difference:+.{column.decimals}f}"
    if np.isnan(row.low):
        return text
    mark = "*" if (row.low > 0 or row.high < 0) and not row.shortage else ""
    return f"{text}{mark} ({row.low:+.{column.decimals}f} to {row.high:+.{column.decimals}f})"


def _caption(results: Results, names: tuple[str, ...], frame: pd.DataFrame) -> str:
    shown = ", ".join(titles(results, frame.dataset).values())
    seeds = sorted(set(frame.seeds[frame.seeds > 0]))
    counted = " to ".join(dict.fromkeys(map(str, (seeds[0], seeds[-1])))) if seeds else "no"
    plural = "" if seeds == [1] else "s"
    return (
        f"Study {results.config.study}, experiment{'s' * (len(names) > 1)} {', '.join(names)}; {shown}. "
        f"Difference to the default reading of the spectral loss (rows M) or to the protocol '{PROTOCOL}' (rows E), "
        f"mean and 95 % interval over {counted} seed{plural} and patients (over patients alone with one seed), not "
        f"corrected for the number of rows; *: it is without 0, of at least {FEWEST_SEEDS} seeds and "
        f"{FEWEST_PATIENTS} patients. Points as in docs/ambiguities.md."
    )


def _markdown(results: Results, names: tuple[str, ...], frame: pd.DataFrame) -> str:
    parts = [f"# {TITLE}", _caption(results, names, frame)]
    for title, rows in _texts(results, frame):
        lines = [["point", "reading", *map(heading, COLUMNS)], ["---", "---", *["---:"] * len(COLUMNS)]]
        lines += [[cell.replace("*", "\\*") for cell in row] for row in rows]
        parts += [f"## {title}", "\n".join(map(markdown_row, lines))]
    return "\n\n".join(parts) + "\n"


def _latex(results: Results, names: tuple[str, ...], frame: pd.DataFrame) -> str:
    body = [
        (title, [[tex(f"{row[0]} {row[1]}"), *map(tex, row[2:])] for row in rows])
        for title, rows in _texts(results, frame)
    ]
    text = f"{TITLE}. {_caption(results, names, frame)}"
    return latex_table(text, [("difference", len(COLUMNS))], [tex(heading(c)) for c in COLUMNS], body, [])


TABLE = ambiguities
