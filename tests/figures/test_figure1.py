"""The synthetic boundary: its maps, its spectra, and where the paper's statement holds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tidy import assert_tidy

from spectralcal import spectral
from spectralcal.papers.spectral_entropy.figures import figure1
from spectralcal.report.figures import boundary_ring as _boundary_ring
from spectralcal.report.figures.psd import radial_psd


@pytest.mark.parametrize("shape", [(12, 12), (9, 14), (10, 11, 12), (7, 7, 7)])
@pytest.mark.parametrize("demean", [True, False])
@pytest.mark.parametrize("bins", [1, 3, 6])
def test_spectrum_is_that_of_the_package(shape, demean, bins):
    field = np.random.default_rng(1).standard_normal(shape) + 2.0
    expected_frequency, expected = spectral.radial_psd(torch.from_numpy(field)[None], bins, demean)
    frequency, density = radial_psd(field, bins, demean)
    np.testing.assert_allclose(frequency, expected_frequency.numpy())
    np.testing.assert_allclose(density, expected[0].numpy(), rtol=1e-9)


def test_frequencies_that_a_field_lacks_are_no_zeros():
    _, density = radial_psd(np.random.default_rng(2).standard_normal((6, 6)), 24)
    assert np.isnan(density).any()
    assert np.nansum(density) > 0


def test_ring_lies_inside_the_ball():
    field = _boundary_ring.ring_map((21, 21), radius=8, width=2, alpha=0.7, background=0.0)
    assert (field[10, 10], field[10, 16], field[10, 17], field[10, 18], field[10, 19]) == (1, 1, 0.7, 0.7, 0)
    assert set(np.unique(field)) == {0.0, 0.7, 1.0}
    np.testing.assert_array_equal(field, field.T)
    ball = _boundary_ring.ring_map((9, 9, 9), radius=3, width=1, alpha=0.5, background=1.0)
    assert (ball[4, 4, 4], ball[4, 4, 7], ball[4, 4, 8], ball.ndim) == (1, 0.5, 1, 3)


@pytest.mark.parametrize(("radius", "width"), [(2, 3), (11, 2), (5, 0)])
def test_rings_that_do_not_fit_are_refused(radius, width):
    with pytest.raises(ValueError, match="expected 0 < width < radius < half the shortest side"):
        _boundary_ring.ring_map((21, 21), radius, width, 0.5, 0.0)


def test_power_of_the_confidence_reading_grows_with_the_square_of_the_dip():
    powers = _boundary_ring.band_powers((32, 32), 10, 2, "confidence", demean=True)
    assert (powers[0] == 0).all()  # a constant map
    dips = (1 - np.array(_boundary_ring.ALPHAS[1:])) ** 2
    np.testing.assert_allclose(powers[1:] / powers[-1], dips[:, None] / dips[-1] * np.ones(5), rtol=1e-9)


@pytest.mark.parametrize(
    ("reading", "demean", "expected"),
    [
        ("confidence", True, ["rises"] * 5),
        ("confidence", False, ["falls", *["rises"] * 4]),
        ("foreground", True, ["rises", "mixed", "falls", "falls", "mixed"]),
    ],
)
def test_the_statement_holds_for_one_reading_and_turns_round_for_the_other(reading, demean, expected):
    assert _boundary_ring.trend(_boundary_ring.band_powers((64, 64), 19.2, 2, reading, demean)) == expected


def test_trend_names_every_course():
    powers = np.array([[1.0, 3.0, 1.0, 2.0], [2.0, 2.0, 3.0, 2.0], [3.0, 1.0, 2.0, 2.0]])
    assert _boundary_ring.trend(powers) == ["rises", "falls", "mixed", "mixed"]


def test_drawing_is_tidy_and_says_where_power_rises():
    made = figure1.figure1(None, "any")
    made.drawing.canvas.draw()
    assert_tidy(made.drawing)
    assert "largest class probability, mean removed: 5" in made.caption
    assert "foreground probability, mean kept: 0" in made.caption
    assert "discs and a ball) it rises in all bands in: largest class probability, mean removed: 15" in made.caption
    bands = made.frame[(made.frame.kind == "band") & (made.frame.alpha == 0.5)]
    assert len(bands) == 4 * 5
    assert np.isinf(bands[(bands.reading == "confidence") & (bands["mean"] == "removed")].ratio).all()
    psd = made.frame[made.frame.kind == "psd"]
    assert len(psd) == 4 * 6 * 32
