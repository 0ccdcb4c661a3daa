"""How long a study takes: sums, the schedule, which numbers count, and what is said of those that are not known."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from studies import experiment, minimal

from spectralcal.records.costs import Cost, known_costs, pace_digest
from spectralcal.records.projection import (
    STARTING,
    Projection,
    Row,
    all_cells,
    cells_at_once,
    duration,
    missing_cells,
    project,
)
from spectralcal.records.projection_text import projection_lines, projection_table
from spectralcal.study.config import load_config, parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import evaluation_recipe, training_recipe
from spectralcal.study.resolved import resolve

KIND = ("phantom", "unet")
ROOT = Path(__file__).parents[2]


def study(root="results", **changes):
    content = experiment(methods=["ce", "ce+temperature", "spectral"], seeds=[0, 1])
    return parse_config({**content, "results_root": str(root), "training": {"steps": 100}, **changes}, "toy")


def finish(config, cell, seconds, device="cpu (AVX512)", training=None, **record):
    """Leave the records of a finished cell."""
    files = StudyPaths(config).cell(cell)
    settings = config.training_of(cell.dataset, cell.architecture).model_dump(mode="json") | (training or {})
    recipe = training_recipe(resolve(config, cell))
    run = {"parts": {"recipe": recipe}, "seconds": seconds, "device": device, "threads": 1,
           "settings": {"architecture_options": {}, "training": settings}, **record}  # fmt: skip
    files.folder.mkdir(parents=True)
    files.weights.touch()
    files.run.write_text(json.dumps(run))
    files.cases.touch()
    files.evaluation.write_text(json.dumps({"recipe": evaluation_recipe(resolve(config, cell)), "seconds": 7.0}))


def test_a_study_is_the_sum_of_its_trainings_and_scorings():
    config = study()
    trainings, scorings = all_cells(config)
    assert (len(trainings), len(scorings)) == (4, 6)
    cost = Cost(step=2.0, scoring=30.0, extra={"spectral": 0.5})
    found = project(config, trainings, scorings, {KIND: cost})
    (row,) = found.rows
    assert (row.trainings, row.scorings) == (4, 6)
    # A training and its scoring are one stretch; ce+temperature is a scoring of its own.
    both = 2 * STARTING + 30
    assert sorted(row.seconds) == sorted([200 + both] * 2 + [250 + both] * 2 + [30 + STARTING] * 2)
    assert found.total == pytest.approx(900 + 6 * 30 + 10 * STARTING)
    assert found.elapsed(1) == pytest.approx(found.total)
    assert found.elapsed(100) == max(row.seconds)


@pytest.mark.parametrize(("at_once", "expected"), [(1, 12), (2, 6), (3, 5), (9, 5)])
def test_the_longest_cells_go_first(at_once, expected):
    """By hand: on two places 5 + 1 and 4 + 2, on three 5, 4 and 2 + 1."""
    found = Projection((Row(KIND, 1, 4, 0, Cost(1.0), (1.0, 5.0, 2.0, 4.0)),))
    assert found.elapsed(at_once) == expected


def test_cells_at_once_are_bounded_by_cores_and_by_places_on_gpus():
    one, four = study(), study(compute={"threads": 4})
    assert [cells_at_once(one, 8, slots) for slots in (0, 3, 20)] == [8, 3, 8]
    assert [cells_at_once(four, cores, 0) for cores in (2, 4, 9)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h"), (3600 * 47, "47.0 h"), (86400 * 3.25, "3.2 days")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_finished_cells_say_what_the_others_take(tmp_path):
    config = study(tmp_path)
    finish(config, Cell(*KIND, "ce", 0), 40.0)
    finish(config, Cell(*KIND, "spectral", 0), 60.0)
    assert known_costs(config, gpu=False) == {KIND: Cost(0.5, 7.0, source="finished cells")}
    trainings, scorings = missing_cells(config)
    assert trainings == [Cell(*KIND, "ce", 1), Cell(*KIND, "spectral", 1)]
    assert len(scorings) == 4
    text = projection_lines(project(config, trainings, scorings, known_costs(config, False)), 1, "toy.yaml")
    # 2 x (50 + 7 + two starts) + 2 x (7 + a start) = 158 s
    assert text == "projection: 2 trainings and 4 scorings, 3 min of computing (from finished cells)"


@pytest.mark.parametrize(
    "changes",
    [{"device": "NVIDIA H200"}, {"threads": 2}, {"training": {"patch": [32, 32, 32]}}, {"training": {"batch_size": 4}}],
)
def test_cells_of_another_pace_do_not_count(tmp_path, changes):
    config = study(tmp_path)
    finish(config, Cell(*KIND, "ce", 0), 40.0, **changes)
    assert known_costs(config, gpu=False) == {}


def test_a_cell_that_came_without_weights_was_computed_elsewhere(tmp_path):
    config, cell = study(tmp_path), Cell(*KIND, "spectral", 0)
    finish(config, cell, 40.0)
    StudyPaths(config).cell(cell).weights.unlink()
    assert known_costs(config, gpu=False) == {}
    assert cell not in (*missing_cells(config)[0], *missing_cells(config)[1])


def test_a_record_from_before_a_key_counts(tmp_path):
    config = study(tmp_path)
    cell = Cell(*KIND, "ce", 0)
    finish(config, cell, 40.0)
    run = StudyPaths(config).cell(cell).run
    content = json.loads(run.read_text())
    del content["settings"]["training"]["compile"]
    run.write_text(json.dumps(content))
    assert known_costs(config, gpu=False)[KIND].step == 0.4


def test_a_changed_setting_makes_a_cell_missing_again(tmp_path):
    finish(study(tmp_path), Cell(*KIND, "ce", 0), 40.0)
    assert Cell(*KIND, "ce", 0) not in missing_cells(study(tmp_path))[0]
    assert Cell(*KIND, "ce", 0) in missing_cells(study(tmp_path, training={"steps": 200}))[0]
    rescored = study(tmp_path, evaluation={"nsd_tolerance_mm": 1.0})
    assert Cell(*KIND, "ce", 0) not in missing_cells(rescored)[0]
    assert Cell(*KIND, "ce", 0) in missing_cells(rescored)[1]


def test_timed_steps_count_until_a_setting_changes(tmp_path):
    config = study(tmp_path)
    entry = {"dataset": "phantom", "architecture": "unet", "pace": pace_digest(config, KIND), "step_seconds": 0.25,
             "scoring_seconds": None, "extra_seconds": {"spectral": 0.05}}  # fmt: skip
    path = StudyPaths(config).timings
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"gpu": False, "kinds": [entry, {**entry, "dataset": "gone"}]}))
    assert known_costs(config, gpu=False) == {KIND: Cost(0.25, None, {"spectral": 0.05})}
    assert known_costs(config, gpu=True) == {}
    assert known_costs(study(tmp_path, training={"batch_size": 3}), gpu=False) == {}
    finish(config, Cell(*KIND, "ce", 0), 40.0)
    assert known_costs(config, gpu=False)[KIND].step == 0.4


def test_windows_that_were_timed_count_as_long_as_no_cell_is_scored(tmp_path):
    config = study(tmp_path)
    entry = {"dataset": "phantom", "architecture": "unet", "pace": pace_digest(config, KIND), "step_seconds": 9.0,
             "scoring_seconds": 11.0, "extra_seconds": {}}  # fmt: skip
    path = StudyPaths(config).timings
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"gpu": False, "kinds": [entry]}))
    cell = Cell(*KIND, "ce", 0)
    finish(config, cell, 40.0)
    StudyPaths(config).cell(cell).evaluation.unlink()
    assert known_costs(config, gpu=False) == {KIND: Cost(0.4, 11.0, source="finished cells")}


def test_what_is_not_known_is_said_not_guessed(tmp_path):
    architectures = {"unet": {}, "transunet": {}}
    grid = {**minimal()["experiments"]["main"], "architectures": list(architectures)}
    config = study(tmp_path, architectures=architectures, experiments={"main": grid})
    cells = all_cells(config)
    nothing = projection_lines(project(config, *cells, {}), 4, "toy.yaml")
    assert nothing == (
        "projection: 4 trainings and 4 scorings (400 steps); how long they take here is not known yet: "
        "`spectralcal doctor --time --config toy.yaml` times a few steps"
    )
    half = project(config, *cells, {KIND: Cost(36.0)})
    first, second, third = projection_lines(half, 2, "toy.yaml").splitlines()
    assert first == (
        "projection: 4 trainings and 4 scorings, at least 2.0 h of computing, at best 60 min with 2 at a time "
        "(from timed steps)"
    )
    assert "not counted: phantom with transunet; `spectralcal doctor --time --config toy.yaml`" in second
    assert third == "  without scoring, which can be timed once data are prepared: phantom with unet"
    table = projection_table(half, config, 1).splitlines()
    assert len({len(line) for line in table[:3]}) == 1
    assert table[1].split()[:4] == ["phantom", "unet", "96x96x96", "36.0"]
    assert table[2].split()[-1] == "?"
    assert projection_lines(project(config, [], [], {}), 1, "toy.yaml") == ""


def test_many_kinds_are_named_in_short(tmp_path):
    architectures: dict = {"unet": {}, "nnunet": {}, "transunet": {}}
    grid = {**minimal()["experiments"]["main"], "architectures": list(architectures)}
    config = study(tmp_path, architectures=architectures, experiments={"main": grid})
    text = projection_lines(project(config, *all_cells(config), {KIND: Cost(1.0, 1.0)}), 1, "toy.yaml")
    assert "not counted: phantom with nnunet/transunet; `" in text


def test_projecting_imports_no_torch():
    code = "import sys, spectralcal.records.projection_text; sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_projecting_the_papers_study_takes_no_second(tmp_path):
    """Every dry run and every start of a run does it; recipes, which the rules need anyway, are most of it."""
    config = load_config(ROOT / "config.yaml").model_copy(update={"results_root": tmp_path})
    for cell in all_cells(config)[0][::3]:
        finish(config, cell, 40.0)
    begun = time.process_time()
    found = project(config, *missing_cells(config), known_costs(config, gpu=False))
    assert time.process_time() - begun < 1.0
    assert 100 < sum(row.trainings for row in found.rows) < len(all_cells(config)[0])
