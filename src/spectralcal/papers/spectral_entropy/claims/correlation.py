"""The claim that spectral entropy of confidence maps and calibration go together (Sections 1 and 3.1)."""

from __future__ import annotations

import numpy as np

from spectralcal.papers.spectral_entropy.claims._printed import LOSSES
from spectralcal.papers.spectral_entropy.claims.spectra import ENTROPY, TOTAL, spectra
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, below, conclude
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import ECE, Study

TITLE = "Entropy and calibration"


def entropy_tells_calibration(study: Study, claim: Claim) -> list[Finding]:
    """C18: the more balanced the spectrum, the lower the ECE, over losses and over cases."""

    def on(name: str) -> Finding:
        found, evidence = spectra(study, "main", name, LOSSES, "max_logit")
        errors = study.scores("main", name, study.named("main", *LOSSES), [ECE])
        if found.patients != errors.patients:
            raise NotMeasured("spectra and scores are of other test cases")
        parts = []
        for quantity, text in ((ENTROPY, "entropy"), (TOTAL, "total power")):
            both = np.concatenate([found.values[:, [quantity]], errors.values[:, [0]]], axis=1)
            losses = Sample(found.methods, both, found.patients, found.cases).measure(
                lambda m: pearson(_ranks(m[..., 0]), _ranks(m[..., 1]))
            )
            cases = _moments(both, found).measure(_mean_correlation)
            label = f"Spearman's correlation of {text} and ECE"
            parts += [Part(f"{label} over losses", losses, below(0), above(0)),
                      Part(f"{label} over cases", cases, below(0), above(0))]  # fmt: skip
        return conclude(name, parts, evidence)

    return study.each(claim, "main", on)


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
        found = np.divide(xy - x * y, np.sqrt(spread), out=np.full(spread.shape, np.nan), where=spread > 1e-12)
    return found.mean(-1)


GROUP = {"C18": entropy_tells_calibration}
CLAIM = GROUP
