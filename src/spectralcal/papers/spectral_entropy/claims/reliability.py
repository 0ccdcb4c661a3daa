"""Claims on reliability diagrams (Figure 2b and the text on Figure 3): who is over- and who is underconfident."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spectralcal.papers.spectral_entropy.claims._printed import BASELINES, LOSSES
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, below, conclude
from spectralcal.report.claims.sample import Sample, Statistic
from spectralcal.report.claims.study import Study

TITLE = "Reliability"
#: ends of the bins that the paper calls high and low confidence
HIGH, LOW = 0.8, 0.6
#: region near boundaries of the prediction
PREDICTED = "predicted_boundary"
#: unit of gaps and distances, as everywhere
UNIT, SCALE = "×10⁻³", 1e3
SMOOTHED = ("LS", "MbLS", "SVLS", "CRaC")


def ce_overconfident(study: Study, claim: Claim) -> list[Finding]:
    """C07: cross-entropy is overconfident where it is sure."""
    return _one_gap(study, claim, "CE", "high", negative=True)


def ce_underconfident(study: Study, claim: Claim) -> list[Finding]:
    """C08: cross-entropy is underconfident where it is unsure."""
    return _one_gap(study, claim, "CE", "low", negative=False)


def focal_underconfident(study: Study, claim: Claim) -> list[Finding]:
    """C09: focal loss is underconfident where it is sure."""
    return _one_gap(study, claim, "FL", "high", negative=False)


def mildly_underconfident(study: Study, claim: Claim) -> list[Finding]:
    """C10: four losses are underconfident where they are unsure, less so than focal loss."""

    def on(name: str) -> Finding:
        sample, evidence = _bins(study, name, ("FL", *SMOOTHED))
        gap = _gap("low", sample)
        parts = []
        for index, loss in enumerate(SMOOTHED, start=1):
            parts.append(Part(f"{loss}, accuracy - confidence below {LOW}", sample.measure(_of(gap, index)), above(0),
                              below(0), UNIT))  # fmt: skip
            less = sample.measure(lambda m, index=index: gap(m)[..., 0] - gap(m)[..., index])
            parts.append(Part(f"the same, FL - {loss}", less, above(0), below(0), UNIT))
        return conclude(name, parts, evidence)

    return study.each(claim, "main", on)


def nearest_the_diagonal(study: Study, claim: Claim) -> list[Finding]:
    """C11: the reliability curve of the method lies nearest to the diagonal."""

    def on(name: str) -> Finding:
        sample, evidence = _bins(study, name, LOSSES)
        means = _distance(sample.means)
        best = int(np.argmin(means[: len(BASELINES)]))
        margin = sample.measure(lambda m: _distance(m)[..., best] - _distance(m)[..., -1], len(BASELINES))
        text = f"mean |accuracy - confidence| over bins, best baseline ({LOSSES[best]}) - Spectral"
        return conclude(name, [Part(text, margin, above(0), below(0), UNIT)], evidence)

    return study.each(claim, "main", on)


def worst_at_boundaries(study: Study, claim: Claim) -> list[Finding]:
    """C46: overconfidence of cross-entropy is concentrated at boundaries, those of the prediction.

    Near the reference's boundary, which the label chooses, a perfectly calibrated network is not calibrated: there
    misses count and correct background beside them does not.
    """

    def on(name: str) -> Finding:
        methods = study.named("main", "CE")

        def read(cell):
            try:
                band = study.bins(cell, PREDICTED)
            except NotMeasured as reason:
                raise NotMeasured(f"the reference's boundary is chosen by the label; {reason}") from reason
            everything = study.bins(cell, "all")
            totals = [bins[key].sum(1) for bins in (band, everything) for key in ("count", "confidence", "hits")]
            return everything["cases"], np.stack(totals, axis=1)

        sample = study.arrays("main", name, methods, read)

        def band(m: np.ndarray) -> np.ndarray:
            return SCALE * (m[..., 0, 2] - m[..., 0, 1]) / m[..., 0, 0]

        def rest(m: np.ndarray) -> np.ndarray:
            outside = m[..., 0, 3:] - m[..., 0, :3]
            return SCALE * (outside[..., 2] - outside[..., 1]) / outside[..., 0]

        parts = [
            Part("CE, accuracy - confidence near predicted boundaries", sample.measure(band), below(0), above(0), UNIT),
            Part("the same, near boundaries - elsewhere", sample.measure(lambda m: band(m) - rest(m)), below(0),
                 above(0), UNIT),
        ]  # fmt: skip
        return conclude(name, parts, study.files("main", name, methods, "calibration.npz"))

    return study.each(claim, "main", on)


def _one_gap(study: Study, claim: Claim, loss: str, side: str, negative: bool) -> list[Finding]:
    def on(name: str) -> Finding:
        sample, evidence = _bins(study, name, (loss,))
        text = f"{loss}, accuracy - confidence {f'above {HIGH}' if side == 'high' else f'below {LOW}'}"
        tests = (below(0), above(0)) if negative else (above(0), below(0))
        return conclude(name, [Part(text, sample.measure(_of(_gap(side, sample), 0)), *tests, UNIT)], evidence)

    return study.each(claim, "main", on)


def _bins(study: Study, data_set: str, losses: Sequence[str]) -> tuple[Sample, str]:
    """Sums in the bins of all test voxels: quantities are voxels, confidence and hits, each by bin."""
    methods = study.named("main", *losses)

    def read(cell):
        bins = study.bins(cell, "all")
        return bins["cases"], np.concatenate([bins["count"], bins["confidence"], bins["hits"]], axis=1)

    return study.arrays("main", data_set, methods, read), study.files("main", data_set, methods, "calibration.npz")


def _split(means: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(np.split(means, 3, axis=-1))  # type: ignore[return-value]


def _gap(side: str, sample: Sample) -> Statistic:
    """(..., methods): accuracy - confidence of the voxels in the high or low bins, pooled, in thousandths."""
    bins = sample.values.shape[1] // 3
    edges = np.arange(bins + 1) / bins
    chosen = edges[:-1] >= HIGH - 1e-9 if side == "high" else edges[1:] <= LOW + 1e-9

    def gap(means: np.ndarray) -> np.ndarray:
        count, confidence, hits = (part[..., chosen].sum(-1) for part in _split(means))
        return SCALE * np.divide(hits - confidence, count, out=np.full_like(count, np.nan), where=count > 0)

    return gap


def _distance(means: np.ndarray) -> np.ndarray:
    """(..., methods): mean distance of the curve from the diagonal over bins that are not empty, in thousandths."""
    count, confidence, hits = _split(means)
    off = np.divide(np.abs(hits - confidence), count, out=np.full_like(count, np.nan), where=count > 0)
    return SCALE * np.nanmean(off, axis=-1)


def _of(statistic: Statistic, method: int) -> Statistic:
    return lambda means: statistic(means)[..., method]


GROUP = {
    "C07": ce_overconfident,
    "C08": ce_underconfident,
    "C09": focal_underconfident,
    "C10": mildly_underconfident,
    "C11": nearest_the_diagonal,
    "C46": worst_at_boundaries,
}
CLAIM = GROUP
