"""What a step leaves behind besides gradients, so that one that went wrong in bfloat16 can be made again in float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NotFiniteInBfloat16(Exception):
    """The step with this number went wrong in bfloat16, and was looked at only after later ones."""

    def __init__(self, step: int) -> None:
        super().__init__(step)
        self.step = step


class Before:
    """Running averages of a network and the memory of an objective before a step; :meth:`restore` puts them back.

    Args:
        model: its buffers are kept; weights change in the optimiser alone, which a step that went wrong never reaches.
        objective: its ``state_dict`` is kept.
    """

    def __init__(self, model: nn.Module, objective: nn.Module) -> None:
        self.model, self.objective = model, objective
        self._buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
        self._memory = {name: value.detach().clone() for name, value in objective.state_dict().items()}

    @torch.no_grad()
    def restore(self) -> None:
        """Undo the step."""
        for name, buffer in self.model.named_buffers():
            buffer.copy_(self._buffers[name])
        reload_memory(self.objective, self._memory)


def reload_memory(objective: nn.Module, memory: dict[str, Tensor]) -> None:
    """Put an objective's ``state_dict`` back; a buffer that came into being since (the history of a size that had not
    been seen, say) is all zeros, which is how such buffers begin."""
    objective.load_state_dict(memory, strict=False)
    for name, value in objective.state_dict().items():
        if name not in memory:
            value.zero_()
