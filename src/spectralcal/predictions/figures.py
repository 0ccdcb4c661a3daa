"""Drawings of the stored arrays, a panel each: PDF and PNG as files, SVG for the page."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spectralcal.base.files import write_bytes
from spectralcal.predictions.unbinned import REGIONS, pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: width and height of a panel in mm
PANEL = (85.0, 78.0)
_BLUE, _ORANGE = "#1f6fb4", "#d9772b"
#: label -> prefix in calibration.npz; of the first a calibrated network has no gap
BANDS = {"by the predicted boundary": "predicted_distance", "by the reference's boundary": "distance"}


@dataclass(frozen=True)
class Panel:
    """A drawing.

    Attributes:
        name: of its files.
        caption: what it shows.
        svg: itself.
    """

    name: str
    caption: str
    svg: str


def draw_all(arrays: Mapping[str, np.ndarray], regions: Sequence[str], folder: Path) -> list[Panel]:
    """Reliability of each region, boundary bands and risk over coverage; files go to `folder`.

    Args:
        arrays: of calibration.npz.
        regions: whose voxels are counted; those without any are left out.
        folder: new or empty.
    """
    from spectralcal.report.style import use_style

    use_style()
    histograms = {region: pooled(arrays, region) for region in regions}
    panels = []
    for region, histogram in histograms.items():
        if histogram.count:
            panels.append(_panel(f"reliability-{region}", _reliability(arrays, region), _said(region), folder))
    sums = {label: _band_sums(arrays, prefix) for label, prefix in BANDS.items()}
    sums = {label: one for label, one in sums.items() if one["count"].any()}
    if sums:
        panels.append(_panel("boundary-bands", lambda ax: _bands(ax, sums), _BANDS_SAID, folder))
    if filled := {region: histogram for region, histogram in histograms.items() if histogram.count}:
        panels.append(_panel("risk-coverage", lambda ax: _risk(ax, filled), _RISK_SAID, folder))
    return panels


_BANDS_SAID = (
    "Mean confidence minus accuracy by distance to the boundary; above 0 is overconfident. By the predicted boundary a "
    "calibrated network has no gap in any band; by the reference's it has one, because the labels choose the bands."
)
_RISK_SAID = (
    "Share of wrong voxels among the most confident ones. Dashed: if confidence were random. No increasing map of "
    "confidence, such as a temperature, changes the order by much."
)


def _said(region: str) -> str:
    return (
        f"Reliability, {REGIONS[region]}: accuracy against confidence of the most probable class in 15 bins, all cases "
        "pooled. Bars: share of voxels; open markers: fewer than 100 voxels. Thin lines: single cases (at most 40)."
    )


def _panel(name: str, draw: Callable[[Axes], None], caption: str, folder: Path) -> Panel:
    from matplotlib.figure import Figure

    from spectralcal.report.style import size

    figure = Figure(figsize=size(*PANEL), layout="constrained")
    draw(figure.add_subplot())
    contents = {}
    for kind, options in (("pdf", {"metadata": {"CreationDate": None}}), ("png", {"dpi": 220}),
                          ("svg", {"metadata": {"Date": None}})):  # fmt: skip
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, **options)
        contents[kind] = buffer.getvalue()
    for kind in ("pdf", "png"):
        write_bytes(folder / f"{name}.{kind}", contents[kind])
    return Panel(name, caption, contents["svg"].decode("utf-8"))


def _reliability(arrays: Mapping[str, np.ndarray], region: str) -> Callable[[Axes], None]:
    def draw(ax: Axes) -> None:
        from spectralcal.plot import reliability

        count = arrays[f"{region}/cases/count"][:40, 0]  # row 0 is the top label
        confidence, accuracy = (arrays[f"{region}/cases/{name}"][:40, 0] for name in ("confidence", "accuracy"))
        for case in range(len(count)):
            known = count[case] >= 100
            ax.plot(confidence[case, known], accuracy[case, known], color=_BLUE, alpha=0.15, linewidth=0.6, zorder=1.5)
        reliability(pooled(arrays, region), ax=ax, color=_BLUE)
        ax.set_title(REGIONS[region])

    return draw


def _band_sums(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name: arrays[f"{prefix}/{name}"].sum(0) for name in ("count", "confidence", "hits")}


def _bands(ax: Axes, sums: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    from spectralcal.plot import boundary_bands

    for (label, one), color in zip(sums.items(), (_BLUE, _ORANGE), strict=False):
        boundary_bands(one, ax=ax, label=label, color=color)
    ax.set_title("distance to the boundary")
    ax.legend(loc="best")


def _risk(ax: Axes, histograms: Mapping[str, object]) -> None:
    from spectralcal.plot import risk_coverage

    for region, histogram in histograms.items():
        risk_coverage(histogram, ax=ax, label=REGIONS[region])
    ax.set_title("risk over coverage")
    ax.legend(loc="best")
