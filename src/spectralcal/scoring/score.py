"""Scores of one case by every scorer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spectralcal.base.errors import ResultError
from spectralcal.datasets.facts import DataFacts
from spectralcal.scoring.contract import Prediction, Scored, ScoredCase, Scorer
from spectralcal.scoring.load import load_scorers

if TYPE_CHECKING:
    from spectralcal.study.config import EvaluationConfig

_KEYS = {"class", "metric", "protocol", "value", "status"}


@dataclass
class CaseScores:
    """What each scorer says of a case."""

    by_scorer: dict[str, Scored]

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """Rows of cases.csv without the cell's own columns, scorer by scorer."""
        return [row for scored in self.by_scorer.values() for row in scored.rows]


def score_prediction(scorers: Mapping[str, Scorer], prediction: Prediction, case: ScoredCase) -> CaseScores:
    """The scores of one case; a scorer that needs a posterior or samples is left out where there are none.

    Raises:
        ResultError: a scorer gives no scores, or two of them give one score.
    """
    scores = CaseScores({name: _asked(name, scorer, prediction, case) for name, scorer in scorers.items()})
    names = [(row["class"], row["metric"], row["protocol"]) for row in scores.rows]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        owners = [name for name, scored in scores.by_scorer.items() if double in _names(scored)]
        raise ResultError(
            f"evaluation.scorers: {' and '.join(map(repr, owners))} give two scores of one name (class, metric, "
            f"protocol) {double}; give the protocol the scorer's name"
        )
    return scores


def score_case(
    probabilities: np.ndarray,
    reference: np.ndarray,
    spacing_mm: Sequence[float],
    classes: Sequence[str],
    settings: EvaluationConfig,
    posterior: np.ndarray | None = None,
    nested: Mapping[str, tuple[int, ...]] | None = None,
) -> CaseScores:
    """Scores of one prediction, by all scorers of the settings that need no network.

    Args:
        probabilities: (C, *spatial) float32, sums to one.
        reference: (*spatial) integer labels.
        spacing_mm: voxel size per axis.
        classes: names of the foreground classes 1 ... C-1.
        settings: the configuration's `evaluation` section.
        posterior: (C, *spatial) true probabilities, where a phantom knows them.
        nested: name -> labels of regions that a data set's challenge scores, such as the whole tumour.
    """
    scorers = load_scorers(settings.scorers)
    facts = DataFacts(tuple(classes), reference.ndim, "mm", (), nested=nested)
    case = ScoredCase(reference, tuple(spacing_mm), facts, settings, posterior)
    chosen = {name: scorer for name, scorer in scorers.items() if "patch_logits" not in scorer.needs}
    return score_prediction(chosen, Prediction(lambda: probabilities), case)


def _asked(name: str, scorer: Scorer, prediction: Prediction, case: ScoredCase) -> Scored:
    lacks_posterior = "posterior" in scorer.needs and case.posterior is None
    if lacks_posterior or ("samples" in scorer.needs and not prediction.is_sampled):
        return Scored()
    try:
        return checked(name, scorer.case(prediction, case))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if type(scorer).__module__.startswith("spectralcal."):
            raise
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ResultError(f"evaluation.scorers: '{name}' failed ({reason}); --debug shows where") from error


def checked(name: str, scored: Any) -> Scored:
    """What a scorer returned, if it is what it should be.

    Raises:
        ResultError: it is something else.
    """
    if not isinstance(scored, Scored):
        raise ResultError(f"evaluation.scorers: '{name}': expected Scored, returned {type(scored).__name__}")
    for row in scored.rows:
        if set(row) != _KEYS:
            raise ResultError(f"evaluation.scorers: '{name}': expected rows as scoring.row makes them, returned {row}")
    return scored


def _names(scored: Scored) -> Iterator[tuple[str, str, str]]:
    return ((row["class"], row["metric"], row["protocol"]) for row in scored.rows)
