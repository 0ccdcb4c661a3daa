import pickle

import pytest
import torch

from spectralcal.base.errors import ResultError
from spectralcal.engine.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)


def checkpoint(step=3):
    tensors = {"model": {"w": torch.arange(6.0).reshape(2, 3)}, "loss": {"n": torch.tensor(4)}, "best": {}}
    return Checkpoint("abc", step, tensors, {"history": [{"loss": 0.1}]})


def test_round_trip(tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, checkpoint())
    found = load_checkpoint(path, "abc")
    assert (found.step, found.state) == (3, {"history": [{"loss": 0.1}]})
    assert torch.equal(found.tensors["model"]["w"], torch.arange(6.0).reshape(2, 3))
    assert found.tensors["loss"]["n"] == 4
    assert found.tensors["best"] == {}
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


def test_absent_or_foreign_checkpoints_are_ignored(tmp_path):
    path = tmp_path / "c.safetensors"
    assert load_checkpoint(path, "abc") is None
    save_checkpoint(path, checkpoint())
    assert load_checkpoint(path, "other") is None


def test_a_failed_write_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, checkpoint(step=3))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, checkpoint(step=4))
    assert load_checkpoint(path, "abc").step == 3
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


@pytest.mark.parametrize("damage", ["cut", "pickle", "empty"])
def test_damaged_files_are_named_and_never_unpickled(tmp_path, damage):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, checkpoint())

    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "pickle": pickle.dumps(Bomb()), "empty": b""}[damage])
    with pytest.raises(ResultError, match=r"c\.safetensors: damaged checkpoint .*; delete it"):
        load_checkpoint(path, "abc")


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_optimiser_state_round_trip_continues_identically(kind):
    def build():
        torch.manual_seed(0)
        model = torch.nn.Linear(4, 3)
        if kind == "sgd":
            return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
        return model, torch.optim.AdamW(model.parameters(), lr=0.1)

    def step(model, optimizer, seed):
        x = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()

    model, optimizer = build()
    for seed in range(3):
        step(model, optimizer, seed)
    state, tensors = {k: v.clone() for k, v in model.state_dict().items()}, optimizer_tensors(optimizer)
    tensors = {k: v.clone() for k, v in tensors.items()}
    step(model, optimizer, 9)
    other, other_optimizer = build()
    other.load_state_dict(state)
    restore_optimizer(other_optimizer, tensors)
    step(other, other_optimizer, 9)
    assert torch.equal(model.weight, other.weight)
