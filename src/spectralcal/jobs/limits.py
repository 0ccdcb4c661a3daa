"""Bounds that a training or a fit reached: a line each for the person who runs it, and the same lines in the record.

What can reach a bound says so itself: a loss (:attr:`spectralcal.losses.SegmentationLoss.limits_reached`) and a
post-hoc step (:attr:`spectralcal.posthoc._step.PostHocStep.limits`).
"""

from __future__ import annotations

from collections.abc import Iterable

from spectralcal.base.console import say


def say_limits(who: str, limits: Iterable[str]) -> list[str]:
    """Warn of each bound that was reached, and return them for the key ``limits`` of a record.

    Args:
        who: the cell.
        limits: one line each.
    """
    lines = list(limits)
    for line in lines:
        say(f"warning: {who}: {line}")
    return lines
