"""Tables 1 to 6: arms in rows, a block for each network, what is tested in columns, the paper beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from spectralcal.papers.spectral_correlation.arms import printed_method
from spectralcal.papers.spectral_correlation.tested import Entitled, UnderCondition, printed_set, test_set
from spectralcal.report.printed import PaperValue, paper_values
from spectralcal.report.results import Results
from spectralcal.report.summary import Column, summarize
from spectralcal.report.tables.caption import caption
from spectralcal.report.tables.cell import Footnotes, paper_cell
from spectralcal.report.tables.lines import heading, markdown_row
from spectralcal.report.tables.render import Table
from spectralcal.report.tables.rows import Head, latex_rows, markdown_pages, sections

#: joins what a column of the table is: data set, condition, protocol
JOINT = " | "


@dataclass(frozen=True)
class Block:
    """Columns of a table that belong together.

    Attributes:
        dataset, condition: what is tested.
        protocol: of the scores.
        columns: the metrics.
        reading: what the protocol is, for people; empty: the usual one, beside which the paper's numbers stand.
        by_class: the columns name structures.
        always_printed: the paper's numbers stand beside this reading too, as nobody knows which is theirs.
    """

    dataset: str
    condition: str
    protocol: str
    columns: tuple[Column, ...]
    reading: str = ""
    by_class: bool = False
    always_printed: bool = False


def laid_out(results: Results, experiment: str, blocks: Sequence[Block], table: str, title: str) -> Table:
    """A table of blocks.

    Args:
        results: the study's results.
        experiment: its arms are the rows.
        blocks: the columns.
        table: file of printed numbers, ``"table1"``.
        title: heading.

    Raises:
        ResultError: scores that cannot be averaged honestly (:func:`spectralcal.report.summary.summarize`).
    """
    if not blocks:
        return _empty(results, experiment, table, title)
    frames, keys = [], [_key(block) for block in blocks]
    tests = {
        _test(block): (test_set(results, block.dataset, block.condition), results.unit(block.dataset))
        for block in blocks
    }
    for block, key in zip(blocks, keys, strict=True):
        frames.append(_of_block(results, experiment, block, table).assign(key=key, tested=_test(block)))
    frame = pd.concat(frames, ignore_index=True).assign(experiment=experiment)
    footnotes, columns = Footnotes(), {column.metric: column for block in blocks for column in block.columns}
    heads = [head for block in blocks for head in _heads(results, block, tests[_test(block)][0])]
    several = frame.architecture.nunique() > 1
    networks = {(name,): name if several else "" for name in results.config.experiments[experiment].architectures}
    rows = frame.assign(name=frame.label, dataset=frame.key)
    parts = sections(rows, ("architecture",), list(columns.values()), networks, footnotes)
    text = caption(Entitled(results, tests), experiment, frame.assign(dataset=frame.tested), "column")
    readings = dict.fromkeys(f"'{block.protocol}' is {block.reading}" for block in blocks if block.reading)
    text += f" Protocol {'; '.join(readings)}." if readings else ""
    pages = [*markdown_pages(heads, parts), *footnotes.markdown()]
    markdown = "\n\n".join([f"# {title}", text, *pages]) + "\n" + as_printed(results, table)
    latex = latex_rows(f"{title}. {text}", heads, parts, footnotes.latex())
    return Table(frame.drop(columns=["key", "tested"]), markdown, latex)


def as_printed(results: Results, table: str) -> str:
    """The paper's table by itself, its doubtful numbers with their notes, for studies on other data."""
    values = paper_values(results.paper_folder, table)
    footnotes, parts = Footnotes(), ["\n## As printed by the paper\n"]
    methods = list(dict.fromkeys(method for _, _, method in values))
    for dataset in dict.fromkeys(dataset for dataset, _, _ in values):
        metrics = list(dict.fromkeys(metric for name, metric, _ in values if name == dataset))
        rows = [[dataset, *metrics], ["---", *["---:"] * len(metrics)]]
        for method in methods:
            cells = [_printed_cell(values.get((dataset, metric, method)), footnotes) for metric in metrics]
            rows.append([method, *cells])
        parts.append("\n".join(map(markdown_row, rows)) + "\n")
    return "\n".join([*parts, *(f"{note}\n" for note in footnotes.markdown())])


def with_printed(
    frame: pd.DataFrame, columns: Iterable[Column], values: Mapping[tuple[str, str, str], PaperValue], rows: Sequence
) -> pd.DataFrame:
    """A summary with the paper's numbers.

    Args:
        frame: of :func:`spectralcal.report.summary.summarize`.
        columns: its metrics.
        values: the printed table.
        rows: for each row of the frame the paper's names of data set and method, None where it has none.
    """
    scales = {column.metric: column.scale for column in columns}
    cells = [values.get((names[0], metric, names[1])) for names, metric in zip(rows, frame.metric, strict=True)]
    return frame.assign(
        paper_value=[
            cell.scaled(scales[metric]) if cell else None for cell, metric in zip(cells, frame.metric, strict=True)
        ],
        paper_note=[cell.note if cell else "" for cell in cells],
        paper_status=[cell.status if cell else "" for cell in cells],
    ).astype({"paper_value": float})


def _of_block(results: Results, experiment: str, block: Block, table: str) -> pd.DataFrame:
    tested = UnderCondition(results, experiment, block.dataset, block.condition, block.by_class)
    frame = summarize(tested, experiment, block.columns, block.protocol)
    beside = not block.reading or block.always_printed
    printed = None if not beside else printed_set(results, block.dataset, block.condition)
    rows = [
        (printed, printed_method(results, block.dataset, row.architecture, row.method)) for row in frame.itertuples()
    ]
    frame = with_printed(frame, block.columns, paper_values(results.paper_folder, table), rows)
    return frame.assign(condition=block.condition)


def _test(block: Block) -> str:
    return JOINT.join((block.dataset, block.condition))


def _key(block: Block) -> str:
    return JOINT.join((block.dataset, block.condition, block.protocol))


def _heads(results: Results, block: Block, name: str) -> list[Head]:
    page = f"{name}, {block.reading}" if block.reading else name
    unit = "px" if "voxels" in block.reading else results.unit(block.dataset)
    shown = [replace(column, unit=unit) if column.distance else column for column in block.columns]
    return [Head((_key(block), block.protocol, c.metric), page, heading(c), page, heading(c)) for c in shown]


def _printed_cell(value: PaperValue | None, footnotes: Footnotes) -> str:
    if value is None:
        return ""
    row = {"paper_status": value.status, "paper_note": value.note, "paper_value": value.value}
    return paper_cell(row, Column("", 1.0, "", 2), footnotes).markdown


def _empty(results: Results, experiment: str, table: str, title: str) -> Table:
    """A table of a study that tests nothing of the kind."""
    said = (
        f"Study {results.config.study}, experiment {experiment}: no condition of this kind "
        "(evaluation.conditions), so there is nothing of ours to show."
    )
    frame = pd.DataFrame(columns=["dataset", "condition", "architecture", "method", "metric", "protocol", "status"])
    return Table(frame, f"# {title}\n\n{said}\n{as_printed(results, table)}", f"% {said}\n")
