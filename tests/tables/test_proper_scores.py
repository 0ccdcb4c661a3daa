"""Proper scores and the signed gap under every protocol, recomputed from cases.parquet by plain loops."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean, stdev

import numpy as np
import pandas as pd
import pytest
from small_study import SCORED

from spectralcal.metrics import CalibrationHistogram, score
from spectralcal.papers.spectral_entropy.tables.table2 import table2
from spectralcal.report.tables.proper_scores import proper_scores

METRICS = ("Brier", "NLL", "signed_gap")
METHODS = ("ce", "focal", "spectral")


def scored(value):
    """Edit of a study: every score of ECE stands for three others, ``value(row, metric)`` of its row each."""

    def edit(frame):
        kept = frame[~frame.metric.isin(METRICS)]
        ece = kept[kept.metric == "ECE"]
        added = [
            ece.assign(metric=metric, value=[value(row, metric) for row in ece.itertuples()]) for metric in METRICS
        ]
        return pd.concat([kept, *added], ignore_index=True)

    return edit


def noisy(row, metric):
    """Gaps of both signs; no two values are equal."""
    text = f"{row.method}/{row.seed}/{row.case}/{row.protocol}/{metric}"
    drawn = np.random.default_rng(list(text.encode())).uniform()
    return drawn - 0.5 if metric == "signed_gap" else drawn


def only(metric, value):
    """The same for one metric of protocol 'paper'; the others stay noisy."""

    def chosen(row, name):
        return value(row) if (name, row.protocol) == (metric, "paper") else noisy(row, name)

    return scored(chosen)


def line(table, page, name, below=0):
    """Cells of a row in Markdown, by protocol; `below`: this many lines further down."""
    block = table.markdown.split(f"| Phantom, {page}")[1].split("\n\n")[0].splitlines()
    index = next(number for number, text in enumerate(block) if text.startswith(f"| {name} |"))
    cells = [cell.strip() for cell in block[index + below].strip("|").split("|")]
    return dict(zip(SCORED, cells[1:], strict=True))


def test_every_number_equals_that_of_plain_loops(study):
    results = study(methods=METHODS, seeds=(0, 1, 2), cases=7, cases_per_patient=2, edit=scored(noisy))
    stored = defaultdict(list)
    for one in pd.read_parquet(results.paths.cases).itertuples():
        stored[one.metric, one.protocol, one.method, one.seed].append(one.value)
    table = proper_scores(results, "main")
    rows = table.frame.set_index(["metric", "protocol", "method"])
    assert len(rows) == len(METRICS) * len(SCORED) * len(METHODS)
    pages = {"Brier": "Brier ↓ (×10⁻³)", "NLL": "NLL ↓ (×10⁻³)", "signed_gap": "signed gap (×10⁻³)"}
    for name, row in rows.iterrows():
        assert [len(stored[*name, seed]) for seed in (0, 1, 2)] == [1 if name[1] == "nixon" else 7] * 3
        seeds = [1e3 * fmean(stored[*name, seed]) for seed in (0, 1, 2)]
        assert row["mean"] == pytest.approx(fmean(seeds), rel=1e-9)
        assert row["sd_seeds"] == pytest.approx(stdev(seeds), rel=1e-9)
        assert (row["status"], row["cases"], row["patients"]) == ("ok", 7, 4)
        printed = line(table, pages[name[0]], row["label"])[name[1]].replace("*", "").removesuffix("‡")
        assert printed == f"{fmean(seeds):.1f} ± {stdev(seeds):.1f}".replace("-", "−")


def test_lower_proper_scores_are_better_and_ties_have_no_mark(study):
    def value(row, metric):
        if metric == "signed_gap" or row.protocol != "paper":
            return 0.02
        return 0.02 + 0.001 * int(row.case[-3:]) + (0.01 if row.method == "ce" else 0.0)

    table = proper_scores(study(methods=("ce", "spectral"), seeds=(0, 1, 2, 3, 4), cases=9, edit=scored(value)), "main")
    for metric in ("Brier", "NLL"):
        ours, ce = line(table, metric, "Spectral"), line(table, metric, "CE")
        assert (ours["paper"], ce["paper"]) == ("**24.0 ± 0.0**‡", "*34.0 ± 0.0*")
        assert ours["boundary"] == ce["boundary"] == "**20.0 ± 0.0**"


def test_a_signed_gap_has_an_interval_and_no_best(study):
    """One method is ahead in every patient, whichever end were the better one: still nothing is marked."""

    def value(row):
        return (0.1 if row.method == "ce" else -0.1) + 0.001 * (int(row.case[-3:]) - 4)

    results = study(methods=("ce", "spectral"), seeds=(0,), cases=9, edit=only("signed_gap", value))
    table = proper_scores(results, "main")
    frame = table.frame[table.frame.metric == "signed_gap"]
    assert frame["rank"].isna().all()
    assert frame[["gap", "gap_low", "gap_high", "adjusted_p"]].isna().all(axis=None)
    assert not frame.distinct.any()
    assert table.frame[table.frame.metric == "Brier"]["rank"].notna().all()
    assert dict(table.frame.dtypes) == dict(table2(results, "main").frame.dtypes)
    assert line(table, "signed gap (×10⁻³)", "CE")["paper"] == "100.0"
    assert line(table, "signed gap (×10⁻³)", "Spectral")["paper"] == "−100.0"
    low, high = frame[(frame.method == "spectral") & (frame.protocol == "paper")][["low", "high"]].iloc[0]
    assert low < -100.0 < high < 0
    assert line(table, "signed gap", "Spectral", below=1)["paper"] == f"−{-low:.1f} to −{-high:.1f}"
    assert f"{{\\scriptsize $-${-low:.1f} to $-${-high:.1f}}}" in table.latex
    assert "---" not in table.latex
    assert "& Brier $\\downarrow$ & NLL $\\downarrow$ & signed gap &" in table.latex


def test_a_gap_that_is_printed_as_zero_has_no_sign(study):
    edit = only("signed_gap", lambda row: -4e-5 if row.method == "ce" else -4e-4)
    table = proper_scores(study(methods=("ce", "spectral"), seeds=(0,), edit=edit), "main")
    assert line(table, "signed gap", "CE")["paper"] == "0.0"
    assert line(table, "signed gap", "CE", below=1)["paper"] == "0.0 to 0.0"
    assert line(table, "signed gap", "Spectral")["paper"] == "−0.4"
    assert "-0.0" not in table.markdown + table.latex


def test_the_gap_is_positive_where_the_network_is_over_confident(study):
    """What the caption says is what the metric is: confidence 0.9, half of the voxels right."""
    probabilities = np.tile(np.float32([0.9, 0.1])[:, None], 10)
    histogram = CalibrationHistogram(2).update(probabilities, np.repeat([0, 1], 5))
    assert score({"all": histogram}, "paper")["signed_gap"] == pytest.approx(0.4)
    text = proper_scores(study(edit=scored(noisy)), "main").markdown
    assert "Signed gap: mean confidence - accuracy of the top label, overconfident above zero" in text


def test_cells_that_are_missing_are_shown(study):
    missing = [("focal", 0), ("focal", 1), ("ce", 1)]
    results = study(methods=METHODS, seeds=(0, 1), cases=7, missing=missing, edit=scored(noisy))
    table = proper_scores(results, "main")
    status = {method: set(rows.status) for method, rows in table.frame.groupby("method")}
    assert status == {"ce": {"incomplete"}, "focal": {"missing"}, "spectral": {"ok"}}
    for page in ("Brier", "NLL", "signed gap"):
        assert set(line(table, page, "FL").values()) == {"missing"}
        assert all(cell.endswith(" †1/2") for cell in line(table, page, "CE").values())
    assert table.latex.count("\\textit{missing}") == len(METRICS) * len(SCORED)
