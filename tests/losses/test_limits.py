"""Bounds that training reached are said by the loss: each case one line, and none where nothing was reached."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spectralcal.base import registry
from spectralcal.losses import CRaCLoss, SegmentationLoss, SpectralEntropyCELoss
from spectralcal.losses.crac import LARGEST, SMALLEST
from spectralcal.spectral.shells import empty_shells, radius, shell_edges

LABELS = torch.randint(0, 3, (2, 12, 12, 12), generator=torch.Generator().manual_seed(0))
LABELS[:, :6] = 0  # an interior beside many boundaries


def logits(*size, seed=0, scale=1.0):
    return scale * torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(seed))


def trained(loss, steps, size=(12, 12, 12)):
    labels = torch.zeros(2, *size, dtype=torch.long)
    for step in range(steps):
        loss(logits(*size, seed=step).requires_grad_(), labels).backward()
    return loss


@pytest.mark.parametrize("name", registry.names("losses"))
def test_a_new_loss_has_reached_nothing(name):
    assert registry.load("losses", name)().limits_reached == []


def test_a_window_that_never_became_full():
    loss = SpectralEntropyCELoss(window=4)
    trained(loss, 3)
    assert loss.limits_reached == [
        "the window of maps of 12 x 12 x 12 never became full: 3 of 4 batches (history_init: running)"
    ]
    trained(loss, 1)
    assert loss.limits_reached == []


@pytest.mark.parametrize("options", [{"history": "ema"}, {"window": 1}, {"target": "maximum"}])
def test_nothing_is_missing_where_no_window_counts(options):
    assert trained(SpectralEntropyCELoss(**options), 1).limits_reached == []


def test_a_window_travels_with_a_checkpoint():
    half, rest = trained(SpectralEntropyCELoss(window=4), 2), SpectralEntropyCELoss(window=4)
    rest.load_state_dict(half.state_dict())
    assert trained(rest, 2).limits_reached == []


def test_shells_as_printed_are_empty_beyond_the_corners():
    """Eq. 4 without its division by K: radii reach sqrt(3)/2 of a side, the third shell begins at one."""
    loss = trained(SpectralEntropyCELoss(edges="as_printed", window=1), 1)
    assert loss.limits_reached == ["maps of 12 x 12 x 12 have no frequency in shells 3, 4, 5 of 5 (edges: as_printed)"]


@pytest.mark.parametrize("shape", [(9, 11, 13), (9, 9, 9), (8, 9, 10), (10, 64), (7, 8, 8)])
@pytest.mark.parametrize("edges", ["inscribed", "corner", "as_printed"])
@pytest.mark.parametrize("bands", [3, 4, 5, 6])
def test_empty_shells_are_those_that_counting_finds(shape, edges, bands):
    """Every frequency of the full spectrum, one by one, in plain arithmetic."""
    axes = np.meshgrid(*[np.fft.fftfreq(n) * min(shape) for n in shape], indexing="ij")
    distance = np.sqrt(sum(axis**2 for axis in axes)).ravel()
    outer = shell_edges(shape, bands, edges).numpy() * (1 + 1e-9)
    inner = np.concatenate([[0.0], outer[:-1]])
    expected = [k + 1 for k in range(bands) if not ((distance > inner[k]) & (distance <= outer[k])).any()]
    assert list(empty_shells(shape, bands, edges)) == expected
    assert float(radius(shape).max()) == pytest.approx(distance.max())


def test_a_weight_that_was_still_rising():
    loss = trained(SpectralEntropyCELoss(window=1, warmup_steps=5), 4)
    assert loss.limits_reached == ["the weight was still rising: 4 of 5 warmup_steps"]
    assert trained(loss, 1).limits_reached == []


def test_multipliers_that_were_never_refreshed():
    loss = trained(CRaCLoss(), 1)
    assert loss.limits_reached == ["CRaC's multipliers were never refreshed: training ended before its first epoch did"]
    loss.update_multipliers([(logits(12, 12, 12), LABELS)])
    assert loss.limits_reached == []


def test_multipliers_and_penalty_weights_at_their_limits():
    """Logits far from every margin push both up as far as they may go, and no further."""
    loss = CRaCLoss(gamma=10.0, mu=0.0, rho_max=10.0, rho_interval=1)
    for _ in range(4):
        loss.update_multipliers([(logits(12, 12, 12, scale=1e6), LABELS)])
    assert (loss.multipliers == LARGEST).all()
    assert (loss.rho == 10).all()
    everywhere = ", ".join(f"class {c} ({region})" for region in ("boundary", "interior") for c in range(3))
    lines = loss.limits_reached
    assert len(lines) == 2
    assert lines[0].startswith("CRaC's multiplier is at its limit 1e+06 for class 0 (boundary), class 1 (boundary)")
    assert lines[1] == f"CRaC's penalty weight rho is at its limit 10 for {everywhere}"


def test_a_class_at_its_limit_is_named_alone():
    loss = CRaCLoss()
    loss.update_multipliers([(logits(12, 12, 12), LABELS)])
    loss.multipliers[1, 2] = LARGEST
    assert loss.limits_reached == ["CRaC's multiplier is at its limit 1e+06 for class 2 (interior)"]
    loss.multipliers[:] = SMALLEST  # where they begin
    assert loss.limits_reached == []


def test_a_penalty_weight_that_may_not_grow_reaches_nothing():
    loss = CRaCLoss(rho=2.0, rho_max=2.0)
    loss.update_multipliers([(logits(12, 12, 12), LABELS)])
    assert loss.limits_reached == []


def test_the_parts_of_a_loss_of_ones_own_speak_for_themselves():
    class Both(SegmentationLoss):
        def __init__(self):
            super().__init__()
            self.first, self.second = CRaCLoss(), SpectralEntropyCELoss(window=2)

        def _terms(self, logits, target):
            return {"first": self.first(logits, target), "second": self.second(logits, target)}

    lines = trained(Both(), 1).limits_reached
    assert len(lines) == 2
    assert "multipliers" in lines[0]
    assert "window" in lines[1]
