"""The table of unbinned measures: every number from the published curve of its cell, marks, holes, regions."""

from __future__ import annotations

import numpy as np
import pytest

from spectralcal.base.errors import ResultError
from spectralcal.metrics import corp, debiased_ece_over_cases, isotonic_error, risk_coverage, smooth_ece
from spectralcal.report.measures import MEASURES, patient_bins
from spectralcal.report.tables.unbinned import unbinned
from spectralcal.study.grid import Cell

METHODS = ("ce", "focal", "spectral")


def line(table, page, name, below=0):
    block = table.markdown.split(f"| Phantom, {page} |")[1].split("\n\n")[0].splitlines()
    index = next(number for number, text in enumerate(block) if text.startswith(f"| {name} |"))
    return [cell.strip() for cell in block[index + below].strip("|").split("|")][1:]


def test_every_number_is_that_of_its_cells_curve(study):
    results = study(only_scores=False, methods=METHODS, seeds=(0, 1, 2))
    table = unbinned(results, "main")
    values = table.frame.set_index(["region", "method", "seed", "metric"]).value
    assert len(values) == 2 * len(METHODS) * 3 * sum(map(len, MEASURES.values()))
    for region in ("all", "union"):
        for method in METHODS:
            for seed in (0, 1, 2):
                curve = results.calibration(Cell("phantom", "unet", method, seed))[region]
                selective, parts = risk_coverage(curve), corp(curve, score="log")
                expected = {
                    "ece": 1e3 * curve.ece(),
                    "smooth_ece": 1e3 * smooth_ece(curve),
                    "isotonic": 1e3 * isotonic_error(curve),
                    "hidden": 100 * (1 - curve.ece() / isotonic_error(curve)),
                    "brier": 1e3 * curve.brier(),
                    "log_calibration": 1e3 * parts.miscalibration,
                    "error": 1e3 * selective.wrong.sum() / selective.total,
                    "aurc": 1e3 * selective.aurc(),
                    "coverage_at_risk": 100 * selective.coverage_at(0.05),
                }
                found = {name: values[region, method, seed, name] for name in expected}
                assert found == pytest.approx(expected, rel=1e-9)
    for part in ("brier", "log"):
        split = [values.xs(f"{part}{end}", level="metric") for end in ("", "_calibration", "_refinement")]
        np.testing.assert_allclose(split[0], split[1] + split[2], rtol=1e-9)


def test_means_and_seeds_are_printed_and_the_best_is_marked(study):
    results = study(only_scores=False, methods=METHODS, seeds=(0, 1))
    table = unbinned(results, "main")
    frame = table.frame[(table.frame.region == "all") & (table.frame.metric == "smooth_ece")]
    means = frame.groupby("label").value.mean()
    for label, mean in means.items():
        printed = line(table, "all voxels: calibration", label)[1]
        mark = {means.idxmin(): "**", means.nsmallest(2).idxmax(): "*"}.get(label, "")
        assert printed == f"{mark}{mean:.2f}{mark}"
        seeds = frame[frame.label == label].sort_values("seed").value
        assert line(table, "all voxels: calibration", label, below=1)[1] == ", ".join(f"{v:.2f}" for v in seeds)
    assert not any("*" in cell for label in means.index for cell in line(table, "all voxels: calibration", label)[4:5])
    assert table.latex.count("\\begin{table*}") == len(MEASURES)
    assert table.latex.count("Phantom, union of foregrounds") == len(MEASURES)
    assert "neither says that methods differ" in table.markdown


def test_one_method_and_one_seed_have_neither_mark_nor_seeds(study):
    table = unbinned(study(only_scores=False, methods=("ce",), seeds=(0,)), "main")
    rows = table.markdown.split("\n\n", 2)[2]
    assert "*" not in rows
    assert "Values of one seed (0)" in table.markdown


def test_cells_that_are_missing_are_said(study):
    results = study(only_scores=False, methods=METHODS, seeds=(0, 1), missing=[("focal", 0), ("focal", 1), ("ce", 1)])
    table = unbinned(results, "main")
    assert set(line(table, "all voxels: ranking", "FL")) == {"missing"}
    assert all(cell.endswith("†1/2") for cell in line(table, "all voxels: ranking", "CE"))
    assert table.frame[table.frame.method == "focal"].value.isna().all()
    assert "missing: none" in table.markdown


def test_a_region_that_was_not_scored_is_one_line(study):
    with pytest.raises(ResultError, match="expected voxels of region 'nowhere', found 'all', 'reference'"):
        unbinned(study(only_scores=False, methods=("ce",), seeds=(0,)), "main", regions=("nowhere",))


def test_patients_are_put_together_from_their_cases():
    count = np.array([[[4, 0], [9, 9]], [[2, 1], [9, 9]], [[3, 5], [9, 9]]])
    confidence = np.array([[[0.25, np.nan], [0, 0]], [[0.5, 0.75], [0, 0]], [[0.5, 1.0], [0, 0]]])
    accuracy = np.array([[[0.5, np.nan], [0, 0]], [[0.0, 1.0], [0, 0]], [[1.0, 0.8], [0, 0]]])
    cases = {"cases": np.array(["a_1", "b", "a_2"]), "count": count, "confidence": confidence, "accuracy": accuracy}
    voxels, sums, hits = patient_bins(cases, {"a_1": "a", "a_2": "a", "b": "b"})
    np.testing.assert_allclose(voxels, [[7, 5], [2, 1]])
    np.testing.assert_allclose(sums, [[2.5, 5], [1, 0.75]])
    np.testing.assert_allclose(hits, [[5, 4], [0, 1]])
    assert np.isfinite(debiased_ece_over_cases(voxels, sums, hits).square)
