"""Claims that need no trained network: the synthetic example of Figure 1 and what the formulas imply."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import (
    CONSTRUCTION,
    Finding,
    Part,
    above,
    agreed,
    at_least,
    at_most,
    below,
    conclude,
    exact,
)
from spectralcal.report.claims.study import Study
from spectralcal.report.figures.spectrum import band_power, equal_bands, spectral_entropy

TITLE = "Without training"
#: edge of the synthetic disc's field, its radius as a share of it and the width of its ring, as in Figure 1
SIDE, RADIUS, RING = 64, 0.3, 2
#: power below which a spectrum is empty, relative to a disc on a different background
EMPTY = 1e-9
#: patch and number of bands of the paper
PATCH, BANDS = 96, 5
#: confidences of the ring that differ from certain, and a difference of entropies that is rounding, in nats
SOFTENING, SAME = (0.9, 0.8, 0.7, 0.6, 0.5), 1e-4
#: where the constructions are made
OWN_FILE = "src/spectralcal/papers/spectral_entropy/claims/construction.py"
NULL_SPACE_FILE = "src/spectralcal/papers/spectral_entropy/figures/null_space.py"
RING_FILE = "src/spectralcal/report/figures/boundary_ring.py"
#: side of the fields that are transformed here; small, because nothing depends on it
FIELD = 32


def softer_ring_more_power(study: Study, claim: Claim) -> list[Finding]:
    """C19: lowering the confidence of the boundary raises the power in every band."""
    from spectralcal.report.figures.boundary_ring import READINGS, band_powers

    findings = []
    for reading, background in READINGS.items():
        for demean in (True, False):
            powers = band_powers((SIDE, SIDE), RADIUS * SIDE, RING, reading, demean)
            rises = int((np.diff(powers, axis=0) > 0).all(axis=0).sum())
            part = Part(f"bands of {powers.shape[1]} that rise at every step", exact(rises),
                        at_least(powers.shape[1]), below(powers.shape[1]))  # fmt: skip
            name = f"{reading} map (background {background:g}, mean {'removed' if demean else 'kept'})"
            ratio = powers[-1] / np.where(powers[0] > 0, powers[0], np.nan)
            said = ", ".join("from nothing" if np.isnan(value) else f"{value:.2g}" for value in ratio)
            findings.append(_built(name, [part], RING_FILE, f"Power at 0.5 over that at 1, low to high band: {said}"))
    return findings


def certain_map_is_empty(study: Study, claim: Claim) -> list[Finding]:
    """C20: the map of a fully confident boundary has an empty spectrum."""
    from spectralcal.report.figures.boundary_ring import READINGS, band_powers

    def power(reading: str) -> float:
        return float(band_powers((SIDE, SIDE), RADIUS * SIDE, RING, reading, True, alphas=(1.0,)).sum())

    reference = power("foreground")
    return [
        _built(
            f"{reading} map (background {background:g})",
            [Part("power apart from zero frequency, over a disc's", exact(power(reading) / reference), at_most(EMPTY),
                  above(EMPTY))],
            RING_FILE,
        )
        for reading, background in READINGS.items()
    ]  # fmt: skip


def shells_partition(study: Study, claim: Claim) -> list[Finding]:
    """T01: the shells of Eq. 4 as printed divide the frequencies of a patch into K bands."""
    axis = np.fft.fftfreq(PATCH) * PATCH
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2).ravel()
    edges = np.arange(1, BANDS + 1) * PATCH / 2
    counts = np.bincount(np.searchsorted(edges, radius[radius > 0]), minlength=BANDS + 1)[:BANDS]
    part = Part(f"bands of {BANDS} that hold any frequency of a {PATCH}^3 patch", exact(np.count_nonzero(counts)),
                at_least(BANDS), below(BANDS))  # fmt: skip
    note = f"Frequencies by band: {', '.join(map(str, counts))}; the largest radius is {radius.max():.1f}"
    return [_built("Eq. 4 as printed", [part], OWN_FILE, note)]


def entropy_acts_on_confidence(study: Study, claim: Claim) -> list[Finding]:
    """T03: a change of the spectral entropy of the maximum logit is a change of predicted confidence."""
    from spectralcal.papers.spectral_entropy.figures.null_space import frame, truth

    table = frame(truth(FIELD)[0], BANDS)
    chosen = table[(table["map"] == "max_logit") & (table.noise == "equal bands")]
    clean = chosen[chosen.noise_sd == 0].entropy.iloc[0]
    strongest = chosen.loc[chosen.entropy.idxmax()]
    rise = strongest.entropy - clean
    part = Part(f"largest change of any probability while the entropy goes from {clean:.2f} to {strongest.entropy:.2f} "
                "nat", exact(strongest.probability_change), above(1e-3), lambda value: value < 1e-6 and rise > 0.1,
                )  # fmt: skip
    note = "A field that all logits of a voxel share moves the entropy and cancels in the softmax"
    return [_built("class-common noise", [part], NULL_SPACE_FILE, note)]


def entropy_means_doubt(study: Study, claim: Claim) -> list[Finding]:
    """T04: a higher spectral entropy goes with a softer, less certain boundary, by the paper's own example."""
    from spectralcal.report.figures.boundary_ring import READINGS, ring_map

    findings = []
    for reading, background in READINGS.items():
        entropies = {
            alpha: _entropy(ring_map((SIDE, SIDE), RADIUS * SIDE, RING, alpha, background)) for alpha in SOFTENING
        }
        rise = entropies[SOFTENING[-1]] - entropies[SOFTENING[0]]
        text = f"entropy of the ring at confidence {SOFTENING[-1]:g} - that at {SOFTENING[0]:g}"
        part = Part(text, exact(rise), above(SAME), at_most(SAME), "nat")
        said = ", ".join(f"{alpha:g}: {value:.4f}" for alpha, value in entropies.items())
        findings.append(_built(f"{reading} map (background {background:g})", [part], RING_FILE,
                            f"Confidence of the ring: entropy {said}"))  # fmt: skip
    return findings


