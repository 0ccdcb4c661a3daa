"""Does a higher spectral entropy mean better calibration? Transformations of a true posterior, path by path.

A construction from first principles: it reads no results (:mod:`spectralcal.papers.spectral_entropy.transformed`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from spectralcal.papers.spectral_entropy import transformed
from spectralcal.report.results import Results
from spectralcal.report.tables.cell import tex
from spectralcal.report.tables.lines import markdown_row
from spectralcal.report.tables.render import Table, latex_table

TITLE = "Spectral entropy and true calibration error, from first principles"
#: it shows no study: the same numbers for every study and experiment
CONSTRUCTED = True
HEADS = ("strength", "H of max. logit", "H of max. prob.", "calibration error ×10⁻³", "gap ×10⁻³",
         "higher H of max. logit", "higher H of max. prob.")  # fmt: skip
#: in a cell: what a higher entropy goes with
SHORT = {"better": "better", "worse": "worse", "mixed": "both", "none": "-"}


def mechanism(
    results: Results, experiment: str, *, cases: int = 8, side: int = 40, bands: int = 5, seed: int = 0
) -> Table:
    """Entropies and true calibration error at the start and at the end of each path away from a true posterior.

    Args:
        results: named in the caption; none of its numbers is read.
        experiment: the same.
        cases: phantoms that means are taken over.
        side: their edge in voxels.
        bands: shells K.
        seed: of phantoms and noise.
    """
    frame = transformed.frame(cases, side, bands, seed)
    rows = _rows(frame)
    caption = (
        f"Study {results.config.study}, experiment {experiment}; a construction that reads none of its cells. The true "
        f"posterior of {cases} phantoms ({side}³ voxels) is changed in one way at a time. H: spectral entropy in nats, "
        f"{bands} bands, at most {np.log(bands):.2f}. Calibration error: E|E[q|p] - p|, mean over classes, with the "
        "posterior q in the place of labels. Gap: confidence - accuracy. Last two columns: what a higher entropy goes "
        "with along the path: better or worse calibration, both in turn, or nothing (-)."
    )
    lines = [["", *HEADS], ["---", *["---:"] * len(HEADS)], *rows]
    markdown = "\n\n".join([f"# {TITLE}", caption, "\n".join(map(markdown_row, lines))]) + "\n"
    body = [("", [[tex(cell) for cell in row] for row in rows])]
    heads = [tex(head) for head in HEADS]
    latex = latex_table(
        f"{TITLE}. {caption}", [("from the posterior to the end of the path", len(HEADS))], heads, body, []
    )
    return Table(frame, markdown, latex)


def _rows(frame: pd.DataFrame) -> list[list[str]]:
    rows = []
    for leg in transformed.legs(frame).itertuples():
        path = frame.loc[leg.rows]
        start, end = path[path.neutral].iloc[0], path.iloc[0] if path.neutral.iloc[-1] else path.iloc[-1]
        rows.append(
            [
                leg.leg,
                f"{start.parameter} {start.strength:g} to {end.strength:g}",
                _change(start.entropy_max_logit, end.entropy_max_logit, 2),
                _change(start.entropy_max_prob, end.entropy_max_prob, 2),
                _change(1e3 * start.calibration_error, 1e3 * end.calibration_error, 1),
                _change(1e3 * start.gap, 1e3 * end.gap, 1),
                SHORT[leg.entropy_max_logit],
                SHORT[leg.entropy_max_prob],
            ]
        )
    return rows


def _change(start: float, end: float, decimals: int) -> str:
    """``1.38 to 0.26``; a number that does not move is printed once."""
    first, last = (f"{round(value, decimals) + 0.0:.{decimals}f}" for value in (start, end))
    return first if first == last else f"{first} to {last}"


TABLE = mechanism
