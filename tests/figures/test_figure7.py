"""Ranks: ties, holes, and what resampled patients do to them."""

from __future__ import annotations

import numpy as np
import pytest
from known_scores import known_study

from spectralcal.papers.spectral_entropy.figures import figure7
from spectralcal.report.figures.ranking import place_shares

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
    places = made.frame[made.frame.level == "place"].pivot(index="method", columns="place", values="share")
    np.testing.assert_allclose(places.loc["spectral"], [1, 0, 0, 0])
    np.testing.assert_allclose(places.loc["mbls"], [0, 0.5, 0.5, 0])
    assert "Mean rank over 12 columns" in made.caption


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
    assert "Mean rank over 6 columns" in made.caption
    assert "Not counted, because a method has no result there: ACDC." in made.caption
    assert "With missing seeds, data sets or metrics: FL." in made.caption
    (heatmap,) = [axes for axes in made.drawing.axes if axes.get_title(loc="left").endswith("ranks")]
    assert [text.get_text() for text in heatmap.texts].count("–") == 6


def test_method_without_any_result_is_no_competitor(tmp_path):
    results = known_study(tmp_path, lambda cell, *a: None if cell.method == "focal" else ordered(cell, *a),
                          methods=("ce", "focal", "spectral"))  # fmt: skip
    made = figure7.figure7(results, "main")
    total = made.frame[made.frame.level == "aggregate"].set_index("method")["rank"]
    assert (total["ce"], total["spectral"]) == (2.0, 1.0)
    assert np.isnan(total["focal"])
    assert "Without results: FL." in made.caption
    assert set(made.frame[made.frame.level == "place"].method) == {"ce", "spectral"}


def test_places_of_a_coin_flip_are_shared(tmp_path):
    """Two methods that win half of the patients each, by the same margin."""

    def value(cell, metric, index):
        better = (index % 2 == 0) == (cell.method == "ce")
        return (0.6 if better else 0.5) if metric == "DSC" else (1.0 if better else 2.0)

    made = figure7.figure7(known_study(tmp_path, value, cases=20), "main")
    places = made.frame[made.frame.level == "place"].pivot(index="method", columns="place", values="share")
    np.testing.assert_allclose(places, 0.5, atol=0.05)
    total = made.frame[made.frame.level == "aggregate"].set_index("method")
    assert (total["rank"] == 1.5).all()
    assert (total.low == 1.0).all()
    assert (total.high == 2.0).all()


def test_shares_of_places_against_a_loop():
    values = np.random.default_rng(3).integers(1, 4, size=(50, 4)) / 2
    expected = np.zeros((4, 4))
    for row in values:
        for method in range(4):
            first = sum(other < row[method] for other in row)
            tied = sum(other == row[method] for other in row)
            expected[method, first : first + tied] += 1 / tied
    np.testing.assert_allclose(place_shares(values), expected / 50)
    np.testing.assert_allclose(place_shares(values).sum(0), 1.0)


@pytest.mark.parametrize(("rank", "text"), [(1.0, "1"), (4.5, "4½"), (12.0, "12")])
def test_printed_ranks(rank, text):
    assert figure7._rank_text(rank) == text
