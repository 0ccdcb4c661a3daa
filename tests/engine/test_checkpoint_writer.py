"""Writing while training goes on: what is written is the moment of the call, and a failure is not lost."""

import threading

import pytest
import torch

from spectralcal.base.errors import ResultError
from spectralcal.engine import checkpoint as module
from spectralcal.engine.checkpoint import Checkpoint, CheckpointWriter, load_checkpoint


def state(step, weight):
    return Checkpoint("f", step, {"model": {"w": weight}}, {"history": [{"loss": 1.0}]})


@pytest.fixture
def gate(monkeypatch):
    """Holds every write until it is opened."""
    opened, original = threading.Event(), module.save_checkpoint

    def slow(path, checkpoint):
        assert opened.wait(10)
        original(path, checkpoint)

    monkeypatch.setattr(module, "save_checkpoint", slow)
    return opened


def test_a_write_holds_the_moment_of_the_call(tmp_path, gate):
    path, weight = tmp_path / "c.safetensors", torch.arange(4.0)
    progress = state(3, weight)
    with CheckpointWriter(path) as writer:
        writer.write(progress)
        assert not path.exists()
        weight.add_(100)
        progress.state["history"].append({"loss": 2.0})
        gate.set()
    found = load_checkpoint(path, "f")
    assert torch.equal(found.tensors["model"]["w"], torch.arange(4.0))
    assert found.state == {"history": [{"loss": 1.0}]}


def test_writes_do_not_overtake_one_another(tmp_path, gate):
    path = tmp_path / "c.safetensors"
    threading.Timer(0.2, gate.set).start()
    with CheckpointWriter(path) as writer:
        writer.write(state(1, torch.zeros(2)))
        writer.write(state(2, torch.ones(2)))  # waits for the first
        assert load_checkpoint(path, "f").step in (1, 2)
        writer.wait()
        assert load_checkpoint(path, "f").step == 2


def full(path, checkpoint):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("writes", [1, 2])
def test_a_failed_write_is_an_error_of_the_run(tmp_path, monkeypatch, writes):
    monkeypatch.setattr(module, "save_checkpoint", full)
    done = []

    def go():
        with CheckpointWriter(tmp_path / "c.safetensors") as writer:
            for step in range(writes):
                writer.write(state(step, torch.zeros(2)))
                done.append(step)

    with pytest.raises(
        ResultError, match=r"c\.safetensors: the checkpoint could not be written \(.*No space.*free disk"
    ):
        go()
    assert done == [0]  # the second write reports the first; the end of the block reports an only one


def test_an_error_of_the_run_itself_is_the_one_that_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "save_checkpoint", full)

    def go():
        with CheckpointWriter(tmp_path / "c.safetensors") as writer:
            writer.write(state(1, torch.zeros(2)))
            raise KeyError("of the run")

    with pytest.raises(KeyError, match="of the run"):
        go()


def test_tied_and_channels_last_tensors_come_back_equal(tmp_path):
    path = tmp_path / "c.safetensors"
    conv = torch.randn(4, 3, 2, 2, 2).to(memory_format=torch.channels_last_3d)
    with CheckpointWriter(path) as writer:
        writer.write(Checkpoint("f", 1, {"model": {"a": conv, "b": conv, "half": conv[:2]}}))
    found = load_checkpoint(path, "f").tensors["model"]
    assert torch.equal(found["a"], conv)
    assert torch.equal(found["b"], conv)
    assert torch.equal(found["half"], conv[:2])
