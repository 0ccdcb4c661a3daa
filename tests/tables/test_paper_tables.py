"""Tables 1 and 2 on constructed studies: numbers against plain loops, marks for everything that is not there."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from spectralcal.base.errors import ResultError
from spectralcal.papers.spectral_entropy.swept import FOLDER
from spectralcal.papers.spectral_entropy.tables.table1 import table1
from spectralcal.papers.spectral_entropy.tables.table2 import table2
from spectralcal.report.printed import paper_values
from spectralcal.study.config import read_paper


def plain_mean(results, method, metric, protocol, seed):
    """Mean over classes, then cases, without pandas' grouping."""
    cases: dict[str, list[float]] = {}
    for row in results.scores("main").to_dict("records"):
        mine = (row["method"], row["metric"], row["protocol"], row["seed"]) == (method, metric, protocol, seed)
        if mine and not math.isnan(row["value"]):
            cases.setdefault(row["case"], []).append(row["value"])
    return sum(sum(values) / len(values) for values in cases.values()) / len(cases)


def row_of(table, method, metric):
    chosen = table.frame[(table.frame.method == method) & (table.frame.metric == metric)]
    assert len(chosen) == 1
    return chosen.iloc[0]


@pytest.mark.parametrize(
    ("make", "metric", "scale"),
    [(table1, "DSC", 100), (table1, "HD95", 1), (table1, "ASD", 1), (table2, "ECE", 1e3), (table2, "TACE", 1e3)],
)
def test_mean_and_spread_equal_plain_loops(study, make, metric, scale):
    results = study(methods=("ce", "spectral"), seeds=(0, 1, 2), missed=[("ce", 1, "lesion")])
    for method in ("ce", "spectral"):
        row = row_of(make(results, "main"), method, metric)
        means = [scale * plain_mean(results, method, metric, "paper", seed) for seed in (0, 1, 2)]
        assert row["mean"] == pytest.approx(statistics.mean(means), rel=1e-12)
        assert row["sd_seeds"] == pytest.approx(statistics.stdev(means), rel=1e-9)
        assert row["low"] < row["mean"] < row["high"]
        assert (row["cases"], row["seeds"], row["status"]) == (5, 3, "ok")


def test_protocol_of_table2_is_the_one_asked_for(study):
    results = study(seeds=(0,))
    row = row_of(table2(results, "main", protocol="boundary"), "ce", "SCE")
    assert row["mean"] == pytest.approx(1e3 * plain_mean(results, "ce", "SCE", "boundary", 0), rel=1e-12)
    with pytest.raises(ResultError, match=r"expected scores of this metric and protocol, found only .*ECE \(paper\)"):
        table2(results, "main", protocol="nobody's")


def test_one_seed_prints_no_spread_and_says_so(study):
    table = table1(study(seeds=(0,)), "main")
    assert "±" not in table.markdown.replace("mean ±", "")
    assert "no spread over seeds" in table.markdown
    assert table.frame.sd_seeds.isna().all()


def test_best_is_bold_second_is_italic_and_ties_share(study):
    worth = {"ce": 0.8, "focal": 0.9004, "ls": 0.9, "spectral": 0.7}

    def fixed(frame):
        dice = frame.metric == "DSC"
        return frame.assign(value=np.where(dice, frame.method.map(worth), frame.value))

    table = table1(study(methods=tuple(worth), seeds=(0,), edit=fixed), "main")
    # 90.04 and 90.00 print as 90.0 both: the reader sees a tie.
    assert "| Phantom | *80.0* | **90.0** | **90.0** | 70.0 |" in table.markdown
    assert r"Phantom & \textit{80.0} & \textbf{90.0} & \textbf{90.0} & 70.0 &" in table.latex
    assert list(table.frame[table.frame.metric == "DSC"]["rank"]) == [2, 1, 1, 3]


def test_lower_is_better_for_distances_and_calibration(study):
    results = study(methods=("ce", "spectral"), seeds=(0,))
    for make, metric in ((table1, "HD95"), (table1, "ASD"), (table2, "ECE")):
        frame = make(results, "main").frame
        chosen = frame[frame.metric == metric]
        assert chosen.loc[chosen["mean"].idxmin(), "rank"] == 1


