"""Claims on the sensitivity to weight, window and number of bands (Table 4, Appendix A.6)."""

from __future__ import annotations

import itertools

import numpy as np

from spectralcal.papers.spectral_entropy.claims._printed import (
    DATA_SETS,
    FOLDER,
    Rounded,
    print_finding,
    printed,
    rank_range,
    smallest,
)
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, at_least, at_most, below, conclude
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import DSC, ECE, Study
from spectralcal.report.printed import paper_values

TITLE = "Sensitivity"
#: option of the loss -> its name in Table 4
SYMBOLS = {"weight": "lambda", "window": "W", "bands": "K"}
#: the weights that the text calls best
NAMED_BEST = {"brats2020": 0.01, "flare2021": 0.05}
#: range of Dice over a sweep that is small, in percentage points
SMALL = 1.0


def weight_trades(study: Study, claim: Claim) -> list[Finding]:
    """C29: too small a weight leaves ECE high, too large a one costs Dice."""

    def on(name: str) -> Finding:
        values, sample = _swept(study, name, "weight")
        if 0.01 not in values or values[0] >= 0.01 or values[-1] <= 0.01:
            raise NotMeasured(
                f"weights on both sides of 0.01 are needed within the paper's range, there are {_listed(values)}"
            )
        middle = values.index(0.01)
        parts = [
            Part(f"ECE, weight {values[0]:g} - 0.01", sample.measure(lambda m: m[..., 0, 1] - m[..., middle, 1]),
                 above(0), below(0), ECE.unit),
            Part(f"DSC, weight 0.01 - {values[-1]:g}", sample.measure(lambda m: m[..., middle, 0] - m[..., -1, 0]),
                 above(0), below(0), DSC.unit),
        ]  # fmt: skip
        return conclude(name, parts, study.table("weight", "table4"))

    parts = []
    for data_set in _named(claim):
        dice, error = (_printed(data_set, metric, "weight") for metric in ("DSC", "ECE"))
        parts += [
            Part(f"{data_set}, ECE, weight 0.001 - 0.01", (error[0.001] - error[0.01]).measure, above(0), below(0)),
            Part(f"{data_set}, DSC, weight 0.01 - 0.1", (dice[0.01] - dice[0.1]).measure, above(0), below(0)),
        ]
    return [*study.each(claim, "weight", on), print_finding(parts, ("table4",))]


def named_weight_best(study: Study, claim: Claim) -> list[Finding]:
    """C30: the weight that the text names is the best compromise (least sum of the ranks in Dice and ECE)."""

    def on(name: str) -> Finding:
        values, sample = _swept(study, name, "weight")
        if NAMED_BEST[name] not in values or len(values) < 3:
            raise NotMeasured(f"weight {NAMED_BEST[name]:g} and two others are needed, there are {_listed(values)}")
        own = values.index(NAMED_BEST[name])
        rest = [index for index in range(len(values)) if index != own]

        best = rest[int(np.argmin(_rank_sums(sample.means)[rest]))]
        lead = sample.measure(lambda m: _rank_sums(m)[..., best] - _rank_sums(m)[..., own], len(rest), steps=True)
        text = f"sum of ranks in DSC and ECE, best other weight ({values[best]:g}) - {NAMED_BEST[name]:g}"
        return conclude(name, [Part(text, lead, above(0), below(0))], study.table("weight", "table4"))

    parts = []
    for name, best in NAMED_BEST.items():
        columns = [{key: -value for key, value in _printed(DATA_SETS[name], "DSC", "weight").items()},
                   _printed(DATA_SETS[name], "ECE", "weight")]  # fmt: skip
        totals = {key: _sum(*(_rank(column, key) for column in columns)) for key in columns[0]}
        lead = smallest(total for key, total in totals.items() if key != best) - totals[best]
        text = f"{DATA_SETS[name]}, sum of ranks in DSC and ECE, best other weight - {best:g}"
        parts.append(Part(text, lead.measure, above(0), below(0)))
    return [*study.each(claim, "weight", on, elsewhere=False), print_finding(parts, ("table4",))]


def window_optimum(study: Study, claim: Claim) -> list[Finding]:
    """C31: ECE is least for a window in the middle."""
    return _interior(study, claim, "window")


def bands_optimum(study: Study, claim: Claim) -> list[Finding]:
    """C32: ECE is least for a number of bands in the middle."""
    return _interior(study, claim, "bands")


def smooth(study: Study, claim: Claim) -> list[Finding]:
    """C33: the response to each option has one valley, and Dice hardly moves."""

    def on(name: str) -> Finding:
        parts = []
        for option in SYMBOLS:
            values, sample = _swept(study, name, option)
            if len(values) < 3:
                raise NotMeasured(f"three values of {option} are needed, there are {_listed(values)}")
            spread = sample.measure(lambda m: np.ptp(m[..., 0], axis=-1), steps=True)
            falls = sample.measure(lambda m: second_falls(m[..., 1]), steps=True)
            parts += [_flat(f"{option}: ", spread), _single(f"{option}: ", falls)]
        return conclude(name, parts, study.table("weight", "table4"))

    parts = []
    for data_set in _named(claim):
        for option in SYMBOLS:
            dice = [Rounded(*(100 * end for end in cell)) for cell in _printed(data_set, "DSC", option).values()]
            spread = -smallest(-cell for cell in dice) - smallest(dice)
            errors = list(_printed(data_set, "ECE", option).values())
            value = second_falls(np.array([cell.value for cell in errors]))
            most = _possible_second_falls(errors)
            least = _sure_second_falls(errors)
            parts += [_flat(f"{data_set}, {option}: ", spread.measure),
                      _single(f"{data_set}, {option}: ", Rounded(float(value), least, most).measure)]  # fmt: skip
    return [*study.each(claim, "weight", on), print_finding(parts, ("table4",))]


