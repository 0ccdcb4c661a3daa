"""Training as one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from spectralcal.engine.objective import Objective
from spectralcal.engine.outcome import Diverged, Interrupted, TrainingResult
from spectralcal.engine.patches import PatchSampler
from spectralcal.engine.run import Hooks, Run
from spectralcal.engine.trainer import Trainer

if TYPE_CHECKING:
    from spectralcal.study.config import TrainingConfig

_HOOKS = frozenset(Hooks.__dataclass_fields__)


def train(
    model: nn.Module, loss: nn.Module, sampler: PatchSampler, settings: TrainingConfig, **run: Any
) -> TrainingResult:
    """Train `model` with `loss` on the batches of `sampler`.

    Args:
        model, sampler, settings: as for :class:`~spectralcal.engine.trainer.Trainer`.
        loss: an :class:`Objective`, or a loss that becomes one.
        run: attributes of :class:`~spectralcal.engine.run.Run`, all needed, and of
            :class:`~spectralcal.engine.run.Hooks`.

    Raises:
        As :meth:`Trainer.fit`.
    """
    hooks = Hooks(**{name: value for name, value in run.items() if name in _HOOKS})
    objective = loss if isinstance(loss, Objective) else Objective(loss)
    described = Run(**{name: value for name, value in run.items() if name not in _HOOKS})
    return Trainer(model, objective, sampler, settings, described, hooks).fit()


__all__ = ["Diverged", "Interrupted", "TrainingResult", "train"]
