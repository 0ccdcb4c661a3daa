"""Claims that need no trained network: what the printed formula is, by full transforms against sums over pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import CONSTRUCTION, Finding, Part, above, at_most, conclude, exact
from spectralcal.report.claims.study import Study

if TYPE_CHECKING:
    from torch import Tensor

TITLE = "Without training"
FILE = "src/spectralcal/papers/spectral_correlation/claims/construction.py"
#: images, classes and sides of the constructed batch
BATCH, CLASSES, SIDE = 4, 2, 32
#: a relative difference that is rounding of double precision, with room
ROUNDING = 1e-9
#: Which axes of (B, C, H, W) the transform runs over, and how it is scaled: all readings of "FFT of two masks".
TRANSFORMS: dict[str, tuple[tuple[int, ...], str]] = {
    "2-D transform, unscaled": ((2, 3), "backward"),
    "2-D transform, orthonormal": ((2, 3), "ortho"),
    "transform of each row alone": ((3,), "forward"),
    "3-D transform over the batch too": ((0, 2, 3), "backward"),
}
#: other readings, which the formula is not: options of the loss
OTHERS = {"middle band": {"band": "mid"}, "amplitudes": {"spectrum": "amplitude"}, "half spectrum": {"onesided": True}}


def adds_to_spatial_losses(study: Study, claim: Claim) -> list[Finding]:
    """S-11: frequency space adds what spatial losses lack."""
    p, y = batch()
    dice, slope = squared_dice(p, y)
    found = []
    for name, (axes, norm) in TRANSFORMS.items():
        value, gradient = by_transforms(p, y, axes, norm)
        parts = [
            _differs("term by transforms / squared Dice over pixels - 1", abs(value / dice - 1)),
            _differs("largest difference of their gradients, relative to the largest gradient",
                     np.abs(gradient - slope).max() / np.abs(slope).max()),
            _differs("part of the gradient that is no function of the pixel itself and two sums of its image",
                     nonlocal_part(p, y, gradient)),
        ]  # fmt: skip
        found.append(_built(name, parts))
    said = ", ".join(f"{name} {share:.2f}" for name, share in other_readings(p, y).items())
    note = f"That part of the gradient in readings other than the printed sum over all frequencies: {said}"
    return [*found[:-1], replace(found[-1], found=f"{found[-1].found}. {note}")]


def space_against_frequency(study: Study, claim: Claim) -> list[Finding]:
    """S-15: a change is small in frequency space where it is large in space, and the reverse."""
    ratios, amplitudes = {}, {}
    for name, first, second in pairs():
        spatial = np.linalg.norm(first - second)
        spectra = [np.fft.fft2(mask, norm="ortho") for mask in (first, second)]
        ratios[name] = np.linalg.norm(spectra[0] - spectra[1]) / spatial
        amplitudes[name] = np.linalg.norm(np.abs(spectra[0]) - np.abs(spectra[1])) / spatial
    parts = [_differs(f"{name}: distance of the spectra / distance of the masks - 1", abs(ratio - 1))
             for name, ratio in ratios.items()]  # fmt: skip
    said = ", ".join(f"{name} {ratio:.2f}" for name, ratio in amplitudes.items())
    note = ("Amplitudes alone, without phase, are never farther apart than the masks and ignore shifts; their distance "
            f"over that of the masks: {said}. The printed term has the phase")  # fmt: skip
    return [_built("pairs of masks", parts, note)]


def batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and masks (B, C, H, W), float64: blurred discs with noise, and the discs."""
    random = np.random.default_rng(seed)
    masks = np.stack([[disc(random) for _ in range(CLASSES)] for _ in range(BATCH)])
    noise = random.standard_normal(masks.shape)
    return 1 / (1 + np.exp(-(4 * masks - 2 + 2 * noise))), masks


