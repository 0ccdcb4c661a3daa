"""Projection beside record: like with like, holes in neither column."""

from __future__ import annotations

import json

import pytest

from spectralcal.base.errors import ConfigError
from spectralcal.records.costs import Cost
from spectralcal.report.tables import cost as module
from spectralcal.report.tables.cost import FIRST, cost


def record(results, cell, started, seconds, scoring, steps=100, **more):
    files = results.paths.cell(cell)
    files.folder.mkdir(parents=True, exist_ok=True)
    files.evaluation.write_text(json.dumps({"seconds": scoring}))
    if "+" not in cell.method:
        run = {"started": f"2025-01-01T00:00:{started:02d}", "seconds": seconds, "device": "cpu",
               "settings": {"training": {"steps": steps}}}  # fmt: skip
        files.run.write_text(json.dumps(run | more))


@pytest.fixture
def results(study):
    """Trained one after the other; cross-entropy's second seed first, in 10 s and with 2 s of scoring."""
    results = study(methods=("ce", "spectral", "focal", "ce+temperature"), seeds=(0, 1))
    times = {("ce", 1): (0, 10, 2), ("ce", 0): (20, 13, 2), ("spectral", 0): (40, 20, 4), ("spectral", 1): (50, 22, 2),
             ("focal", 0): (55, 30, 1), ("ce+temperature", 0): (0, 0, 1), ("ce+temperature", 1): (0, 0, 5)}  # fmt: skip
    for cell in results.cells("main"):
        if found := times.get((cell.method, cell.seed)):
            record(results, cell, *found)
    return results


def test_every_cell_is_projected_from_the_first_that_finished(results):
    table = cost(results, "main")
    frame = table.frame.set_index("method")
    assert dict(frame.projected_s) == {"ce": 24, "spectral": 24, "focal": 12, "ce+temperature": 4}
    assert dict(frame.actual_s) == {"ce": 27, "spectral": 48, "focal": 31, "ce+temperature": 6}
    assert frame.ratio["spectral"] == 2
    assert set(frame.source) == {FIRST}
    assert "projected 64 s, actual 2 min (1.75 times)" in table.markdown


def test_a_cell_without_a_record_is_in_neither_column(results):
    table = cost(results, "main")
    focal = table.frame.set_index("method").loc["focal"]
    assert (focal.cells, focal.cells_expected, focal.status) == (1, 2, "incomplete")
    assert "Cells without a record of their time: 1" in table.markdown
    assert "| FL | 2 | 2 | 12 s † | 31 s † |" in table.markdown


def test_a_resumed_training_projects_nothing(results):
    first = next(cell for cell in results.cells("main") if (cell.method, cell.seed) == ("ce", 1))
    record(results, first, 0, 1, 2, resumes=1)
    assert cost(results, "main").frame.projected_s[0] == 2 * (13 + 2)


def test_timed_steps_go_before_the_first_cell(results, monkeypatch):
    timed = {("phantom", "unet"): Cost(step=0.05, scoring=3.0, extra={"spectral": 0.1})}
    monkeypatch.setattr(module, "timed_costs", lambda *_: timed)
    frame = cost(results, "main").frame.set_index("method")
    assert frame.projected_s["ce"] == pytest.approx(2 * (100 * 0.05 + 3))
    assert frame.projected_s["spectral"] == pytest.approx(2 * (100 * 0.15 + 3))
    assert set(frame.source) == {"timed steps"}


def test_a_cell_of_several_experiments_counts_once(study):
    results = study(methods=("ce", "spectral"), seeds=(0,), further={"more": ("ce", "focal")})
    frame = cost(results, "main", ("more",)).frame
    assert sorted(frame.method) == ["ce", "focal", "spectral"]
    assert (frame.status == "missing").all()
    with pytest.raises(ConfigError, match="unknown experiment 'less'"):
        cost(results, "main", ("less",))
