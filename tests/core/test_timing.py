"""Timing: the loop's own steps, without its first ones; kept for later; a kind that cannot be timed is a line."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from studies import tiny

from spectralcal.doctor.diagnose import time_and_project
from spectralcal.doctor.timing import RandomCase, step_seconds
from spectralcal.doctor.timing_scores import scoring_seconds, windows_of
from spectralcal.jobs import steps
from spectralcal.jobs.cell_data import load_data
from spectralcal.jobs.networks import build_network
from spectralcal.records.costs import known_costs
from spectralcal.scoring.evaluate import evaluate_cases
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths
from spectralcal.study.resolved import resolve

CPU = torch.device("cpu")


def study(root, **changes):
    return parse_config(tiny(root, **changes), "tiny")


class SlowAtFirst(torch.nn.Module):
    """Its first step takes a second, every further one at least 20 ms."""

    def __init__(self):
        super().__init__()
        self.layer, self.calls = torch.nn.Conv3d(1, 3, 1), 0

    def forward(self, x):
        self.calls += 1
        time.sleep(1.0 if self.calls == 1 else 0.02)
        return self.layer(x)


def test_the_first_step_and_the_logged_ones_do_not_count(tmp_path):
    from spectralcal.losses.ce import LOSS

    settings = study(tmp_path).training.model_copy(update={"patch": (8, 8, 8)})
    cases = [RandomCase("noise", (16, 16, 16), channels=1, classes=3)]
    model, loss = SlowAtFirst(), LOSS()
    seconds, count = step_seconds(model, loss, cases, settings, CPU, "fp32")
    assert 0.02 <= seconds < 0.5
    assert 2 < count <= 150
    assert model.calls == (2 + 2) + (count + 2)


def test_a_random_case_has_all_classes_and_foreground_where_the_label_is():
    case = RandomCase("noise", (40, 33, 20), channels=2, classes=4)
    image, label, foreground = case.image(), case.label(), case.foreground()
    assert image.shape == (2, 40, 33, 20)
    assert label.shape == (40, 33, 20)
    assert set(np.unique(label)) == {0, 1, 2, 3}
    assert len(foreground) > 0
    assert (label[tuple(foreground[:, 1:].T)] == foreground[:, 0]).all()


def test_windows_of_the_test_cases():
    cases = [SimpleNamespace(shape=shape) for shape in ((16, 16, 16), (8, 8, 30))]
    # 16 voxels in steps of 4 of a window of 8: three; an axis that is shorter than the window: one; 30: 0, 8 and 14
    assert windows_of(cases, (8, 16, 16), 0.5) == 3 * 1 * 1 + 1 * 1 * 3


def test_scoring_is_timed_once_data_are_prepared(tmp_path, monkeypatch):
    """Within a factor of ten of what the evaluation of an untrained network takes, prediction and scores together."""
    config, kind = study(tmp_path), ("phantom", "unet")
    monkeypatch.setattr(time, "perf_counter", time.process_time)  # other work on the machine is not to count
    model = build_network(resolve(config, Cell(*kind, "ce", 0)), 1).eval()
    assert scoring_seconds(config, kind, model, 0.5, CPU, "fp32") is None
    steps.prepare_step(config, "phantom")
    steps.split_step(config, "phantom")
    cases = load_data(config, "phantom").scored
    free, dear = (scoring_seconds(config, kind, model, window, CPU, "fp32") for window in (0.0, 100.0))
    assert free > 0
    assert dear - free == pytest.approx(
        100.0 * windows_of(cases, config.training.patch, config.inference.overlap), rel=0.05
    )
    patch, facts = config.training.patch, load_data(config, "phantom").facts
    for _ in range(2):  # what only the first run of a process takes is not to count
        begun = time.perf_counter()
        evaluate_cases(model, cases, facts, patch, config.inference, config.evaluation, device=CPU, precision="fp32")
    assert 0.1 < free / (time.perf_counter() - begun) < 10


def test_doctor_times_every_kind_and_the_workflow_can_use_it(tmp_path, capsys):
    architectures = {"unet": {"options": {"channels": [4, 8, 8]}}, "transunet": {"options": {"channels": [8]}}}
    grid = {**tiny("")["experiments"]["main"], "architectures": list(architectures)}
    config = study(tmp_path, architectures=architectures, experiments={"main": grid})
    text = time_and_project(config, at_once=2)
    content = json.loads(StudyPaths(config).timings.read_text())
    (entry,) = content["kinds"]
    assert entry["step_seconds"] > 0
    assert entry["window_seconds"] > 0
    assert set(entry["extra_seconds"]) == {"ce", "spectral"}
    assert entry["extra_seconds"]["ce"] == 0
    cost = known_costs(config, gpu=False)["phantom", "unet"]
    assert (cost.step, cost.scoring) == (entry["step_seconds"], None)
    assert "phantom with transunet: architectures.transunet.options: channels" in text
    assert "all: at least" in text
    assert "timing: 2/2" in capsys.readouterr().err


def test_a_request_to_stop_ends_the_timing(tmp_path, monkeypatch):
    from spectralcal.doctor import timing
    from spectralcal.engine.train import Interrupted

    def stopped(*arguments):
        raise Interrupted("stopped by SIGINT")

    monkeypatch.setattr(timing, "time_kind", stopped)
    with pytest.raises(Interrupted):
        timing.time_study(study(tmp_path))
