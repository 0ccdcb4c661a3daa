"""Scores of two masks: by hand, by scikit-learn, pooled, and what an empty mask means."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from spectralcal.metrics import CalibrationHistogram, ConfusionScores, confusion_scores, dice

SCORES = ("iou", "dice", "sensitivity", "specificity", "accuracy", "precision")


def masks(seed, shape=(9, 7, 5)):
    random = np.random.default_rng(seed)
    return random.random(shape) < 0.4, random.random(shape) < 0.3


def test_by_hand():
    prediction = np.array([[1, 1, 0, 0, 0], [0, 1, 0, 0, 0]])
    reference = np.array([[1, 0, 1, 0, 0], [0, 1, 0, 0, 0]], bool)
    found = confusion_scores(prediction, reference)
    assert found == ConfusionScores(true_positive=2, false_positive=1, false_negative=1, true_negative=6)
    assert (found.iou, found.dice, found.sensitivity, found.specificity, found.accuracy, found.precision) == (
        pytest.approx((2 / 4, 4 / 6, 2 / 3, 6 / 7, 8 / 10, 2 / 3))
    )


@pytest.mark.parametrize("seed", range(3))
def test_another_library_finds_the_same(seed):
    prediction, reference = masks(seed)
    found, p, r = confusion_scores(prediction, torch.from_numpy(reference)), prediction.ravel(), reference.ravel()
    assert found.iou == pytest.approx(sk.jaccard_score(r, p))
    assert found.dice == pytest.approx(sk.f1_score(r, p)) == dice(prediction, reference)
    assert found.sensitivity == pytest.approx(sk.recall_score(r, p))
    assert found.specificity == pytest.approx(sk.recall_score(~r, ~p))
    assert found.accuracy == pytest.approx(sk.accuracy_score(r, p))
    assert found.precision == pytest.approx(sk.precision_score(r, p))


def test_pooled_is_that_of_all_voxels_and_no_mean_of_images():
    pairs = [masks(seed, (6, 1 + seed)) for seed in range(4)]
    pooled = sum((confusion_scores(*pair) for pair in pairs), start=ConfusionScores())
    together = confusion_scores(*(np.concatenate(side, axis=1) for side in zip(*pairs, strict=True)))
    assert pooled == together
    assert pooled.iou != pytest.approx(np.mean([confusion_scores(*pair).iou for pair in pairs]), abs=1e-4)


#: prediction, reference -> scores, nan where there is nothing to share
EMPTY = {
    "both empty": (0, 0, (math.nan, math.nan, math.nan, 1, 1, math.nan)),
    "missed": (0, 1, (0, 0, 0, 1, 0.75, math.nan)),
    "spurious": (1, 0, (0, 0, math.nan, 0.75, 0.75, 0)),
    "both full": (4, 4, (1, 1, 1, math.nan, 1, 1)),
    "all predicted": (4, 0, (0, 0, math.nan, 0, 0, 0)),
}


@pytest.mark.parametrize(("predicted", "present", "expected"), EMPTY.values(), ids=EMPTY)
def test_empty_and_full_masks(predicted, present, expected):
    found = confusion_scores(np.arange(4) < predicted, np.arange(4) < present)
    np.testing.assert_equal([getattr(found, name) for name in SCORES], list(map(float, expected)))


def test_iou_and_dice_are_bound_to_each_other():
    found = confusion_scores(*masks(7))
    assert found.dice == pytest.approx(2 * found.iou / (1 + found.iou))


@pytest.mark.parametrize(
    ("prediction", "reference", "words"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), "one shape"),
        (np.array([0, 2]), np.array([0, 1]), "prediction must be a mask"),
        (np.array([0.0, 1.0]), np.array([0.0, 0.5]), "reference must be a mask"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "at least one voxel"),
    ],
)
def test_what_is_no_pair_of_masks_is_refused(prediction, reference, words):
    with pytest.raises(ValueError, match=words):
        confusion_scores(prediction, reference)


# ---- maximum and mean gap over bins --------------------------------------------------------------------------------


def test_mce_is_the_largest_or_the_mean_gap_of_the_bins_that_hold_voxels():
    confidence, hit = np.array([0.6] * 10 + [0.9] * 30), np.array([True] * 3 + [False] * 7 + [True] * 24 + [False] * 6)
    histogram = CalibrationHistogram(2).update(np.stack([confidence, 1 - confidence]), np.where(hit, 0, 1))
    gaps = (0.6 - 0.3, 0.9 - 0.8)
    assert histogram.mce() == histogram.mce("max") == pytest.approx(gaps[0])
    assert histogram.mce("mean") == pytest.approx(sum(gaps) / 2)
    assert histogram.ece() == pytest.approx((10 * gaps[0] + 30 * gaps[1]) / 40)


def test_mce_of_nothing_is_nan_and_another_reading_is_refused():
    assert math.isnan(CalibrationHistogram(2).mce("mean"))
    with pytest.raises(ValueError, match="over must be 'max' or 'mean', got 'sum'"):
        CalibrationHistogram(2).mce("sum")