def loss_is_bounded(study: Study, claim: Claim) -> list[Finding]:
    """T05: the spectral term is at most (log K)^2."""
    import torch

    from spectralcal.losses import SpectralEntropyLoss

    bound = np.log(BANDS) ** 2
    random = np.random.default_rng(0)
    # The worst case: a reference with equal bands, then samples with all power in one of them.
    level = torch.from_numpy(equal_bands(random.standard_normal((16, 16, 16)), BANDS))
    wave = torch.from_numpy(np.broadcast_to(np.cos(2 * np.pi * np.arange(16) / 16)[:, None, None], (16, 16, 16)).copy())
    loss = SpectralEntropyLoss(bands=BANDS, window=2, pool="profile", target="maximum")
    values = []
    for field in (wave, level, *(torch.from_numpy(random.standard_normal((16, 16, 16)) ** k) for k in (1, 3, 9))):
        logits = torch.stack([field, field - 1.0])[None]
        values.append(float(loss(logits)))
    part = Part("largest value / (log K)^2", exact(max(values) / bound), at_most(1 + 1e-4), above(1 + 1e-4))
    note = (f"(log {BANDS})^2 = {bound:.2f}: at the weight 0.01 the term adds at most {0.01 * bound:.3f} to the loss; "
            f"the largest of {len(values)} constructed maps gives {max(values):.2f}")  # fmt: skip
    return [_built("constructed maps", [part], OWN_FILE, note)]


def equal_powers_are_the_highest(study: Study, claim: Claim) -> list[Finding]:
    """T06: the entropy is highest when the bands have the same power, which is no flat density."""
    noise = np.random.default_rng(0).standard_normal((FIELD,) * 3)
    level, flat, most = _entropy(equal_bands(noise, BANDS)), _entropy(noise), np.log(BANDS)
    part = Part("entropy of a field with equal band powers / log K", exact(level / most), at_least(1 - 1e-4),
                below(1 - 1e-4))  # fmt: skip
    note = (f"White noise, whose density is flat, has {flat:.2f} of {most:.2f} nat: Eq. 5 sums over shells, whose "
            "number of frequencies grows outwards")  # fmt: skip
    return [_built("field with equal band powers", [part], OWN_FILE, note)]


def _built(where: str, parts: list[Part], evidence: str, note: str = "") -> Finding:
    return conclude(where, parts, evidence, CONSTRUCTION, agreed if len(parts) > 1 else lambda v: next(iter(v)), note)


def _entropy(field: np.ndarray) -> float:
    return spectral_entropy(band_power(field, BANDS))


GROUP: dict[str, Callable[[Study, Claim], list[Finding]]] = {
    "C19": softer_ring_more_power,
    "C20": certain_map_is_empty,
    "T01": shells_partition,
    "T03": entropy_acts_on_confidence,
    "T04": entropy_means_doubt,
    "T05": loss_is_bounded,
    "T06": equal_powers_are_the_highest,
}
CLAIM = GROUP
