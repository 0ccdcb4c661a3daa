"""What a cell computes in, from its request to its records; the probe changes no byte of what is trained or scored."""

import json
import re
import shutil

import pytest
import torch
from studies import tiny

from spectralcal.base.errors import ConfigError
from spectralcal.doctor.arithmetic import arithmetic_lines
from spectralcal.engine import arithmetic
from spectralcal.engine.bfloat16 import Verdict
from spectralcal.engine.trainer import Trainer
from spectralcal.jobs import steps
from spectralcal.jobs.cells import evaluate_cell, train_cell
from spectralcal.jobs.probe import probe_step
from spectralcal.sharing.explain import explain
from spectralcal.sharing.verify import verify_study
from spectralcal.study.config import parse_config
from spectralcal.study.grid import Cell
from spectralcal.study.paths import StudyPaths

#: running averages, and dropout that draws from the stream of its step
NETWORK = {"attention_unet": {"options": {"channels": [4, 8, 8], "dropout": 0.3}}}
CELL = Cell("phantom", "attention_unet", "ce", 0)
WRONG = Verdict("gradient of deep.weight is not finite", None)
FAILURE = f"failed: {WRONG.failure}"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/spectralcal/arithmetic"


def study(root, precision, prepare=True, **training):
    base = tiny(root)
    grid = {"main": {"datasets": ["phantom"], "architectures": ["attention_unet"], "methods": ["ce"], "seeds": [0]}}
    changes = {"architectures": NETWORK, "experiments": grid, "compute": {"device": "cpu"}}
    config = parse_config({**base, **changes, "training": {**base["training"], "precision": precision, **training}}, "")
    if prepare:
        steps.prepare_step(config, "phantom")
        steps.split_step(config, "phantom")
    return config


def finished(config):
    """The cell's files after training and scoring, each in a step of its own."""
    train_cell(config, CELL)
    evaluate_cell(config, CELL)
    return StudyPaths(config).cell(CELL)


def records(files):
    return [json.loads(path.read_text()) for path in (files.run, files.evaluation)]


def test_the_probe_changes_no_byte(tmp_path, cache, monkeypatch):
    """bf16 is asked for, so that any machine probes; against runs that find verdicts, and that never probe."""
    first = finished(study(tmp_path / "first", "bf16"))
    assert len(list(cache.iterdir())) == 2
    monkeypatch.setattr(arithmetic, "probe", lambda *a, **k: pytest.fail("the verdict is kept"))
    second = finished(study(tmp_path / "second", "bf16"))
    monkeypatch.setattr(arithmetic, "recall", lambda name, question: {"failure": None, "deviation": 1.0})
    third = finished(study(tmp_path / "third", "bf16"))
    for name in ("weights", "cases", "calibration", "spectra", "model"):
        contents = {getattr(files, name).read_bytes() for files in (first, second, third)}
        assert len(contents) == 1, name
    clock = re.compile(r",[\d.]+$", re.MULTILINE)  # the last column is the clock
    assert len({clock.sub("", files.history.read_text()) for files in (first, second, third)}) == 1


def test_a_pass_is_recorded(tmp_path):
    files = finished(study(tmp_path, "bf16"))
    for record in records(files):
        assert record["precision"] == record["arithmetic"]["precision"] == "bf16"
        assert (record["arithmetic"]["requested"], record["arithmetic"]["probe"]) == ("bf16", "passed")
        assert 0 < record["arithmetic"]["deviation"] < 8
        assert record["arithmetic"]["processor"]


