"""What a method costs: time of a training step, memory and parameters, by architecture."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spectralcal.report.results import Results
from spectralcal.report.tables.caption import titles
from spectralcal.report.tables.cell import tex
from spectralcal.report.tables.lines import markdown_row
from spectralcal.report.tables.render import Table, latex_table
from spectralcal.study.grid import Cell, is_trained

TITLE = "Cost of the methods"
#: column of the frame -> printed heading, in which `baseline` is a label, and decimals
COLUMNS = {
    "step_ms": ("step (ms)", 0),
    "step_ratio": ("step / {baseline}", 2),
    "peak_memory_mb": ("peak memory (MiB)", 0),
    "training_s": ("training (s)", 0),
    "scoring_s": ("scoring (s)", 1),
    "parameters_m": ("parameters (M)", 2),
}


def efficiency(results: Results, experiment: str) -> Table:
    """Mean cost over seeds, as measured while the study ran.

    A step is a training run's seconds, validation and log included, over its steps; a resumed run counts its own time.
    Cells of one machine share it, so that differences of some per cent are noise: the ratio to the baseline pairs
    seeds and is the median. Post-hoc steps and ensembles train nothing and have no row.

    Args:
        results: the study's results.
        experiment: name of the experiment.
    """
    trained = [cell for cell in results.cells(experiment) if is_trained(results.config, cell)]
    each = pd.DataFrame([{**vars(cell), **_cost(results, cell)} for cell in trained])
    base = each[each.method == results.baseline(experiment)].set_index(["dataset", "architecture", "seed"]).step_ms
    keys = pd.MultiIndex.from_frame(each[["dataset", "architecture", "seed"]])
    each["step_ratio"] = each.step_ms / base.reindex(keys).to_numpy()
    groups = each.groupby(["dataset", "architecture", "method"], sort=False)
    frame = groups[[name for name in COLUMNS if name != "step_ratio"]].mean()
    frame["step_ratio"] = groups.step_ratio.median()
    frame["cells"] = groups.step_ms.count()
    frame["cells_expected"] = groups.size()
    share = frame.cells / frame.cells_expected
    frame["status"] = share.map(lambda values: "ok" if values == 1 else "incomplete" if values else "missing")
    frame["devices"] = groups.device.agg(lambda values: ", ".join(sorted({name for name in values if name})))
    frame = frame.reset_index()
    frame.insert(3, "label", frame.method.map(results.label))
    methods = results.ordered_methods(experiment)
    frame = frame.sort_values("method", key=lambda column: column.map(methods.index), kind="stable")
    text = _caption(results, experiment, frame)
    baseline = results.label(results.baseline(experiment))
    heads = [head.format(baseline=baseline) for head, _ in COLUMNS.values()]
    printed = (form(results, frame, text, heads) for form in (_markdown, _latex))
    return Table(frame.reset_index(drop=True), *printed)


def _cost(results: Results, cell: Cell) -> dict[str, float | str]:
    run, network, scored = results.run(cell), results.network(cell), results.evaluation(cell)
    nan = float("nan")
    run, network, scored = run or {}, network or {}, scored or {}
    steps = run.get("settings", {}).get("training", {}).get("steps", nan)
    return {
        "step_ms": 1e3 * run.get("seconds", nan) / steps,
        "training_s": run.get("seconds", nan),
        "peak_memory_mb": run.get("peak_gpu_memory_mb", run.get("peak_memory_mb", nan)),
        "parameters_m": network.get("parameters", nan) / 1e6,
        "scoring_s": scored.get("seconds", nan),
        "device": run.get("device", ""),
    }


def _caption(results: Results, experiment: str, frame: pd.DataFrame) -> str:
    devices = "; ".join(sorted({name for name in frame.devices if name})) or "none"
    unrecorded = int((frame.cells_expected - frame.cells).sum())
    missing = f" Cells without a training on record: {unrecorded}." if unrecorded else ""
    return (
        f"Study {results.config.study}, experiment {experiment}; mean over seeds, ratio to "
        f"{results.label(results.baseline(experiment))} as the median of seeds. Measured while the study ran, beside "
        f"other cells, on: {devices}. Peak memory is that of the process, or of the GPU where there was one.{missing}"
    )


def _blocks(results: Results, frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    names = titles(results, frame.dataset)
    groups = frame.groupby(["dataset", "architecture"], sort=False)
    return [(f"{names[dataset]}, {architecture}", rows) for (dataset, architecture), rows in groups]


def _cells(row: dict) -> list[str]:
    values = [(row[name], decimals) for name, (_, decimals) in COLUMNS.items()]
    return ["missing" if np.isnan(value) else f"{value:.{decimals}f}" for value, decimals in values]


def _markdown(results: Results, frame: pd.DataFrame, caption: str, heads: list[str]) -> str:
    parts = [f"# {TITLE}", caption]
    for title, rows in _blocks(results, frame):
        lines = [[title, *heads], ["---", *["---:"] * len(COLUMNS)]]
        lines += [[row["label"], *_cells(row)] for row in rows.to_dict("records")]
        parts.append("\n".join(map(markdown_row, lines)))
    return "\n\n".join(parts) + "\n"


def _latex(results: Results, frame: pd.DataFrame, caption: str, heads: list[str]) -> str:
    body = [
        (title, [[tex(row["label"]), *map(tex, _cells(row))] for row in rows.to_dict("records")])
        for title, rows in _blocks(results, frame)
    ]
    return latex_table(f"{TITLE}. {caption}", [("cost", len(heads))], list(map(tex, heads)), body, [])


TABLE = efficiency
