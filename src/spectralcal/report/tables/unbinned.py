"""Calibration without bins, proper scores in their parts, and the ranking of voxels: what one ECE does not say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from spectralcal.report.figures.choose import chosen_cells, patients_of, region_of
from spectralcal.report.measures import MEASURES, Measure, measures, patient_bins
from spectralcal.report.results import Results
from spectralcal.report.tables.caption import titles
from spectralcal.report.tables.cell import EMPTY, Cell, tex
from spectralcal.report.tables.lines import Line
from spectralcal.report.tables.render import Table
from spectralcal.report.tables.rows import Head, Section, latex_rows, markdown_pages
from spectralcal.study.grid import Cell as StudyCell

TITLE = "Unbinned calibration, proper scores in parts, and ranking"
SEEDS = "seeds"
REGIONS = {"all": "all voxels", "reference": "reference foreground", "union": "union of foregrounds"}
NOTE = (
    "All of the top label. ECE: 15 equal-width bins; smooth ECE: smoothed by a kernel as wide as the error itself "
    "(Blasiok and Nakkiran 2024); KS: largest accumulated difference (Gupta et al. 2021); isotonic: mean distance to "
    "the isotonic recalibration, whose bins the labels choose (CORP, Dimitriadis et al. 2021); hidden by bins: share "
    "of it that the ECE does not show, negative where bins show more; debiased RMS: root of the squared error over "
    "those bins less what chance adds to it if patients are independent (voxels are not), 0 where chance explains all "
    "of it. Brier: over all classes; log score: of the top label being right, in nats; calibration of a score is what "
    "isotonic recalibration would gain, refinement what would be left. AURC and AUGRC: area under the selective and "
    "the generalised risk over coverage, voxels by falling confidence, ties in random order; both grow with the error "
    "rate, and no increasing map of confidence changes them. Values are those of the published curve; the docstrings "
    "of spectralcal.metrics say how near they are to those of the voxels."
)


def unbinned(results: Results, experiment: str, *, regions: tuple[str, ...] = ("all", "union")) -> Table:
    """Measures of every cell from its published curve, pooled over cases: mean over seeds, and every seed below it.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        regions: voxel regions to show.

    Raises:
        ResultError: a region was not scored.
    """
    frame = _frame(results, experiment, regions)
    names, printed = titles(results, frame.dataset), [m for group in MEASURES.values() for m in group]
    text = _caption(results, experiment, frame)
    markdown, sections = [f"# {TITLE}", text], []
    for (dataset, region), rows in frame.groupby(["dataset", "region"], sort=False):
        title = f"{names[dataset]}, {REGIONS.get(region, region)}"
        blocks = dict(iter(rows.groupby("architecture", sort=False)))
        parts = [
            Section(name if len(blocks) > 1 else "", list(_lines(block, printed))) for name, block in blocks.items()
        ]
        heads = [head for group in MEASURES for head in _heads(group, f"{title}: {group}")]
        markdown += markdown_pages(heads, parts)
        sections += [replace(section, title=", ".join(filter(None, [title, section.title]))) for section in parts]
    latex = [
        latex_rows(f"{TITLE}: {group}. {text}", _heads(group, group), sections, []) for group in MEASURES
    ]  # a float of every measure would be too wide to read
    return Table(frame, "\n\n".join(markdown) + "\n", "\n".join(latex))


def _heads(group: str, page: str) -> list[Head]:
    # In LaTeX the usual unit stands once, above the columns.
    usual, named = MEASURES[group][0].unit, [_heading(m) for m in MEASURES[group]]
    span = f"{group} ({usual})"
    return [
        Head(m.name, page, text, span, text.removesuffix(f" ({usual})"))
        for m, text in zip(MEASURES[group], named, strict=True)
    ]


def _frame(results: Results, experiment: str, regions: tuple[str, ...]) -> pd.DataFrame:
    """One row for each cell, region and measure: dataset, architecture, region, method, label, seed, metric, unit,
    value, status.
    """
    grid = results.config.experiments[experiment]
    rows = []
    for dataset in grid.datasets:
        patients = patients_of(results, experiment, dataset)
        for region in regions:
            for architecture in grid.architectures:
                for method, cells in chosen_cells(results, experiment, dataset, architecture).items():
                    for cell in cells:
                        values = _measured(results, cell, region, patients)
                        identity = {"dataset": dataset, "architecture": architecture, "region": region,
                                    "method": method, "label": results.label(method), "seed": cell.seed}  # fmt: skip
                        rows += [
                            {**identity, "metric": m.name, "unit": m.unit,
                             "value": values.get(m.name, np.nan) * m.scale, "status": "ok" if values else "missing"}
                            for group in MEASURES.values() for m in group
                        ]  # fmt: skip
    return pd.DataFrame(rows)


def _measured(results: Results, cell: StudyCell, region: str, patients: dict[str, str]) -> dict[str, float]:
    histogram = region_of(results, cell, region)
    if histogram is None:
        return {}
    return measures(histogram, patient_bins(results.case_calibration(cell, region), patients))


def _lines(rows: pd.DataFrame, printed: list[Measure]) -> Iterator[Line]:
    """A line for each method, and one below it with every seed where there are several."""
    places = {m.name: _places(rows[rows.metric == m.name], m) for m in printed}
    for method, mine in rows.groupby("method", sort=False):
        by_measure = dict(iter(mine.groupby("metric", sort=False)))
        label = mine.label.iloc[0]
        yield Line(label, {m.name: _mean(by_measure[m.name], m, places[m.name].get(method)) for m in printed})
        if len(mine.seed.unique()) > 1 and (mine.status == "ok").any():
            yield Line(SEEDS, {m.name: _each(by_measure[m.name], m) for m in printed}, below=True)


def _places(rows: pd.DataFrame, measure: Measure) -> dict[str, int]:
    """Rank of each method by its printed mean; none where all are equal or neither end is better."""
    means = rows.groupby("method", sort=False).value.mean().dropna()
    if not measure.better or len(means) < 2:
        return {}
    text = means.map(lambda value: float(f"{value:.{measure.decimals}f}"))
    ranks = text.rank(method="dense", ascending=measure.better == "lower").astype(int)
    return ranks.to_dict() if ranks.nunique() > 1 else {}


def _mean(rows: pd.DataFrame, measure: Measure, place: int | None) -> Cell:
    values = rows.value.dropna()
    if values.empty:
        word = "missing" if (rows.status == "missing").all() else "undefined"
        return Cell(word, f"\\textit{{{word}}}")
    text = f"{values.mean():.{measure.decimals}f}"
    lacking = f" †{(rows.status == 'ok').sum()}/{len(rows)}" if (rows.status != "ok").any() else ""
    plain, raised = _signs(text), _signs(text, "$-$")
    if place == 1:
        plain, raised = f"**{plain}**", f"\\textbf{{{raised}}}"
    elif place == 2:
        plain, raised = f"*{plain}*", f"\\textit{{{raised}}}"
    return Cell(plain + lacking, raised + tex(lacking))


def _each(rows: pd.DataFrame, measure: Measure) -> Cell:
    values = rows[rows.status == "ok"].value
    if values.empty:
        return EMPTY
    texts = ["–" if np.isnan(value) else f"{value:.{measure.decimals}f}" for value in values]
    plain = ", ".join(texts)
    return Cell(_signs(plain), f"{{\\scriptsize {_signs(tex(plain), '$-$')}}}")


def _signs(text: str, minus: str = "−") -> str:
    """Minus signs instead of hyphens, none before a printed zero."""
    parts = (part[1:] if part.startswith("-") and not part.strip("-0.") else part for part in text.split(", "))
    return ", ".join(minus + part[1:] if part[:1] == "-" and part[1:2].isdigit() else part for part in parts)


def _heading(measure: Measure) -> str:
    arrow = {"lower": " ↓", "higher": " ↑", "": ""}[measure.better]
    return f"{measure.heading}{arrow} ({measure.unit})"


def _caption(results: Results, experiment: str, frame: pd.DataFrame) -> str:
    seeds = list(dict.fromkeys(frame.seed))
    listed = ", ".join(map(str, seeds))
    spread = (
        f"Mean over {len(seeds)} seeds ({listed}), every seed below"
        if len(seeds) > 1
        else f"Values of one seed ({listed})"
    )
    said = [
        f"Study {results.config.study}, experiment {experiment}.",
        f"{spread}; the {results.side} voxels of a seed are one pool, so there is no interval over patients.",
        "Bold: best mean of a column, italics: second best, as printed; neither says that methods differ.",
    ]
    gone = frame[frame.status == "missing"].groupby("method").seed.nunique()
    if len(gone):
        said.append("† n/m: n of m seeds are available; missing: none.")
    return " ".join([*said, NOTE])


TABLE = unbinned
