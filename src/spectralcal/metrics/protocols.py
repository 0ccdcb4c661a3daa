"""Named evaluation protocols: what a published "ECE", "SCE" or "TACE" means, spelled out.

"paper", "predicted_foreground" and "predicted_boundary" are 0 for a calibrated network. The others but "nixon" choose
voxels by the labels, are not 0 for it (:mod:`spectralcal.metrics.floor`), and stand for comparison with published code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spectralcal.metrics.calibration import CalibrationHistogram


@dataclass(frozen=True)
class Protocol:
    """One way of scoring calibration.

    Attributes:
        name: as it stands in result tables.
        region: which voxels count, a key of :data:`spectralcal.metrics.regions.REGIONS`.
        bins: equal-width bins of ECE and SCE, and bins of TACE.
        aggregation: ``case`` scores each case and averages without weights; ``pooled`` merges all voxels first.
        tace: ``adaptive`` (equal-count bins, unweighted) or ``equal_width`` (weighted by survivors).
        threshold: probabilities up to it do not enter TACE.
        present_classes_only: class means run over 0..max(label) of the case instead of all classes.
        decimals: rounding of each case's value; None for none.
        source: where the definition comes from.
    """

    name: str
    region: str = "all"
    bins: int = 15
    aggregation: Literal["case", "pooled"] = "case"
    tace: Literal["adaptive", "equal_width"] = "adaptive"
    threshold: float = 1e-3
    present_classes_only: bool = False
    decimals: int | None = None
    source: str = ""


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("paper", source="ICLR 2026, section 4: Nixon et al. with 15 bins; all voxels, mean over cases"),
        Protocol(
            "crac-legacy",
            region="reference",
            tace="equal_width",
            present_classes_only=True,
            decimals=4,
            source="released evaluation code of Murugesan et al. 2024 (CRaC)",
        ),
        Protocol("nixon", aggregation="pooled", threshold=1e-2, source="Nixon et al. 2019: one pool, threshold 0.01"),
        Protocol(
            "union",
            region="union",
            source="reference or predicted foreground: false alarms count, easy background does not",
        ),
        Protocol("boundary", region="boundary", source="voxels near a reference boundary, where errors are made"),
        Protocol(
            "predicted_foreground",
            region="predicted_foreground",
            source="predicted foreground: chosen by the prediction, so that 0 means calibrated",
        ),
        Protocol(
            "predicted_boundary",
            region="predicted_boundary",
            source="voxels near a predicted boundary: chosen by the prediction, so that 0 means calibrated",
        ),
    )
}


def score(histograms: Mapping[str, CalibrationHistogram], protocol: Protocol | str) -> dict[str, float]:
    """Calibration of one case (or of one pool) under a protocol.

    Args:
        histograms: region -> histogram; only the protocol's region is read.
        protocol: a protocol or its name.

    Returns:
        ``ece``, ``sce``, ``sce_foreground``, ``tace``, ``mce``, ``signed_gap`` (confidence - accuracy), ``brier``,
        ``nll``: nan if the region has no voxel. ``sce_foreground`` is nan if only background is left to average.

    Raises:
        ValueError: no such protocol, its region is missing, or the histogram has other bins.
    """
    protocol = _named(protocol)
    if protocol.region not in histograms:
        raise ValueError(
            f"protocol '{protocol.name}' reads region '{protocol.region}', got histograms of {sorted(histograms)}"
        )
    h = histograms[protocol.region]
    if h.bins != protocol.bins:
        raise ValueError(f"protocol '{protocol.name}' needs {protocol.bins} bins, got a histogram of {h.bins}")
    stop = h.num_classes
    if protocol.present_classes_only and h.count:
        stop = int(np.flatnonzero(h.label_counts())[-1]) + 1
    static = h.classwise_ece()[:stop]
    adaptive = protocol.tace == "adaptive"
    thresholded = (h.classwise_tace if adaptive else h.classwise_tace_equal_width)(protocol.threshold)[:stop]
    values = {
        "ece": h.ece(),
        "sce": float(static.mean()),
        "sce_foreground": float(static[1:].mean()) if stop > 1 else float("nan"),
        "tace": float(thresholded.mean()),
        "mce": h.mce(),
        "signed_gap": h.over_under().signed,
        "brier": h.brier(),
        "nll": h.nll(),
    }
    if protocol.decimals is not None:
        values = {name: round(value, protocol.decimals) for name, value in values.items()}
    return values


def score_cases(cases: Iterable[Mapping[str, CalibrationHistogram]], protocol: Protocol | str) -> dict[str, float]:
    """A data set under a protocol: mean over cases, or one score of all voxels together.

    A case without a voxel in the protocol's region has no calibration there and is left out of the mean; ``cases`` in
    the result says how many entered.

    Args:
        cases: region -> histogram of each case, as for :func:`score`. The histograms are not changed.
        protocol: a protocol or its name.

    Raises:
        ValueError: as :func:`score`; no case at all; cases with different classes under ``pooled``.
    """
    protocol, cases = _named(protocol), list(cases)
    if not cases:
        raise ValueError("expected the histograms of at least one case, got none")
    scores = [score(case, protocol) for case in cases]
    filled = sum(case[protocol.region].count > 0 for case in cases)
    if protocol.aggregation == "pooled":
        first = cases[0][protocol.region]
        pool = CalibrationHistogram(first.num_classes, first.bins)
        for case in cases:
            pool.merge(case[protocol.region])
        return {**score({protocol.region: pool}, protocol), "cases": filled}
    means = {}
    for name in scores[0]:
        known = [s[name] for s in scores if not np.isnan(s[name])]
        means[name] = float(np.mean(known)) if known else float("nan")
    return {**means, "cases": filled}


def _named(protocol: Protocol | str) -> Protocol:
    if isinstance(protocol, Protocol):
        return protocol
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol must be one of {', '.join(PROTOCOLS)}, got '{protocol}'")
    return PROTOCOLS[protocol]
