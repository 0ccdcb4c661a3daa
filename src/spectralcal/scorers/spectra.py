"""Spectra of the confidence maps of each case, on one fixed patch, for every kind of map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spectralcal.scoring.contract import Mergeable, Prediction, Scored, ScoredCase, Scorer

MAPS = ("max_logit", "max_log_prob", "max_prob", "margin")


class Spectra(Scorer):
    """Radial power spectra, band powers and entropies.

    Arrays: ``frequency`` (F,) in cycles/voxel, ``spacing_mm`` (N, d) of the prepared grid and, for each map,
    ``psd_<map>`` (N, F) (mean removed, Hamming taper), ``band_power_<map>`` (N, K) and ``entropy_<map>`` (N,), at most
    log K.
    """

    needs = frozenset({"patch_logits"})
    file, prefix = "spectra", ""

    def case(self, prediction: Prediction, case: ScoredCase) -> Scored:
        """Arrays alone; the bands are inscribed shells without the zero frequency, as in training."""
        from spectralcal.spectral import band_power, confidence_map, radial_psd, spectral_entropy

        arrays = {"spacing_mm": np.array(prediction.patch_spacing_mm, dtype=np.float64)}
        for kind in MAPS:
            field = confidence_map(prediction.patch_logits, kind)
            frequency, psd = radial_psd(field)
            power = band_power(field, bands=case.settings.spectral_bands)
            arrays["frequency"] = frequency.cpu().numpy()
            arrays[f"psd_{kind}"] = psd[0].double().cpu().numpy()
            arrays[f"band_power_{kind}"] = power[0].double().cpu().numpy()
            arrays[f"entropy_{kind}"] = spectral_entropy(power)[0].double().cpu().numpy()
        return Scored(arrays=arrays)

    def pool(self, parts: Mapping[str, Mergeable], arrays: Mapping[str, np.ndarray]) -> Scored:
        """The arrays of all cases, and the frequencies that they share once."""
        return Scored(arrays={**arrays, "frequency": arrays["frequency"][0]})


SCORER = Spectra
