"""Claims on the power spectra of confidence maps (Figure 3, Section 5, Appendix A.9).

The paper does not say which map its Figure 3 shows (docs/ambiguities.md, F2): a claim is decided if the maps agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from spectralcal.papers.spectral_entropy.claims._printed import LOSSES
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, Part, above, agreed, below, conclude, every
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import Study

TITLE = "Spectra of confidence maps"
MAPS = {"max_logit": "maximum logit", "max_prob": "maximum probability", "margin": "margin"}
#: frequencies (cycles/voxel) between which the slope is taken: below, a patch has too few of them
SLOPE = (0.05, 0.5)
#: "similar": within this factor
SIMILAR = 2.0
#: quantities of a map, in this order
TOTAL, LOWEST, HIGHEST, STEEPNESS, ENTROPY, TOP_SHARE = range(6)

Parts = Callable[[Sample, str], Sequence[Part]]


def ce_lowest_power(study: Study, claim: Claim) -> list[Finding]:
    """C12: cross-entropy has the lowest total power."""
    return _by_map(study, claim, LOSSES, lambda sample, name: [
        _against(sample, f"{name}: log10 total power, lowest other - CE", TOTAL, 0, np.argmin, -1)
    ])  # fmt: skip


def ce_steepest(study: Study, claim: Claim) -> list[Finding]:
    """C13: the spectrum of cross-entropy falls most steeply."""
    return _by_map(study, claim, LOSSES, lambda sample, name: [
        _against(sample, f"{name}: log-log slope, steepest other - CE", STEEPNESS, 0, np.argmin, -1)
    ])  # fmt: skip


def focal_lifts_low(study: Study, claim: Claim) -> list[Finding]:
    """C14: focal loss has more low-frequency and less high-frequency power than cross-entropy."""
    return _by_map(study, claim, ("CE", "FL"), lambda sample, name: [
        Part(f"{name}: log10 power of the lowest third, FL - CE", sample.measure(_difference(LOWEST)), above(0),
             below(0)),
        Part(f"{name}: log10 power of the highest third, CE - FL", sample.measure(_difference(HIGHEST, -1)), above(0),
             below(0)),
    ])  # fmt: skip


def others_alike(study: Study, claim: Claim) -> list[Finding]:
    """C15: the other baselines have similar total power, and less than ours at high frequency."""

    def parts(sample: Sample, name: str) -> list[Part]:
        spread = sample.measure(lambda m: np.ptp(m[..., :-1, TOTAL], axis=-1), steps=True)
        limit = float(np.log10(SIMILAR))
        highest = _against(sample, f"{name}: log10 power of the highest third, Spectral - highest other", HIGHEST, -1,
                           np.argmax, 1)  # fmt: skip
        return [Part(f"{name}: range of log10 total power", spread, below(limit), above(limit)), highest]

    return _by_map(study, claim, ("LS", "MbLS", "SVLS", "CRaC", "Ours"), parts)


def ours_highest_power(study: Study, claim: Claim) -> list[Finding]:
    """C16: the proposed loss has the highest total power."""
    return _by_map(study, claim, LOSSES, lambda sample, name: [
        _against(sample, f"{name}: log10 total power, Spectral - highest baseline", TOTAL, -1, np.argmax, 1)
    ])  # fmt: skip


def ours_most_balanced(study: Study, claim: Claim) -> list[Finding]:
    """C17: the proposed loss has the most balanced spectrum and the most high-frequency power."""
    return _by_map(study, claim, LOSSES, lambda sample, name: [
        _against(sample, f"{name}: spectral entropy, Spectral - highest baseline", ENTROPY, -1, np.argmax, 1),
        _against(sample, f"{name}: share of the top band, Spectral - highest baseline", TOP_SHARE, -1, np.argmax, 1),
        _against(sample, f"{name}: log10 power of the highest third, Spectral - highest baseline", HIGHEST, -1,
                 np.argmax, 1),
    ])  # fmt: skip


def entropy_rises(study: Study, claim: Claim) -> list[Finding]:
    """C22: minimising the hinge raises spectral entropy."""

    def on(name: str) -> Finding:
        sample, evidence = spectra(study, "main", name, ("CE", "Ours"), "max_logit")
        rise = sample.measure(_difference(ENTROPY))
        text = "spectral entropy of the maximum logit on test patches, Spectral - CE"
        part = Part(text, rise, above(0), below(0), "nat")
        return conclude(name, [part], evidence)

    return study.each(claim, "main", on)


def energy_rises(study: Study, claim: Claim) -> list[Finding]:
    """C23: with the loss, networks raise the total energy of the logit map."""

    def on(name: str) -> Finding:
        sample, evidence = spectra(study, "main", name, ("CE", "Ours"), "max_logit")
        rise = sample.measure(_difference(TOTAL))
        part = Part("log10 total power of the maximum logit, Spectral - CE", rise, above(0), below(0))
        return conclude(name, [part], evidence)

    return study.each(claim, "main", on)


def high_suppressed(study: Study, claim: Claim) -> list[Finding]:
    """C40: the loss suppresses high-frequency power of the logit map."""

    def on(name: str) -> Finding:
        sample, evidence = spectra(study, "main", name, ("CE", "Ours"), "max_logit")
        less = sample.measure(_difference(HIGHEST, -1))
        part = Part("log10 power of the maximum logit in the highest third, CE - Spectral", less, above(0), below(0))
        return conclude(name, [part], evidence, note="C16 and C17 claim the opposite for a map that is not named")

    return study.each(claim, "main", on)


def spectra(study: Study, role: str, data_set: str, losses: Sequence[str], kind: str) -> tuple[Sample, str]:
    """Spectral quantities of a map by case, in the order of the constants of this module."""
    methods = study.named(role, *losses)

    def read(cell):
        frequency = study.spectra(cell, "frequency").astype(float)
        psd, bands = study.spectra(cell, f"psd_{kind}"), study.spectra(cell, f"band_power_{kind}")
        return study.spectra(cell, "cases"), quantities(frequency, psd, bands, study.spectra(cell, f"entropy_{kind}"))

    return study.arrays(role, data_set, methods, read), study.files(role, data_set, methods, "spectra.npz")


def quantities(frequency: np.ndarray, psd: np.ndarray, bands: np.ndarray, entropy: np.ndarray) -> np.ndarray:
    """(N, 6) quantities of spectra.

    Args:
        frequency: (F,) cycles/voxel.
        psd: (N, F) radial power spectral density.
        bands: (N, K) powers of the bands, zero frequency excluded.
        entropy: (N,) of the band shares.

    Returns:
        log10 of the total power of the bands, log10 of the mean density in the lowest and in the highest third of the
        frequencies, log-log slope, entropy, share of the top band. nan where a map has no power.
    """
    there = np.isfinite(psd).any(0)  # a small patch has no frequency in some rings
    frequency, psd = frequency[there], psd[:, there]
    third = frequency.max(initial=0.0) / 3
    inside = (frequency >= SLOPE[0]) & (frequency <= SLOPE[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        total = bands.sum(1)
        logs = np.log10(psd)
        low = np.log10(psd[:, frequency <= third].mean(1))
        high = np.log10(psd[:, frequency > 2 * third].mean(1))
        x = np.log10(frequency[inside])
        x = x - x.mean()
        slope = (logs[:, inside] * x).sum(1) / (x**2).sum()
        measured = np.stack([np.log10(total), low, high, slope, entropy, bands[:, -1] / total], axis=1)
    return np.where(np.isfinite(measured), measured, np.nan)


def _by_map(study: Study, claim: Claim, losses: Sequence[str], parts: Parts) -> list[Finding]:
    """One finding per data set: all parts must hold, in each of three maps alike."""

    def on(name: str) -> Finding:
        verdicts, listed = [], []
        for kind, text in MAPS.items():
            sample, evidence = spectra(study, "main", name, losses, kind)
            conditions = parts(sample, text)
            verdicts.append(every(part.verdict for part in conditions))
            listed += conditions
        note = "; ".join(f"{text}: {verdict}" for text, verdict in zip(MAPS.values(), verdicts, strict=True))
        return conclude(name, listed, evidence, rule=lambda _: agreed(verdicts), note=f"By map: {note}")

    return study.each(claim, "main", on)


def _against(sample: Sample, text: str, quantity: int, own: int, pick: Callable, sign: int) -> Part:
    """One method against the most extreme of the others, picked by its mean; positive is what the claim says."""
    own %= len(sample.methods)
    others = [index for index in range(len(sample.methods)) if index != own]
    other = others[int(pick(sample.means[others, quantity]))]
    margin = sample.measure(lambda m: sign * (m[..., own, quantity] - m[..., other, quantity]), len(others))
    return Part(text, margin, above(0), below(0))


def _difference(quantity: int, sign: int = 1):
    """The second method minus the first."""
    return lambda m: sign * (m[..., 1, quantity] - m[..., 0, quantity])


GROUP = {
    "C12": ce_lowest_power,
    "C13": ce_steepest,
    "C14": focal_lifts_low,
    "C15": others_alike,
    "C16": ours_highest_power,
    "C17": ours_most_balanced,
    "C22": entropy_rises,
    "C23": energy_rises,
    "C40": high_suppressed,
}
CLAIM = GROUP
