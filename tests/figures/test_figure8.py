"""Figure 8 on constructed files: known correlations, holes, and what is on the page."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from slow_interval import interval, of_ratio
from tidy import assert_tidy

from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.papers.spectral_entropy.figures import figure8
from spectralcal.report.figures.hotspots import compared_methods, control_of, hotspot_frame
from spectralcal.report.figures.text import names_width


def drawn(results, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = figure8.figure8(results, "main", **options)
        made.drawing.canvas.draw()
    return made


def arrays_of(results, seed=0):
    return dict(np.load(results.paths.probe("hotspots", "phantom", "unet", seed)))


def write(results, arrays, seed=0):
    np.savez(results.paths.probe("hotspots", "phantom", "unet", seed), **arrays)


def words(drawing):
    return [text.get_text() for axes in drawing.axes for text in axes.texts]


def test_a_correlation_that_is_exactly_one(study):
    results = study(methods=("ce", "spectral"), seeds=(0,))
    arrays = arrays_of(results)
    arrays["difference"][..., 0], arrays["difference"][..., 1] = 1.0, 0.25
    write(results, arrays)
    table = hotspot_frame(results, "main", "phantom", "unet", "spectral", "spearman")
    means = table[(table.level == "mean") & (table.target == "difference")]
    assert list(means.strength) == ["signed", "magnitude"]
    np.testing.assert_allclose(means[["value", "low", "high"]].astype(float), 1.0)
    np.testing.assert_allclose(means[["excess", "excess_low", "excess_high"]].astype(float), 0.75)
    np.testing.assert_allclose(means.null.astype(float), 0.25)
    assert (means.cases == 5).all()


def test_numbers_are_means_over_seeds_then_cases(study):
    results = study(methods=("ce", "spectral", "focal"), seeds=(0, 1))
    table = hotspot_frame(results, "main", "phantom", "unet", "spectral", "pearson")
    place = [list(arrays_of(results, seed)["methods"]).index("focal") for seed in (0, 1)]
    # strength "magnitude" is the second, "pearson" too
    by_seed = np.array([arrays_of(results, seed)["difference"][place[seed], :, 1, 1] for seed in (0, 1)])
    chosen = table[(table.method == "focal") & (table.strength == "magnitude")]
    cases, mean = chosen[chosen.level == "case"], chosen[chosen.level == "mean"].iloc[0]
    np.testing.assert_allclose(cases.value.astype(float), by_seed[..., 0].mean(0))
    np.testing.assert_allclose(cases.excess.astype(float), (by_seed[..., 0] - by_seed[..., 1]).mean(0))
    assert mean.value == pytest.approx(by_seed[..., 0].mean())
    assert mean.excess == pytest.approx((by_seed[..., 0] - by_seed[..., 1]).mean())
    assert (mean.value, mean.low, mean.high) == pytest.approx(interval(by_seed[..., 0].tolist()))
    expected = interval((by_seed[..., 0] - by_seed[..., 1]).tolist())
    assert (mean.excess, mean.excess_low, mean.excess_high) == pytest.approx(expected)
    assert mean.seeds == 2


def test_cases_are_paired_by_name(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1))
    before = hotspot_frame(results, "main", "phantom", "unet", "spectral", "spearman")
    arrays = arrays_of(results, 1)
    for key in ("cases", "error", "distance", "voxels", "error_profile"):
        arrays[key] = arrays[key][::-1]
    for key in ("difference", "difference_profile", "following"):
        arrays[key] = arrays[key][:, ::-1]
    write(results, arrays, 1)
    after = hotspot_frame(results, "main", "phantom", "unet", "spectral", "spearman")
    for name in ("value", "null", "low", "high"):
        np.testing.assert_allclose(after[name].astype(float), before[name].astype(float), atol=1e-12)
    write(results, {**arrays, "cases": np.array(["x", *arrays["cases"][1:]])}, 1)
    with pytest.raises(ResultError, match=r"hotspots of seed 1: expected the same 5 test cases in every cell"):
        hotspot_frame(results, "main", "phantom", "unet", "spectral", "spearman")


def test_profile_and_histogram_pool_voxels(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1))
    table = hotspot_frame(results, "main", "phantom", "unet", "spectral", "spearman")
    files = [arrays_of(results, seed) for seed in (0, 1)]
    place = list(files[0]["methods"]).index("spectral")
    sums = sum(arrays["difference_profile"][place].sum(0) for arrays in files)
    voxels = sum(arrays["voxels"].sum(0) for arrays in files)
    profile = table[table.level == "profile"].reset_index()
    held = voxels > 0
    assert profile.value[~held].isna().all()
    np.testing.assert_allclose(profile.value[held].astype(float), sums[0][held] / voxels[held])
    np.testing.assert_allclose(profile.null[held].astype(float), sums[1][held] / voxels[held])
    for index in np.flatnonzero(held):
        sums_by_case = [arrays["difference_profile"][place, :, 0, index].tolist() for arrays in files]
        voxels_by_case = [arrays["voxels"][:, index].astype(float).tolist() for arrays in files]
        row = profile.iloc[index]
        assert (row.value, row.low, row.high) == pytest.approx(of_ratio(sums_by_case, voxels_by_case))
    counts = table[table.level == "histogram"]["count"].sum()
    assert counts == sum(arrays["histogram"][place].sum() for arrays in files)


def test_undefined_correlations_do_not_enter_the_mean(study):
    results = study(methods=("ce", "spectral"), seeds=(0,))
    arrays = arrays_of(results)
    arrays["difference"][0, 1] = np.nan
    write(results, arrays)
    table = hotspot_frame(results, "main", "phantom", "unet", "spectral", "spearman")
    mean = table[(table.level == "mean") & (table.target == "difference")].iloc[0]
    assert mean.cases == 4
    assert mean.value == pytest.approx(np.nanmean(arrays["difference"][0, :, 0, 0, 0]))
    two = study(methods=("ce", "spectral"), seeds=(0, 1))
    one_seed = arrays_of(two)
    place = list(one_seed["methods"]).index("spectral")
    one_seed["difference"][place, 1] = np.nan  # a case that the other seed has
    write(two, one_seed)
    table = hotspot_frame(two, "main", "phantom", "unet", "spectral", "spearman")
    mean = table[(table.level == "mean") & (table.target == "difference") & (table.method == "spectral")].iloc[0]
    both = np.stack([arrays_of(two, seed)["difference"][place, :, 0, 0, 0] for seed in (0, 1)])
    whole = np.isfinite(both).all(0)
    assert whole.sum() == 4
    assert (mean.cases, mean.value) == (whole.sum(), pytest.approx(both[:, whole].mean()))
    arrays["difference"][:] = np.nan
    write(results, arrays)
    made = drawn(results)
    assert words(made.drawing).count("undefined") == 2


def test_control_is_another_seed_of_cross_entropy(study):
    one = study(methods=("ce", "spectral"), seeds=(0,))
    two = study(methods=("ce", "spectral"), seeds=(0, 1))
    assert control_of("ce") not in set(hotspot_frame(one, "main", "phantom", "unet", "spectral", "spearman").method)
    table = hotspot_frame(two, "main", "phantom", "unet", "spectral", "spearman")
    assert set(table[table.method == control_of("ce")].label) == {"CE, other seed"}
    # What can be compared with it is the method of that seed, not of cross-entropy's own.
    own = table.label == "Spectral, other seed"
    (row,) = table[(table.level == "mean") & own & (table.strength == "signed")].value
    files = [arrays_of(two, seed) for seed in (0, 1)]
    assert row == pytest.approx(np.mean([f["following"][list(f["following_methods"]).index("spectral"), :, 0, 0, 0]
                                         for f in files]))  # fmt: skip


def test_post_hoc_steps_are_left_out(study):
    results = study(methods=("ce", "ce+temperature", "focal", "spectral+temperature"), seeds=(0,))
    assert compared_methods(results, "main") == ["focal", "spectral"]


def test_page_is_tidy_and_fits(study):
    results = study(methods=("ce", "spectral", "focal", "spectral@confidence=max_prob"), seeds=(0, 1))
    made = drawn(results)
    assert_tidy(made.drawing)
    width, height = made.drawing.get_size_inches() * 25.4
    assert width <= 178 + 1e-6
    assert height < 230
    titles = [axes.get_title(loc="left").split("$ ")[-1] for axes in made.drawing.axes]
    for title in ("image and reference", "high-frequency power", "hotspots", "CE − Spectral", "signed", "magnitude"):
        assert title in titles
    assert "Case phantom_000 (the test case with the median Dice of ce), slice" in made.caption
    assert "5 test cases" in made.caption


def test_a_method_that_was_not_trained_is_a_hole(study):
    results = study(methods=("ce", "spectral", "focal"), seeds=(0,), missing=[("focal", 0)])
    made = drawn(results)
    assert words(made.drawing).count("missing") == 2  # a row in (e) and in (f)
    assert "Without results: FL" in made.caption
    hole = drawn(results, method="focal")
    assert words(hole.drawing).count("missing") == 3  # and panel (c)
    assert "no results" in words(hole.drawing)


@pytest.mark.parametrize("there", ["empty", "absent"])
def test_nothing_measured_is_a_figure_of_holes(study, there):
    results = study(methods=("ce", "spectral"), seeds=(0,))
    if there == "empty":
        write(results, {"baseline": np.array("ce"), "methods": np.array([], dtype=np.str_)})
    else:
        results.paths.probe("hotspots", "phantom", "unet", 0).unlink()
    made = drawn(results)
    assert (made.frame.status == "missing").all()
    assert "No case has been measured" in made.caption
    assert "Without results: Spectral, CE" in made.caption
    assert words(made.drawing).count("not measured") == 4


def test_constant_maps_are_drawn(study):
    results = study(methods=("ce", "spectral"), seeds=(0,))
    arrays = arrays_of(results)
    for key in ("shown_spectrum", "shown_hotspots", "shown_baseline", "shown_confidence"):
        arrays[key] = np.zeros_like(arrays[key])
    write(results, arrays)
    drawn(results)


def test_options_are_checked(study):
    results = study(methods=("ce", "spectral"), seeds=(0,))
    with pytest.raises(ConfigError, match=r"figure8, options\.coefficient: expected .*received 'kendall'"):
        figure8.figure8(results, "main", coefficient="kendall")
    with pytest.raises(ConfigError, match=r"figure8, options\.method: "):
        figure8.figure8(results, "main", method="nobodys")


def test_names_are_measured():
    assert names_width([]) == 0
    assert 0 < names_width(["CE"]) < names_width(["CE", "Spectral, on probability"]) < 50
