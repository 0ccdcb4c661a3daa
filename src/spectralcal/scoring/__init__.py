"""Scores of predictions against references, case by case; what a scorer of one's own is made of."""

from spectralcal.scoring.contract import (
    NEEDS,
    POOLED,
    Mergeable,
    Prediction,
    Scored,
    ScoredCase,
    Scorer,
    row,
)

__all__ = ["NEEDS", "POOLED", "Mergeable", "Prediction", "Scored", "ScoredCase", "Scorer", "row"]
