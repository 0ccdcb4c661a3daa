"""Tables with methods in rows and every protocol side by side in columns, one for each data set and metric."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from spectralcal.metrics.floor import FLOOR
from spectralcal.metrics.from_bins import BOUND
from spectralcal.metrics.protocols import PROTOCOLS
from spectralcal.report.leader import NOTHING
from spectralcal.report.results import Results
from spectralcal.report.summary import Column, summarize
from spectralcal.report.tables.caption import caption, titles
from spectralcal.report.tables.cell import Cell, Footnotes
from spectralcal.report.tables.lines import Line, heading
from spectralcal.report.tables.render import Table
from spectralcal.report.tables.rows import Head, latex_rows, markdown_pages, sections

FLOORS = (
    "floor: what a calibrated network with the same probabilities would show in a region that the labels choose; a "
    "value says something about calibration only relative to its floor."
)


def by_protocol(
    results: Results,
    experiment: str,
    columns: Sequence[Column],
    title: str,
    signed: Collection[str] = (),
    note: str = "",
) -> Table:
    """Metrics of an experiment under every protocol that scored them, the headline protocols first.

    Beside a value of a region that labels choose stands its floor, where it is known
    (:mod:`spectralcal.metrics.floor`). Numbers that follow from stored bins (:mod:`spectralcal.metrics.from_bins`) are
    known within a bound; the largest is said in the caption.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        columns: the metrics in order, all of one unit.
        title: heading.
        signed: metrics of both signs, for which neither higher nor lower is better: no rank, no emphasis, no mark, a
            minus sign, and an interval without a dash.
        note: sentences about the metrics, for the caption.

    Raises:
        ResultError: scores that cannot be averaged honestly (see :func:`spectralcal.report.summary.summarize`).
    """
    scores = results.scores(experiment)
    given = set(zip(scores.metric, scores.protocol, strict=True))
    floors = {column.metric: replace(column, metric=column.metric + FLOOR) for column in columns}
    shown = {name: _scored(columns, name, given) for name in _ordered(results)}
    shown = {name: kept for name, kept in shown.items() if kept}
    frames = []
    for name, kept in shown.items():
        frames.append(summarize(results, experiment, kept, name))
        beside = [floors[one.metric] for one in kept if (one.metric + FLOOR, name) in given]
        if beside:
            frames.append(_unranked(summarize(results, experiment, beside, name)).assign(low=np.nan, high=np.nan))
    frame = pd.concat(frames, ignore_index=True)
    signed = {*signed, *(metric + FLOOR for metric in signed)}
    kept = frame.metric.isin(list(signed))
    types = frame.dtypes
    frame = pd.concat([frame[~kept], _unranked(frame[kept])]).sort_index().astype(types)
    names, footnotes = titles(results, frame.dataset), Footnotes()
    floored = frame.metric.isin([column.metric for column in floors.values()])
    parts = [note, _meaning(shown), FLOORS if floored.any() else "", _bounds(scores, columns)]
    said = " ".join(filter(None, parts))
    markdown, latex = [], []
    for dataset, printed in names.items():
        rows = frame[frame.dataset == dataset].assign(name=lambda kept: kept.label)
        architectures = dict.fromkeys(rows.architecture)
        named = {(a,): a if len(architectures) > 1 else "" for a in architectures}
        blocks = sections(rows, ("architecture",), [*columns, *floors.values()], named, footnotes)
        blocks = [replace(section, lines=[_signed(line, signed) for line in section.lines]) for section in blocks]
        heads = []
        for name, kept in shown.items():
            for column in kept:
                text = _signed_heading(column) if column.metric in signed else heading(column)
                page = f"{printed}, {text}"
                # In LaTeX a unit in each of a dozen columns would leave no room for numbers.
                heads.append(Head((dataset, name, column.metric), page, name, name, text.partition(" (")[0]))
                floor = column.metric + FLOOR
                if ((frame.protocol == name) & (frame.metric == floor)).any():
                    heads.append(Head((dataset, name, floor), page, f"{name}, floor", name, "floor"))
        markdown += markdown_pages(heads, blocks)
        text = f"{caption(results, experiment, rows, 'column')} {said}"
        text = f"{title}, {printed}; all numbers {columns[0].unit}. {text}"
        latex.append(latex_rows(text, heads, blocks, footnotes.latex()))
    text = f"{caption(results, experiment, frame, 'column')} {said}"
    return Table(frame, "\n\n".join([f"# {title}", text, *markdown]) + "\n", "\n".join(latex))


def _ordered(results: Results) -> list[str]:
    """All protocols, those of the headline first."""
    return [*results.headline, *(name for name in PROTOCOLS if name not in results.headline)]


def _scored(columns: Sequence[Column], protocol: str, given: Collection[tuple[str, str]]) -> list[Column]:
    """Columns that are scored under a protocol; all where nothing is scored at all."""
    return [column for column in columns if (column.metric, protocol) in given or not given]


def _unranked(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of numbers for which neither higher nor lower is better."""
    frame = frame.copy()
    frame[["rank", *NOTHING]] = [pd.NA, *NOTHING.values()]
    return frame


def _bounds(scores: pd.DataFrame, columns: Sequence[Column]) -> str:
    """How far numbers that follow from stored bins can be off, in the units of their columns."""
    said = []
    for column in columns:
        for metric, name in ((column.metric, ""), (column.metric + FLOOR, ", floor")):
            rows = scores[(scores.metric == metric + BOUND) & np.isfinite(scores.value)]
            keys = ["dataset", "architecture", "method", "seed"]
            for protocol, mine in rows.groupby("protocol", sort=False):
                most = column.scale * mine.groupby(keys).value.mean().max()
                said.append(f"{column.metric.replace('_', ' ')} of '{protocol}'{name} {most:.{column.decimals}f}")
    return f"Derived from stored bins, a cell's mean is off by at most: {', '.join(said)}." if said else ""


def _meaning(shown: Iterable[str]) -> str:
    return "Protocols: " + "; ".join(f"'{name}': {PROTOCOLS[name].source}" for name in shown) + "."


def _signed_heading(column: Column) -> str:
    """A heading without an arrow."""
    return f"{column.metric.replace('_', ' ')} ({column.unit})"


def _signed(line: Line, metrics: Collection[str]) -> Line:
    """The line with its numbers of these metrics as numbers of both signs are printed."""
    cells = {key: _with_minus(cell) if key[-1] in metrics else cell for key, cell in line.cells.items()}
    return replace(line, cells=cells)


def _with_minus(cell: Cell) -> Cell:
    """``-7.4–-5.1`` as ``−7.4 to −5.1``; a negative number that is printed as zero has no sign."""

    def plain(text: str, dash: str, minus: str) -> str:
        text = re.sub(rf"(?<=\d){dash}(?=-?\d)", " to ", text)
        return re.sub(r"-(?=\d)", minus, re.sub(r"-(?=0(?:\.0+)?(?![\d.]))", "", text))

    return Cell(plain(cell.markdown, "–", "−"), plain(cell.latex, "--", "$-$"))
