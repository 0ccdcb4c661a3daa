"""Data-set reliability histograms: by hand, from the files, holes."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from tidy import assert_tidy

from spectralcal.base.errors import ResultError
from spectralcal.report.figures import reliability_histograms
from spectralcal.report.figures.reliability_bins import FEW
from spectralcal.study.grid import Cell


def drawn(results, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = reliability_histograms.reliability_histograms(results, "main", **options)
        made.drawing.canvas.draw()
    return made


def test_joint_histogram_by_hand():
    """Two bins of confidence; accuracies on an edge are in the lower bin; a bin of few voxels does not count."""
    count = np.array([[100, 100], [100, FEW - 1], [FEW, 100], [100, 0]])
    confidence = np.array([[0.3, 0.8], [0.3, 0.9], [0.3, 0.9], [0.4, np.nan]])
    accuracy = np.array([[0.2, 1.0], [0.2, 0.0], [0.5, 1.0], [0.0, np.nan]])
    table = pd.DataFrame(reliability_histograms.joint(count, confidence, accuracy))
    first, second = table[table.confidence_low == 0], table[table.confidence_low == 0.5]
    np.testing.assert_allclose(first.accuracy_low, [0, 2 / 15, 7 / 15])
    assert list(first.diagrams) == [1, 2, 1]
    np.testing.assert_allclose(first.share, [0.25, 0.5, 0.25])
    np.testing.assert_allclose(first.mean_accuracy, 0.225)
    np.testing.assert_allclose(first.mean_confidence, 0.325)
    assert list(second.diagrams) == [2]
    np.testing.assert_allclose(second.accuracy_low, 14 / 15)
    np.testing.assert_allclose(second.mean_confidence, 0.85)


def test_every_diagram_of_all_seeds_counts_once_a_bin(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1))
    table = reliability_histograms.frame(results, "main", "phantom", "unet")
    ours = table[table.method == "spectral"]
    bins = [results.case_calibration(Cell("phantom", "unet", "spectral", seed)) for seed in (0, 1)]
    count = np.concatenate([arrays["count"][:, 0] for arrays in bins])
    expected = (count >= FEW).sum(0)
    found = ours.groupby("confidence_low").diagrams.sum()
    np.testing.assert_array_equal(found, expected[expected > 0])
    np.testing.assert_allclose(ours.groupby("confidence_low").share.sum(), 1)
    assert (ours.cases == 5).all()
    assert (ours.seeds == 2).all()


@pytest.mark.parametrize("count", [1, 3, 7])
def test_page_is_tidy(study, count):
    methods = ("ce", "focal", "ls", "mbls", "svls", "crac", "spectral")[:count]
    made = drawn(study(methods=methods, seeds=(0,)))
    assert_tidy(made.drawing)
    assert max(made.drawing.get_size_inches() * 25.4) < 230


def test_holes(study):
    results = study(methods=("ce", "focal", "spectral"), seeds=(0,), missing=[("focal", 0)])
    made = drawn(results)
    assert [text.get_text() for axes in made.drawing.axes for text in axes.texts] == ["no results"]
    assert "Without results: FL" in made.caption
    nothing = study(methods=("ce",), seeds=(0,), missing=[("ce", 0)])
    assert (drawn(nothing).frame.status == "missing").all()


def test_a_region_that_was_not_scored_is_named(study):
    with pytest.raises(ResultError, match="expected voxels of region 'nowhere', found none; evaluate the cell again"):
        drawn(study(methods=("ce",), seeds=(0,)), region="nowhere")
