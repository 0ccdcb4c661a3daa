"""Checkpoints that survive a kill at any moment, in one safetensors file. Nothing here unpickles.

The file is written beside its final name and moved into place in one step, so that a reader finds the last complete
checkpoint or the one before, never half of one. :class:`CheckpointWriter` writes while training goes on.
"""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from spectralcal.base.errors import ResultError
from spectralcal.base.files import atomic_write


@dataclass
class Checkpoint:
    """State of a run after `step` optimiser steps.

    `tensors` maps a part ("model", "optimizer", "loss", "best") to its tensors by name; `state` is JSON.
    """

    fingerprint: str
    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any] = field(default_factory=dict)

    def snapshot(self) -> Checkpoint:
        """A copy on the CPU that shares nothing with the run, so that training may go on while it is written."""
        tensors = {
            part: {name: _copy(tensor) for name, tensor in group.items()} for part, group in self.tensors.items()
        }
        state = {name: list(value) if isinstance(value, list) else value for name, value in self.state.items()}
        return Checkpoint(self.fingerprint, self.step, tensors, state)


class CheckpointWriter:
    """Writes checkpoints to one file in a thread, one at a time; a context manager that ends with the last write.

    A write that fails is raised by the next :meth:`write` or :meth:`wait`, at the latest when the block ends. If the
    block ends by an error of its own, that error is the one that is seen.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None

    def write(self, checkpoint: Checkpoint) -> None:
        """Copy `checkpoint` and start to write it, after the write before it is done."""
        self.wait()
        self._pending = self._thread.submit(save_checkpoint, self.path, checkpoint.snapshot())

    def wait(self) -> None:
        """Return when the last checkpoint is on disk.

        Raises:
            ResultError: it could not be written.
        """
        from safetensors import SafetensorError

        pending, self._pending = self._pending, None
        try:
            if pending is not None:
                pending.result()
        except (OSError, SafetensorError) as error:
            raise ResultError(
                f"{self.path}: the checkpoint could not be written ({' '.join(str(error).split())}); the one before is "
                "kept: free disk space or make the folder writable, then run again"
            ) from error

    def __enter__(self) -> CheckpointWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.wait()
        except ResultError:
            if error is None:
                raise
        finally:
            self._thread.shutdown()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in one atomic step. Its tensors may not share memory; those of a snapshot do not."""
    from safetensors.torch import save_file

    flat = {f"{part}/{name}": tensor.detach().contiguous()
            for part, tensors in checkpoint.tensors.items() for name, tensor in tensors.items()}  # fmt: skip
    header = {"fingerprint": checkpoint.fingerprint, "step": checkpoint.step, "state": checkpoint.state,
              "parts": list(checkpoint.tensors)}  # fmt: skip
    with atomic_write(path) as temporary:
        save_file(flat, temporary, {"checkpoint": json.dumps(header)})


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
    tensors: dict[str, Tensor] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                tensors[f"{index}/{name}"] = value if isinstance(value, Tensor) else torch.tensor(value)
    return tensors


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put the tensors of :func:`optimizer_tensors` back."""
    content = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": content["param_groups"]})
    # Fused optimisers walk through memory: a buffer has to lie there as its parameter does, channels-last or not.
    for parameter, buffers in optimizer.state.items():
        for name, value in buffers.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                buffers[name] = torch.empty_like(parameter).copy_(value)


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()
