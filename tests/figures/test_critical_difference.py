"""Critical differences: groups, known ranks, and too little to rank."""

from __future__ import annotations

import numpy as np
import pytest
from known_scores import known_study, noisy

from spectralcal.report.figures import critical_difference as figure
from spectralcal.report.figures.case_scores import case_scores
from spectralcal.statistics import critical_difference, friedman_test

FOUR = ("ce", "focal", "mbls", "spectral")


@pytest.mark.parametrize(
    ("ranks", "distance", "expected"),
    [
        ([3.1, 2.0, 2.9, 2.0], 1.25, [(2.0, 3.1)]),
        ([1.0, 2.0, 3.0, 4.0], 1.5, [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]),
        ([1.0, 2.0, 3.0, 4.0], 0.5, []),
        ([1.0, 1.2, 3.0, 3.4, 3.5], 1.0, [(1.0, 1.2), (3.0, 3.5)]),
        ([1.0, 2.0, 3.0], 1.0, []),
        ([2.0, 2.0, 2.0], 0.1, [(2.0, 2.0)]),
    ],
)
def test_groups_are_the_largest_that_are_closer_than_the_critical_difference(ranks, distance, expected):
    assert figure.cliques(np.array(ranks), distance) == expected


def test_certain_order_separates_the_ends(tmp_path):
    def value(cell, metric, index):
        step = FOUR.index(cell.method)
        return 0.4 + 0.1 * step + 0.01 * index if metric == "DSC" else 5.0 - step + index

    made = figure.critical_difference(known_study(tmp_path, value, methods=FOUR, cases=10), "main")
    for metric in ("DSC", "TACE"):
        rows = made.frame[(made.frame.metric == metric) & (made.frame.level == "method")].set_index("method")
        assert dict(rows.mean_rank) == {"ce": 4.0, "focal": 3.0, "mbls": 2.0, "spectral": 1.0}
        assert (rows.p_value < 1e-3).all()
        np.testing.assert_allclose(rows.critical_difference, critical_difference(4, 10))
        bars = made.frame[(made.frame.metric == metric) & (made.frame.level == "bar")]
        # 1.48 joins neighbours and nothing else
        assert list(zip(bars.low, bars.high, strict=True)) == [(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)]


def test_patients_are_the_blocks_with_their_cases_averaged(tmp_path):
    results = known_study(tmp_path, noisy, methods=FOUR, cases=12, cases_per_patient=2, datasets=("phantom", "acdc"))
    made = figure.critical_difference(results, "main", metric="ECE")
    assert set(made.frame.metric) == {"ECE"}
    assert (made.frame.patients == 12).all()
    scores = results.scores("main")
    chosen = scores[scores.metric == "ECE"]
    table = chosen.pivot_table(index=["dataset", "patient"], columns="method", values="value")[list(FOUR)]
    expected = friedman_test(table.to_numpy())
    rows = made.frame[made.frame.level == "method"].set_index("method").loc[list(FOUR)]
    np.testing.assert_allclose(rows.mean_rank, expected.average_ranks)
    np.testing.assert_allclose(rows.p_value, expected.p_value)


def test_patient_with_a_case_that_has_no_value_has_none(tmp_path):
    def value(cell, metric, index):
        return np.nan if (cell.method, index) == ("ce", 1) else noisy(cell, metric, index)

    results = known_study(tmp_path, value, cases=6, cases_per_patient=2, status="undefined")
    means = figure.patient_means(case_scores(results, "main", "phantom", "unet", "ECE", "paper"))
    assert means.shape == (3, 2)
    np.testing.assert_array_equal(np.isnan(means), [[True, False], [False, False], [False, False]])


def test_method_without_results_does_not_compete(tmp_path):
    results = known_study(tmp_path, lambda cell, *a: None if cell.method == "focal" else noisy(cell, *a), methods=FOUR)
    made = figure.critical_difference(results, "main")
    rows = made.frame[(made.frame.level == "method") & (made.frame.metric == "DSC")].set_index("method")
    assert np.isnan(rows.mean_rank["focal"])
    assert rows.mean_rank.dropna().mean() == pytest.approx(2.0)
    assert "Without results: FL." in made.caption


@pytest.mark.parametrize(("methods", "cases", "said"), [(("ce", "spectral"), 8, "2 methods, 8 patients"),
                                                       (FOUR, 1, "4 methods, 1 patient")])  # fmt: skip
def test_too_little_to_rank_is_said(tmp_path, methods, cases, said):
    made = figure.critical_difference(known_study(tmp_path, noisy, methods=methods, cases=cases), "main")
    words = [text.get_text() for axes in made.drawing.axes for text in axes.texts]
    assert words == [f"{said} with all: three and two are needed"] * 6
    assert made.frame.mean_rank.isna().all()
