"""Trainings that are killed, doubled or damaged end with the bits of an undisturbed one."""

import json
import os
import random
import signal
import time

import pytest
from faulty import ALL, INTERVAL, KILL_AT, STEPS, Study, digest, numbers, thorough, train_arguments

RANDOM = random.Random(20)
KILL_IN_WRITE = """
import os, signal
_replace = os.replace
def replace(source, target):
    if str(target).endswith("{name}"):
        os.kill(os.getpid(), signal.SIGKILL)
    return _replace(source, target)
os.replace = replace
"""


def finish(study):
    """The same commands again, and whether their numbers are those of `whole`."""
    code, text = study.train()
    assert code == 0, text
    code, more = study.evaluate()
    assert code == 0, more
    return text


@pytest.mark.parametrize("step", [1, *sorted(RANDOM.sample(range(2, STEPS + 1), 19))] if ALL else [23])
def test_killed_at_a_step(whole, tmp_path, tally, step):
    study = Study(tmp_path, like=whole)
    code, _ = study.train(before=KILL_AT.format(step=step))
    assert code == -signal.SIGKILL
    # A checkpoint is written beside the training: the one of the last interval may still be on its way.
    kept = study.checkpoint_step() if study.cell.checkpoint.exists() else 0
    finish(study)
    run = json.loads(study.cell.run.read_text())
    assert run["resumes"] == (kept > 0)
    tally(
        "training killed (SIGKILL) at a random step",
        lost=step - kept > 2 * INTERVAL,
        wrong=numbers(study.cell) != whole.numbers,
    )


@pytest.mark.parametrize("name", ["checkpoint.safetensors", "weights.safetensors", "run.json"] if ALL else ["run.json"])
def test_killed_between_writing_a_file_and_moving_it_into_place(whole, tmp_path, tally, name):
    study = Study(tmp_path, like=whole)
    code, _ = study.train(before=KILL_IN_WRITE.format(name=name))
    assert code == -signal.SIGKILL
    assert not (study.cell.folder / name).exists()
    assert list(study.cell.folder.glob("*.tmp"))
    kept = study.checkpoint_step() if study.cell.checkpoint.exists() else 0
    finish(study)
    assert not list(study.cell.folder.glob("*.tmp"))
    lost = name != "checkpoint.safetensors" and kept < STEPS - INTERVAL
    tally(f"killed while writing {name}", lost=lost, wrong=numbers(study.cell) != whole.numbers)


@thorough
def test_killed_while_scoring_after_the_training(whole, tmp_path, tally):
    """Snakemake deletes the weights of a job that did not end well: the checkpoint gives them back."""
    study = Study(tmp_path, like=whole)
    before = "import os, spectralcal.jobs.cells as c; c.evaluate_cell = lambda *a, **k: os.kill(os.getpid(), 9)"
    code, _ = study.verb(*train_arguments(), "--then-evaluate", before=before)
    assert code == -signal.SIGKILL
    assert study.cell.weights.exists()
    for file in (study.cell.weights, study.cell.model, study.cell.history, study.cell.run):
        file.unlink()
    kept = study.checkpoint_step()
    finish(study)
    assert not study.cell.checkpoint.exists()
    wrong = numbers(study.cell) != whole.numbers
    tally("killed while scoring after the training", lost=kept < STEPS - INTERVAL, wrong=wrong)


def test_asked_to_stop(whole, tmp_path, tally):
    study = Study(tmp_path, like=whole)
    code, text = study.train(before=KILL_AT.format(step=17).replace("SIGKILL", "SIGTERM"))
    assert code == 128 + signal.SIGTERM, text
    assert "error: stopped by SIGTERM after step 17; run again to continue" in text
    kept = study.checkpoint_step()
    finish(study)
    tally("training asked to stop (SIGTERM)", lost=kept != 17, wrong=numbers(study.cell) != whole.numbers)


