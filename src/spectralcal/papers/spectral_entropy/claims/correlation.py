"""The claim that spectral entropy of confidence maps and calibration go together (Sections 1 and 3.1)."""

from __future__ import annotations

import numpy as np

from spectralcal.papers.spectral_entropy.claims._printed import LOSSES
from spectralcal.papers.spectral_entropy.claims.spectra import ENTROPY, MAPS, TOTAL, spectra
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import (
    Finding,
    Measure,
    NotMeasured,
    Part,
    above,
    agreed,
    below,
    conclude,
    every,
    number,
)
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import ECE, Study
from spectralcal.statistics import exact_correlation_p

TITLE = "Entropy and calibration"


def entropy_tells_calibration(study: Study, claim: Claim) -> list[Finding]:
    """C18: the more power and balance a spectrum has, the lower the ECE, over losses and over cases, in three maps.

    Over losses the unit is the loss, of which there are seven: their order is permuted, and neither more patients nor
    more seeds add to them. Over cases the correlation is taken within each training and averaged.
    """

    def on(name: str) -> Finding:
        errors = study.scores("main", name, study.named("main", *LOSSES), [ECE])
        listed, verdicts, said, evidence = [], [], [], ""
        for kind, text in MAPS.items():
            sample, evidence = spectra(study, "main", name, LOSSES, kind)
            if sample.patients != errors.patients:
                raise NotMeasured("spectra and scores are of other test cases")
            parts = [
                part
                for quantity, what in ((ENTROPY, "entropy"), (TOTAL, "total power"))
                for part in _two_correlations(sample, errors, quantity, f"Spearman's correlation of {what}", text)
            ]
            verdicts.append(every(part.verdict for part in parts))
            listed += parts
            said += [_short(part, text) for part in parts if part.measure.interval == "permutation"]
        by_map = ", ".join(f"{text}: {verdict}" for text, verdict in zip(MAPS.values(), verdicts, strict=True))
        note = f"By map, {by_map}. Over the losses, correlation with exact p-value: {'; '.join(said)}"
        return conclude(name, listed, evidence, rule=lambda _: agreed(verdicts), note=note)

    return study.each(claim, "main", on)


def _short(part: Part, kind: str) -> str:
    """``entropy of the margin 0.68 (0.11)``."""
    quantity = "entropy" if "entropy" in part.text else "power"
    return f"{quantity} of the {kind} {part.measure.value:.2f} ({number(part.measure.p_value)})"


def _two_correlations(sample: Sample, errors: Sample, quantity: int, label: str, kind: str) -> list[Part]:
    """Of a spectral quantity of one map with ECE: over losses, by permutation, and over cases."""
    both = np.concatenate([sample.values[:, [quantity]], errors.values[:, [0]]], axis=1)
    over_losses = Sample(sample.methods, both, sample.patients, sample.cases)
    means = over_losses.means
    rho, *seeds = (float(pearson(_ranks(m[:, 0]), _ranks(m[:, 1]))) for m in (means, *over_losses.by_seed))
    p = exact_correlation_p(means[:, 0], means[:, 1])
    losses = Measure(rho, np.nan, np.nan, "permutation", tuple(seeds), len(sample.patients), sample.cases, p_value=p)
    cases = _moments(both, sample).measure(_mean_correlation)
    return [
        Part(f"{label} and ECE over losses, {kind}", losses, below(0), above(0)),
        Part(f"{label} and ECE over cases, {kind}", cases, below(0), above(0)),
    ]


def pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Correlation along the last axis; nan where either is constant."""
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    scale = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    return np.divide((x * y).sum(-1), scale, out=np.full(scale.shape, np.nan), where=scale > 0)


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(values, axis=-1)


def _moments(both: np.ndarray, sample: Sample) -> Sample:
    """Ranks over patients and their products, whose means give a correlation that can be resampled.

    Args:
        both: (M, 2, seeds, patients).
    """
    x, y = _ranks(both[:, 0]), _ranks(both[:, 1])
    return Sample(sample.methods, np.stack([x, y, x * x, y * y, x * y], axis=1), sample.patients, sample.cases)


def _mean_correlation(means: np.ndarray) -> np.ndarray:
    """Mean over methods of the correlation within each."""
    x, y, xx, yy, xy = np.moveaxis(means, -1, 0)
    spread = (xx - x**2) * (yy - y**2)
    with np.errstate(invalid="ignore"):
        correlations = np.divide(xy - x * y, np.sqrt(spread), out=np.full(spread.shape, np.nan), where=spread > 1e-12)
    return correlations.mean(-1)


GROUP = {"C18": entropy_tells_calibration}
CLAIM = GROUP
