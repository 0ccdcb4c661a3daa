"""Architectures: paired differences with known values, and holes."""

from __future__ import annotations

import numpy as np
import pytest
from known_scores import known_study

from spectralcal.papers.spectral_entropy.figures import figure4


def gain(cell, metric, index):
    """Ours is 2 points better in Dice and 3 thousandths worse in ECE on every case; cases differ by much more."""
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


def test_architecture_without_results_is_a_hole(made):
    assert "Without results: CE (nnU-Net), Ours (nnU-Net)." in made.caption
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
    assert "FL less Ours" in made.caption
