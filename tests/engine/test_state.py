import pytest
import torch
from torch import nn

from spectralcal.engine.state import load_unique_state, unique_state


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Linear(3, 3)
        self.two = self.one
        self.norm = nn.BatchNorm1d(3)


def test_shared_tensors_appear_once_and_come_back_everywhere():
    source, target = Tied(), Tied()
    state = {name: value.clone() for name, value in unique_state(source).items()}
    assert "one.weight" in state
    assert "two.weight" not in state
    assert "norm.running_mean" in state
    load_unique_state(target, state)
    assert torch.equal(target.two.weight, source.one.weight)


def test_differing_names_and_shapes_are_refused():
    state = unique_state(Tied())
    with pytest.raises(ValueError, match=r"'one\.bias' is in one of them only"):
        load_unique_state(Tied(), {k: v for k, v in state.items() if k != "one.bias"})
    with pytest.raises(ValueError, match=r"'one.bias': expected shape \(3,\), found \(4,\)"):
        load_unique_state(Tied(), {**state, "one.bias": torch.zeros(4)})
