"""Average calibration error against loops over voxels, and its behaviour on calibrated predictions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spectralcal.losses import AverageCalibrationErrorCELoss, AverageCalibrationErrorLoss, CrossEntropyLoss
from spectralcal.losses.mace import _bin_sums, _index_type, _masked_bin_sums

SHAPES = [(2, 3, 9, 11), (2, 4, 5, 6, 7)]


def batch(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)


def slow_ace(p, y, bins, soft):
    """One image and class: p and y are flat; a bin is a list of (share, p, y)."""
    members = [[] for _ in range(bins)]
    for probability, label in zip(p, y, strict=True):
        if not soft:
            members[max(int(np.ceil(probability * bins)) - 1, 0)].append((1.0, probability, label))
            continue
        position = min(max(probability * bins - 0.5, 0), bins - 1)
        low = min(int(position), bins - 2)
        for index, share in ((low, 1 - (position - low)), (low + 1, position - low)):
            if share > 0:
                members[index].append((share, probability, label))
    errors = []
    for rows in members:
        if rows:
            share, mean_p, mean_y = (np.array(column) for column in zip(*rows, strict=True))
            errors.append(abs((share * (mean_p - mean_y)).sum()) / max(share.sum(), 1))
    return np.mean(errors)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("binning", ["hard", "soft"])
@pytest.mark.parametrize("bins", [7, 20])
def test_matches_loops_over_voxels(shape, binning, bins):
    logits, target = batch(shape)
    target[0][target[0] == 2] = 1  # an absent class
    p = logits.softmax(1).detach().flatten(2).numpy()
    y = target.flatten(1).numpy()
    for background in (True, False):
        for ignore in (True, False):
            values = [
                slow_ace(p[b, c], y[b] == c, bins, binning == "soft")
                for b in range(shape[0])
                for c in range(0 if background else 1, shape[1])
                if not ignore or (y[b] == c).any()
            ]
            loss = AverageCalibrationErrorLoss(bins, binning, background, ignore)
            assert loss(logits, target).item() == pytest.approx(np.mean(values), rel=1e-9)


def test_a_probability_on_an_edge_belongs_to_the_bin_below():
    logits = torch.tensor([[[[0.0, math.log(3)]], [[0.0, 0.0]]]])  # class 1: 1/2 and 1/4
    loss = AverageCalibrationErrorLoss(bins=2, include_background=False)
    assert loss(logits, torch.tensor([[[1, 0]]])).item() == pytest.approx(0.5 - 0.375)


@pytest.mark.parametrize("binning", ["hard", "soft"])
def test_gradient_is_exact_away_from_bin_edges(binning):
    logits, target = batch((2, 3, 4, 5), seed=1)
    loss = AverageCalibrationErrorLoss(bins=4, binning=binning)
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits, eps=1e-7, atol=1e-6)


def test_calibrated_predictions_have_a_small_error_and_sharpening_raises_it():
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(1, 200, 200, generator=generator) * 0.98 + 0.01
    logits = torch.stack([torch.zeros_like(p), (p / (1 - p)).log()], 1)
    target = (torch.rand(p.shape, generator=generator) < p).long()
    for binning in ("hard", "soft"):
        loss = AverageCalibrationErrorLoss(binning=binning)
        assert loss(logits, target) < 0.015
        assert loss(3 * logits, target) > 0.05


def test_gradient_descent_on_the_error_alone_repairs_overconfidence():
    generator = torch.Generator().manual_seed(0)
    p = torch.rand(1, 60, 60, generator=generator) * 0.9 + 0.05
    logits = 3 * torch.stack([torch.zeros_like(p), (p / (1 - p)).log()], 1)
    target = (torch.rand(p.shape, generator=generator) < p).long()
    scale = torch.ones((), requires_grad=True)
    loss = AverageCalibrationErrorLoss()
    optimizer = torch.optim.Adam([scale], lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss(scale * logits, target).backward()
        optimizer.step()
    assert scale.item() == pytest.approx(1 / 3, abs=0.1)


@pytest.mark.parametrize(("bins", "voxels"), [(4, 5), (20, 1003), (40, 64), (1, 4001)])
def test_sums_with_and_without_a_histogram_are_those_of_a_loop(bins, voxels):
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(0, bins + 1, (2, 3, voxels), generator=generator).to(_index_type(bins))
    values = 2 * torch.rand(index.shape, generator=generator) - 1
    values[1, 2] = 1 - values[1, 2].abs() / 1e4  # the sums grow as fast as they can
    expected = torch.zeros(2, 2, 3, bins, dtype=torch.float64)
    for place in np.ndindex(*index.shape):
        row = (*place[:2], max(int(index[place]), 1) - 1)
        expected[(0, *row)] += 1
        expected[(1, *row)] += values[place].double()
    for found in (_bin_sums(index, values, bins), _masked_bin_sums(index, values, bins)):
        torch.testing.assert_close(torch.stack(found), expected, rtol=1e-9, atol=1e-9)


def test_autocast_is_off_within_the_bare_term():
    loss, seen = AverageCalibrationErrorLoss(), []
    measure = loss.measure
    loss.measure = lambda *given: seen.append(torch.is_autocast_enabled("cpu")) or measure(*given)
    with torch.autocast("cpu", torch.bfloat16):
        loss(*(tensor.detach() for tensor in batch(SHAPES[0])))
    assert seen == [False]


@pytest.mark.parametrize("bins", [20, 40])
def test_a_nan_passes_through_to_the_value(bins):
    logits, target = (tensor.detach().clone() for tensor in batch(SHAPES[0]))
    logits[0, 0, 0, 0] = math.nan
    assert AverageCalibrationErrorLoss(bins)(logits, target).isnan()


def test_total_adds_cross_entropy():
    logits, target = batch(SHAPES[0])
    total = AverageCalibrationErrorCELoss(weight=0.5, bins=10)
    expected = CrossEntropyLoss()(logits, target) + 0.5 * AverageCalibrationErrorLoss(10)(logits, target)
    torch.testing.assert_close(total(logits, target), expected)


def test_bad_options_are_named():
    for options, words in (({"bins": 0}, "bins"), ({"binning": "kernel"}, "binning"), ({"weight": -1.0}, "weight")):
        with pytest.raises(ValueError, match=words):
            AverageCalibrationErrorCELoss(**options)
