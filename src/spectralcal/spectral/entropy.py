"""Shannon entropy of a band-power profile (paper, Eqs. 7-8)."""

from __future__ import annotations

from torch import Tensor


def band_shares(power: Tensor, eps: float = 1e-6) -> Tensor:
    """Shares P^(k) = S^(k) / (sum_j S^(j) + eps) of the bands, along the last axis (Eq. 7). Shape as `power`."""
    return power / (power.sum(-1, keepdim=True) + eps)


def spectral_entropy(power: Tensor, eps: float = 1e-6) -> Tensor:
    """H = -sum_k P^(k) log(P^(k) + eps) of the normalised band powers, in nats (Eqs. 7-8).

    Args:
        power: (B, K) non-negative band powers, from :func:`spectralcal.spectral.band_power`.
        eps: the constant in the normaliser and the logarithm; default 1e-6, as printed. With all power in one band it
            makes H slightly negative (-eps), and a field without power has H = 0.

    Returns:
        (B,): 0 for one band only, at most log K. A scale of the field does not change it.

    Raises:
        ValueError: `power` is not floating point with at least one axis, or `eps` is not positive.
    """
    if not power.is_floating_point() or power.ndim < 1:
        raise ValueError(f"power: expected floating point (B, K), received {power.dtype} {tuple(power.shape)}")
    if not eps > 0:
        raise ValueError(f"eps: expected a positive number, received {eps!r}; the paper uses 1e-6")
    shares = band_shares(power, eps)
    return -(shares * (shares + eps).log()).sum(-1)
