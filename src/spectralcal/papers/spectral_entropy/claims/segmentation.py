"""Claims on segmentation quality (Table 1, Section 5): close to the best, and no price for calibration."""

from __future__ import annotations

from spectralcal.papers.spectral_entropy.claims._printed import (
    BASELINES,
    DATA_SETS,
    LOSSES,
    Rounded,
    print_finding,
    printed,
    rank_range,
)
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, Measure, Part, above, at_least, at_most, below, conclude
from spectralcal.report.claims.sample import Statistic
from spectralcal.report.claims.study import ASD, DSC, HD95, TACE, Score, Study

TITLE = "Segmentation"
THREE = (DSC, HD95, ASD)
#: a loss of Dice that is negligible, in percentage points
MARGIN = 0.5
#: the same for distances, in percent of cross-entropy's
FARTHER = 10.0


def best_or_second(study: Study, claim: Claim) -> list[Finding]:
    """C03: first or second of seven losses in Dice, HD95 and ASD on each data set."""
    parts = []
    for data_set in DATA_SETS.values():
        for score in THREE:
            cells = [printed("table1", data_set, score.metric, method) for method in LOSSES]
            cells = [-cell for cell in cells] if score.higher else cells
            rank = rank_range(cells[-1], cells[:-1])
            parts.append(Part(f"{data_set}, rank in {score.metric}", rank.measure, at_most(2), at_least(3)))
    return [*study.each(claim, "main", lambda name: near_best(study, name)), print_finding(parts, ("table1",))]


def crac_pays(study: Study, claim: Claim) -> list[Finding]:
    """C05: CRaC has a better TACE than cross-entropy on two data sets, and pays for it in Dice."""

    def on(name: str) -> Finding:
        methods = study.named("main", "CE", "CRaC")
        sample = study.scores("main", name, methods, [DSC, TACE])
        cost, bought = (sample.measure(lambda m, i=i: m[..., 0, i] - m[..., 1, i]) for i in range(2))
        parts = [
            Part("DSC, CE - CRaC", cost, above(0), below(0), DSC.unit),
            Part("TACE, CE - CRaC", bought, above(0), below(0), TACE.unit),
        ]
        return conclude(name, parts, study.table("main", "table1"))

    parts = []
    for data_set in (DATA_SETS[name] for name in claim.data_sets):
        cost = printed("table1", data_set, "DSC", "CE") - printed("table1", data_set, "DSC", "CRaC")
        parts.append(Part(f"{data_set}, DSC, CE - CRaC", cost.measure, above(0), below(0), DSC.unit))
        bought = printed("table2", data_set, "TACE", "CE") - printed("table2", data_set, "TACE", "CRaC")
        parts.append(Part(f"{data_set}, TACE, CE - CRaC", bought.measure, above(0), below(0), TACE.unit))
    return [*study.each(claim, "main", on, elsewhere=False), print_finding(parts, ("table1", "table2"))]


def no_price(study: Study, claim: Claim) -> list[Finding]:
    """C06: no loss of segmentation quality against cross-entropy."""
    parts = []
    for data_set in DATA_SETS.values():
        for score in THREE:
            base = printed("table1", data_set, score.metric, "CE")
            less = base - printed("table1", data_set, score.metric, "Ours")
            better = -less if score.higher else Rounded(*(100 * end / base.value for end in less))
            parts.append(kept(f"{data_set}, ", score, better.measure, "Spectral", "CE"))
    return [*study.each(claim, "main", lambda name: not_worse(study, name)), print_finding(parts, ("table1",))]


def near_best(study: Study, data_set: str) -> Finding:
    """Rank of our loss among seven in each of three scores on one data set."""
    sample = study.scores("main", data_set, study.named("main", *LOSSES), THREE)
    ours = len(BASELINES)

    def rank(index: int):
        sign = -1.0 if THREE[index].higher else 1.0
        return lambda m: 1.0 + (sign * m[..., :ours, index] < sign * m[..., ours, None, index]).sum(-1)

    parts = [
        Part(
            f"rank in {score.metric}", sample.measure(rank(index), len(BASELINES), steps=True), at_most(2), at_least(3)
        )
        for index, score in enumerate(THREE)
    ]
    return conclude(data_set, parts, study.table("main", "table1"))


def not_worse(study: Study, data_set: str) -> Finding:
    """Is our loss not worse than cross-entropy in three scores on one data set?"""
    sample = study.scores("main", data_set, study.named("main", "CE", "Ours"), THREE)
    parts = [kept("", score, sample.measure(gain(index, 0, 1)), "Spectral", "CE") for index, score in enumerate(THREE)]
    return conclude(data_set, parts, study.table("main", "table1"))


def gain(index: int, before: int, after: int) -> Statistic:
    """What one method gains on another in a score of :data:`THREE`: points of Dice, or percent of a distance.

    Args:
        index: of the score, the quantity of the sample.
        before, after: of the methods.
    """
    if THREE[index].higher:
        return lambda m: m[..., after, index] - m[..., before, index]
    return lambda m: 100 * (m[..., before, index] - m[..., after, index]) / m[..., before, index]


def kept(prefix: str, score: Score, better: Measure, after: str, before: str) -> Part:
    """A gain that must not be a loss beyond a margin, the bound of both sides of the rule."""
    if score.higher:
        return Part(f"{prefix}DSC, {after} - {before}", better, at_least(-MARGIN), below(-MARGIN), "pp")
    text = f"{prefix}{score.metric}, ({before} - {after}) / {before}"
    return Part(text, better, at_least(-FARTHER), below(-FARTHER), "%")


GROUP = {"C03": best_or_second, "C05": crac_pays, "C06": no_price}
CLAIM = GROUP
