"""Checkpoints that survive a kill at any moment, in one safetensors file. Nothing here unpickles.

The file is written beside its final name and moved into place in one step, so that a reader finds the last complete
checkpoint or the one before, never half of one.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spectralcal.errors import ResultError


@dataclass
class Checkpoint:
    """State of a run after `step` optimiser steps.

    `tensors` maps a part ("model", "optimizer", "loss", "best") to its tensors by name; `state` is JSON.
    """

    fingerprint: str
    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in one atomic step."""
    from safetensors.torch import save_file

    flat = {f"{part}/{name}": tensor.detach().contiguous().cpu()
            for part, tensors in checkpoint.tensors.items() for name, tensor in tensors.items()}  # fmt: skip
    header = {"fingerprint": checkpoint.fingerprint, "step": checkpoint.step, "state": checkpoint.state,
              "parts": list(checkpoint.tensors)}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        # Two names may share memory (tied weights); a clone of each keeps the file self-contained.
        save_file({key: value.clone() for key, value in flat.items()}, temporary, {"checkpoint": json.dumps(header)})
        _sync(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path, fingerprint: str) -> Checkpoint | None:
    """The checkpoint at `path`, or None if there is none or it belongs to other settings, code or data.

    Raises:
        ResultError: the file is there but damaged.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["checkpoint"])
            if header["fingerprint"] != fingerprint:
                return None
            tensors: dict[str, dict[str, Tensor]] = {part: {} for part in header["parts"]}
            for key in file.keys():  # noqa: SIM118 - a safetensors file is no mapping
                part, _, name = key.partition("/")
                tensors[part][name] = file.get_tensor(key)
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise ResultError(
            f"{path}: damaged checkpoint ({' '.join(str(error).split())}); delete it to train the cell from the start"
        ) from error
    return Checkpoint(header["fingerprint"], header["step"], tensors, header["state"])


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Per-parameter state of an optimiser as named tensors (``"3/momentum_buffer"``)."""
    found: dict[str, Tensor] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                found[f"{index}/{name}"] = value if isinstance(value, Tensor) else torch.tensor(value)
    return found


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put the tensors of :func:`optimizer_tensors` back."""
    content = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": content["param_groups"]})


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
