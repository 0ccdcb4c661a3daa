"""Target spacing and crop boxes."""

import numpy as np
import pytest

from spectralcal.preparation.crop import crop, full_box, nonzero_box
from spectralcal.preparation.resample import resampled_shape
from spectralcal.preparation.spacing import target_spacing

CARDIAC = [(1.4, 1.4, 10.0), (1.5, 1.5, 10.0), (1.6, 1.6, 5.0)]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("median_all", (1.6, 1.6, 1.6)),  # of 1.4 1.4 1.5 1.5 1.6 1.6 5 10 10
        ("median_inplane", (1.5, 1.5, 1.5)),
        ("per_axis", (1.5, 1.5, 10.0)),
        ("original", None),
        ((1, 2, 3.5), (1.0, 2.0, 3.5)),
        ([1, 2, 3.5], (1.0, 2.0, 3.5)),
    ],
)
def test_target_spacing(mode, expected):
    assert target_spacing(CARDIAC, mode) == expected


def test_target_spacing_ignores_noise_in_headers():
    noisy = [tuple(value + 1e-7 * i for value in row) for i, row in enumerate(CARDIAC)]
    assert target_spacing(noisy) == target_spacing(CARDIAC)


def test_an_axis_without_a_target_keeps_the_spacing_of_each_case():
    assert target_spacing(CARDIAC, (2.0, 2.0, None)) == (2.0, 2.0, None)
    assert resampled_shape((100, 80, 9), (1.0, 1.5, 10.0), (2.0, 2.0, None)) == (50, 60, 9)
    assert resampled_shape((100, 80, 17), (1.0, 1.5, 5.0), (2.0, 2.0, None)) == (50, 60, 17)


@pytest.mark.parametrize("spacing", [(2.0, None), (2.0, 0.0, None), (2.0, float("nan"), None)])
def test_a_bad_target_is_refused(spacing):
    with pytest.raises(ValueError, match="expected 3 positive values in mm"):
        target_spacing(CARDIAC, spacing)


@pytest.mark.parametrize("mode", ["median", (1.0, 1.0), (1.0, 1.0, 0.0), (1.0, 1.0, float("nan"))])
def test_bad_spacing_is_refused(mode):
    with pytest.raises(ValueError, match="expected"):
        target_spacing(CARDIAC, mode)


def test_no_case_is_refused():
    with pytest.raises(ValueError, match="at least one case"):
        target_spacing([])


def test_box_holds_exactly_the_non_zero_voxels_of_all_channels():
    image = np.zeros((2, 9, 8, 7))
    image[0, 2, 3, 4] = 5
    image[1, 6, 1, 4] = -1
    box = nonzero_box(image)
    assert box == ((2, 7), (1, 4), (4, 5))
    assert np.count_nonzero(crop(image, box)) == np.count_nonzero(image)


def test_box_of_an_empty_image_is_everything():
    assert nonzero_box(np.zeros((1, 3, 4, 5))) == full_box((3, 4, 5)) == ((0, 3), (0, 4), (0, 5))
