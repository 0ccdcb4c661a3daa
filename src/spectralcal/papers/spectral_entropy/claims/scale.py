"""What the spectral term can see of confidence: not its level (Abstract, Section 3.3, Appendix A.3).

The entropy of a map's spectrum ignores the map's scale, and a temperature only scales logits. Everything here is
computed on phantoms whose posterior is known, without a trained network and without labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spectralcal.papers.spectral_entropy.claims.construction import BANDS
from spectralcal.papers.spectral_entropy.figures.null_space import SMALLEST, confidence
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import CONSTRUCTION, Finding, Part, above, at_least, below, conclude, exact
from spectralcal.report.claims.study import Study
from spectralcal.report.figures.spectrum import band_power, spectral_entropy

TITLE = "Without training: the level of confidence"
FILE = "src/spectralcal/papers/spectral_entropy/claims/scale.py"
#: phantoms and their side in voxels; temperatures: overconfident, calibrated, underconfident
PHANTOMS, SIDE = 4, 32
TEMPERATURES = (0.4, 1.0, 2.5)
#: change of an entropy that a loss could act on, one that is rounding (nat), and a gap that matters
SEEN, UNSEEN, MISCALIBRATED = 1e-2, 1e-4, 1e-2
#: lengths of gradient steps, as shares of the norm of the logits
STEPS = (1e-3, 1e-2, 1e-1, 1.0)
ROUNDING = 1e-9


def responds_to_the_level(study: Study, claim: Claim) -> list[Finding]:
    """T07: the term responds to over- and underconfidence."""
    by_posterior = [by_temperature(posterior) for posterior in posteriors()]
    gaps = np.array([[row["gap"] for row in rows] for rows in by_posterior])
    parts = []
    for name, text in (("max_logit", "maximum logit"), ("margin", "margin")):
        entropies = np.array([[row[name] for row in rows] for rows in by_posterior])
        change = float(np.ptp(entropies, axis=1).max())
        parts.append(Part(f"largest change of the entropy of the {text} over temperatures", exact(change), above(SEEN),
                          lambda v: v < UNSEEN and np.abs(gaps[:, [0, -1]]).min() > MISCALIBRATED, "nat"))  # fmt: skip
    ends = ", ".join(f"{gap:+.3f} at {t:g}" for t, gap in zip(TEMPERATURES, gaps.mean(0), strict=True))
    cosine, share, number = gradient_directions()
    note = (f"Confidence - accuracy meanwhile: {ends}. The gradient of the term is orthogonal to the logits (cosine "
            f"{abs(cosine):.0e}), and {share:.4f} of its square, 1/C with C = {number} classes, lies along the "
            "direction that the softmax ignores")  # fmt: skip
    return [_built("true posterior at several temperatures", parts, note)]


def overconfident_is_low(study: Study, claim: Claim) -> list[Finding]:
    """T08: overconfident maps have a low spectral entropy."""
    entropies = np.array([[row["max_prob"] for row in by_temperature(posterior)] for posterior in posteriors()])
    parts = [
        Part(f"phantom {number}: entropy of the largest probability, overconfident - calibrated", exact(sharp - true),
             below(0), above(0), "nat")
        for number, (sharp, true, _) in enumerate(entropies)
    ]  # fmt: skip
    means = ", ".join(f"{t:g}: {h:.2f}" for t, h in zip(TEMPERATURES, entropies.mean(0), strict=True))
    return [_built("true posterior at several temperatures", parts, f"Temperature: mean entropy {means} nat")]


def steps_shrink_logits(study: Study, claim: Claim) -> list[Finding]:
    """T09: the term counteracts saturation, that is, a step against its gradient makes logits smaller."""
    logits, gradient = _gradient()
    direction = gradient * (np.linalg.norm(logits) / np.linalg.norm(gradient))
    ratios = [np.linalg.norm(logits - step * direction) / np.linalg.norm(logits) for step in STEPS]
    parts = [
        Part(f"change of the norm of the logits by a step of {step:g} of it", exact(ratio - 1), below(-ROUNDING),
             at_least(-ROUNDING))
        for step, ratio in zip(STEPS, ratios, strict=True)
    ]  # fmt: skip
    return [_built("a step on the term alone", parts, "Of an orthogonal step, the norm can only grow")]


def posteriors(number: int = PHANTOMS, side: int = SIDE) -> Iterator[np.ndarray]:
    """True class probabilities (C, *S) of phantoms, float64, without exact zeros."""
    from spectralcal.datasets.phantom import Phantom

    phantom = Phantom(cases=number, shape=(side, side, side), anisotropic_share=0.0)
    for case in phantom.cases("."):
        posterior = np.maximum(phantom.load(case).posterior.astype(np.float64), SMALLEST)
        yield posterior / posterior.sum(0)


def by_temperature(posterior: np.ndarray) -> list[dict[str, float]]:
    """Spectral entropies of three confidence maps of a true posterior that a temperature makes too sharp or too flat.

    Args:
        posterior: (C, *S), positive.

    Returns:
        For each of :data:`TEMPERATURES` the entropies (nat) of ``max_logit``, ``margin`` and ``max_prob``, and ``gap``:
        confidence minus the true probability of the predicted class, averaged over voxels.
    """
    truth, rows = posterior.max(0), []
    for temperature in TEMPERATURES:
        maps = confidence(np.log(posterior) / temperature)
        row = {name: spectral_entropy(band_power(maps[name], BANDS)) for name in ("max_logit", "margin", "max_prob")}
        rows.append(row | {"gap": float((maps["max_prob"] - truth).mean())})
    return rows


def gradient_directions() -> tuple[float, float, int]:
    """Cosine of the term's gradient with the logits, the share of its square that all classes have in common at a
    voxel, and the number of classes."""
    logits, gradient = _gradient()
    cosine = float((logits * gradient).sum() / (np.linalg.norm(logits) * np.linalg.norm(gradient)))
    classes = logits.shape[0]
    return cosine, common_share(gradient), classes


def common_share(gradient: np.ndarray) -> float:
    """Share of the square of a gradient (C, *S) that is common to all classes of a voxel: what the softmax ignores."""
    return float((gradient.sum(0) ** 2).sum() / gradient.shape[0] / (gradient**2).sum())


def _gradient() -> tuple[np.ndarray, np.ndarray]:
    """Logits (C, *S) of a phantom's posterior and the gradient of the term at them, whose target is log K."""
    import torch

    from spectralcal.losses import SpectralEntropyLoss

    logits = torch.from_numpy(np.log(next(posteriors(1)))[None]).requires_grad_(True)
    SpectralEntropyLoss(bands=BANDS, target="maximum")(logits).backward()
    return logits.detach().numpy()[0], logits.grad.numpy()[0]


def _built(where: str, parts: list[Part], note: str) -> Finding:
    return conclude(where, parts, FILE, CONSTRUCTION, note=note)


GROUP = {"T07": responds_to_the_level, "T08": overconfident_is_low, "T09": steps_shrink_logits}
CLAIM = GROUP
