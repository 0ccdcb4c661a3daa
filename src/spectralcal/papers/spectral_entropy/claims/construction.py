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
from spectralcal.report.figures.spectrum import band_power, equal_bands, shell_index, spectral_entropy

TITLE = "Without training"
#: edge of the synthetic disc's field, its radius as a share of it and the width of its ring, as in Figure 1
SIDE, RADIUS, RING = 64, 0.3, 2
#: power below which a spectrum is empty, relative to a disc that stands out of its background
EMPTY = 1e-9
#: patch and number of bands of the paper
PATCH, BANDS = 96, 5
#: side of the fields that are transformed here; small, because nothing depends on it
FIELD = 32


def softer_ring_more_power(study: Study, claim: Claim) -> list[Finding]:
    """C19: lowering the confidence of the boundary raises the power in every band."""
    from spectralcal.report.figures.boundary_ring import READINGS, band_powers

    found = []
    for reading, background in READINGS.items():
        for demean in (True, False):
            powers = band_powers((SIDE, SIDE), RADIUS * SIDE, RING, reading, demean)
            rises = int((np.diff(powers, axis=0) > 0).all(axis=0).sum())
            part = Part(f"bands of {powers.shape[1]} that rise at every step", exact(rises),
                        at_least(powers.shape[1]), below(powers.shape[1]))  # fmt: skip
            name = f"{reading} map (background {background:g}, mean {'removed' if demean else 'kept'})"
            ratio = powers[-1] / np.where(powers[0] > 0, powers[0], np.nan)
            said = ", ".join("from nothing" if np.isnan(value) else f"{value:.2g}" for value in ratio)
            found.append(_built(name, [part], "figure1", f"Power at 0.5 over that at 1, low to high band: {said}"))
    return found


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
            "figure1",
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
    return [_built("Eq. 4 as printed", [part], "Eq. 4", note)]


def rebalancing_adds_energy(study: Study, claim: Claim) -> list[Finding]:
    """T02: a map with a higher spectral entropy has more energy (the argument with Parseval's theorem)."""
    smooth = _smooth_field()
    level = equal_bands(smooth, BANDS)
    level *= np.sqrt((smooth**2).sum() / (level**2).sum())
    parts = [_no_more_energy("bands levelled", level, smooth),
             _no_more_energy("bands levelled and amplitude halved", 0.5 * level, smooth)]  # fmt: skip
    power = (np.abs(np.fft.fftn(smooth)) ** 2).sum() / smooth.size
    note = (f"Parseval's theorem itself holds to {abs(power / (smooth**2).sum() - 1):.0e}: moving power between bands "
            "keeps the energy, and the entropy does not see the amplitude")  # fmt: skip
    return [_built("band-levelled field", parts, "Eqs. 5 to 8", note)]


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
    return [_built("class-common noise", [part], "null_space", note)]


def entropy_means_doubt(study: Study, claim: Claim) -> list[Finding]:
    """T04: a higher spectral entropy goes with a softer, less certain boundary."""
    from scipy.stats import spearmanr

    widths = (0.5, 1.0, 2.0, 4.0, 8.0)
    axis = np.arange(2 * FIELD) - FIELD + 0.5
    distance = 0.3 * 2 * FIELD - np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    entropies = [_entropy(np.abs(10 * np.tanh(distance / width))) for width in widths]
    rho = float(spearmanr(widths, entropies).statistic)
    part = Part("Spearman's correlation of boundary width and entropy", exact(rho), above(0), below(0))
    said = ", ".join(f"{width:g}: {value:.2f}" for width, value in zip(widths, entropies, strict=True))
    return [_built("ball with a boundary of given width", [part], "Eqs. 1 to 8", f"Width in voxels: entropy {said}")]


def loss_is_bounded(study: Study, claim: Claim) -> list[Finding]:
    """T05: the spectral term is at most (log K)^2."""
    import torch

    from spectralcal.losses import SpectralEntropyLoss

    bound = np.log(BANDS) ** 2
    random = np.random.default_rng(0)
    # The worst that can be: a reference with equal bands, then samples with all power in one of them.
    level = torch.from_numpy(equal_bands(random.standard_normal((16, 16, 16)), BANDS))
    wave = torch.from_numpy(np.broadcast_to(np.cos(2 * np.pi * np.arange(16) / 16)[:, None, None], (16, 16, 16)).copy())
    loss = SpectralEntropyLoss(bands=BANDS, window=2, pool="profile", target="maximum")
    values = []
    for field in (wave, level, *(torch.from_numpy(random.standard_normal((16, 16, 16)) ** k) for k in (1, 3, 9))):
        logits = torch.stack([field, field - 1.0])[None]
        values.append(float(loss(logits)))
    part = Part("largest value found / (log K)^2", exact(max(values) / bound), at_most(1 + 1e-4), above(1 + 1e-4))
    note = (f"(log {BANDS})^2 = {bound:.2f}: at the weight 0.01 the term adds at most {0.01 * bound:.3f} to the loss; "
            f"the largest of {len(values)} constructed maps gives {max(values):.2f}")  # fmt: skip
    return [_built("constructed maps", [part], "Eq. 9", note)]


def entropy_means_balance(study: Study, claim: Claim) -> list[Finding]:
    """T06: the entropy is highest for a flat spectrum."""
    noise = np.random.default_rng(0).standard_normal((FIELD,) * 3)
    found, most = _entropy(noise), np.log(BANDS)
    part = Part("entropy of white noise / log K", exact(found / most), at_least(0.99), below(0.99))
    note = (f"Eq. 5 sums over shells, whose number of frequencies grows outwards; entropy {found:.2f} of {most:.2f} "
            "nat. Highest is a spectrum that falls with frequency")  # fmt: skip
    return [_built("white noise", [part], "Eqs. 5 to 8", note)]


def _built(where: str, parts: list[Part], evidence: str, note: str = "") -> Finding:
    return conclude(where, parts, evidence, CONSTRUCTION, agreed if len(parts) > 1 else lambda v: next(iter(v)), note)


def _entropy(field: np.ndarray) -> float:
    return spectral_entropy(band_power(field, BANDS))


def _no_more_energy(name: str, field: np.ndarray, smooth: np.ndarray) -> Part:
    """A counter-example needs both: more entropy, and no more energy."""
    rise = _entropy(field) - _entropy(smooth)
    energy = round(float(np.log10((field**2).sum() / (smooth**2).sum())), 12)
    text = f"log10 energy, {name} - smooth map (entropy changes by {rise:+.2f} nat)"
    return Part(text, exact(energy), above(1e-9), lambda value: value <= 1e-9 and rise > 0.1)


def _smooth_field() -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    spectrum = np.fft.fftn(gaussian_filter(np.random.default_rng(0).standard_normal((FIELD,) * 3), 2.0, mode="wrap"))
    # Without the frequencies that no band holds, so that energy and power of the bands are the same.
    spectrum[shell_index(spectrum.shape, BANDS) == BANDS] = 0
    return np.fft.ifftn(spectrum).real


GROUP: dict[str, Callable[[Study, Claim], list[Finding]]] = {
    "C19": softer_ring_more_power,
    "C20": certain_map_is_empty,
    "T01": shells_partition,
    "T02": rebalancing_adds_energy,
    "T03": entropy_acts_on_confidence,
    "T04": entropy_means_doubt,
    "T05": loss_is_bounded,
    "T06": entropy_means_balance,
}
CLAIM = GROUP
