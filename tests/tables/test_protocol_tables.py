"""Protocols that pool all voxels, and all protocols side by side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_study import SCORED

from spectralcal.metrics import protocols as known
from spectralcal.papers.spectral_entropy.tables.table2 import table2
from spectralcal.report.results import POOL, WRITTEN_POOL
from spectralcal.report.tables.protocols import protocols

PROTOCOLS = {name: known.PROTOCOLS[name] for name in SCORED}


def pooled_value(results, method, metric, seed):
    rows = results.scores("main").to_dict("records")
    keys = (method, metric, "nixon", seed, POOL)
    found = [r["value"] for r in rows if (r["method"], r["metric"], r["protocol"], r["seed"], r["case"]) == keys]
    assert len(found) == 1
    return found[0]


def test_a_pool_is_one_value_a_seed_without_an_interval(study):
    results = study(methods=("ce", "focal", "spectral"), seeds=(0, 1), cases=8, cases_per_patient=2)
    table = table2(results, "main", protocol="nixon")
    for row in table.frame.to_dict("records"):
        values = [1e3 * pooled_value(results, row["method"], row["metric"], seed) for seed in (0, 1)]
        assert row["mean"] == pytest.approx(np.mean(values))
        assert row["sd_seeds"] == pytest.approx(np.std(values, ddof=1))
        assert (row["pooled"], row["cases"], row["patients"], row["status"]) == (True, 8, 4, "ok")
    assert table.frame[["low", "high", "gap"]].isna().all().all()
    assert not table.frame.distinct.any()
    assert "Test cases: Phantom 8 of 4 patients." in table.markdown
    assert (
        "All test voxels are one pool: one value per seed, so no interval over patients and no mark." in table.markdown
    )
    assert "too small" not in table.markdown.lower()  # nothing was tested
    assert "Mean over cases" not in table.markdown
    assert "95 % interval" not in table.markdown


def test_missing_cells_of_a_pool_are_shown(study):
    results = study(methods=("ce", "focal", "spectral"), seeds=(0, 1), missing=[("focal", 0), ("focal", 1), ("ce", 1)])
    table = table2(results, "main", protocol="nixon")
    status = table.frame[table.frame.metric == "ECE"].set_index("method").status
    assert dict(status) == {"ce": "incomplete", "focal": "missing", "spectral": "ok"}


def test_the_name_of_the_pool_is_that_of_the_evaluation():
    from spectralcal.scoring import evaluate

    assert evaluate.POOL == WRITTEN_POOL


def test_protocols_side_by_side_are_those_of_table2(study):
    results = study(methods=("ce", "spectral"), seeds=(0,), cases=7)
    table = protocols(results, "main")
    assert list(dict.fromkeys(table.frame.protocol)) == list(PROTOCOLS)
    for name in PROTOCOLS:
        ours = table.frame[table.frame.protocol == name].reset_index(drop=True)
        alone = table2(results, "main", protocol=name).frame
        for column in ("mean", "low", "high", "rank", "gap_low"):
            np.testing.assert_array_equal(ours[column].astype(float), alone[column].astype(float))
    assert "| Phantom, SCE ↓ (×10⁻³) | paper | crac-legacy | nixon | union | boundary |" in table.markdown
    assert "All test voxels of protocol 'nixon' are one pool" in table.markdown
    assert all(f"'{name}': {PROTOCOLS[name].source}" in table.markdown for name in PROTOCOLS)
    assert "\\multicolumn{3}{c}{boundary}" in table.latex


def test_emphasis_is_given_within_a_protocol(study):
    def edit(frame):
        best = ((frame.protocol == "paper") & (frame.method == "ce")) | (
            (frame.protocol == "boundary") & (frame.method == "spectral")
        )
        return frame.assign(value=np.where(frame.metric == "ECE", np.where(best, 0.01, 0.02), frame.value))

    table = protocols(study(methods=("ce", "spectral"), seeds=(0,), edit=edit), "main")
    lines = table.markdown.split("Phantom, ECE")[1].splitlines()
    assert lines[2].startswith("| CE | **10.0** |")
    assert lines[2].endswith("*20.0* |")
    assert lines[4].startswith("| Spectral | *20.0* |")
    assert lines[4].endswith("**10.0** |")


def test_protocols_that_nobody_scored_are_left_out(study):
    table = protocols(study(seeds=(0,), edit=lambda frame: frame[frame.protocol != "crac-legacy"]), "main")
    assert set(table.frame.protocol) == set(PROTOCOLS) - {"crac-legacy"}
    assert "crac-legacy" not in table.markdown


def with_floors(frame):
    """The scores and, as collecting adds them, floors of the union and predicted foreground with their bounds."""
    ece = frame[(frame.metric == "ECE") & (frame.protocol == "union")]
    predicted = {"protocol": "predicted_foreground"}
    more = [
        ece.assign(metric="ECE_floor", value=0.03),
        ece.assign(metric="ECE_floor_bound", value=0.004),
        ece.assign(**predicted, value=np.where(ece.method == "ce", 0.05, 0.06)),
        ece.assign(**predicted, metric="ECE_bound", value=0.002),
    ]
    return pd.concat([frame, *more], ignore_index=True)


def test_a_floor_stands_beside_its_value_and_is_not_ranked(study):
    table = protocols(study(methods=("ce", "spectral"), seeds=(0,), edit=with_floors), "main")
    pages = table.markdown.split("| Phantom, ")
    heads = "paper | predicted_foreground | crac-legacy | nixon | union | union, floor | boundary |"
    assert pages[1].startswith(f"ECE ↓ (×10⁻³) | {heads}")
    assert "floor" not in pages[2]
    assert "predicted_foreground" not in pages[2]  # only its ECE is known
    line = next(line for line in pages[1].splitlines() if line.startswith("| CE |")).split(" | ")
    assert line[2] == "**50.0**"
    assert line[6] == "30.0"
    floors = table.frame[table.frame.metric == "ECE_floor"]
    assert list(floors["mean"]) == pytest.approx([30.0, 30.0])
    assert floors["rank"].isna().all()
    assert not floors.distinct.any()
    assert "floor: what a calibrated network with the same probabilities would show" in table.markdown
    said = "a cell's mean is off by at most: ECE of 'predicted_foreground' 2.0, ECE of 'union', floor 4.0."
    assert said in table.markdown
    assert table.latex.count("& floor") == 1


def test_without_floors_nothing_is_said_of_them(study):
    table = protocols(study(methods=("ce", "spectral"), seeds=(0,)), "main")
    assert "floor" not in table.markdown
    assert "stored bins" not in table.markdown


def test_headline_protocols_are_zero_for_a_calibrated_network(study):
    from spectralcal.metrics.regions import CHOSEN_BY_LABELS

    headline = study(seeds=(0,)).headline
    assert headline == ("paper", "predicted_foreground", "predicted_boundary")
    assert not {known.PROTOCOLS[name].region for name in headline} & CHOSEN_BY_LABELS