@pytest.mark.parametrize("damage", ["cut in half", "emptied"] if ALL else ["cut in half"])
def test_a_damaged_checkpoint_is_set_aside(whole, tmp_path, tally, damage):
    study = Study(tmp_path, like=whole)
    study.train(before=KILL_AT.format(step=30))
    content = study.cell.checkpoint.read_bytes()
    study.cell.checkpoint.write_bytes(content[: len(content) // 2] if damage == "cut in half" else b"")
    text = finish(study)
    assert "kept as checkpoint.damaged.safetensors; training begins at step 0" in text
    tally(f"checkpoint {damage}", wrong=numbers(study.cell) != whole.numbers)


def test_a_flipped_byte_in_the_weights_is_refused(whole, tmp_path, tally):
    for place in (0.3, 0.6, 0.9) if ALL else (0.9,):
        study = Study(tmp_path / str(place), like=whole)
        assert study.train()[0] == 0
        content = bytearray(study.cell.weights.read_bytes())
        content[int(place * len(content))] ^= 1
        study.cell.weights.write_bytes(content)
        code, text = study.evaluate()
        assert code == 1
        assert "weights.safetensors: expected the bytes that the training wrote (SHA-256 in run.json), found" in text
        lost = study.cell.cases.exists()
        study.cell.weights.unlink()
        finish(study)
        tally("flipped byte in the weights", lost=lost, wrong=numbers(study.cell) != whole.numbers)


def test_two_processes_on_one_cell(whole, tmp_path, tally):
    study = Study(tmp_path, like=whole)
    both = [study.start(*train_arguments()) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    texts = [process.text() for process in both]
    assert sum("works on it; waiting until it ends" in text for text in texts) == 1
    assert sum("weights are up to date" in text for text in texts) == 1
    assert study.evaluate()[0] == 0
    tally("two processes on one cell", wrong=numbers(study.cell) != whole.numbers)


@thorough
def test_the_holder_of_a_cell_is_killed_while_another_waits(whole, tmp_path, tally):
    study = Study(tmp_path, like=whole)
    slow = "import time, torch\n_s = torch.optim.AdamW.step\n"
    slow += "torch.optim.AdamW.step = lambda self, *a, **k: (time.sleep(0.5), _s(self, *a, **k))[1]"
    first = study.start(*train_arguments(), before=slow)
    while not study.cell.checkpoint.exists():
        assert first.running()
        time.sleep(0.1)
    second = study.start(*train_arguments())
    while "waiting until it ends" not in second.text():
        assert second.running()
        time.sleep(0.1)
    first.kill()
    assert second.wait() == 0, second.text()
    lost = json.loads(study.cell.run.read_text())["resumes"] != 1
    assert study.evaluate()[0] == 0
    tally("killed while another process waits for the cell", lost=lost, wrong=numbers(study.cell) != whole.numbers)


@thorough
def test_a_clock_that_jumps(whole, tmp_path, tally):
    """By an hour back and forth, between any two looks at it."""
    jump = """
import itertools, time
_time, _hours = time.time, itertools.cycle([0, -3600, 7200])
time.time = lambda: _time() + next(_hours)
"""
    study = Study(tmp_path, like=whole)
    code, text = study.train(before=jump + KILL_AT.format(step=23))
    assert code == -signal.SIGKILL, text
    for file in study.cell.folder.iterdir():
        os.utime(file, (0, 0))
    code, text = study.train(before=jump)
    assert code == 0, text
    assert study.evaluate()[0] == 0
    run = json.loads(study.cell.run.read_text())
    assert 0 < run["seconds"] < 300
    tally("clock jumps during a training", lost=run["resumes"] != 1, wrong=numbers(study.cell) != whole.numbers)


def test_finished_work_is_not_touched(whole):
    before = {file: (digest(file), file.stat().st_mtime_ns) for file in whole.cell.folder.iterdir()}
    assert "weights are up to date" in whole.train()[1]
    assert {file: (digest(file), file.stat().st_mtime_ns) for file in whole.cell.folder.iterdir()} == before
