"""The frames behind the figures equal an independent recomputation."""

from __future__ import annotations

import numpy as np
import pytest
from slow_interval import interval, of_ratio

from spectralcal.base.errors import ConfigError, ResultError
from spectralcal.papers.spectral_entropy.figures.figure3 import figure3
from spectralcal.papers.spectral_entropy.figures.figure3 import frame as psd_frame
from spectralcal.records.light.kept import kept_spectra
from spectralcal.report.figures import reliability_bins as _reliability
from spectralcal.report.figures import slices as _slices
from spectralcal.report.figures.reliability import frame as reliability_frame
from spectralcal.report.figures.training_curves import frame as history_frame
from spectralcal.report.figures.true_calibration import frame as truth_frame
from spectralcal.study.grid import Cell


def test_psd_is_the_geometric_mean_over_cases_and_seeds(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1))
    table = psd_frame(results, "main", "phantom", "unet")
    for kind in ("max_logit", "margin"):
        logs = []
        for seed in (0, 1):
            psd = results.spectra(Cell("phantom", "unet", "spectral", seed))[f"psd_{kind}"]
            logs += [[np.log10(value) for value in case] for case in psd]
        expected = np.mean(logs, axis=0)
        found = table[(table.method == "spectral") & (table["map"] == kind)]
        np.testing.assert_allclose(found.log10_power, expected, rtol=1e-12)
        by_seed = {
            (name, seed): np.log10(results.spectra(Cell("phantom", "unet", name, seed))[f"psd_{kind}"].astype(float))
            for name in ("ce", "spectral") for seed in (0, 1)
        }  # fmt: skip
        for point, row in enumerate(found.itertuples()):
            mine, theirs = (
                [by_seed[method, seed][:, point].tolist() for seed in (0, 1)] for method in ("spectral", "ce")
            )
            assert (row.log10_power, row.low, row.high) == pytest.approx(interval(mine))
            difference = [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(mine, theirs, strict=True)]
            assert (row.log10_ratio, row.ratio_low, row.ratio_high) == pytest.approx(interval(difference), abs=1e-9)
        base = table[(table.method == "ce") & (table["map"] == kind)]
        np.testing.assert_allclose(found.log10_ratio, expected - base.log10_power.to_numpy(), atol=1e-9)
        assert (base[["log10_ratio", "ratio_low", "ratio_high"]] == 0).all().all()


def test_ratio_pairs_cases_by_name_not_by_position(study):
    results = study(methods=("ce", "spectral"), seeds=(0,))
    before = psd_frame(results, "main", "phantom", "unet")
    path = results.paths.cell(Cell("phantom", "unet", "spectral", 0)).spectra
    arrays = dict(np.load(path))
    turned = {key: value[::-1] if len(value) == 5 else value for key, value in arrays.items()}
    np.savez(path, **turned)
    after = psd_frame(results, "main", "phantom", "unet")
    np.testing.assert_allclose(after.log10_ratio, before.log10_ratio, atol=1e-12)
    np.testing.assert_allclose(after.ratio_low, before.ratio_low, atol=1e-12)


def test_ratio_pairs_the_seeds_that_both_have(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1), missing=[("ce", 1)])
    table = psd_frame(results, "main", "phantom", "unet")
    logs = [
        np.log10(results.spectra(Cell("phantom", "unet", method, 0))["psd_max_logit"]) for method in ("spectral", "ce")
    ]
    found = table[(table.method == "spectral") & (table["map"] == "max_logit")]
    np.testing.assert_allclose(found.log10_ratio, (logs[0] - logs[1]).mean(0), atol=1e-6)
    none = study(methods=("ce", "spectral"), seeds=(0, 1), missing=[("ce", 1), ("spectral", 0)])
    table = psd_frame(none, "main", "phantom", "unet")
    assert table[table.method == "spectral"].log10_ratio.isna().all()
    assert table[table.method == "spectral"].log10_power.notna().any()


def test_other_cases_in_a_cell_are_refused(study):
    results = study(methods=("ce", "spectral"), seeds=(0,))
    path = results.paths.cell(Cell("phantom", "unet", "spectral", 0)).spectra
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "cases": np.array(["other", *arrays["cases"][1:]])})
    with pytest.raises(ResultError, match="expected the same 5 test cases in every cell"):
        psd_frame(results, "main", "phantom", "unet")


