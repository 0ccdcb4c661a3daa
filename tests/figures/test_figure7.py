"""Ranks: ties, holes, and mean ranks over seeds and patients with their intervals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from known_scores import METRICS, known_study, noisy
from scipy import stats

from spectralcal.papers.spectral_entropy.figures import figure7
from spectralcal.statistics import crossed

ORDER = {"ce": 3, "focal": 2, "mbls": 2, "spectral": 1}


def ordered(cell, metric, index):
    """spectral before focal and mbls, which are equal, before ce; the same in every case."""
    step = ORDER[cell.method]
    return 0.9 - 0.1 * step - 0.02 * index if metric == "DSC" else 1.0 * step + index


def test_ties_share_the_average_and_order_is_certain(tmp_path):
    results = known_study(tmp_path, ordered, methods=tuple(ORDER), datasets=("phantom", "acdc"))
    made = figure7.figure7(results, "main")
    ranks = made.frame[made.frame.level == "rank"]
    expected = {"ce": 4.0, "focal": 2.5, "mbls": 2.5, "spectral": 1.0}
    assert (ranks["rank"] == ranks.method.map(expected)).all()
    assert len(ranks) == 4 * 12
    total = made.frame[made.frame.level == "aggregate"].set_index("method")
    for method, rank in expected.items():
        assert tuple(total.loc[method, ["rank", "low", "high"]]) == (rank, rank, rank)
    assert (total.loc["ce", "behind"], total.loc["mbls", "behind"]) == (3.0, 1.5)
    assert "mean over these and 12 columns of (b)" in made.caption


def test_means_that_print_alike_tie(tmp_path):
    def value(cell, metric, index):
        return 0.5 + (0.0004 if cell.method == "spectral" else 0.0) if metric == "DSC" else 1.0

    made = figure7.figure7(known_study(tmp_path, value), "main")  # 50.0 % and 50.04 %
    assert (made.frame[made.frame.level == "rank"]["rank"] == 1.5).all()


def test_column_with_a_hole_does_not_count(tmp_path):
    def value(cell, metric, index):
        if (cell.dataset, cell.method) == ("acdc", "focal"):
            return None
        turned = {"ce": 1, "spectral": 3}.get(cell.method, 2) if cell.dataset == "acdc" else ORDER[cell.method]
        return 0.9 - 0.1 * turned if metric == "DSC" else 1.0 * turned

    results = known_study(tmp_path, value, methods=("ce", "focal", "spectral"), datasets=("phantom", "acdc"))
    made = figure7.figure7(results, "main")
    ranks = made.frame[made.frame.level == "rank"].set_index(["dataset", "metric", "method"])
    assert np.isnan(ranks["rank"]["acdc", "ECE", "focal"])
    assert ranks["rank"]["acdc", "ECE", "ce"] == 1.0
    total = made.frame[made.frame.level == "aggregate"].set_index("method")["rank"]
    assert dict(total) == {"ce": 3.0, "focal": 2.0, "spectral": 1.0}  # of the phantom alone
    assert "mean over these and 6 columns of (b)" in made.caption
    assert "Not counted, because a method has no result there: ACDC." in made.caption
    assert "With missing seeds, data sets or metrics: FL." in made.caption
    (heatmap,) = [axes for axes in made.drawing.axes if axes.get_title(loc="left").endswith("ranks of means")]
    assert [text.get_text() for text in heatmap.texts].count("–") == 6


def test_method_without_any_result_is_no_competitor(tmp_path):
    results = known_study(tmp_path, lambda cell, *a: None if cell.method == "focal" else ordered(cell, *a),
                          methods=("ce", "focal", "spectral"))  # fmt: skip
    made = figure7.figure7(results, "main")
    total = made.frame[made.frame.level == "aggregate"].set_index("method")["rank"]
    assert (total["ce"], total["spectral"]) == (2.0, 1.0)
    assert np.isnan(total["focal"])
    assert "Without results: FL." in made.caption
    assert set(made.frame[made.frame.low.notna()].method) == {"ce", "spectral"}


def coin(cell, metric, index):
    """Two methods that win half of the patients each, by the same margin."""
    better = (index % 2 == 0) == (cell.method == "ce")
    return (0.6 if better else 0.5) if metric == "DSC" else (1.0 if better else 2.0)


def test_methods_that_win_half_of_the_patients_each_are_not_told_apart(tmp_path):
    made = figure7.figure7(known_study(tmp_path, coin, cases=20, seeds=range(5)), "main")
    total = made.frame[made.frame.level == "aggregate"].set_index("method")
    assert (total["rank"] == 1.5).all()
    low, high = stats.ttest_1samp([1, 2] * 10, 0).confidence_interval()
    np.testing.assert_allclose(total.low, low)
    np.testing.assert_allclose(total.high, high)
    assert not total.distinct.astype(bool).any()
    assert f"Smallest detectable difference (power 80 %): mean rank {total.detectable.max():.2g}" in made.caption


def test_mean_ranks_and_their_intervals_are_those_of_loops(tmp_path):
    """Two data sets of different size, three seeds; every rank is counted by comparing one by one."""
    methods, cases, letters = ("ce", "focal", "spectral"), {"phantom": 7, "acdc": 12}, ("phantom", "acdc")
    results = known_study(tmp_path, noisy, methods=methods, datasets=letters, cases=cases, seeds=(0, 1, 2))
    made = figure7.figure7(results, "main")
    total = made.frame[made.frame.level == "aggregate"].set_index("method")
    scores = results.scores("main").set_index(["dataset", "method", "seed", "case", "metric"]).value
    tables = {}
    for dataset in letters:
        tables[dataset] = np.zeros((3, 3, cases[dataset]))
        for seed, index, metric in itertools.product(range(3), range(cases[dataset]), METRICS):
            values = [scores[dataset, name, seed, f"{dataset}_{index:03d}", metric] for name in methods]
            values = [-value for value in values] if metric == "DSC" else values
            for i, value in enumerate(values):
                better, equal = sum(v < value for v in values), sum(v == value for v in values)
                tables[dataset][i, seed, index] += (better + (equal + 1) / 2) / 12
    first = int(np.argmin(sum(table.mean((1, 2)) for table in tables.values())))
    for i, method in enumerate(methods):
        assert total["rank"][method] == pytest.approx(sum(tables[name][i].mean() for name in letters))
        both = [crossed(tables[name][i]) for name in letters]
        variance = sum(one.se**2 for one in both)
        df = variance**2 / sum(one.se**4 / one.df for one in both)
        half = stats.t.ppf(0.975, df) * np.sqrt(variance)
        assert (total.low[method], total.high[method]) == pytest.approx(
            (total["rank"][method] - half, total["rank"][method] + half)
        )
        assert (total.seeds[method], total.patients[method]) == (3, 7)
        if i != first:
            apart = [crossed(tables[name][i] - tables[name][first]) for name in letters]
            variance = sum(one.se**2 for one in apart)
            df = variance**2 / sum(one.se**4 / one.df for one in apart)
            half = stats.t.ppf(1 - 0.05 / 2 / 2, df) * np.sqrt(variance)  # the first against two others
            behind = total["rank"][method] - total["rank"][methods[first]]
            assert (total.behind[method], total.behind_low[method]) == pytest.approx((behind, behind - half))


@pytest.mark.parametrize(("seeds", "filled"), [(3, 1), (5, 4)])
def test_who_is_behind_beyond_doubt_is_filled_if_there_are_seeds_enough(tmp_path, seeds, filled):
    made = figure7.figure7(known_study(tmp_path, ordered, methods=tuple(ORDER), seeds=range(seeds)), "main")
    faces = [line.get_markerfacecolor() for line in made.drawing.axes[0].lines if line.get_marker() != "None"]
    assert sum(face != "white" for face in faces) == filled
    assert ("No method is marked as distinguishable from it: 3 seeds, fewer than 5." in made.caption) == (seeds == 3)


def test_a_patient_whom_a_method_lacks_is_ranked_by_nobody(tmp_path):
    def value(cell, metric, index):
        return np.nan if (cell.method, metric, index) == ("ce", "HD95", 2) else ordered(cell, metric, index)

    results = known_study(tmp_path, value, methods=tuple(ORDER), status="undefined")
    total = figure7.figure7(results, "main").frame
    assert set(total[total.level == "aggregate"].patients) == {7}


@pytest.mark.parametrize(("rank", "text"), [(1.0, "1"), (4.5, "4½"), (12.0, "12")])
def test_printed_ranks(rank, text):
    assert figure7._rank_text(rank) == text
