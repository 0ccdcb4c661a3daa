"""Is there anything to repair? The premise that networks trained with cross-entropy are overconfident."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, agreed, below, conclude, over_seeds
from spectralcal.report.claims.sample import Sample, Statistic
from spectralcal.report.claims.study import Study
from spectralcal.study.grid import Cell

if TYPE_CHECKING:
    from spectralcal.metrics.curve import CurveHistogram

TITLE = "The premise"
TEXT = "CE, confidence - accuracy"
UNIT, SCALE = "×10⁻³", 1e3
#: the region that the prediction chooses; one that the label chooses says nothing about calibration
FOREGROUND = "predicted_foreground"
VOXELS, CONFIDENCE, HITS = range(3)


def overconfident(study: Study, claim: Claim) -> list[Finding]:
    """C57: cross-entropy is overconfident, and a temperature would soften it."""

    def on(name: str) -> Finding:
        methods = study.named("main", "CE")
        everywhere = _sums(study, name, methods, "all")
        gap, wrong = _share(CONFIDENCE, HITS), _share(VOXELS, HITS)(everywhere.means)
        parts = [Part(f"{TEXT} over all voxels", everywhere.measure(gap), above(0), below(0), UNIT)]
        try:
            shown = _sums(study, name, methods, FOREGROUND).measure(gap)
            parts.append(Part(f"{TEXT} over predicted foreground", shown, above(0), below(0), UNIT))
        except NotMeasured:  # older cells have this region only pooled, in their curves
            pooled = over_seeds([_pooled(study, cell) for cell in study.cells("main", name, methods)[0]])
            parts.append(Part(f"{TEXT} over predicted foreground, voxels pooled", pooled, above(0), below(0), UNIT))
        evidence = study.files("main", name, methods, "calibration.npz")
        notes = [f"Of {wrong:.1f} {UNIT} of the voxels that are wrong, overconfidence explains "
                 f"{parts[0].measure.value:.1f}"]  # fmt: skip
        try:
            scaled = [f"{methods[0]}+temperature"]
            fitted = over_seeds([_temperature(study, cell) for cell in study.cells("post_hoc", name, scaled)[0]])
            parts.append(Part("temperature fitted on validation cases", fitted, above(1), below(1)))
            evidence += "; " + study.files("post_hoc", name, scaled, "evaluation.json")
        except NotMeasured as reason:
            notes.append(f"No temperature was fitted: {reason}")
        return conclude(name, parts, evidence, rule=agreed, note=". ".join(notes))

    return study.each(claim, "main", on)


def foreground_gap(curve: CurveHistogram) -> float:
    """Confidence minus accuracy over predicted foreground, in thousandths, from a curve of all voxels.

    Voxels whose background has a probability above one half are predicted background, so all others are left. A voxel
    of three or more classes may be predicted background with less; there are a handful of these.
    """
    top, background = curve.curve(), curve.curve(0)
    sure = background.lower >= 0.5
    off = (top.confidence - top.hits).sum() - (background.confidence - background.hits)[sure].sum()
    return float(SCALE * off / (top.count.sum() - background.count[sure].sum()))


def _sums(study: Study, name: str, methods: list[str], region: str) -> Sample:
    """Voxels, confidence and hits of each case in a region."""

    def read(cell: Cell) -> tuple[np.ndarray, np.ndarray]:
        bins = study.bins(cell, region)
        return bins["cases"], np.stack([bins[key].sum(1) for key in ("count", "confidence", "hits")], axis=1)

    return study.arrays("main", name, methods, read)


def _pooled(study: Study, cell: Cell) -> float:
    curves = study.results.calibration(cell) or {}
    if "all" not in curves:
        raise NotMeasured(f"{cell}: calibration.npz has no pooled voxels")
    return foreground_gap(curves["all"])


def _temperature(study: Study, cell: Cell) -> float:
    fitted = ((study.results.evaluation(cell) or {}).get("post_hoc") or {}).get("temperature") or {}
    if "temperature" not in fitted:
        raise NotMeasured(f"{cell}: evaluation.json does not say what was fitted")
    return float(fitted["temperature"])


def _share(more: int, less: int) -> Statistic:
    """Difference of two sums over voxels, in thousandths of the voxels."""
    return lambda m: SCALE * (m[..., 0, more] - m[..., 0, less]) / m[..., 0, VOXELS]


GROUP = {"C57": overconfident}
CLAIM = GROUP
