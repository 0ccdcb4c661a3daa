"""Calibration by distance: known gaps, an independent recomputation, holes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from slow_interval import of_ratio
from tidy import assert_tidy

from spectralcal.base.errors import ResultError
from spectralcal.report.figures import boundary_distance
from spectralcal.study.grid import Cell

CE = Cell("phantom", "unet", "ce", 0)


def drawn(results, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = boundary_distance.boundary_distance(results, "main", **options)
        made.drawing.canvas.draw()
    return made


def edit(results, cell, **changes):
    path = results.paths.cell(cell).calibration
    arrays = {key: value for key, value in np.load(path).items()}  # noqa: C416
    np.savez(path, **{**arrays, **{f"distance/{key}": value for key, value in changes.items()}})


def test_a_calibrated_band_has_no_gap_and_a_sure_one_its_errors(study):
    """Band 4: 0.5 sure and right half of the time. Band 5: 0.9 sure, right in 80 of 100, in bins that do not cancel."""
    results = study(methods=("ce",), seeds=(0,))
    count, confidence, hits = (np.zeros((5, 10, 15)) for _ in range(3))
    count[:, 4, 7], confidence[:, 4, 7], hits[:, 4, 7] = 100, 50, 50
    count[:, 5, 13], confidence[:, 5, 13], hits[:, 5, 13] = 100, 90, 80
    count[:, 6, [3, 10]], confidence[:, 6, 3], confidence[:, 6, 10] = 100, 25, 70
    hits[:, 6, 3], hits[:, 6, 10] = 35, 60  # 0.1 too unsure in one bin and 0.1 too sure in the other
    edit(results, CE, count=count.astype(int), confidence=confidence, hits=hits.astype(int))
    table = boundary_distance.frame(results, "main", "phantom", "unet")
    np.testing.assert_allclose(table.gap[[4, 5, 6]], [0, 0.1, 0], atol=1e-12)
    np.testing.assert_allclose(table.ece[[4, 5, 6]], [0, 0.1, 0.1], atol=1e-12)
    np.testing.assert_allclose(table[["ece_low", "ece_high"]].loc[5], 0.1)
    assert table.gap[[0, 1, 2, 3, 7, 8, 9]].isna().all()
    assert list(table.lower_mm) == [-np.inf, -8, -4, -2, -1, 0, 1, 2, 4, 8]
    drawn(results)


def test_gaps_of_all_seeds_from_the_files(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1))
    table = boundary_distance.frame(results, "main", "phantom", "unet")
    totals = {"count": 0, "confidence": 0, "hits": 0}
    for seed in (0, 1):
        arrays = np.load(results.paths.cell(Cell("phantom", "unet", "spectral", seed)).calibration)
        for name in totals:
            totals[name] = totals[name] + arrays[f"distance/{name}"].sum(0)
    ours = table[table.method == "spectral"]
    np.testing.assert_array_equal(ours["count"], totals["count"].sum(1))
    with np.errstate(invalid="ignore"):
        gap = (totals["confidence"] - totals["hits"]).sum(1) / totals["count"].sum(1)
        ece = np.abs(totals["confidence"] - totals["hits"]).sum(1) / totals["count"].sum(1)
    np.testing.assert_allclose(ours.gap, gap)
    np.testing.assert_allclose(ours.ece, ece)
    held = ours[ours["count"] > 1000]
    assert len(held) > 3
    by_seed = [np.load(results.paths.cell(Cell("phantom", "unet", "spectral", seed)).calibration) for seed in (0, 1)]
    for band in held.index - ours.index[0]:
        excess = [[arrays["distance/confidence"][i, band] - arrays["distance/hits"][i, band] for i in range(5)]
                  for arrays in by_seed]  # fmt: skip
        count = [[arrays["distance/count"][i, band].sum() for i in range(5)] for arrays in by_seed]
        row, sign = ours.iloc[band], np.sign(np.sum(excess, axis=(0, 1)))
        expected = of_ratio([[bins.sum() for bins in cases] for cases in excess], count)
        assert (row.gap, row.gap_low, row.gap_high) == pytest.approx(expected)
        mean, _, high = of_ratio([[(sign * bins).sum() for bins in cases] for cases in excess], count)
        factor = np.exp((high - mean) / mean)
        assert (row.ece, row.ece_low, row.ece_high) == pytest.approx((mean, mean / factor, min(mean * factor, 1)))
    assert (ours.seeds == 2).all()


def test_with_one_seed_the_caption_says_what_the_bands_leave_out(study):
    one, two = (drawn(study(methods=("ce",), seeds=seeds)).caption for seeds in ((0,), (0, 1)))
    assert "95 % intervals over patients alone (one seed says nothing about another training)" in one
    assert "95 % intervals over seeds and patients," in two


def test_bands_together_are_the_whole_histogram(study):
    results = study(methods=("ce",), seeds=(0,))
    arrays, pooled = results.distance_calibration(CE), results.calibration(CE)["all"]
    assert arrays["count"].sum() == pooled.count
    np.testing.assert_array_equal(arrays["count"].sum((0, 1)), pooled.reliability().count)


def test_page_is_tidy_and_names_holes(study):
    results = study(methods=("ce", "focal", "spectral"), seeds=(0, 1), missing=[("focal", 0), ("focal", 1)])
    made = drawn(results)
    assert_tidy(made.drawing)
    assert "Without results: FL" in made.caption
    legend = [text.get_text() for text in made.drawing.legends[0].get_texts()]
    assert legend == ["CE", "FL (missing)", "Spectral"]


def test_nothing_at_all_is_a_figure_of_holes(study):
    results = study(methods=("ce", "spectral"), seeds=(0,), missing=[("ce", 0), ("spectral", 0)])
    made = drawn(results)
    assert (made.frame.status == "missing").all()
    assert [text.get_text() for axes in made.drawing.axes for text in axes.texts].count("no results") == 2


def test_scores_from_before_there_were_bands_are_named(study):
    results = study(methods=("ce",), seeds=(0,))
    path = results.paths.cell(CE).calibration
    kept = {key: value for key, value in np.load(path).items() if not key.startswith("distance/")}
    np.savez(path, **kept)
    with pytest.raises(ResultError, match=r"expected arrays 'distance/\.\.\.', found none; evaluate the cell again"):
        drawn(results)


def test_the_predicted_boundary_is_shown_where_every_cell_has_it(study):
    results = study(methods=("ce", "spectral"), seeds=(0,), predicted=True)
    made = drawn(results)
    assert set(made.frame.boundary) == {"prediction"}
    assert "boundary voxel of the prediction" in made.caption
    assert "labels choose" not in made.caption
    stored = np.load(results.paths.cell(CE).calibration)
    np.testing.assert_array_equal(
        made.frame[made.frame.method == "ce"]["count"], stored["predicted_distance/count"].sum((0, 2))
    )
    assert (stored["predicted_distance/count"] != stored["distance/count"]).any()


def test_one_cell_without_it_and_all_show_the_references_with_a_warning(study):
    results = study(methods=("ce", "spectral"), seeds=(0,), predicted=True)
    path = results.paths.cell(CE).calibration
    with np.load(path) as stored:
        kept = {key: value for key, value in stored.items() if not key.startswith("predicted_distance/")}
    np.savez(path, **kept)
    made = drawn(results)
    assert set(made.frame.boundary) == {"reference"}
    assert "The labels choose these bands, so even a calibrated network is not at 0 in them" in made.caption
    np.testing.assert_array_equal(made.frame[made.frame.method == "ce"]["count"], kept["distance/count"].sum((0, 2)))
