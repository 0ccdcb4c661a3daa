"""Costs are those on record, ratios pair seeds, holes are shown."""

from __future__ import annotations

import json

import pytest

from spectralcal.report.tables.efficiency import efficiency


def record(results, cell, seconds, steps=100, **more):
    files = results.paths.cell(cell)
    files.folder.mkdir(parents=True, exist_ok=True)
    run = {"seconds": seconds, "peak_memory_mb": 500.0, "device": "cpu", "settings": {"training": {"steps": steps}}}
    files.run.write_text(json.dumps(run | more))
    files.model.write_text(json.dumps({"parameters": 2_500_000}))


@pytest.fixture
def results(study):
    results = study(methods=("ce", "spectral", "focal", "ce+temperature"), seeds=(0, 1, 2), missing=[("focal", 0)])
    times = {("ce", 0): 10, ("ce", 1): 20, ("ce", 2): 10, ("spectral", 0): 11, ("spectral", 1): 30, ("spectral", 2): 12}
    for cell in results.cells("main"):
        if (seconds := times.get((cell.method, cell.seed))) is not None:
            record(results, cell, seconds)
    return results


def test_ratios_pair_seeds(results):
    frame = efficiency(results, "main").frame.set_index("method")
    assert frame.step_ratio["ce"] == 1
    assert frame.step_ratio["spectral"] == pytest.approx(1.2)  # the median of 1.1, 1.5 and 1.2
    assert frame.step_ms["ce"] == pytest.approx(1e3 * (0.1 + 0.2 + 0.1) / 3)
    assert frame.parameters_m["ce"] == 2.5


def test_what_trains_nothing_has_no_row_and_a_hole_is_counted(results):
    table = efficiency(results, "main")
    assert "ce+temperature" not in set(table.frame.method)
    focal = table.frame.set_index("method").loc["focal"]
    assert (focal.cells, focal.cells_expected) == (0, 3)
    assert "Cells without a training on record: 3." in table.markdown
    assert "missing" in table.markdown


def test_memory_of_the_gpu_is_shown_where_there_was_one(results):
    for cell in results.cells("main"):
        if cell.method == "ce":
            record(results, cell, 10, peak_gpu_memory_mb=1234.5)
    assert efficiency(results, "main").frame.set_index("method").peak_memory_mb["ce"] == 1234.5
