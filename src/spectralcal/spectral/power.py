"""Power of a field in each shell of the frequency domain (paper, Eqs. 2-5)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spectralcal.spectral._checks import as_field, member
from spectralcal.spectral.shells import Beyond, Edges, Frequency, check_bands, shells


def band_power(
    field: Tensor,
    bands: int = 5,
    edges: Edges = "inscribed",
    include_dc: bool = False,
    beyond: Beyond = "drop",
    frequency: Frequency = "cycles",
    reduce: Literal["sum", "mean"] = "sum",
) -> Tensor:
    """Power in `bands` concentric shells, S^(k) = sum over shell k of |FFT(field)|^2 (paper, Eqs. 2-5).

    The transform is unnormalised and runs in float32 (float64 for float64 input) whatever the autocast state. Shifting
    zero frequency to the centre, as Eq. 2 does, changes no sum and is left out.

    Args:
        field: (B, H, W) or (B, D, H, W) floating point; any sides, odd ones too.
        bands: number of shells K; default 5, the paper's. As many as leave no shell without a frequency: half the
            shortest side, or more where the sides differ (5 on 9 x 11 x 13).
        edges: "inscribed" r_k = k m / (2 K), m the shortest side; "corner" r_k = k r_max / K; "as_printed" k m / 2.
            Default "inscribed": as printed, three of five shells of a cube are empty.
        include_dc: count zero frequency in the first shell. Default False, the strict inequality of Eq. 4; the single
            bin would otherwise contain almost all power of a logit map.
        beyond: radii above r_K are left out ("drop", literal Eq. 4, default) or counted in the last shell ("merge").
        frequency: radius in "cycles" per voxel scaled by the shortest side (default, isotropic) or in integer "index".
        reduce: "sum" over a shell (Eq. 5, default) or "mean", which makes white noise flat.

    Returns:
        (B, bands), float32 or float64. Differentiable once with respect to `field`.

    Raises:
        ValueError: wrong shape or type of `field`, an unknown option, or more bands than leave no shell empty.
    """
    field = as_field(field)
    member("reduce", reduce, ("sum", "mean"))
    shape = tuple(field.shape[1:])
    check_bands(shape, bands, edges, include_dc, beyond, frequency)
    table = shells(shape, bands, edges, include_dc, beyond, frequency, field.device)
    power = shell_power(field, table.group, bands)
    return power / table.count.clamp_min(1).to(power) if reduce == "mean" else power


def shell_power(field: Tensor, group: Tensor, bands: int) -> Tensor:
    """Sum of |FFT(field)|^2 over each shell of a table from :func:`spectralcal.spectral.shells.shells`: (B, bands)."""
    with torch.autocast(field.device.type, enabled=False):
        return _ShellPower.apply(field, group, bands)


class _ShellPower(torch.autograd.Function):
    """S_k = sum_{f in shell k} |F_f|^2, with dS_k/dz = 2 * unnormalised inverse transform of F masked to the shell.

    Written out because the derivative of a real transform, as autograd has it, goes through a full complex one.
    """

    @staticmethod
    def forward(ctx: Any, field: Tensor, group: Tensor, bands: int) -> Tensor:
        axes = tuple(range(1, field.ndim))
        spectrum = torch.fft.rfftn(field, dim=axes)
        ctx.save_for_backward(spectrum, group)
        ctx.shape = field.shape
        sums = _group_sums(_energy(spectrum), group, 2 * bands + 1)
        return (2 * sums[:, :bands] + sums[:, bands : 2 * bands]).to(field.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        spectrum, group = ctx.saved_tensors
        weight = torch.cat([grad, grad, grad.new_zeros(len(grad), 1)], dim=1) * 2  # (B, 2K + 1)
        result = grad.new_empty(ctx.shape)
        # One sample after another: each of the three spectra in hand is then as small as can be.
        for row, source, field in zip(weight, spectrum, result, strict=True):
            scaled = torch.empty_like(source)
            torch.mul(
                torch.view_as_real(source),
                row.index_select(0, group).reshape(*source.shape, 1),
                out=torch.view_as_real(scaled),
            )
            field.copy_(torch.fft.irfftn(scaled, s=ctx.shape[1:], norm="forward"))
        return result, None, None


def _energy(spectrum: Tensor) -> Tensor:
    """|spectrum|^2, complex (B, ...) -> real (B, M). Squared before the parts are taken apart: in memory's order."""
    squares = torch.view_as_real(spectrum).flatten(1).square()
    return squares[:, 0::2] + squares[:, 1::2]


def _group_sums(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """Sum of values (B, M) over each group of bins: (B, groups).

    No matrix product: its precision is the caller's global choice (TF32, bfloat16), and these sums span many decades.
    """
    if values.device.type == "cpu":
        return torch.stack([torch.bincount(group, row.double(), minlength=groups) for row in values])
    return _masked_sums(values, group, groups)


def _masked_sums(values: Tensor, group: Tensor, groups: int, limit: int = 2**26) -> Tensor:
    """The same without a histogram, which on CUDA waits for the device or adds in no fixed order.

    All groups at once while the products are fewer than `limit`, else one after another.
    """
    zero = values.new_zeros(())
    if values.numel() * groups > limit:
        return torch.stack([torch.where(group == index, values, zero).sum(-1) for index in range(groups)], dim=1)
    index = torch.arange(groups, device=values.device, dtype=group.dtype).unsqueeze(1)
    return torch.where(group == index, values.unsqueeze(1), zero).sum(-1)
