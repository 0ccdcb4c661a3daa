"""The transformed posteriors of figure and table `mechanism`: what each does to probabilities, and the readings."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tidy import assert_tidy

from spectralcal.papers.spectral_entropy import transformed as t
from spectralcal.papers.spectral_entropy.figures import mechanism as figure
from spectralcal.papers.spectral_entropy.tables import mechanism as printed

SMALL = {"cases": 2, "side": 20}


@pytest.fixture(scope="module")
def logits():
    (posterior,) = t.posteriors(1, 20)
    return t.log_posterior(posterior)


@pytest.fixture(scope="module")
def table():
    return t.frame(**SMALL)


def random():
    return np.random.default_rng(0)


def test_the_posterior_is_perfectly_calibrated_and_the_base_rate_is_too(logits):
    posterior = t.softmax(logits)
    np.testing.assert_allclose(posterior.sum(0), 1)
    assert t.calibration_error(posterior, posterior) == 0
    rates = posterior.mean((1, 2, 3), keepdims=True) * np.ones_like(posterior)
    assert t.calibration_error(rates, posterior) == pytest.approx(0, abs=1e-12)
    assert np.abs(rates - posterior).mean() > 0.05  # a distance to the posterior would call it bad


def test_a_constant_shift_of_confidence_is_its_size():
    posterior = np.stack([np.full((4, 4), 0.7), np.full((4, 4), 0.3)])
    prediction = np.stack([np.full((4, 4), 0.9), np.full((4, 4), 0.1)])
    assert t.calibration_error(prediction, posterior) == pytest.approx(0.2)
    half = np.zeros((4, 4), bool)
    half[:2] = True
    prediction[:, ~half] = posterior[:, ~half]
    assert t.calibration_error(prediction, posterior) == pytest.approx(0.1)
    assert t.calibration_error(prediction, posterior, half) == pytest.approx(0.2)


@pytest.mark.parametrize("each", t.TRANSFORMATIONS, ids=lambda each: each.name)
def test_the_neutral_strength_changes_nothing(logits, each):
    assert each.neutral in each.strengths
    assert list(each.strengths) == sorted(each.strengths)
    np.testing.assert_allclose(t.softmax(each.change(logits, each.neutral, random())), t.softmax(logits), atol=1e-12)


def test_what_keeps_what(logits):
    posterior = t.softmax(logits)
    shared = t.softmax(t.shared_field(logits, 3.0, random()))
    np.testing.assert_allclose(shared, posterior, atol=1e-12)
    for changed in (t.tempered(logits, 0.4, random()), t.sharper_boundaries(logits, 2.0, random())):
        np.testing.assert_array_equal(changed.argmax(0), logits.argmax(0))
        assert (t.softmax(changed).max(0) >= posterior.max(0) - 1e-12).all()
    far = np.s_[:, 0, 0, 0]
    np.testing.assert_allclose(t.sharper_boundaries(logits, 2.0, random())[far], logits[far], rtol=1e-3)
    blurred = t.softmax(t.blurred(logits, 2.0, random()))
    np.testing.assert_allclose(blurred.sum(0), 1)
    assert np.abs(np.diff(blurred, axis=1)).max() < np.abs(np.diff(posterior, axis=1)).max()


def test_one_class_everywhere_has_no_boundary_to_sharpen():
    flat = np.stack([np.ones((5, 5, 5)), np.zeros((5, 5, 5))])
    assert t.sharper_boundaries(flat, 2.0, random()) is flat


def test_the_maximum_logit_is_blind_to_temperature_and_the_largest_probability_tells_its_direction(table):
    rows = table[table.method == "temperature"]
    assert np.ptp(rows.entropy_max_logit) < 1e-6
    assert (np.diff(rows.entropy_max_prob) < 0).all()
    assert (np.sign(rows.gap.round(12)) == np.sign(1 - rows.strength)).all()
    away = rows[~rows.neutral]
    assert (away.calibration_error > 1e-3).all()


def test_a_shared_field_moves_the_entropy_of_the_maximum_logit_and_no_error(table):
    rows = table[table.method == "shared_field"]
    assert np.ptp(rows.entropy_max_logit) > 0.1
    assert np.ptp(rows.entropy_max_prob) < 1e-9
    assert rows.calibration_error.max() < 1e-12


def test_errors_start_at_nothing_and_grow(table):
    assert (table[table.neutral].calibration_error < 1e-12).all()
    for name in ("logit_noise", "sharper_boundaries", "blur"):
        assert (np.diff(table[table.method == name].calibration_error) > 0).all()


@pytest.mark.parametrize(
    ("entropy", "error", "expected"),
    [
        ([1.0, 1.1, 1.2], [0.0, 0.01, 0.02], "worse"),
        ([1.0, 0.9, 0.8], [0.0, 0.01, 0.02], "better"),
        ([1.0, 1.2, 0.8], [0.0, 0.01, 0.02], "mixed"),
        ([1.0, 1.001, 1.002], [0.0, 0.01, 0.02], "none"),
        ([1.0, 1.2, 1.4], [0.0, 0.0, 0.0], "none"),
    ],
)
def test_readings_of_a_path(entropy, error, expected):
    path = pd.DataFrame({"method": "m", "title": "path", "neutral": [True, False, False], "entropy_max_logit": entropy,
                         "entropy_max_prob": entropy, "calibration_error": error})  # fmt: skip
    assert list(t.legs(path).entropy_max_logit) == [expected]


def test_a_path_through_the_posterior_is_two(table):
    legs = t.legs(table)
    assert list(legs.leg)[:2] == ["temperature below 1", "temperature above 1"]
    assert len(legs) == len(t.TRANSFORMATIONS) + 1
    assert list(legs.entropy_max_prob) == ["worse", "better", "none", "worse", "worse", "better"]


def test_the_figure_is_tidy_and_says_what_it_shows():
    made = figure.mechanism(None, "any", **SMALL)
    made.drawing.canvas.draw()
    assert_tidy(made.drawing)
    assert "no trained network" in made.caption
    assert "temperature below 1, white noise on each logit, sharpened boundaries: worse calibration" in made.caption
    assert set(made.frame.method) == set(figure.COLORS)
    panels = [axes for axes in made.drawing.axes if axes.get_xlabel() == "spectral entropy (nats)"]
    assert len(panels) == 2
    for axes, name in zip(panels, figure.MAPS, strict=True):
        drawn = np.concatenate([line.get_xdata() for line in axes.lines if len(line.get_xdata()) > 2])
        np.testing.assert_allclose(np.sort(drawn), np.sort(made.frame[name]))


def test_the_table_prints_both_ends_of_each_path():
    made = printed.mechanism(SimpleNamespace(config=SimpleNamespace(study="s")), "e", **SMALL)
    rows = [line for line in made.markdown.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 6
    assert rows[0].startswith("| temperature below 1 | T 1 to 0.4 |")
    assert rows[2].split("|")[-3:-1] == [" - ", " - "]
    end = made.frame[(made.frame.method == "blur") & (made.frame.strength == 3)].iloc[0]
    assert f"0.0 to {1e3 * end.calibration_error:.1f}" in rows[5]
