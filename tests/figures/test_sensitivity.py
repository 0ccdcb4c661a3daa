"""Sensitivity curves: means and paired differences recomputed, order and scale of values, holes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from slow_interval import interval
from tidy import assert_tidy

from spectralcal.base.errors import ConfigError
from spectralcal.papers.spectral_entropy.figures import sensitivity

WEIGHTS = ("spectral@weight=0.1", "spectral", "spectral@weight=1.0")


def drawn(results, experiment="main", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = sensitivity.sensitivity(results, experiment, **options)
        made.drawing.canvas.draw()
    return made


def lower(frame, method, metric, by):
    """Scores of a method moved by a constant."""
    chosen = (frame.method == method) & (frame.metric == metric)
    return frame.assign(value=frame.value.where(~chosen, frame.value - by))


def equal(frame):
    """Every method has cross-entropy's scores, but weight 0.1 has an ECE lower by 0.004."""
    keys = ["case", "class", "metric", "protocol", "seed"]
    plain = frame[frame.method == "ce"].set_index(keys).value
    frame = frame.assign(value=plain.reindex(frame.set_index(keys).index).to_numpy())
    return lower(frame, "spectral@weight=0.1", "ECE", 0.004)


def test_differences_from_the_default_are_paired(study):
    results = study(methods=("ce", *WEIGHTS), seeds=(0, 1), only_scores=True, edit=equal)
    table = sensitivity.frame(results, "main", "phantom", "unet")
    ece = table[table.metric == "ECE"].set_index("method")
    np.testing.assert_allclose(
        ece.loc["spectral@weight=0.1", ["difference", "difference_low", "difference_high"]].astype(float), -4.0
    )
    np.testing.assert_allclose(
        ece.loc[["ce", "spectral@weight=1.0"], ["difference", "difference_low", "difference_high"]].astype(float), 0
    )
    assert np.isnan(ece.difference["spectral"])
    assert ece.default.to_dict() == {name: name == "spectral" for name in ("ce", *WEIGHTS)}


def test_differences_are_those_of_loops(study):
    results = study(methods=("ce", *WEIGHTS), seeds=(0, 1), cases=6, only_scores=True)
    made, scores = drawn(results), results.scores("main")
    dice = scores[(scores.metric == "DSC") & (scores.protocol == "paper")]
    table = {name: 100 * rows.pivot_table(index="seed", columns="case", values="value").to_numpy()
             for name, rows in dice.groupby("method")}  # fmt: skip
    found = made.frame[made.frame.metric == "DSC"].set_index("method")
    for name in ("ce", "spectral@weight=0.1", "spectral@weight=1.0"):
        row = found.loc[name, ["difference", "difference_low", "difference_high"]].astype(float)
        np.testing.assert_allclose(row, interval((table[name] - table["spectral"]).tolist()))
    least, most = found.difference_detectable.min(), found.difference_detectable.max()
    assert f"Smallest detectable difference (power 80 %): DSC {least:.2g} to {most:.2g} %" in made.caption


def test_caption_says_what_the_bars_are_and_only_what_is_drawn(study):
    made = drawn(study(methods=("ce", *WEIGHTS), seeds=(0, 1), cases=6, cases_per_patient=2, only_scores=True))
    assert (
        "Bars and bands: 95 % intervals over seeds and patients, 3 patients and seeds 0, 1, of the paired "
        "difference from the default in the unit of the axis, drawn around the mean" in made.caption
    )
    assert "Grey: methods that do not have the option." in made.caption
    assert "Crosses" not in made.caption
    alone = drawn(study(methods=WEIGHTS, seeds=(0,), cases=6, only_scores=True)).caption
    assert (
        "Bars: 95 % intervals over patients alone (one seed says nothing about another training), 6 patients" in alone
    )
    assert "Smallest detectable difference" not in alone
    assert "Mean over 6 test cases, protocol" in alone
    assert "Grey" not in alone
    without = drawn(study(methods=WEIGHTS[::2], seeds=(0,), only_scores=True)).caption
    assert "Bars" not in without
    assert "Star" not in without