def test_a_failure_under_auto_trains_and_scores_in_float32(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(arithmetic, "native_precision", lambda device: "bf16")
    monkeypatch.setattr(arithmetic, "probe", lambda *a, gradients, **k: WRONG if gradients else Verdict(None, 1.0))
    seen = []
    autocast = torch.autocast
    monkeypatch.setattr(torch, "autocast", lambda *a, **k: seen.append(k["enabled"]) or autocast(*a, **k))
    config = study(tmp_path, "auto")
    files = finished(config)
    assert seen
    assert not any(seen)
    run, scores = records(files)
    assert run["precision"] == scores["precision"] == "fp32"
    assert run["arithmetic"]["probe"] == f"failed: {WRONG.failure}"
    assert scores["arithmetic"]["probe"] == "not needed: the network was trained in float32"
    assert capsys.readouterr().err.count("trains in float32, since a training step of 2 x 1 x 16 x 16 x 16 goes") == 1
    assert f"bfloat16 probe failed: {WRONG.failure}" in explain(config, files.folder)
    probe_step(config, "maps", "phantom", "attention_unet", 0)
    assert not any(seen)


def test_doctor_asks_what_the_first_cell_would_ask(tmp_path, monkeypatch):
    """Before anything is prepared, too; its verdict is kept, and the training finds it."""
    monkeypatch.setattr(arithmetic, "native_precision", lambda device: "bf16")
    config = study(tmp_path, "auto")
    shutil.move(config.prepared_root, tmp_path / "away")
    place = "  phantom with attention_unet: "
    waiting = f"{place}not probed yet; `spectralcal doctor --config` with the study's file does it, or its first cell"
    assert arithmetic_lines(config, ask=False) == ["arithmetic", waiting]
    monkeypatch.setattr(arithmetic, "probe", lambda *a, **k: Verdict(None, 1.25))
    line = f"{place}trains in bfloat16; bfloat16 probe passed, 1.25 times its rounding"
    assert arithmetic_lines(config, ask=True) == ["arithmetic", line]
    monkeypatch.setattr(arithmetic, "probe", lambda *a, **k: pytest.fail("the verdict is kept"))
    assert arithmetic_lines(config, ask=False) == ["arithmetic", f"{line} (kept)"]
    shutil.move(tmp_path / "away", config.prepared_root)
    train_cell(config, CELL)
    assert json.loads(StudyPaths(config).cell(CELL).run.read_text())["arithmetic"]["deviation"] == 1.25


@pytest.mark.parametrize(
    ("precision", "text"),
    [
        ("auto", f"trains in float32; bfloat16 probe failed: {WRONG.failure}"),
        ("bf16", f"trains in nothing, since training.precision: bf16 is asked for; bfloat16 probe {FAILURE}"),
        ("fp32", "trains in float32; bfloat16 probe not needed: float32 was asked for"),
    ],
)
def test_doctor_on_a_failed_probe_and_without_one(tmp_path, monkeypatch, precision, text):
    monkeypatch.setattr(arithmetic, "native_precision", lambda device: "bf16")
    monkeypatch.setattr(arithmetic, "probe", lambda *a, **k: WRONG)
    config = study(tmp_path, precision, prepare=False)
    assert arithmetic_lines(config, ask=True) == ["arithmetic", f"  phantom with attention_unet: {text}"]


def test_steps_that_were_made_again_in_float32_are_in_the_record(tmp_path, monkeypatch, capsys):
    """Every second attempt in bfloat16 ends in a gradient that is not finite; scores are there all the same."""
    attempt, asked = Trainer._attempt, []

    def broken(self, step, batch, logged, precision):
        result = attempt(self, step, batch, logged, precision)
        if precision == "bf16" and step in (1, 3):
            self.watch.observe(step, torch.tensor(float("inf")), torch.tensor(float("nan")))
        asked.append((step, precision))
        return result

    monkeypatch.setattr(Trainer, "_attempt", broken)
    monkeypatch.setattr(arithmetic, "probe", lambda *a, **k: Verdict(None, 1.0))
    config = study(tmp_path, "bf16")
    files = finished(config)
    assert asked[:5] == [(0, "bf16"), (1, "bf16"), (1, "fp32"), (2, "bf16"), (3, "bf16")]
    run, scores = records(files)
    assert run["arithmetic"]["in_float32"] == {"count": 2, "steps": [1, 3]}
    assert "in_float32" not in scores["arithmetic"]
    assert (
        "phantom, attention_unet, ce, seed 0: step 1 is not finite in bfloat16: it was made" in capsys.readouterr().err
    )
    assert "; 2 steps were made again in float32: 1, 3" in explain(config, files.folder)
    assert verify_study(config).text.startswith("trainings: 1 in bfloat16, some steps in float32\n")


def test_a_failure_under_bf16_trains_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(arithmetic, "probe", lambda *a, **k: WRONG)
    config = study(tmp_path, "bf16")
    with pytest.raises(ConfigError, match=r"ce, seed 0: training\.precision: bf16 .*; use auto or fp32$"):
        train_cell(config, CELL)
    assert not StudyPaths(config).cell(CELL).folder.exists()


def test_fp32_is_never_probed(tmp_path, monkeypatch):
    monkeypatch.setattr(arithmetic, "probe", lambda *a, **k: pytest.fail("float32 was asked for"))
    for record in records(finished(study(tmp_path, "fp32"))):
        assert (record["precision"], record["arithmetic"]["probe"]) == ("fp32", "not needed: float32 was asked for")


def test_what_was_trained_before_there_were_verdicts_is_scored_in_what_its_record_says(tmp_path, monkeypatch):
    """Published cells have a precision and no verdict; their predictions stay in it where these are right."""
    config = study(tmp_path, "bf16")
    train_cell(config, CELL)
    files = StudyPaths(config).cell(CELL)
    run = json.loads(files.run.read_text())
    del run["arithmetic"]
    files.run.write_text(json.dumps(run))
    monkeypatch.setattr(arithmetic, "probe", lambda *a, gradients, **k: WRONG if gradients else Verdict(None, 1.0))
    evaluate_cell(config, CELL)
    assert json.loads(files.evaluation.read_text())["precision"] == "bf16"