def test_frequencies_that_a_volume_lacks_and_constant_maps_do_not_spoil_the_mean(study):
    results = study(methods=("ce",), seeds=(0,))
    path = results.paths.cell(Cell("phantom", "unet", "ce", 0)).spectra
    arrays = dict(np.load(path))
    arrays["psd_margin"][0, 0] = np.nan
    arrays["psd_margin"][:, 1] = np.nan
    arrays["psd_max_prob"][:] = 0.0
    np.savez(path, **arrays)
    table = psd_frame(results, "main", "phantom", "unet")
    margin = table[table["map"] == "margin"].log10_power.to_numpy()
    assert margin[0] == pytest.approx(np.log10(kept_spectra(arrays)["psd_margin"][1:, 0]).mean())
    assert margin[0] == pytest.approx(np.log10(arrays["psd_margin"][1:, 0]).mean(), abs=np.log10(1 + 2**-8))
    assert np.isnan(margin[1])
    assert (table[table["map"] == "max_prob"].log10_power == -30).all()


def test_pooled_accuracy_and_counts_equal_sums_over_cases(study):
    results = study(methods=("ce",), seeds=(0, 1))
    table = reliability_frame(results, "main", ["phantom"], "unet")
    for region in ("all", "reference"):
        count, hits = np.zeros(15), np.zeros(15)
        for seed in (0, 1):
            arrays = results.case_calibration(Cell("phantom", "unet", "ce", seed), region)
            for case in range(5):
                for index in range(15):
                    voxels = arrays["count"][case, 0, index]
                    count[index] += voxels
                    hits[index] += voxels * arrays["accuracy"][case, 0, index] if voxels else 0
        found = table[table.region == region]
        np.testing.assert_array_equal(found["count"], count)
        full = count > 0
        np.testing.assert_allclose(found.accuracy[full], (hits[full] / count[full]), rtol=1e-9)
        for row in found[full].itertuples():
            index = round(row.lower * 15)
            cells = [results.case_calibration(Cell("phantom", "unet", "ce", seed), region) for seed in (0, 1)]
            counts = [[float(arrays["count"][case, 0, index]) for case in range(5)] for arrays in cells]
            right = [[arrays["count"][case, 0, index] * np.nan_to_num(arrays["accuracy"][case, 0, index])
                      for case in range(5)] for arrays in cells]  # fmt: skip
            assert (row.accuracy, row.low, row.high) == pytest.approx(of_ratio(right, counts), rel=1e-6)
        gap = np.abs(found.accuracy - found.confidence)[full]
        assert found.ece.iloc[0] == pytest.approx((gap * count[full]).sum() / count.sum(), rel=1e-9)


def test_cases_of_one_patient_are_one_and_have_no_band(study):
    results = study(methods=("ce",), seeds=(0, 1))
    names = [f"phantom_{index:03d}" for index in range(5)]
    rows = _reliability.reliability_rows(results, "ce", results.cells("main"), "all", dict.fromkeys(names, "the same"))
    full = rows[rows["count"] > 0]
    assert full.accuracy.notna().all()
    assert full[["low", "high"]].isna().all(axis=None)
    two = dict(zip(names, "aabbb", strict=True))
    rows = _reliability.reliability_rows(results, "ce", results.cells("main"), "all", two)
    assert rows[rows["count"] > 0].low.notna().all()


def test_unknown_region_is_refused(study):
    results = study(methods=("ce",), seeds=(0,))
    with pytest.raises(ResultError, match="expected voxels of region 'skin', found 'all'"):
        _reliability.reliability_rows(results, "ce", results.cells("main"), "skin", {})


def test_histories_give_terms_entropies_and_the_gradient_ratio(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1))
    table = history_frame(results, "main", "phantom", "unet")
    history = results.history(Cell("phantom", "unet", "spectral", 1))
    mine = table[(table.method == "spectral") & (table.seed == 1)]
    ratio = mine[mine.panel == "ratio"].value.to_numpy()
    np.testing.assert_allclose(ratio, history.gradient_spectral / history.gradient_ce)
    np.testing.assert_allclose(mine[mine.panel == "regulariser"].value, history.loss_spectral)
    assert set(mine[mine.panel == "entropy"].quantity) == {"target", "sample"}
    assert set(table[table.method == "ce"].panel) == {"base"}


def test_unknown_data_set_lists_the_valid_ones(study):
    with pytest.raises(ConfigError, match="'brats' is not in it; expected 'phantom'"):
        figure3(study(seeds=(0,)), "main", dataset="brats")


def volume(shape, **labelled):
    reference = np.zeros(shape, np.uint8)
    for place, value in labelled.get("at", {}).items():
        reference[place] = value
    return {
        "case": np.array("one"), "rule": np.array("median"), "spacing_mm": np.array([1.0, 2.0, 5.0][: len(shape)]),
        "image": np.arange(np.prod(shape), dtype=np.float32).reshape(shape), "reference": reference,
        "methods": np.array(["ce"]), "prediction": reference[None], "confidence": np.ones((1, *shape), np.float32),
    }  # fmt: skip


