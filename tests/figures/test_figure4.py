"""Architectures: paired differences with known values, and holes."""

from __future__ import annotations

import numpy as np
import pytest
from known_scores import known_study, noisy
from slow_interval import interval

from spectralcal.papers.spectral_entropy.figures import figure4


def gain(cell, metric, index):
    """Spectral is 2 points better in Dice and 3 thousandths worse in ECE on every case; cases differ by much more."""
    ours = cell.method == "spectral"
    return 0.5 + 0.03 * index + 0.02 * ours if metric == "DSC" else 0.01 * (1 + index) + 0.003 * ours


@pytest.fixture
def made(tmp_path):
    def value(cell, metric, index):
        return None if cell.architecture == "nnunet" else gain(cell, metric, index)

    results = known_study(tmp_path, value, architectures=("unet", "nnunet"), methods=("ce", "focal", "spectral"),
                          seeds=(0, 1))  # fmt: skip
    return figure4.figure4(results, "main")


def test_difference_is_paired_and_exact(made):
    rows = made.frame[(made.frame.level == "difference") & (made.frame.architecture == "unet")].set_index("metric")
    for metric, expected in (("DSC", 2.0), ("ECE", 3.0)):
        np.testing.assert_allclose(rows.loc[metric, ["value", "low", "high"]].astype(float), expected, rtol=1e-9)
    means = made.frame[(made.frame.level == "mean") & (made.frame.metric == "DSC")].set_index(
        ["architecture", "method"]
    )
    assert means.value["unet", "ce"] == pytest.approx(100 * (0.5 + 0.03 * 3.5))
    assert means.low["unet", "ce"] < means.value["unet", "ce"] < means.high["unet", "ce"]
    assert (made.frame.level == "seed").sum() == 2 * 2 * 2  # metrics, methods, seeds of the one architecture
    (hole,) = made.frame[(made.frame.level == "mean") & (made.frame.method == "ce") & (made.frame.metric == "DSC")
                         & (made.frame.architecture == "nnunet")].seeds  # fmt: skip
    assert hole == 0


def uneven(cell, metric, index):
    """Seeds and patients that vary, by as much in both methods and by themselves."""
    return noisy(cell, metric, index) + 0.02 * cell.seed


def test_intervals_are_those_of_loops(tmp_path):
    results = known_study(tmp_path, uneven, seeds=(0, 1, 2), cases=9)
    made = figure4.figure4(results, "main")
    scores = results.scores("main")
    tables = {
        (method, metric): scores[(scores.method == method) & (scores.metric == metric)]
        .pivot(index="seed", columns="case", values="value").to_numpy() * {"DSC": 100, "ECE": 1000}[metric]
        for method in ("ce", "spectral") for metric in ("DSC", "ECE")
    }  # fmt: skip
    for row in made.frame[made.frame.level != "seed"].itertuples():
        table = tables[row.method, row.metric]
        if row.level == "difference":
            table = table - tables["ce", row.metric]
        assert (row.value, row.low, row.high) == pytest.approx(interval(table.tolist()))
        assert (row.seeds, row.patients) == (3, 9)


@pytest.mark.parametrize(("seeds", "filled"), [(4, 0), (5, 2)])
def test_nothing_is_filled_with_fewer_than_five_seeds(tmp_path, seeds, filled):
    """A difference that is the same everywhere: beyond doubt, were there seeds enough."""
    made = figure4.figure4(known_study(tmp_path, gain, seeds=range(seeds)), "main")
    faces = [line.get_markerfacecolor() for axes in made.drawing.axes[1::2] for line in axes.lines
             if line.get_marker() == "o"]  # fmt: skip
    assert sum(face != "white" for face in faces) == filled
    assert ("Nothing is filled: 4 seeds, fewer than 5." in made.caption) == (filled == 0)


def test_what_could_have_been_seen_stands_beside_what_was_not(tmp_path):
    made = figure4.figure4(known_study(tmp_path, uneven, seeds=range(5), cases=9), "main")
    rows = made.frame[made.frame.level == "difference"].set_index("metric")
    unclear = [metric for metric in rows.index if rows.low[metric] <= 0 <= rows.high[metric]]
    assert unclear
    for metric in unclear:
        assert f"{metric} {rows.detectable[metric]:.2g} {rows.unit[metric]}" in made.caption
    assert "Smallest detectable difference (power 80 %)" in made.caption


def test_architecture_without_results_is_a_hole(made):
    assert "Without results: CE (nnU-Net), Spectral (nnU-Net)." in made.caption
    assert "Not shown: FL." in made.caption
    assert "U-Net, nnU-Net, seeds 0, 1" in made.caption
    words = [text.get_text() for axes in made.drawing.axes for text in axes.texts]
    assert words.count("missing") == 4
    assert [label.get_text() for label in made.drawing.axes[0].get_yticklabels()] == ["U-Net", "nnU-Net"]
    hole = made.frame[made.frame.architecture == "nnunet"]
    assert (hole.status == "missing").all()
    assert hole.value.isna().all()


def test_shaded_side_is_the_better_one(made):
    for axes, sign in ((made.drawing.axes[1], 1), (made.drawing.axes[3], -1)):
        (shade,) = axes.patches
        middle = shade.get_x() + shade.get_width() / 2
        assert np.sign(middle) == sign


def test_rows_name_the_data_set_where_there_are_several(tmp_path):
    results = known_study(tmp_path, gain, datasets=("phantom", "acdc"), architectures=("unet", "swin_unetr"))
    made = figure4.figure4(results, "main")
    labels = [label.get_text() for label in made.drawing.axes[0].get_yticklabels()]
    assert labels == ["Phantom,\nU-Net", "Phantom,\nSwin UNETR", "ACDC,\nU-Net", "ACDC,\nSwin UNETR"]


def test_any_two_methods_can_be_compared(tmp_path):
    results = known_study(tmp_path, gain, methods=("ce", "focal", "spectral"))
    made = figure4.figure4(results, "main", baseline="spectral", ours="focal")
    difference = made.frame[(made.frame.level == "difference") & (made.frame.metric == "DSC")]
    assert difference.value.item() == pytest.approx(-2.0)
    assert "FL minus Spectral" in made.caption
