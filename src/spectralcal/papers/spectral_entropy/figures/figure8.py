"""The paper's Figure 8: high frequencies of cross-entropy's logits, and where the other network is less confident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spectralcal.base.errors import ConfigError, choices
from spectralcal.report.figures.axes import panel_title, place, say_missing
from spectralcal.report.figures.choose import counted, missing_note, opening, pick
from spectralcal.report.figures.drawn import Drawn
from spectralcal.report.figures.hotspots import compared_methods, hotspot_frame, shown_view
from spectralcal.report.figures.hotspots_draw import draw_correlations, draw_joint, draw_row
from spectralcal.report.figures.intervals import over_what
from spectralcal.report.figures.slices import SliceView
from spectralcal.report.figures.text import names_width
from spectralcal.report.results import Results
from spectralcal.report.style import TWO_COLUMNS, Style, size
from spectralcal.study.methods import canonical_method

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "High-frequency components, hotspots and confidence differences"
NEEDS = ("hotspots",)
COEFFICIENTS = {"spearman": "Spearman's ρ", "pearson": "Pearson's r"}
#: lengths in mm: height of the joint histogram, of a method's row beside it, and of the images with their scales
JOINT, ROW, IMAGES = 42.0, 4.2, 62.0


def figure8(
    results: Results,
    experiment: str,
    *,
    dataset: str = "",
    architecture: str = "",
    method: str = "spectral",
    coefficient: str = "spearman",
) -> Drawn:
    """High-frequency power, hotspots and confidence difference on one slice; their correlation over all test cases.

    Definitions, and what the null holds fixed: :mod:`spectralcal.scoring.hotspots`.

    Args:
        results: the study's results.
        experiment: name of the experiment.
        dataset: data set to show; empty: the experiment's first (the paper shows one case of BraTS2020).
        architecture: architecture to show; empty: the experiment's first.
        method: compared with cross-entropy in panels (c) and (d).
        coefficient: "spearman" or "pearson".
    """
    dataset = pick(results, experiment, "datasets", dataset)
    architecture = pick(results, experiment, "architectures", architecture)
    method = canonical_method(method, results.config.methods, "figure8, options.method")
    if coefficient not in COEFFICIENTS:
        raise ConfigError(
            f"figure8, options.coefficient: expected {choices(list(COEFFICIENTS))}, received '{coefficient}'"
        )
    table = hotspot_frame(results, experiment, dataset, architecture, method, coefficient)
    place = ("hotspots", dataset, architecture, results.config.experiments[experiment].seeds[0])
    arrays = results.probe(*place) or results.probe_numbers(*place) or {}
    view = shown_view(arrays, method)
    label = results.label(method)
    missing = list(dict.fromkeys(table[table.status == "missing"].label))
    if method not in compared_methods(results, experiment) and label not in missing:
        missing.append(label)
    cases = int(np.nanmax(table.cases, initial=0))
    text = (
        f"{opening(results, experiment, [dataset], architecture)} {_shown(view, arrays)} (a) Power of the maximum "
        f"logit's high frequencies; grey: removed. (b) The map reconstructed from them, in logits: hotspots. (c) "
        f"Confidence of CE minus {label}. (d) Voxels of {counted(cases, f'{results.side} case')} by strength of the "
        f"hotspot (in root mean squares of the case) and confidence difference of CE and {label}; line and band: "
        f"mean with 95 % interval {over_what(table[table.level != 'case'].seeds)}; dashed: its expectation if voxels "
        f"at the same distance to the boundary change places. (e), (f) {COEFFICIENTS[coefficient]} of difference and "
        "strength, signed and in magnitude; small: cases; large: mean with its 95 % interval; bar: the null's mean. "
        "CE's own noise is in both maps, so (e) is expected to be positive for any other network, and less so for one "
        "of the same seed, which shares CE's initial weights and batches: compare methods with CE where both are of "
        "another seed."
        f"{_errors(table)}{missing_note(missing)}"
    )
    return Drawn(draw(table, results.style, view, arrays, label), table, text)


def draw(
    table: pd.DataFrame, style: Style, view: SliceView | None, arrays: Mapping[str, np.ndarray], label: str
) -> Figure:
    """Images above, numbers below.

    Args:
        table: of :func:`spectralcal.report.figures.hotspots.hotspot_frame`.
        style: looks of methods.
        view: the slice, None if there is none.
        arrays: ``shown_spectrum`` (H, W) and ``cutoff``, if there is a slice.
        label: printed name of the method in (c) and (d).
    """
    import matplotlib.pyplot as plt

    means = table[(table.level == "mean") & (table.target == "difference")]
    methods = dict(zip(means.method, means.label, strict=True))
    height = max(JOINT, ROW * len(methods))
    figure = plt.figure(figsize=size(TWO_COLUMNS, IMAGES + height + 15))
    draw_row(figure, view, arrays, f"CE − {label}")
    joint = place(figure, 13, IMAGES, 52, height)
    panel_title(joint, "d", f"all cases, CE − {label}")
    draw_joint(figure, joint, table, style.looks(["spectral"])["spectral"].color)
    left, names, gap = 76.0, names_width(methods.values()) + 2.0, 3.0
    width = (TWO_COLUMNS - left - names - gap - 2) / 2
    for column, (letter, strength) in enumerate((("e", "signed"), ("f", "magnitude"))):
        axes = place(figure, left + names + column * (width + gap), IMAGES, width, height)
        panel_title(axes, letter, strength)
        if means.empty:
            say_missing(axes)
            continue
        draw_correlations(axes, table, style, methods, strength, first=column == 0)
        axes.set_xlabel(
            COEFFICIENTS.get(str(table.coefficient.dropna().iloc[0]), "") if "ok" in set(means.status) else ""
        )
    return figure


def _shown(view: SliceView | None, arrays: Mapping[str, np.ndarray]) -> str:
    if view is None and len(arrays.get("cases", ())):
        return f"Without images: shared numbers. Frequencies above {float(arrays['cutoff']):g} cycles/voxel."
    if view is None:
        return "No case has been measured."
    return (
        f"Case {view.case} ({view.rule}), slice {int(arrays['shown_slice'])} with the largest reference area of the "
        f"patch, first seed; contour: reference. Frequencies above {float(arrays['cutoff']):g} cycles/voxel."
    )


def _errors(table: pd.DataFrame) -> str:
    """How the hotspots' magnitude relates to CE's errors, in a sentence."""
    rows = table[(table.level == "mean") & (table.target == "error") & (table.strength == "magnitude")]
    if rows.empty or rows.status.iloc[0] != "ok":
        return ""
    row = rows.iloc[0]
    interval = f" ({row.excess_low:.3f} to {row.excess_high:.3f})" if np.isfinite(row.excess_low) else ""
    return f" Magnitude and CE's errors correlate with {row.value:.3f}, {row.excess:.3f}{interval} above the null."


FIGURE = figure8
