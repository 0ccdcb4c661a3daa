"""State of a network by name, each tensor once: some networks reach the same weight by two paths."""

from __future__ import annotations

from torch import Tensor, nn


def unique_state(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers, a shared one under its first name only; detached, on their device."""
    return {names[0]: tensor.detach() for tensor, names in _groups(module)}


def load_unique_state(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Put the tensors of :func:`unique_state` back.

    Raises:
        ValueError: names or shapes differ from the module's.
    """
    groups = _groups(module)
    expected = {names[0]: tensor for tensor, names in groups}
    if expected.keys() != state.keys():
        odd = sorted(expected.keys() ^ state.keys())
        raise ValueError(f"expected {len(expected)} tensors, found {len(state)}; '{odd[0]}' is in one of them only")
    for name, tensor in expected.items():
        if tensor.shape != state[name].shape:
            raise ValueError(f"'{name}': expected shape {tuple(tensor.shape)}, found {tuple(state[name].shape)}")
    module.load_state_dict({alias: state[names[0]] for _, names in groups for alias in names})


def _groups(module: nn.Module) -> list[tuple[Tensor, list[str]]]:
    groups: dict[int, tuple[Tensor, list[str]]] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        groups.setdefault(id(tensor), (tensor, []))[1].append(name)
    return list(groups.values())
