"""Risk-coverage and CORP figures: points from the published curves, means of seeds, holes, tidy pages."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tidy import assert_tidy

from spectralcal.base.errors import ResultError
from spectralcal.metrics import corp as parts_of
from spectralcal.metrics import isotonic_fit
from spectralcal.metrics import risk_coverage as curve_of
from spectralcal.report.figures import corp, risk_coverage
from spectralcal.report.figures.reliability_bins import FEW
from spectralcal.study.grid import Cell

MAKE = {"risk_coverage": risk_coverage.risk_coverage, "corp": corp.corp}
SEVEN = ("ce", "focal", "ls", "mbls", "svls", "crac", "spectral")


def drawn(results, name, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = MAKE[name](results, "main", **options)
        made.drawing.canvas.draw()
    return made


def test_risks_are_those_of_the_sorted_voxels(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1))
    table = risk_coverage.frame(results, "main", ["phantom"], "unet")
    for (region, method, seed), rows in table.groupby(["region", "method", "seed"]):
        curve = results.calibration(Cell("phantom", "unet", method, seed))[region].curve()
        wrong = np.repeat(((curve.count - curve.hits) / curve.count)[::-1], curve.count[::-1])
        for row in rows.iloc[::25].itertuples():
            kept = (1 - row.left_out) * wrong.size
            errors = wrong[: int(kept)].sum() + (kept % 1) * (wrong[int(kept)] if kept % 1 else 0)
            assert row.risk == pytest.approx(errors / kept, rel=1e-6)
        assert rows.aurc.iloc[0] == curve_of(results.calibration(Cell("phantom", "unet", method, seed))[region]).aurc()


def test_the_broad_line_is_the_mean_of_the_thin_ones(study):
    for name in MAKE:
        axes = drawn(study(methods=("spectral",), seeds=(0, 1)), name).drawing.axes[0]
        lines = [line for line in axes.lines if len(line.get_xdata()) > 20]
        thin, broad = lines[:2], lines[2]
        assert all(line.get_linewidth() < broad.get_linewidth() for line in thin)
        expected = np.mean([line.get_ydata() for line in thin], axis=0)
        np.testing.assert_allclose(broad.get_ydata(), expected)


def test_recalibration_and_parts_are_those_of_the_curve(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1))
    table = corp.frame(results, "main", ["phantom"], "unet")
    for (region, method, seed), rows in table.groupby(["region", "method", "seed"]):
        histogram = results.calibration(Cell("phantom", "unet", method, seed))[region]
        parts, fit = rows[rows.kind == "parts"].iloc[0], rows[rows.kind == "fit"]
        found = (parts.score, parts.miscalibration, parts.discrimination, parts.uncertainty)
        assert found == pytest.approx(tuple(parts_of(histogram)))
        assert (np.diff(fit.recalibrated) >= -1e-12).all()
        blocks = isotonic_fit(histogram)
        for row in fit.itertuples():
            inside = (blocks.lower <= row.confidence) & (row.confidence <= blocks.upper) & (blocks.count >= FEW)
            if inside.any():
                assert np.isclose(blocks.rate[inside], row.recalibrated).any()


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("count", [1, 7])
def test_page_is_tidy(study, name, count):
    made = drawn(study(methods=SEVEN[:count], seeds=(0, 1)), name)
    assert_tidy(made.drawing)
    assert max(made.drawing.get_size_inches() * 25.4) < 230


@pytest.mark.parametrize("name", MAKE)
def test_several_data_sets_fit_on_a_page(study, name):
    """Three data sets, two of them without results; places without a data set are empty."""
    made = drawn(study(methods=("ce", "spectral"), seeds=(0,)), name)
    names = {"phantom": "Phantom", "other": "Other", "third": "Third"}
    module = {"risk_coverage": risk_coverage, "corp": corp}[name]
    results = study(methods=("ce", "spectral"), seeds=(0,))
    drawing = module.draw(made.frame, results.style, names)
    drawing.canvas.draw()
    assert_tidy(drawing)
    said = [text.get_text() for axes in drawing.axes for text in axes.texts]
    assert said.count("no results") == 4 * (2 if name == "corp" else 1)
    assert sum(axes.axison for axes in drawing.axes) == 6 * (2 if name == "corp" else 1)


@pytest.mark.parametrize("name", MAKE)
def test_holes(study, name):
    made = drawn(study(methods=("ce", "focal", "spectral"), seeds=(0,), missing=[("focal", 0)]), name)
    assert "Without results: FL" in made.caption
    assert set(made.frame[made.frame.method == "focal"].status) == {"missing"}
    nothing = drawn(study(methods=("ce",), seeds=(0,), missing=[("ce", 0)]), name)
    assert (nothing.frame.status == "missing").all()


@pytest.mark.parametrize("name", MAKE)
def test_a_region_that_was_not_scored_is_named(study, name, monkeypatch):
    monkeypatch.setattr({"risk_coverage": risk_coverage, "corp": corp}[name], "REGIONS", {"nowhere": "nowhere"})
    with pytest.raises(
        ResultError, match=r"expected voxels of region 'nowhere', found 'all', .*; evaluate the cell again"
    ):
        drawn(study(methods=("ce",), seeds=(0,)), name)
