"""Deep supervision: networks that give several outputs while they train (docs/ambiguities.md, M19)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def full_resolution(output: Tensor | Sequence[Tensor]) -> Tensor:
    """The logits that count: the only output, or the first of several."""
    return output if isinstance(output, Tensor) else output[0]


def auxiliary_terms(output: Tensor | Sequence[Tensor], target: Tensor) -> dict[str, Tensor]:
    """Cross-entropy of the further outputs, weighted 1/2, 1/4, ... as they get coarser; empty without such outputs.

    The method's own loss acts on the full-resolution output alone, whatever the method, so that methods differ in one
    place only and a loss with a history sees one map a step.

    Args:
        output: logits (B, C, *spatial), or a sequence of them, full resolution first.
        target: (B, *spatial) integer labels at full resolution; brought to coarser outputs by nearest neighbour.
    """
    if isinstance(output, Tensor) or len(output) < 2:
        return {}
    total = 0.0
    for depth, logits in enumerate(output[1:], start=1):
        labels = target
        if logits.shape[2:] != target.shape[1:]:
            labels = F.interpolate(target[:, None].float(), size=logits.shape[2:], mode="nearest")[:, 0].long()
        total = total + F.cross_entropy(logits.float(), labels) / 2**depth
    return {"auxiliary": total}
