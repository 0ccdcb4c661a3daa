"""Tables 1 to 6: arms in rows, a block for each network, and what is tested in columns, the paper's numbers below ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from spectralcal.papers.spectral_correlation.arms import printed_method
from spectralcal.papers.spectral_correlation.tested import Entitled, Tested, printed_set, test_set
from spectralcal.report.printed import PaperValue, paper_values
from spectralcal.report.results import Results
from spectralcal.report.summary import Column, summarize
from spectralcal.report.tables.by_setting import by_setting
from spectralcal.report.tables.cell import Footnotes, paper_cell
from spectralcal.report.tables.lines import markdown_row
from spectralcal.report.tables.render import Table

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
    frames, titles = [], {}
    for block in blocks:
        key = JOINT.join((block.dataset, block.condition, block.protocol))
        unit = "px" if "voxels" in block.reading else results.unit(block.dataset)
        name = test_set(results, block.dataset, block.condition)
        titles[key] = f"{name}, {block.reading}" if block.reading else name, unit
        frames.append(_of_block(results, experiment, block, table).assign(dataset=key))
    if not frames:
        return _empty(results, experiment, table, title)
    frame = pd.concat(frames, ignore_index=True).assign(experiment=experiment)
    columns = list({column.metric: column for block in blocks for column in block.columns}.values())
    made = by_setting(Entitled(results, titles), frame.assign(name=frame.label), columns, title, {experiment: ""})
    frame = made.frame.assign(**dict(zip(("dataset", "condition"), _split(made.frame.dataset), strict=True)))
    return replace(made, frame=frame, markdown=made.markdown + as_printed(results, table))


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
    tested = Tested(results, experiment, block.dataset, block.condition, block.by_class)
    frame = summarize(tested, experiment, block.columns, block.protocol)
    beside = not block.reading or block.always_printed
    printed = None if not beside else printed_set(results, block.dataset, block.condition)
    rows = [
        (printed, printed_method(results, block.dataset, row.architecture, row.method)) for row in frame.itertuples()
    ]
    return with_printed(frame, block.columns, paper_values(results.paper_folder, table), rows)


def _split(names: pd.Series) -> tuple[pd.Series, pd.Series]:
    parts = names.str.split(JOINT, regex=False)
    return parts.str[0], parts.str[1]


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