def test_a_lone_method_is_not_the_best_of_anything(study):
    assert "**" not in table1(study(methods=("ce",), seeds=(0,)), "main").markdown


def test_missed_structures_are_priced_and_counted(study):
    results = study(methods=("ce", "spectral"), seeds=(0, 1), missed=[("ce", 1, "lesion"), ("ce", 2, "vessel")])
    table = table1(results, "main")
    assert row_of(table, "ce", "HD95")["missed"] == 4  # two structures in each of two seeds
    assert row_of(table, "spectral", "HD95")["missed"] == 0
    assert table.markdown.count("[4]") == 2  # HD95 and ASD, not DSC
    assert "priced with the image diagonal" in table.markdown
    assert row_of(table, "ce", "HD95")["mean"] > 55.4 * 2 / 15


def test_absent_class_is_left_out_of_its_case_only(study):
    def absent(frame):
        gone = (frame.case == "phantom_000") & (frame["class"] == "vessel")
        return frame.assign(value=frame.value.mask(gone), status=frame.status.mask(gone, "absent"))

    results = study(seeds=(0,), edit=absent)
    row = row_of(table1(results, "main"), "ce", "DSC")
    assert row["cases"] == 5
    assert row["mean"] == pytest.approx(100 * plain_mean(results, "ce", "DSC", "paper", 0), rel=1e-12)


def test_missing_cell_and_missing_seed_are_marked(study):
    results = study(
        methods=("ce", "focal", "spectral"), seeds=(0, 1), missing=[("focal", 0), ("focal", 1), ("spectral", 1)]
    )
    table = table1(results, "main")
    assert row_of(table, "focal", "DSC")["status"] == "missing"
    assert np.isnan(row_of(table, "focal", "DSC")["mean"])
    assert row_of(table, "spectral", "DSC")["status"] == "incomplete"
    line = next(line for line in table.markdown.splitlines() if line.startswith("| Phantom"))
    assert "| missing |" in line
    assert "†1/2" in line
    assert "† n/m: n of m seeds are there" in table.markdown
    assert "missing: the cell has no scores" in table.markdown
    assert r"\textit{missing}" in table.latex


def test_metric_without_any_value_is_undefined(study):
    def undefined(frame):
        gone = (frame.metric == "ASD") & (frame.method == "ce")
        return frame.assign(value=frame.value.mask(gone), status=frame.status.mask(gone, "spurious"))

    table = table1(study(seeds=(0,), edit=undefined), "main")
    assert row_of(table, "ce", "ASD")["status"] == "undefined"
    assert "| undefined |" in table.markdown


@pytest.mark.parametrize(("price", "said"), [
    (np.nan, "2 predicted structures that no reference has have no distance and are left out of HD95 and ASD"),
    (55.0, "2 predicted structures that no reference has are priced with the image diagonal, too."),
])  # fmt: skip
def test_what_false_structures_cost_is_said(study, price, said):
    def false(frame):
        one = (frame.case == "phantom_001") & (frame["class"] == "vessel") & (frame.method == "ce")
        distance = one & frame.metric.isin(["HD95", "ASD"])
        return frame.assign(value=frame.value.mask(distance, price), status=frame.status.mask(one, "spurious"))

    results = study(methods=("ce", "spectral"), seeds=(0, 1), edit=false)
    table = table1(results, "main")
    assert said in table.markdown
    assert (
        "structures that no reference has" not in table1(study(methods=("ce", "spectral"), seeds=(0,)), "main").markdown
    )
    assert (row_of(table, "ce", "HD95")["mean"] > row_of(table, "spectral", "HD95")["mean"]) == np.isfinite(price)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_undefined_score_that_claims_to_be_ok_is_refused(study, value):
    def broken(frame):
        return frame.assign(value=frame.value.mask((frame.metric == "DSC") & (frame.case == "phantom_002"), value))

    with pytest.raises(
        ResultError, match=r"DSC \(paper\): expected a finite score, found .* 'ok' for ce, 0, phantom_002"
    ):
        table1(study(seeds=(0,), edit=broken), "main")


