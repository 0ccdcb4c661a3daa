"""Claims on what the window and the choice of the map add (Table 3, Section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spectralcal.papers.spectral_entropy.claims._printed import DATA_SETS, Rounded, print_finding, printed, ratio
from spectralcal.papers.spectral_entropy.claims.segmentation import THREE, gain, kept
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import (
    INCONCLUSIVE,
    REFUTED,
    SUPPORTED,
    Finding,
    NotMeasured,
    Part,
    above,
    agreed,
    at_least,
    at_most,
    below,
    conclude,
)
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import ASD, ECE, HD95, SIX, Score, Study

TITLE = "Ablations"
#: confidence maps computed from probabilities; the margin, of two logits, is not
PROBABILITIES = ("max_prob", "max_log_prob", "entropy")
#: rows of Table 3
ROWS = ("L_CE", "L_CE + L_Spectral w/o W", "L_CE + L_Spectral")
#: improvement of a distance, in percent, up to which it is modest
MODEST = 10.0
#: what "brings the large gain" means: the error at least halves
HALF = 0.5


def logits_best(study: Study, claim: Claim) -> list[Finding]:
    """C24: the maximum logit calibrates better than the maps that are computed from probabilities.

    All of them must say the same: that one map is better than the logit does not make probabilities the better signal.
    """

    def on(name: str) -> Finding:
        methods = study.variants("confidence", "spectral", "confidence")
        others = [kind for kind in PROBABILITIES if kind in methods]
        if "max_logit" not in methods or not others:
            lacking = "the maximum logit" if others else "a map of probabilities"
            raise NotMeasured(f"experiment '{study.experiment('confidence')}' has no spectral loss on {lacking}")
        (ce,) = study.named("confidence", "CE")
        order = ["max_logit", *others]
        sample = study.scores("confidence", name, [*(methods[kind] for kind in order), ce], [ECE])
        parts = [
            Part(f"ECE, {kind} - maximum logit",
                 sample.measure(lambda m, i=i: m[..., i, 0] - m[..., 0, 0], len(others)), above(0), below(0), ECE.unit)
            for i, kind in enumerate(others, 1)
        ]  # fmt: skip
        beside = [
            Part(f"ECE, {kind} - CE", sample.measure(lambda m, i=i: m[..., i, 0] - m[..., -1, 0]), above(0), below(0),
                 ECE.unit)
            for i, kind in enumerate(order)
        ]  # fmt: skip
        absent = [kind for kind in PROBABILITIES if kind not in methods]
        notes = [f"Beside it: {'; '.join(part.words for part in beside)}"]
        notes += [f"The map {', '.join(absent)} was not run"] if absent else []

        def rule(verdicts: Iterable[str]) -> str:
            verdict = agreed(verdicts)
            return INCONCLUSIVE if absent and verdict in (SUPPORTED, REFUTED) else verdict

        return conclude(name, parts, study.table("confidence", "table2"), rule=rule, note=". ".join(notes))

    return study.each(claim, "confidence", on)


def ordered(study: Study, claim: Claim) -> list[Finding]:
    """C26: cross-entropy, then the loss without a window, then the full method, on most metrics."""

    def on(name: str) -> Finding:
        sample = _three(study, name, SIX)
        signs = np.array([1.0 if score.higher else -1.0 for score in SIX])
        kept = sample.measure(lambda m: (np.diff(m * signs, axis=-2) > 0).all(-2).sum(-1).astype(float), steps=True)
        part = Part("metrics of 6 in the stated order", kept, at_least(4), at_most(3))
        return conclude(name, [part], study.table("ablation", "table3"))

    parts = []
    for data_set in _named(claim):
        for score in SIX:
            sign = 1 if score.higher else -1
            cells = [printed("table3", data_set, score.metric, row) for row in ROWS]
            for before, after, step in zip(cells, cells[1:], ("w/o W better than CE", "full better than w/o W"),
                                           strict=False):  # fmt: skip
                gain = after - before if sign > 0 else before - after
                parts.append(Part(f"{data_set}, {score.metric}, {step}", gain.measure, above(0), below(0)))
    return [*study.each(claim, "ablation", on), print_finding(parts, ("table3",))]


def modest_without(study: Study, claim: Claim) -> list[Finding]:
    """C27: without the window, the distances improve only modestly."""

    def on(name: str) -> Finding:
        sample = _three(study, name, (HD95, ASD))
        parts = [
            _modest(score, sample.measure(lambda m, q=q: 100 * (m[..., 0, q] - m[..., 1, q]) / m[..., 0, q]))
            for q, score in enumerate((HD95, ASD))
        ]
        return conclude(name, parts, study.table("ablation", "table3"))

    parts = []
    for data_set in _named(claim):
        for score in (HD95, ASD):
            left = ratio(*(printed("table3", data_set, score.metric, row) for row in (ROWS[1], ROWS[0])))
            gain = Rounded(100 * (1 - left.value), 100 * (1 - left.high), 100 * (1 - left.low))
            parts.append(_modest(score, gain.measure, f"{data_set}, "))
    return [*study.each(claim, "ablation", on), print_finding(parts, ("table3",))]


def window_calibrates(study: Study, claim: Claim) -> list[Finding]:
    """C28: the window brings the large gain in calibration."""

    def on(name: str) -> Finding:
        sample = _three(study, name, (ECE,))
        left = sample.measure(lambda m: m[..., 2, 0] / m[..., 1, 0])
        part = Part("ECE, full method / without a window", left, at_most(HALF), above(HALF))
        return conclude(name, [part], study.table("ablation", "table3"))

    parts = []
    for data_set in _named(claim):
        left = ratio(*(printed("table3", data_set, "ECE", row) for row in (ROWS[2], ROWS[1])))
        parts.append(Part(f"{data_set}, ECE, full / w/o W", left.measure, at_most(HALF), above(HALF)))
    return [*study.each(claim, "ablation", on), print_finding(parts, ("table3",))]


def window_keeps_segmentation(study: Study, claim: Claim) -> list[Finding]:
    """C59: with the window, segmentation is no worse than without."""

    def on(name: str) -> Finding:
        sample = _three(study, name, THREE)
        parts = [
            kept("", score, sample.measure(gain(index, 1, 2)), "full", "w/o W") for index, score in enumerate(THREE)
        ]
        return conclude(name, parts, study.table("ablation", "table3"))

    parts = []
    for data_set in _named(claim):
        for score in THREE:
            without, full = (printed("table3", data_set, score.metric, row) for row in ROWS[1:])
            less = without - full
            scale = 100 if score.higher else 100 / without.value
            better = Rounded(*(scale * end for end in (-less if score.higher else less)))
            parts.append(kept(f"{data_set}, ", score, better.measure, "full", "w/o W"))
    return [*study.each(claim, "ablation", on), print_finding(parts, ("table3",))]


def _three(study: Study, data_set: str, scores: tuple[Score, ...]) -> Sample:
    """Cross-entropy, the loss without a window, the full method."""
    ce, ours = study.named("ablation", "CE", "Ours")
    windows = study.variants("ablation", "spectral", "window")
    if 1 not in windows:
        raise NotMeasured(f"experiment '{study.experiment('ablation')}' has no spectral@window=1")
    return study.scores("ablation", data_set, [ce, windows[1], ours], scores)


def _modest(score: Score, gain, prefix: str = "") -> Part:
    text = f"{prefix}{score.metric}, improvement of w/o W over CE"
    return Part(text, gain, at_most(MODEST), above(MODEST), "%")


def _named(claim: Claim) -> list[str]:
    return [DATA_SETS[name] for name in claim.data_sets]


GROUP = {
    "C24": logits_best,
    "C26": ordered,
    "C27": modest_without,
    "C28": window_calibrates,
    "C59": window_keeps_segmentation,
}
CLAIM = GROUP