def disc(random: np.random.Generator) -> np.ndarray:
    """A disc (H, W) of 0 and 1 that lies inside the image."""
    radius = random.uniform(3, 8)
    centre = random.uniform(radius, SIDE - radius, 2)
    return (np.hypot(*(np.indices((SIDE, SIDE)) - centre[:, None, None])) <= radius).astype(float)


def squared_dice(p: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """2 sum(p y) / sum(p^2 + y^2) over pixels and batch, mean over classes, with its gradient by p in closed form."""
    over = (0, 2, 3)
    size = (p**2 + y**2).sum(over, keepdims=True)
    dice = 2 * (p * y).sum(over, keepdims=True) / size
    return float(dice.mean()), 2 * (y - dice * p) / size / p.shape[1]


def by_transforms(p: np.ndarray, y: np.ndarray, axes: tuple[int, ...], norm: str) -> tuple[float, np.ndarray]:
    """Eq. 2 to the letter on full complex spectra, sums over the batch, with its gradient by autograd."""
    import torch

    given, label = torch.tensor(p, requires_grad=True), torch.tensor(y)

    def spectrum(field: Tensor) -> Tensor:
        return torch.fft.fftshift(torch.fft.fftn(field, dim=axes, norm=norm), dim=axes)

    f, s = spectrum(given), spectrum(label)
    over = (0, 2, 3)
    cross = (f.real * s.real + f.imag * s.imag).sum(over)
    value = (2 * cross / (f.abs().square() + s.abs().square()).sum(over)).mean()
    value.backward()
    return float(value.detach()), given.grad.numpy()


def nonlocal_part(p: np.ndarray, y: np.ndarray, gradient: np.ndarray) -> float:
    """Share of a gradient that a y + b p does not explain, with two numbers a and b for each class."""
    rest = np.empty_like(gradient)
    for c in range(p.shape[1]):
        known = np.stack([y[:, c].ravel(), p[:, c].ravel()], 1)
        weights = np.linalg.lstsq(known, gradient[:, c].ravel(), rcond=None)[0]
        rest[:, c] = gradient[:, c] - (known @ weights).reshape(gradient[:, c].shape)
    return float(np.linalg.norm(rest) / np.linalg.norm(gradient))


def other_readings(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Reading -> share of its gradient that is no function of the pixel itself and two sums."""
    import torch

    from spectralcal.losses import SpectralCorrelationLoss

    found = {}
    for name, options in OTHERS.items():
        given = torch.tensor(p, requires_grad=True)
        loss = SpectralCorrelationLoss(reduce="batch", eps=0.0, **options)
        loss.similarity(given, torch.tensor(y)).backward()
        found[name] = nonlocal_part(p, y, given.grad.numpy())
    return found


def pairs() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Pairs of masks (H, W): name, one, the other."""
    random = np.random.default_rng(1)
    mask = disc(random)
    yield "shifted by 9 pixels", mask, np.roll(mask, 9, 1)
    yield "one pixel wider", mask, np.maximum.reduce([np.roll(mask, d, a) for a in (0, 1) for d in (-1, 0, 1)])
    yield "a pixel added far away", mask, np.where(np.arange(SIDE**2).reshape(mask.shape) == 0, 1.0, mask)
    yield "another disc", mask, disc(random)
    yield "noise", mask, (random.random(mask.shape) < mask.mean()).astype(float)


def _differs(text: str, value: float) -> Part:
    # The digits of rounding are the processor's, and a ledger is the same everywhere.
    return Part(text, exact(value if value > ROUNDING else 0.0), above(ROUNDING), at_most(ROUNDING))


def _built(where: str, parts: list[Part], note: str = "") -> Finding:
    return conclude(where, parts, FILE, CONSTRUCTION, note=note)


GROUP: dict[str, Callable[[Study, Claim], list[Finding]]] = {
    "S-11": adds_to_spatial_losses,
    "S-15": space_against_frequency,
}
CLAIM = GROUP