def test_cells_scored_on_other_cases_are_refused(study):
    def shorter(frame):
        return frame[~((frame.method == "spectral") & (frame.case == "phantom_004"))]

    with pytest.raises(ResultError, match="expected the same test cases in every cell"):
        table1(study(seeds=(0,), edit=shorter), "main")


def test_scores_that_stand_twice_are_refused(study):
    import pandas as pd

    with pytest.raises(ResultError, match="expected one score a case and class, found two of ce, 0, phantom_000"):
        table1(study(seeds=(0,), edit=lambda frame: pd.concat([frame, frame.iloc[:3]])), "main")


def test_wrong_column_is_one_clear_line(study):
    with pytest.raises(ResultError, match="column 'value' is missing"):
        table1(study(edit=lambda frame: frame.rename(columns={"value": "val"})), "main")


def test_a_block_for_each_architecture(study):
    from spectralcal.base import registry

    names = registry.names("models")[:2]
    if len(names) < 2:
        pytest.skip("one architecture is registered")
    table = table1(study(architectures=names, seeds=(0,)), "main")
    assert [line for line in table.markdown.splitlines() if line.startswith("## ")] == [f"## {name}" for name in names]
    assert len(table.frame) == 2 * 2 * 3


@pytest.fixture
def brats(monkeypatch):
    monkeypatch.setitem(read_paper("spectral_entropy").datasets, "phantom", "BraTS2020")


def test_paper_values_stand_below_ours(study, brats):
    table = table1(study(methods=("ce", "focal", "spectral", "spectral@window=1"), seeds=(0,)), "main")
    row = row_of(table, "spectral", "DSC")
    assert (row["paper_value"], row["paper_status"]) == (87.2, "printed")
    assert row_of(table, "focal", "DSC")["paper_status"] == "lost"
    assert np.isnan(row_of(table, "spectral@window=1", "DSC")["paper_value"])  # a variant is not the paper's method
    assert "| *paper* | 86.9 | lost<sup>a</sup> | 87.2 | – |" in table.markdown
    assert "<sup>a</sup> Lost in source text" in table.markdown
    assert "lost$^{a}$" in table.latex
    assert "assigned by their order" in table.markdown  # FL's distances come from a shifted row


def test_data_set_that_the_paper_lacks_has_no_paper_row(study):
    table = table1(study(seeds=(0,)), "main")
    assert "*paper*" not in table.markdown
    assert table.frame.paper_value.isna().all()


@pytest.mark.parametrize(
    ("table", "cell", "status"),
    [
        ("table1", ("BraTS2020", "DSC", "CE"), "printed"),
        ("table1", ("BraTS2020", "DSC", "MbLS"), "lost"),
        ("table1", ("iSeg2017", "HD95", "Ours"), "lost"),
        ("table1", ("iSeg2017", "ASD", "Ours"), "doubtful"),
        ("table1", ("PROMISE2012", "DSC", "FL"), "printed"),
        ("table2", ("ACDC", "SCE", "CRaC"), "doubtful"),
        ("table2", ("FLARE2021", "ECE", "LS"), "doubtful"),
        ("table2", ("BraTS2020", "ECE", "MbLS"), "printed"),
    ],
)
def test_trust_in_the_papers_cells(table, cell, status):
    assert paper_values(FOLDER, table)[cell].status == status


def test_every_cell_of_the_papers_tables_is_there():
    methods = ("CE", "FL", "LS", "MbLS", "SVLS", "CRaC", "Ours")
    datasets = ("BraTS2020", "iSeg2017", "FLARE2021", "ACDC", "ATLAS2023", "PROMISE2012")
    for table, metrics in (("table1", ("DSC", "HD95", "ASD")), ("table2", ("ECE", "SCE", "TACE"))):
        expected = {(d, metric, m) for d in datasets for metric in metrics for m in methods}
        assert set(paper_values(FOLDER, table)) == expected


def test_latex_has_as_many_cells_in_every_row(study, brats):
    table = table1(study(methods=("ce", "focal", "spectral"), seeds=(0, 1)), "main")
    body = table.latex.split("\\midrule")[1].split("\\bottomrule")[0].strip().splitlines()
    assert {line.count("&") for line in body} == {9}
    assert not [sign for sign in "±×↑↓†⁻" if sign in table.latex]
