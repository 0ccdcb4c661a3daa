"""What each reading changes: signs, pairing, holes, and the file of open points."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError
from spectralcal.papers.spectral_entropy.tables.ambiguities import PRINTED, ambiguities

METHODS = ("ce", "spectral", "spectral@edges=corner", "spectral@window=1")


def shifted(method, metric, amount):
    """An edit that makes a method's scores those of the default plus `amount`."""

    def edit(frame):
        default = frame[(frame.method == "spectral") & (frame.metric == metric)]
        keys = ["seed", "case", "class", "protocol"]
        values = default.set_index(keys).value
        rows = (frame.method == method) & (frame.metric == metric)
        found = values.reindex(list(frame.loc[rows, keys].itertuples(index=False, name=None)))
        frame.loc[rows, "value"] = found.to_numpy() + amount
        return frame

    return edit


def only(table, **wanted):
    rows = table.frame
    for key, value in wanted.items():
        rows = rows[rows[key] == value]
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_shift_is_found_with_an_interval_of_no_width(study):
    results = study(methods=METHODS, seeds=(0, 1), cases=9, edit=shifted("spectral@edges=corner", "ECE", 0.004))
    row = only(ambiguities(results, "main"), reading="edges=corner", metric="ECE")
    assert row.point == "M2"
    assert (row.difference, row.low, row.high) == pytest.approx((4.0, 4.0, 4.0))
    assert (row.patients, row.seeds, row.status) == (9, 2, "ok")


def test_only_seeds_that_both_have_are_compared(study):
    results = study(methods=METHODS, seeds=(0, 1), cases=4, missing=[("spectral@edges=corner", 1)])
    table = ambiguities(results, "main")
    row = only(table, reading="edges=corner", metric="DSC")
    scores = results.scores("main")
    scores = scores[(scores.metric == "DSC") & (scores.seed == 0)]
    means = scores.groupby(["method", "patient"]).value.mean()
    expected = 100 * (means["spectral@edges=corner"] - means["spectral"]).mean()
    assert row.seeds == 1
    assert row.difference == pytest.approx(expected)


def test_a_reading_without_scores_is_a_hole(study):
    results = study(methods=METHODS, seeds=(0,), missing=[("spectral@window=1", 0)])
    table = ambiguities(results, "main")
    row = only(table, reading="window=1", metric="ECE")
    assert np.isnan(row.difference)
    assert row.status == "missing"
    assert "missing" in table.markdown
    assert "missing" in table.latex


def test_protocols_are_compared_on_the_default_itself(study):
    results = study(methods=METHODS, seeds=(0,), cases=5)
    table = ambiguities(results, "main")
    scores = results.scores("main")
    ours = scores[(scores.method == "spectral") & (scores.metric == "SCE")]
    values = ours.groupby("protocol").value.mean() * 1e3
    row = only(table, reading="protocol crac-legacy", metric="SCE")
    assert (row.point, row.difference) == ("E1", pytest.approx(values["crac-legacy"] - values["paper"]))
    pooled = only(table, reading="protocol nixon", metric="SCE")
    assert (pooled.point, pooled.difference) == ("E2", pytest.approx(values["nixon"] - values["paper"]))
    assert np.isnan(pooled.low)  # one value a seed


def test_unknown_experiment(study):
    with pytest.raises(ConfigError, match="unknown experiment 'nobody'"):
        ambiguities(study(methods=METHODS), "main", ("nobody",))


def test_the_open_points_are_options_of_the_loss_and_stand_in_the_register():
    with (PRINTED / "ambiguities.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    options = registry.defaults("losses", "spectral")
    assert {row["option"] for row in rows} <= set(options)
    register = (PRINTED.parents[4] / "docs/ambiguities.md").read_text()
    for row in rows:
        if row["id"] != "-":
            line = next(line for line in register.splitlines() if line.startswith(f"| {row['id']} |"))
            assert f"`{row['option']}" in line, row["id"]
