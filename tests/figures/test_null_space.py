"""The construction behind the null space, against the package's own spectral functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tidy import assert_tidy

from spectralcal import spectral
from spectralcal.papers.spectral_entropy.figures import null_space
from spectralcal.report.figures import spectrum as _spectrum


@pytest.mark.parametrize("shape", [(12, 12, 12), (9, 14, 11), (16, 10), (13, 7)])
@pytest.mark.parametrize("bands", [1, 3])
def test_numpy_band_powers_are_those_of_the_loss(shape, bands):
    field = np.random.default_rng(1).standard_normal(shape)
    expected = spectral.band_power(torch.from_numpy(field)[None], bands=bands)
    found = _spectrum.band_power(field, bands)
    np.testing.assert_allclose(found, expected[0].numpy(), rtol=1e-10)
    assert _spectrum.spectral_entropy(found) == pytest.approx(float(spectral.spectral_entropy(expected)), abs=1e-12)


def test_equal_bands_hold_equal_power_and_reach_the_largest_entropy():
    field = _spectrum.equal_bands(np.random.default_rng(2).standard_normal((12, 15, 11)), bands=4)
    power = _spectrum.band_power(field, 4)
    np.testing.assert_allclose(power, power[0], rtol=1e-9)
    assert _spectrum.spectral_entropy(power) == pytest.approx(np.log(4), abs=1e-4)


def test_confidence_maps_are_those_of_the_package():
    logits = np.random.default_rng(3).normal(size=(4, 6, 5, 7)) * 3
    found = null_space.confidence(logits)
    for kind in null_space.MAPS:
        expected = spectral.confidence_map(torch.from_numpy(logits)[None], kind)[0].numpy()
        np.testing.assert_allclose(found[kind], expected, rtol=1e-10)
    np.testing.assert_allclose(found["probabilities"], torch.from_numpy(logits).softmax(0).numpy(), rtol=1e-10)


@pytest.fixture(scope="module")
def table():
    probabilities, _ = null_space.truth(20)
    return null_space.frame(probabilities)


def test_no_probability_moves_and_the_maximum_logit_reaches_every_entropy(table):
    assert table.probability_change.max() < 1e-13
    entropy = {kind: rows.entropy for kind, rows in table.groupby("map")}
    for kind in ("max_prob", "margin"):
        assert np.ptp(entropy[kind]) < 1e-9
    assert np.ptp(entropy["max_logit"]) > 0.2
    shaped = table[(table["map"] == "max_logit") & (table.noise == "equal bands")]
    assert shaped.entropy.iloc[-1] == pytest.approx(np.log(5), abs=1e-3)
    assert (shaped.entropy.diff().dropna() > -1e-3).all()


def test_drawing_is_tidy_and_captioned_with_its_numbers(table):
    made = null_space.null_space(None, "any")
    made.drawing.canvas.draw()
    assert_tidy(made.drawing)
    assert f"log 5 = {np.log(5):.2f} possible" in made.caption
    assert "no trained network" in made.caption
    curves = made.drawing.axes[-1]
    assert len(curves.lines) == 5