def test_the_height_of_the_default_is_drawn_through(study):
    made = drawn(study(methods=WEIGHTS, seeds=(0,), only_scores=True))
    rows = made.frame[made.frame.default].set_index("metric")["mean"]
    for axes, metric in zip(made.drawing.axes, ("DSC", "ECE"), strict=True):
        level = [line for line in axes.lines if list(line.get_xdata()) == [0, 1]]
        assert [line.get_ydata()[0] for line in level] == [pytest.approx(rows[metric])]


def test_means_are_those_of_the_scores(study):
    results = study(methods=WEIGHTS, seeds=(0, 1), only_scores=True)
    table = sensitivity.frame(results, "main", "phantom", "unet")
    scores = results.scores("main")
    dice = scores[(scores.metric == "DSC") & (scores.protocol == "paper")].groupby("method").value.mean()
    found = table[table.metric == "DSC"].set_index("method")["mean"]
    for name in WEIGHTS:
        assert found[name] == pytest.approx(100 * dice[name])


def test_points_stand_at_their_values(study):
    results = study(methods=WEIGHTS, seeds=(0,), only_scores=True, further={"window": ("spectral@window=1", "spectral"),
                    "map": ("spectral", "spectral@confidence=margin")})  # fmt: skip
    made = drawn(results, experiments=("window", "map"))
    assert_tidy(made.drawing)
    dice = made.drawing.axes[:3]
    assert [axes.get_xscale() for axes in dice] == ["log", "log", "linear"]
    np.testing.assert_allclose(dice[0].lines[1].get_xdata(), [0.01, 0.1, 1.0])
    np.testing.assert_allclose(dice[1].lines[1].get_xdata(), [1, 50])
    np.testing.assert_allclose(dice[2].lines[1].get_xdata(), [0, 1])
    bottom = made.drawing.axes[5]
    assert [tick.get_text() for tick in bottom.get_xticklabels()] == ["max_logit", "margin"]
    assert "experiments main, window, map: Phantom" in made.caption


@pytest.mark.parametrize("columns", [1, 3])
def test_many_values_do_not_run_into_each_other(study, columns):
    weights = ("spectral", *(f"spectral@weight={value}" for value in (0.001, 0.005, 0.05, 0.1, 1.0)))
    results = study(methods=weights, seeds=(0,), only_scores=True, further={"b": weights, "c": weights})
    made = drawn(results, experiments=("b", "c")[: columns - 1])
    assert_tidy(made.drawing)
    found = made.drawing.axes[-1].get_xticklabels()
    assert [text.get_text() for text in found] == ["0.001", "0.005", "0.01", "0.05", "0.1", "1.0"]


def test_a_missing_setting_is_a_cross(study):
    results = study(methods=WEIGHTS, seeds=(0,), only_scores=True, missing=[("spectral@weight=1.0", 0)])
    made = drawn(results)
    crosses = [line for line in made.drawing.axes[0].lines if line.get_marker() == "x"]
    np.testing.assert_allclose(crosses[0].get_xdata(), [1.0])
    assert "Without results: Spectral, λ = 1" in made.caption


def test_without_a_default_there_are_no_differences(study):
    results = study(methods=WEIGHTS[::2], seeds=(0,), only_scores=True)
    table = sensitivity.frame(results, "main", "phantom", "unet")
    assert table.difference.isna().all()
    drawn(results)


def test_methods_that_vary_no_option_are_said_to(study):
    made = drawn(study(methods=("ce", "focal"), seeds=(0,), only_scores=True))
    words = [text.get_text() for axes in made.drawing.axes for text in axes.texts]
    assert words == ["no single option varies"] * 2


def test_an_experiment_without_any_cell(study):
    results = study(
        methods=WEIGHTS,
        seeds=(0,),
        only_scores=True,
        missing=[(name, 0) for name in WEIGHTS],
        further={"other": ("ce",)},
    )
    made = drawn(results)
    assert (made.frame.status == "missing").all()
    assert "0 test cases" in made.caption
    crosses = [line for line in made.drawing.axes[0].lines if line.get_marker() == "x"]
    np.testing.assert_allclose(crosses[0].get_xdata(), [0.01, 0.1, 1.0])


def test_experiments_are_checked(study):
    results = study(methods=WEIGHTS, seeds=(0,), only_scores=True)
    with pytest.raises(ConfigError, match=r"sensitivity, options\.experiments: unknown experiment 'nobody'"):
        sensitivity.sensitivity(results, "main", experiments=("nobody",))
