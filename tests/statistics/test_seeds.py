import math

import numpy as np
import pytest

from spectralcal.statistics import seed_spread


def test_spread_by_hand():
    values = [1.0, 3.0, 2.0, 6.0, 3.0, 6.0]
    spread = seed_spread(values, [0, 0, 1, 1, 2, 2], list("xyxyxy"))
    assert spread.seeds.tolist() == [0, 1, 2]
    assert spread.means.tolist() == [2, 4, 4.5]
    assert (spread.mean, spread.low, spread.high) == (3.5, 2, 4.5)
    assert spread.deviation == pytest.approx(np.std([2, 4, 4.5], ddof=1))
    assert seed_spread(values, [0, 0, 1, 1, 2, 2]).means.tolist() == [2, 4, 4.5]


def test_a_patient_that_a_seed_lacks_does_not_count():
    spread = seed_spread([1.0, 100.0, 2.0, math.nan], [0, 0, 1, 1], list("xyxy"))
    assert spread.means.tolist() == [1, 2]


def test_patients_do_not_add_to_the_spread_of_seeds():
    patients = np.random.default_rng(0).normal(0, 50, 20)
    spread = seed_spread(np.tile(patients, 3) + np.repeat([0, 1, 2], 20), np.repeat([0, 1, 2], 20), list(range(20)) * 3)
    assert spread.deviation == pytest.approx(1)


def test_one_seed_has_no_spread():
    spread = seed_spread([1.0, 2.0], [7, 7], ["x", "y"])
    assert math.isnan(spread.deviation)
    assert spread.mean == 1.5


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="shapes"):
        seed_spread([1.0, 2.0], [0])
    with pytest.raises(ValueError, match="every seed"):
        seed_spread([1.0, math.nan], [0, 1], ["x", "x"])
    with pytest.raises(ValueError, match="every seed"):
        seed_spread([], [])
