import math

import numpy as np
import pytest

from spectralcal.metrics import dice, status


def test_dice_by_hand():
    p, r = np.array([[1, 1, 0], [1, 0, 0]], bool), np.array([[1, 0, 0], [1, 0, 1]], bool)
    assert dice(p, r) == pytest.approx(2 * 2 / 6)
    assert dice(p, p) == 1
    assert dice(p, ~p) == 0


def test_empty_masks_have_a_status_and_never_score_as_perfect():
    full, empty = np.ones((3, 4), bool), np.zeros((3, 4), bool)
    assert (status(full, full), dice(full, full)) == ("ok", 1)
    assert (status(empty, full), dice(empty, full)) == ("missed", 0)
    assert (status(full, empty), dice(full, empty)) == ("spurious", 0)
    assert status(empty, empty) == "absent"
    assert math.isnan(dice(empty, empty))


def test_tensors_and_zero_one_arrays_are_masks_too():
    import torch

    p, r = np.array([0, 1, 1, 0]), np.array([0.0, 1.0, 0.0, 0.0])
    assert dice(p, r) == dice(torch.from_numpy(p), torch.from_numpy(r)) == dice(p == 1, r == 1) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("p", "r", "message"),
    [
        (np.zeros((2, 3), bool), np.zeros((3, 2), bool), "one shape"),
        (np.array([0, 1, 2]), np.zeros(3, bool), "prediction must be a mask"),
        (np.zeros(3, bool), np.array([0.5, 0, 1]), "reference must be a mask"),
        (np.array([np.nan, 0, 1]), np.zeros(3, bool), "prediction must be a mask"),
        (np.zeros((0, 3), bool), np.zeros((0, 3), bool), "at least one voxel"),
    ],
)
def test_what_is_no_pair_of_masks_is_refused(p, r, message):
    for metric in (dice, status):
        with pytest.raises(ValueError, match=message):
            metric(p, r)
