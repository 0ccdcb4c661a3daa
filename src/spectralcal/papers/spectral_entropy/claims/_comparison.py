"""The preregistered rule of a comparison: does one method calibrate better than another at no cost in Dice?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spectralcal.report.claims.finding import (
    INCONCLUSIVE,
    REFUTED,
    SUPPORTED,
    Finding,
    Measure,
    NotMeasured,
    number,
)
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import DSC, Score, Study
from spectralcal.statistics import crossed, holm

#: level of the adjusted p-values
ALPHA = 0.05
#: least change of ECE that matters, as a share of the reference's mean
LEAST_GAIN = 0.05
#: Dice that may be lost, percentage points
DICE_MARGIN = 0.5

ECE_ALL = Score("ECE", 1e3, "×10⁻³", protocol="paper")
NLL = Score("NLL", 1e3, "×10⁻³", protocol="paper")
REGIONS = (
    Score("ECE", 1e3, "×10⁻³", protocol="predicted_foreground"),
    Score("ECE", 1e3, "×10⁻³", protocol="predicted_boundary"),
)
ERRORS = (ECE_ALL, *REGIONS, NLL)


@dataclass(frozen=True)
class Pair:
    """Two methods on one architecture; empty: the experiment's first."""

    method: str
    reference: str
    architecture: str = ""


@dataclass(frozen=True)
class Outcome:
    """The differences of a pair, method minus reference.

    Attributes:
        pair: who is compared.
        errors: score -> difference.
        dice: difference in percentage points.
        reference: mean of the reference's ECE over all voxels.
        later: the difference in ECE over all voxels without the two seeds of the pilot; None if too few are left.
    """

    pair: Pair
    errors: Mapping[Score, Measure]
    dice: Measure
    reference: float
    later: Measure | None


def outcomes(study: Study, role: str, data_set: str, pairs: Sequence[Pair], errors: Sequence[Score]) -> list[Outcome]:
    """The differences of all pairs of a family.

    Raises:
        NotMeasured: a cell or a score is missing, or there are fewer than two seeds or patients.
    """
    return [_outcome(study, role, data_set, pair, errors) for pair in pairs]


def adjusted(family: Sequence[Outcome]) -> list[dict[Score, float]]:
    """Holm's p-values over all pairs and errors of a family, in the order of the pairs."""
    p_values = holm(np.array([contrast.p_value for one in family for contrast in one.errors.values()]))
    values = iter(p_values.tolist())
    return [{score: next(values) for score in one.errors} for one in family]


def better_at_no_cost(one: Outcome, p: Mapping[Score, float]) -> str:
    """The verdict on "the method calibrates better than its reference at no cost" (docs/preregistration.md)."""
    if _short(one):
        return INCONCLUSIVE
    if _no_gain(one) or _higher(one, p, NLL) or one.dice.high < -DICE_MARGIN:
        return REFUTED
    gained = _lower(one, p, ECE_ALL) and _lower(one, p, NLL) and any(_lower(one, p, score) for score in REGIONS)
    lost = any(_higher(one, p, score) for score in REGIONS)
    return SUPPORTED if gained and not lost and one.dice.low > -DICE_MARGIN else INCONCLUSIVE


def repaired(one: Outcome, p: Mapping[Score, float]) -> str:
    """The verdict on "the method repairs its reference": ECE over all voxels and NLL lower."""
    if _short(one):
        return INCONCLUSIVE
    if _no_gain(one) or _higher(one, p, NLL):
        return REFUTED
    return SUPPORTED if _lower(one, p, ECE_ALL) and _lower(one, p, NLL) else INCONCLUSIVE


def finding(
    study: Study,
    role: str,
    data_set: str,
    one: Outcome,
    p: Mapping[Score, float],
    verdict: Callable[[Outcome, Mapping[Score, float]], str],
    *,
    sensitivity: bool = False,
) -> Finding:
    """What a pair shows, in words, and the number of its ECE over all voxels."""
    names = " - ".join(study.results.label(method) for method in (one.pair.method, one.pair.reference))
    where = f" ({one.pair.architecture})" if one.pair.architecture else ""
    ece = one.errors[ECE_ALL]
    said = [f"{names}{where}: " + "; ".join(_words(score, one.errors[score], p[score]) for score in one.errors)]
    said.append(f"DSC {brackets(one.dice)} pp. Intervals are unadjusted; p-values are adjusted within the family")
    said.append(
        f"The smallest change of ECE that matters is {number(LEAST_GAIN * one.reference)} {ECE_ALL.unit}, the smallest "
        f"that this design detects with a power of 80 % is {number(ece.detectable)}"
    )
    if sensitivity and one.later is not None:
        said.append(f"Without seeds 0 and 1, which the pilot used: ECE {brackets(one.later)} {ECE_ALL.unit}")
    if _short(one):
        said.append(_short(one))
    return Finding.of(
        ece, data_set, verdict(one, p), f"ECE, {names}", ECE_ALL.unit, ". ".join(said), study.table(role, "table2")
    )  # fmt: skip


def contrast(sample: Sample, quantity: int, method: int, reference: int | None = None) -> Measure:
    """A method's mean, or its difference to a reference, over seeds and patients.

    Raises:
        NotMeasured: fewer than two seeds or patients.
    """
    values = sample.values[method, quantity] - (0.0 if reference is None else sample.values[reference, quantity])
    return _measured(values, sample.cases)


def _measured(values: np.ndarray, cases: int) -> Measure:
    """The mean of (S, P) values; patients without a value are left out."""
    values = values[:, np.isfinite(values).all(axis=0)]
    if min(values.shape) < 2:
        seeds, patients = values.shape
        raise NotMeasured(f"expected at least two seeds and two patients, found {seeds} and {patients}")
    return Measure.of(crossed(values), values.mean(1), values.shape[1], cases)


def _outcome(study: Study, role: str, data_set: str, pair: Pair, errors: Sequence[Score]) -> Outcome:
    sample = study.scores(role, data_set, [pair.method, pair.reference], [*errors, DSC], pair.architecture)
    seeds = study.results.config.experiments[study.experiment(role)].seeds
    fresh = [index for index, seed in enumerate(seeds) if seed not in (0, 1)]
    values = sample.values[0, 0] - sample.values[1, 0]
    return Outcome(
        pair,
        {score: contrast(sample, index, 0, 1) for index, score in enumerate(errors)},
        contrast(sample, len(errors), 0, 1),
        float(np.nanmean(sample.values[1, 0])),
        _measured(values[fresh], sample.cases) if len(fresh) > 1 else None,
    )


def _short(one: Outcome) -> str:
    return next((each.shortage for each in (*one.errors.values(), one.dice) if each.shortage), "")


def _no_gain(one: Outcome) -> bool:
    return one.errors[ECE_ALL].low > -LEAST_GAIN * one.reference


def _lower(one: Outcome, p: Mapping[Score, float], score: Score) -> bool:
    return one.errors[score].value < 0 and p[score] < ALPHA


def _higher(one: Outcome, p: Mapping[Score, float], score: Score) -> bool:
    return one.errors[score].value > 0 and p[score] < ALPHA


def _words(score: Score, measure: Measure, p: float) -> str:
    region = "" if score.protocol == "paper" else f", {score.protocol.replace('_', ' ')}"
    return f"{score.metric}{region} {brackets(measure)} {score.unit} (adjusted p {number(p)})"


def brackets(measure: Measure) -> str:
    return f"{number(measure.value)} [{number(measure.low)}, {number(measure.high)}]"
