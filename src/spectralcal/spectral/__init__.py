"""Spectral analysis of confidence maps: pure functions on tensors, torch only.

From class logits to one number per sample, in the order of the paper's Eqs. 1-8::

    field = confidence_map(logits)      # (B, C, *spatial) -> (B, *spatial)
    power = band_power(field, bands=5)  # (B, 5)
    entropy = spectral_entropy(power)   # (B,)

All functions take 2-D and 3-D fields of any size, compute in float32 (float64 for float64 input) also under autocast,
and wait for no device. :func:`radial_psd` and :func:`high_pass` serve analysis and figures, :func:`spectral_coherence`
and :func:`spectrum_correlation` compare two fields, :func:`haar` and :func:`inverse_haar` split a picture into four
bands of half the size.
"""

from spectralcal.spectral.coherence import log_spectrum, spectral_coherence, spectrum_correlation
from spectralcal.spectral.confidence import confidence_map
from spectralcal.spectral.entropy import spectral_entropy
from spectralcal.spectral.filters import high_pass
from spectralcal.spectral.haar import haar, inverse_haar
from spectralcal.spectral.power import band_power
from spectralcal.spectral.psd import radial_psd

__all__ = [
    "band_power",
    "confidence_map",
    "haar",
    "high_pass",
    "inverse_haar",
    "log_spectrum",
    "radial_psd",
    "spectral_coherence",
    "spectral_entropy",
    "spectrum_correlation",
]
