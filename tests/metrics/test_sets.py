"""Sets of samples against sets of masks: brute force, invariants, conventions of empty masks, and refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spectralcal.metrics import dice_match, dice_max, dice_personal, dice_soft, ged
from spectralcal.metrics.sets import dice_matrix, set_distances

EMPTY = ("one", "zero")


def distance(a, b, empty):
    union = np.count_nonzero(a | b)
    return 1 - np.count_nonzero(a & b) / union if union else float(empty == "zero")


def brute(samples, masks, empty, unbiased):
    binary = [np.float32(s) > 0.5 for s in samples]
    drawn = [np.asarray(m) == 1 for m in masks]
    cross = np.mean([distance(s, m, empty) for s in binary for m in drawn])
    labels = np.mean([distance(a, b, empty) for a in drawn for b in drawn])
    pairs = [(i, j) for i in range(len(binary)) for j in range(len(binary)) if not (unbiased and i == j)]
    return 2 * cross - labels - np.mean([distance(binary[i], binary[j], empty) for i, j in pairs])


def overlap(a, b):
    size = np.count_nonzero(a) + np.count_nonzero(b)
    return 2 * np.count_nonzero(a & b) / size if size else 1.0


@st.composite
def cases(draw, most_samples=6):
    shape = draw(st.sampled_from([(5,), (3, 4), (2, 3, 2)]))
    samples, raters = draw(st.integers(2, most_samples)), draw(st.integers(1, 5))
    probability = st.sampled_from([0.0, 0.2, 0.5, 0.50001, 0.9, 1.0])
    p = draw(hnp.arrays(np.float64, (samples, *shape), elements=probability))
    return p, draw(hnp.arrays(np.uint8, (raters, *shape), elements=st.integers(0, 1)))


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from(EMPTY), st.booleans())
def test_energy_distance_is_that_of_all_pairs(case, empty, unbiased):
    assert ged(*case, empty=empty, unbiased=unbiased) == pytest.approx(brute(*case, empty, unbiased), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from(EMPTY))
def test_invariants_of_the_energy_distance(case, empty):
    samples, masks = case
    value = ged(samples, masks, empty=empty)
    assert -1e-12 <= value <= 2 + 1e-12
    assert ged(samples[::-1], masks[::-1], empty=empty) == pytest.approx(value, abs=1e-12)
    assert ged(np.repeat(samples, 3, 0), masks, empty=empty) == pytest.approx(value, abs=1e-12)
    assert ged(np.repeat(masks, 2, 0), masks, empty=empty) == pytest.approx(0, abs=1e-12)
    parts, count = set_distances(samples, masks, empty), len(samples)
    if (samples > 0.5).reshape(count, -1).any(1).all():
        assert parts.diversity() == pytest.approx((1 - 1 / count) * parts.diversity(unbiased=True), abs=1e-12)
    for few in range(1, count + 1):
        assert parts.first(few).ged() == pytest.approx(ged(samples[:few], masks, empty=empty), abs=1e-12)


def test_the_price_of_predicting_nothing():
    """Under "zero" empty samples count as maximally diverse, and 1 of their distance is paid back."""
    masks = np.zeros((4, 8, 8), np.uint8)
    for rater in range(4):
        masks[rater, 2 : 5 + rater, 2:5] = 1
    nothing = np.zeros((10, 8, 8))
    assert ged(nothing, masks, "one") - ged(nothing, masks, "zero") == pytest.approx(1)


def test_unbiased_distance_does_not_depend_on_the_number_of_samples():
    random = np.random.default_rng(0)
    masks = random.random((4, 40)) < 0.4
    few, many = [], []
    for _ in range(3000):
        draws = (random.random((12, 40)) < 0.5).astype(float)
        parts = set_distances(draws, masks)
        few.append((parts.first(3).ged(), parts.first(3).ged(unbiased=True)))
        many.append((parts.ged(), parts.ged(unbiased=True)))
    few, many = np.array(few), np.array(many)
    error = np.sqrt((few.var(0) + many.var(0)) / len(few))
    assert abs(few.mean(0) - many.mean(0))[1] < 4 * error[1]
    assert few.mean(0)[0] - many.mean(0)[0] > 20 * error[0]


@settings(max_examples=60, deadline=None)
@given(cases())
def test_dice_by_brute_force(case):
    samples, masks = case
    binary, drawn = np.float32(samples) > 0.5, masks == 1
    matrix = np.array([[overlap(m, s) for s in binary] for m in drawn])
    np.testing.assert_allclose(dice_matrix(samples, masks), matrix, atol=1e-12)
    assert dice_max(samples, masks) == pytest.approx(matrix.max(1).mean())
    assert dice_max(samples, masks, over="samples") == pytest.approx(matrix.max(0).mean())
    soft = [overlap(samples.mean(0) > t, masks.mean(0) > t) for t in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert dice_soft(samples, masks) == pytest.approx(np.mean(soft))
    raters, count = matrix.shape
    if count >= raters:
        best = max(matrix[range(raters), list(p)].mean() for p in itertools.permutations(range(count), raters))
        assert dice_match(samples, masks) == pytest.approx(best)
        assert dice_match(samples, masks) <= dice_max(samples, masks) + 1e-12
    if count == raters:
        assert dice_personal(samples, masks) == pytest.approx(np.diag(matrix).mean())
        assert dice_personal(samples, masks) <= dice_match(samples, masks) + 1e-12


@settings(max_examples=40, deadline=None)
@given(cases(), st.integers(1, 5))
def test_more_samples_never_meet_raters_less(case, kept):
    samples, masks = case
    kept = min(kept, len(samples))
    assert dice_max(samples[:kept], masks) <= dice_max(samples, masks) + 1e-12
    if kept >= len(masks):
        assert dice_match(samples[:kept], masks) <= dice_match(samples, masks) + 1e-12


@pytest.mark.parametrize("raters", [3, 4, 7, 10])
def test_the_mean_mask_is_a_perfect_soft_prediction(raters):
    masks = (np.random.default_rng(raters).random((raters, 30, 30)) < 0.5).astype(np.uint8)
    assert dice_soft(masks.mean(0, dtype=np.float64)[None].astype(np.float64), masks) >= 0.999
    assert dice_soft(masks, masks) == 1


def test_tensors_count_like_arrays_and_half_is_not_above_half():
    samples, masks = torch.full((3, 4, 4), 0.5), torch.ones(2, 4, 4, dtype=torch.bool)
    assert dice_max(samples, masks) == 0
    assert ged(samples.numpy(), masks.numpy()) == ged(samples, masks)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ged(np.zeros((2, 4, 4)), np.zeros((2, 4, 5))), r"of one shape S .* \(2, 4, 4\) and \(2, 4, 5\)"),
        (lambda: ged(np.zeros((2, 4)), np.full((2, 4), 2)), "masks: expected 0 and 1, received int"),
        (lambda: ged(np.full((2, 4), 3.0), np.zeros((2, 4))), "apply a sigmoid to logits"),
        (lambda: ged(np.full((2, 4), np.nan), np.zeros((2, 4))), "expected probabilities"),
        (lambda: ged(np.zeros((1, 4)), np.zeros((2, 4)), unbiased=True), "at least two samples"),
        (lambda: ged(np.zeros((1, 4)), np.zeros((2, 4)), empty="nan"), "empty: expected 'one' or 'zero'"),
        (lambda: dice_match(np.zeros((2, 4)), np.zeros((3, 4))), "at least one per mask, 3, received 2"),
        (lambda: dice_personal(np.zeros((4, 4)), np.zeros((3, 4))), "one per mask, 3, received 4"),
        (lambda: dice_max(np.zeros((4, 4)), np.zeros((3, 4)), over="raters"), "over: expected"),
        (lambda: ged(np.zeros((0, 4)), np.zeros((3, 4))), "at least one, received none"),
    ],
)
def test_what_cannot_be_scored_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