def second_falls(errors: np.ndarray) -> np.ndarray:
    """(..., values) -> (...): how often a curve falls again after it has risen; none for a single valley."""
    steps = np.diff(errors, axis=-1)
    risen = np.maximum.accumulate(steps > 0, axis=-1)
    return ((steps < 0) & risen).sum(-1).astype(float)


def _interior(study: Study, claim: Claim, option: str) -> list[Finding]:
    def on(name: str) -> Finding:
        values, sample = _swept(study, name, option)
        if len(values) < 3:
            raise NotMeasured(
                f"three values of {option} are needed within the paper's range, there are {_listed(values)}"
            )
        best = 1 + int(np.argmin(sample.means[1:-1, 1]))
        end = int(np.argmin(sample.means[[0, -1], 1])) and len(values) - 1
        margin = sample.measure(lambda m: m[..., end, 1] - m[..., best, 1], len(values))
        text = f"ECE, {option} {values[end]:g} (better end) - {values[best]:g} (best inside)"
        part = Part(text, margin, above(0), below(0), ECE.unit)
        return conclude(name, [part], study.table(option, "table4"))

    parts = []
    for data_set in _named(claim):
        cells = list(_printed(data_set, "ECE", option).values())
        margin = smallest([cells[0], cells[-1]]) - smallest(cells[1:-1])
        parts.append(Part(f"{data_set}, ECE, better end - best inside", margin.measure, above(0), below(0)))
    return [*study.each(claim, option, on), print_finding(parts, ("table4",))]


def _swept(study: Study, data_set: str, option: str) -> tuple[list[float], Sample]:
    """Values of an option within the range of the paper's sweep, ascending, and DSC and ECE of each."""
    methods = study.variants(option, "spectral", option)
    tried = _printed("BraTS2020", "ECE", option)
    values = sorted(value for value in methods if min(tried) <= value <= max(tried))
    if len(values) < 2:
        raise NotMeasured(f"two values of {option} between {min(tried):g} and {max(tried):g} are needed, there are "
                   f"{_listed(values)}")  # fmt: skip
    return values, study.scores(option, data_set, [methods[value] for value in values], [DSC, ECE])


def _printed(data_set: str, metric: str, option: str) -> dict[float, Rounded]:
    """Cells of a block of Table 4 by value, ascending."""
    names = [name for d, m, name in paper_values(FOLDER, "table4") if (d, m) == (data_set, metric)]
    by_value = {
        float(name.partition("=")[2]): printed("table4", data_set, metric, name)
        for name in names
        if name.partition("=")[0] == SYMBOLS[option]
    }
    return dict(sorted(by_value.items()))


def _rank_sums(means: np.ndarray) -> np.ndarray:
    """(..., values, 2) of DSC and ECE -> (..., values)."""
    from scipy.stats import rankdata

    return rankdata(-means[..., 0], axis=-1) + rankdata(means[..., 1], axis=-1)


def _rank(column: dict[float, Rounded], own: float) -> Rounded:
    return rank_range(column[own], [cell for key, cell in column.items() if key != own])


def _sum(a: Rounded, b: Rounded) -> Rounded:
    return Rounded(a.value + b.value, a.low + b.low, a.high + b.high)


def _flat(prefix: str, spread) -> Part:
    return Part(f"{prefix}range of DSC", spread, at_most(SMALL), above(SMALL), DSC.unit)


def _single(prefix: str, falls) -> Part:
    return Part(f"{prefix}falls of ECE after a rise", falls, at_most(0), at_least(1))


def _sure_second_falls(cells: list[Rounded]) -> float:
    steps = [b - a for a, b in itertools.pairwise(cells)]
    return float(sum(s.high < 0 and any(t.low > 0 for t in steps[:i]) for i, s in enumerate(steps)))


def _possible_second_falls(cells: list[Rounded]) -> float:
    steps = [b - a for a, b in itertools.pairwise(cells)]
    return float(sum(s.low < 0 and any(t.high > 0 for t in steps[:i]) for i, s in enumerate(steps)))


def _named(claim: Claim) -> list[str]:
    return [DATA_SETS[name] for name in claim.data_sets]


def _listed(values) -> str:
    return ", ".join(f"{value:g}" for value in values) or "none"


GROUP = {
    "C29": weight_trades,
    "C30": named_weight_best,
    "C31": window_optimum,
    "C32": bands_optimum,
    "C33": smooth,
}
CLAIM = GROUP