def test_slice_with_the_largest_reference_area_is_turned_as_radiologists_do():
    maps = volume((30, 28, 4), at={(5, 20, 2): 1, (6, 20, 2): 1, (5, 21, 1): 2})
    view = _slices.best_slice(maps)
    assert (view.index, view.aspect) == (2, 2.0)
    rows, columns = np.nonzero(view.reference)
    assert len(set(rows)) == 1  # x runs along the page
    full = maps["image"][:, :, 2]
    place = np.argwhere(view.image == full[5, 20])[0]
    right_neighbour = view.image[place[0], place[1] - 1]
    assert right_neighbour == full[6, 20]  # larger x, the patient's right, stands on the left
    assert view.image[place[0] - 1, place[1]] == full[5, 21]  # anterior is up
    assert sorted(view.reference[rows[0], columns]) == [1, 1]


def test_flat_images_stay_as_stored_and_small_crops_stay_inside():
    view = _slices.best_slice(volume((40, 50), at={(0, 0): 1}))
    assert (view.index, view.image.shape) == (0, (24, 24))
    assert view.image[0, 0] == 0.0
    assert view.reference[0, 0] == 1


def test_case_without_any_structure_is_shown_whole():
    assert _slices.best_slice(volume((8, 9, 3))).image.shape == (9, 8)


def test_errors_name_every_kind_of_mistake():
    reference, prediction = np.array([[0, 1, 0, 1, 2]]), np.array([[0, 1, 2, 0, 1]])
    np.testing.assert_array_equal(_slices.errors(prediction, reference), [[0, 0, 2, 1, 3]])


def test_each_estimate_is_shown_against_the_true_error_of_the_same_probabilities(study):
    results = study(methods=("ce", "spectral"), seeds=(0,), only_scores=True, predicted=True)
    table = truth_frame(results, "main", "phantom", "unet", "paper", "truth")
    measures = table.groupby("metric").measure.unique().map(list)
    assert dict(measures) == {"ECE": ["true_ECE"], "SCE": ["true_SCE"], "TACE": ["true_SCE"]}
    scores = results.scores("main")
    for metric, measure in (("ECE", "true_ECE"), ("TACE", "true_SCE")):
        cases = table[(table.level == "case") & (table.metric == metric) & (table.method == "ce")].set_index("case")
        expected = scores[(scores.method == "ce") & (scores.metric == measure)].set_index("case").value
        np.testing.assert_array_equal(cases.truth.sort_index(), expected.sort_index())


def test_scores_of_before_had_another_name_for_the_distance_to_the_posterior(study):
    def renamed(frame):
        return frame.assign(metric=frame.metric.replace("distance_to_posterior", "true_calibration_error"))

    results = study(methods=("ce",), seeds=(0,), only_scores=True, edit=renamed)
    table = truth_frame(results, "main", "phantom", "unet", "paper", "truth")
    assert set(table.measure) == {"distance_to_posterior"}


def test_true_calibration_pairs_cases_and_correlates_ranks(study):
    from scipy.stats import spearmanr

    results = study(methods=("ce", "spectral"), seeds=(0, 1), only_scores=True)
    table = truth_frame(results, "main", "phantom", "unet", "paper", "truth")
    scores = results.scores("main")

    def mean(method, case, metric, protocol):
        rows = scores[(scores.method == method) & (scores.case == case)]
        return np.mean([r.value for r in rows.itertuples() if (r.metric, r.protocol) == (metric, protocol)])

    names = [f"phantom_{index:03d}" for index in range(5)]
    truth, estimate = [], []
    for method in ("ce", "spectral"):
        truth += [mean(method, case, "distance_to_posterior", "truth") for case in names]
        estimate += [mean(method, case, "ECE", "paper") for case in names]
    cases = table[(table.level == "case") & (table.metric == "ECE")]
    np.testing.assert_allclose(cases.truth, truth, rtol=1e-12)
    np.testing.assert_allclose(cases.estimate, estimate, rtol=1e-12)
    assert cases.rho.iloc[0] == pytest.approx(spearmanr(truth, estimate).statistic)
    means = table[(table.level == "mean") & (table.metric == "ECE")]
    for row, method in zip(means.itertuples(), ("ce", "spectral"), strict=True):
        for name, metric, protocol in (("estimate", "ECE", "paper"), ("truth", "distance_to_posterior", "truth")):
            rows = scores[(scores.method == method) & (scores.metric == metric) & (scores.protocol == protocol)]
            by_seed = [
                [rows[(rows.seed == seed) & (rows.case == case)].value.mean() for case in names] for seed in (0, 1)
            ]
            found = getattr(row, name), getattr(row, f"{name}_low"), getattr(row, f"{name}_high")
            assert found == pytest.approx(interval(by_seed))
    assert set(means.seeds) == {2}
