"""What a measurement says about a claim: a number with its interval, a rule with two sides, a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from spectralcal.statistics.crossed import Crossed, over_trainings

SUPPORTED, REFUTED, INCONCLUSIVE, NOT_MEASURED = "supported", "refuted", "inconclusive", "not measured"
#: the paper's printed numbers do not say what its text says of them: no statement about the method
CONTRADICTED = "contradicts its own table"
#: a claim as a whole that holds whatever the method does; only a claim whose line in the list says so
TRIVIAL = "true by definition"
#: there is no effect that the claim could be about: a control already does what is claimed
MOOT = "moot"
VERDICTS = (SUPPORTED, REFUTED, CONTRADICTED, TRIVIAL, MOOT, INCONCLUSIVE, NOT_MEASURED)

#: p-value of an exact permutation up to which it decides
SIGNIFICANT = 0.05

#: name of a finding over all data sets of a claim
TOGETHER = "all data sets together"
#: where the numbers of a finding come from
STUDY, PRINTED, CONSTRUCTION = "study", "printed", "construction"
#: parts that are written out before a finding only counts them
SPELT_OUT = 4

Test = Callable[[float], bool]


class NotMeasured(Exception):
    """A claim cannot be measured; the message names what is missing."""


@dataclass(frozen=True)
class Measure:
    """A number and how sure it is.

    Attributes:
        value: the estimate; nan if there is none.
        low, high: ends of the interval.
        interval: what it covers: new "seeds and patients" (:func:`spectralcal.statistics.crossed`), new "patients"
            alone where there is one seed, new "seeds" (Student's t) of one number per training, the "rounding" of
            printed numbers, or "exact" for a computation without sampling; none with "permutation", whose p-value
            decides.
        by_seed: the estimate of each training alone; empty where nothing was trained.
        patients, cases: how many it rests on; 0 where there are none.
        p_value: two-sided, of a true value of 0; nan where there is no test.
        detectable: how far from a bound the true value must be to be found on its side with a power of 80 %; nan where
            nothing is drawn or one seed is not enough to know.
        shortage: why it cannot decide anything, or an empty text.
    """

    value: float
    low: float
    high: float
    interval: Literal["seeds and patients", "patients", "seeds", "rounding", "exact", "permutation"]
    by_seed: tuple[float, ...] = ()
    patients: int = 0
    cases: int = 0
    p_value: float = float("nan")
    detectable: float = float("nan")
    shortage: str = ""

    @classmethod
    def of(cls, interval: Crossed, by_seed: Sequence[float], patients: int, cases: int) -> Measure:
        """A mean over seeds and patients, and the mean of each seed."""
        return cls(
            interval.estimate, interval.low, interval.high, interval.over, tuple(map(float, by_seed)), patients, cases,
            interval.p_value, interval.detectable, interval.shortage,
        )  # fmt: skip


def exact(value: float) -> Measure:
    """The exact result of a computation without sampling."""
    return Measure(float(value), float(value), float(value), "exact")


def over_seeds(values: Sequence[float]) -> Measure:
    """The mean of one number per training, with Student's interval over trainings."""
    numbers = tuple(float(value) for value in values)
    nothing = float("nan")
    if not numbers or np.any(np.isnan(numbers)):
        return Measure(nothing, nothing, nothing, "seeds", numbers)
    if not np.all(np.isfinite(numbers)):  # one broke down: no interval; the range is that of all
        short = over_trainings(np.zeros(len(numbers))).shortage
        return Measure(float(np.mean(numbers)), min(numbers), max(numbers), "seeds", numbers, shortage=short)
    return Measure.of(over_trainings(np.array(numbers)), numbers, 0, 0)


def above(bound: float) -> Test:
    """Test: greater than the bound."""
    return lambda value: value > bound


def below(bound: float) -> Test:
    """Test: less than the bound."""
    return lambda value: value < bound


def at_least(bound: float) -> Test:
    """Test: the bound or more."""
    return lambda value: value >= bound


def at_most(bound: float) -> Test:
    """Test: the bound or less."""
    return lambda value: value <= bound


@dataclass(frozen=True)
class Part:
    """One measured condition of a claim.

    Attributes:
        text: what the number is, for example ``"ECE, best baseline - Spectral"``.
        measure: the number.
        holds: true for values at which the claim holds.
        fails: true for values at which it does not; a value may be neither.
        unit: unit of the number.
    """

    text: str
    measure: Measure
    holds: Test
    fails: Test
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Supported or refuted if the whole interval is on one side, else inconclusive."""
        m = self.measure
        if np.isnan(m.value):
            return NOT_MEASURED if m.interval != "rounding" else INCONCLUSIVE
        if m.shortage:
            return INCONCLUSIVE
        if m.interval == "permutation":
            sides = {REFUTED: self.fails, SUPPORTED: self.holds}
            chosen = [verdict for verdict, side in sides.items() if m.p_value <= SIGNIFICANT and side(m.value)]
            return chosen[0] if chosen else INCONCLUSIVE
        points = (m.value, m.low, m.high)
        # A loss that is small but beyond chance can lie within a margin; it still counts as a loss.
        if all(map(self.fails, points)):
            return REFUTED
        return SUPPORTED if all(map(self.holds, points)) else INCONCLUSIVE

    @property
    def words(self) -> str:
        """``ECE, best baseline - Spectral: 0.4 x10^-3 [0.1, 0.7], seeds 0.3, 0.4, 0.5``."""
        m = self.measure
        if np.isnan(m.value):
            return f"{self.text}: {'lost in print' if m.interval == 'rounding' else 'no value'}"
        if m.interval == "permutation":
            return f"{self.text}: {number(m.value)} (exact permutation, p = {number(m.p_value)})"
        said = f"{self.text}: {with_spread(m.value, m.low, m.high, self.unit, m.interval, m.by_seed)}"
        if self.verdict == INCONCLUSIVE and np.isfinite(m.detectable):
            said += f", detectable with a power of 80 %: {number(m.detectable)}{f' {self.unit}' if self.unit else ''}"
        return said


@dataclass(frozen=True)
class Finding:
    """What one data set, the printed numbers or a construction say about a claim.

    Attributes:
        where: name of the data set or construction; "printed tables" for the paper's numbers.
        verdict: one of :data:`VERDICTS`.
        source: :data:`STUDY`, :data:`PRINTED` or :data:`CONSTRUCTION`.
        effect: what the number is.
        value, low, high, unit, interval, by_seed: the number, as in :class:`Measure`; nan if there is none.
        seeds, patients, cases: what it rests on.
        detectable: as in :class:`Measure`.
        found: one sentence.
        evidence: where to look: table, figure or files.
    """

    where: str
    verdict: str
    source: str = STUDY
    effect: str = ""
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    unit: str = ""
    interval: str = ""
    by_seed: tuple[float, ...] = ()
    seeds: int = 0
    patients: int = 0
    cases: int = 0
    detectable: float = float("nan")
    found: str = ""
    evidence: str = ""

    @classmethod
    def of(
        cls,
        measure: Measure,
        where: str,
        verdict: str,
        effect: str,
        unit: str,
        found: str,
        evidence: str,
        source: str = STUDY,
    ) -> Finding:
        """What a measured number says."""
        m = measure
        return cls(
            where, verdict, source, effect, m.value, m.low, m.high, unit, m.interval, m.by_seed, len(m.by_seed),
            m.patients, m.cases, m.detectable, found, evidence,
        )  # fmt: skip


def every(verdicts: Iterable[str]) -> str:
    """Verdict of a claim all of whose parts must hold: one refuted part refutes it, one missing part leaves it open."""
    reached = list(verdicts)
    for verdict in (REFUTED, CONTRADICTED, NOT_MEASURED, MOOT, INCONCLUSIVE):
        if verdict in reached:
            return verdict
    return SUPPORTED if reached else NOT_MEASURED


def agreed(verdicts: Iterable[str]) -> str:
    """Verdict of a claim that can be read in several ways: decided only if all readings agree."""
    different = set(verdicts)
    if len(different) == 1:
        return different.pop()
    return NOT_MEASURED if NOT_MEASURED in different or not different else INCONCLUSIVE


def conclude(
    where: str,
    parts: Sequence[Part],
    evidence: str,
    source: str = STUDY,
    rule: Callable[[Iterable[str]], str] = every,
    note: str = "",
) -> Finding:
    """The finding that the parts of a claim add up to.

    It shows the number of the first part with the same verdict.

    Args:
        where, evidence, source: as in :class:`Finding`.
        parts: the conditions, the most informative first.
        rule: :func:`every` or :func:`agreed`.
        note: a further sentence.
    """
    verdicts = [part.verdict for part in parts]
    verdict = rule(verdicts)
    shown = next((part for part, one in zip(parts, verdicts, strict=True) if one == verdict), parts[0])
    if source == PRINTED and verdict == REFUTED:
        verdict = CONTRADICTED
    if len(parts) <= SPELT_OUT:
        said = "; ".join(part.words for part in parts)
    else:
        counts = ", ".join(f"{verdicts.count(kind)} {kind}" for kind in VERDICTS if kind in verdicts)
        odd = [part.words for part, one in zip(parts, verdicts, strict=True) if one != SUPPORTED][:SPELT_OUT]
        said = f"{len(parts)} conditions: {counts} ({'; '.join(odd) or f'for example, {shown.words}'})"
    shortage = next((part.measure.shortage for part in parts if part.measure.shortage), "").capitalize()
    text = ". ".join(filter(None, [said, shortage, note]))
    return Finding.of(shown.measure, where, verdict, shown.text, shown.unit, text, evidence, source)


def not_measured(where: str, reason: object, evidence: str = "") -> Finding:
    """A data set on which a claim was not measured, and why."""
    return Finding(where, NOT_MEASURED, found=str(reason), evidence=evidence)


def with_spread(value: float, low: float, high: float, unit: str, interval: str, by_seed: Sequence[float]) -> str:
    """A number with its interval in brackets and the number of each training behind it.

    The interval says what other trainings and patients would show; the trainings say what these showed.
    """
    said = f"{number(value)}{f' {unit}' if unit else ''}"
    if interval in ("exact", "permutation"):
        return said
    if interval == "seeds" and len(by_seed) < 2:
        return f"{said} (one seed)"
    seeds = ", ".join(map(number, by_seed))
    return f"{said} [{number(low)}, {number(high)}]" + (f", seeds {seeds}" if len(by_seed) > 1 else "")


def number(value: float) -> str:
    """A number with three significant digits."""
    if not np.isfinite(value):
        return "unknown" if np.isnan(value) else ("∞" if value > 0 else "-∞")
    if value == 0:
        return "0"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e5 else f"{value:.2e}"
