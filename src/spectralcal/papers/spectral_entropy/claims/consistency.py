"""What the paper's printed tables imply about themselves, and where they disagree (Tables 1 to 4, Appendix A.6)."""

from __future__ import annotations

import math

from spectralcal.base import registry
from spectralcal.papers.spectral_entropy.claims._printed import (
    DATA_SETS,
    LOSSES,
    Rounded,
    print_finding,
    printed,
    ratio,
)
from spectralcal.papers.spectral_entropy.claims.ablation import ROWS
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import Finding, NotMeasured, Part, above, at_least, at_most, below, conclude
from spectralcal.report.claims.study import DSC, ECE, HD95, Study

TITLE = "The tables among themselves"
#: the paper's smoothing, and the share of a volume that organs or tumours fill at the very most; in iSeg-2017 all of
#: the brain is labelled, and an image that is cropped to it may be half full
SMOOTHING, FILLED = 0.1, {"iseg2017": 0.6}
USUALLY_FILLED = 0.15
#: an in-plane voxel of ACDC in mm (the median), and the Dice from which a network is of the kind that the paper prints
VOXEL, GOOD_DICE = 1.5, 88.0
#: blocks of Table 4, each with the row that is the paper's one setting; Table 3 has it as the full method
ONE_SETTING = {"lambda": "lambda=0.010", "W": "W=50", "K": "K=5"}
#: "most"
HALF = 0.5


def all_voxels_count(study: Study, claim: Claim) -> list[Finding]:
    """C51: Table 2 counts all voxels.

    Trained with smoothing a, a network's mean confidence stays at or below 1 - a + a / C, so its accuracy does not pass
    that by more than its ECE. A wrong voxel is a false positive of one structure or a false negative of another: at
    equal Dice D of all structures, a share e of wrong voxels takes structures that fill e / (2 (1 - D)) of the volume.
    """
    parts = []
    for name in claim.data_sets:
        error = least_error(printed("table2", DATA_SETS[name], "ECE", "LS"), classes(name))
        dice = printed("table1", DATA_SETS[name], "DSC", "LS")
        filled = filled_share(error, dice)
        text = (f"{DATA_SETS[name]}, share of the volume that structures would fill if {percent(error)} of all voxels "
                "were wrong")  # fmt: skip
        most = FILLED.get(name, USUALLY_FILLED)
        parts.append(Part(text, filled.measure, at_most(most), above(most)))
    note = "This takes the stated smoothing of 0.1 and an equal Dice of all structures"
    return [print_finding(parts, ("table1", "table2"), note)]


def one_prediction(study: Study, claim: Claim) -> list[Finding]:
    """C52: ECE is at most C times SCE, except for voxels with a confidence below 8/15."""
    parts = []
    for name in claim.data_sets:
        for loss in LOSSES:
            ece, sce = (printed("table2", DATA_SETS[name], metric, loss) for metric in ("ECE", "SCE"))
            room = Rounded(*(classes(name) * end for end in sce)) - ece
            text = f"{DATA_SETS[name]}, {loss}, {classes(name)} x SCE - ECE"
            parts.append(Part(text, room.measure, at_least(0), below(0), ECE.unit))
    lacking = max(-part.measure.value for part in parts) / 1e3
    note = (f"Only voxels with a confidence below 8/15 could make up the difference, and {100 * lacking:.1f} % of "
            "all would have to be such")  # fmt: skip
    return [print_finding(parts, ("table2",), note if lacking > 0 else "")]


def ends_of_the_range(study: Study, claim: Claim) -> list[Finding]:
    """C53: the recommended range of windows is better than what lies outside it."""

    def on(name: str) -> Finding:
        methods = study.variants("window", "spectral", "window")
        if not {10, 100} <= set(methods):
            raise NotMeasured(f"windows of 10 and 100 are needed, there are {', '.join(map(str, sorted(methods)))}")
        sample = study.scores("window", name, [methods[10], methods[100]], [ECE])
        worse = sample.measure(lambda m: m[..., 1, 0] - m[..., 0, 0])
        return conclude(name, [Part("ECE, W = 100 - W = 10", worse, above(0), below(0), ECE.unit)],
                        study.table("window", "table4"))  # fmt: skip

    parts = []
    for name in claim.data_sets:
        outside, end = (printed("table4", DATA_SETS[name], "ECE", row) for row in ("W=100", "W=10"))
        parts.append(Part(f"{DATA_SETS[name]}, ECE, W = 100 - W = 10", (outside - end).measure, above(0), below(0)))
    return [*study.each(claim, "window", on), print_finding(parts, ("table4",))]


def one_setting_one_result(study: Study, claim: Claim) -> list[Finding]:
    """C54: the same setting is printed with the same numbers."""
    parts = []
    for data_set in (DATA_SETS[name] for name in claim.data_sets):
        for metric in ("DSC", "ECE"):
            whole = printed("table3", data_set, metric, ROWS[2])
            for block, row in ONE_SETTING.items():
                other = printed("table4", data_set, metric, row) - whole
                text = f"{data_set}, {metric}, block of {block} in Table 4 - Table 3"
                same = other.low <= 0 <= other.high
                apart = above(0) if other.value > 0 else below(0)
                parts.append(Part(text, other.measure, lambda _, same=same: same, apart))
    return [print_finding(parts, ("table3", "table4"))]


def faint_weight(study: Study, claim: Claim) -> list[Finding]:
    """C55: a tenth of the recommended weight brings more than half of the gain in ECE.

    As a difference, gain at a tenth minus half of the gain at the full weight, which needs no gain to divide by.
    """

    def on(name: str) -> Finding:
        (ce,) = study.named("weight", "CE")
        methods = study.variants("weight", "spectral", "weight")
        if not {0.001, 0.01} <= set(methods):
            raise NotMeasured(f"experiment '{study.experiment('weight')}' lacks a weight of 0.001 or 0.01")
        sample = study.scores("weight", name, [ce, methods[0.001], methods[0.01]], [ECE])
        more = sample.measure(lambda m: 0.5 * m[..., 0, 0] - m[..., 1, 0] + 0.5 * m[..., 2, 0])
        part = Part("gain in ECE at weight 0.001 - half of that at 0.01", more, above(0), below(0), ECE.unit)
        return conclude(name, [part], study.table("weight", "table4"))

    parts, without = [], []
    for data_set in (DATA_SETS[name] for name in claim.data_sets):
        base = printed("table3", data_set, "ECE", ROWS[0])
        faint, recommended = (printed("table4", data_set, "ECE", f"lambda={weight}") for weight in ("0.001", "0.010"))
        share = ratio(base - faint, base - recommended)
        parts.append(Part(f"{data_set}, share of the gain in ECE at weight 0.001", share.measure, at_least(HALF),
                          below(HALF)))  # fmt: skip
        left = [ratio(cell, base).value for cell in (faint, printed("table3", data_set, "ECE", ROWS[1]))]
        without.append(f"{data_set}: ECE falls to {left[0]:.2f} of cross-entropy's, and to {left[1]:.2f} by ten times "
                       "the weight without a window")  # fmt: skip
    bound = f"At that weight the term adds at most 0.001 (log 5)^2 = {0.001 * math.log(5) ** 2:.4f} nat to the loss"
    note = ". ".join([bound, *without])
    return [*study.each(claim, "weight", on), print_finding(parts, ("table3", "table4"), note)]


def within_a_voxel(study: Study, claim: Claim) -> list[Finding]:
    """C56: HD95 on ACDC is below one voxel at a Dice of 91 %."""

    def on(name: str) -> Finding:
        sample = study.scores("main", name, study.named("main", "CE"), [DSC, HD95])
        if sample.means[0, 0] < GOOD_DICE:
            raise NotMeasured(
                f"the claim is about networks at a Dice of 91 %; cross-entropy's is {sample.means[0, 0]:.1f} % here, "
                f"with an HD95 of {sample.means[0, 1]:.1f} mm"
            )
        distance = sample.measure(lambda m: m[..., 0, 1])
        part = Part("HD95 of CE", distance, below(VOXEL), above(VOXEL), HD95.unit)
        return conclude(name, [part], study.table("main", "table1"))

    parts = []
    for loss in LOSSES:
        cell = printed("table1", "ACDC", "HD95", loss)
        parts.append(Part(f"ACDC, HD95 of {loss}", cell.measure, below(VOXEL), above(VOXEL)))
    return [*study.each(claim, "main", on, elsewhere=False), print_finding(parts, ("table1",))]


def classes(name: str) -> int:
    """Classes of one of the paper's data sets, background included."""
    return 1 + len(registry.load("datasets", name).classes)


def least_error(ece: Rounded, number: int, smoothing: float = SMOOTHING) -> Rounded:
    """Least share of wrong voxels of a network that was trained with label smoothing, from its ECE (in 10^-3)."""
    most = smoothing * (1 - 1 / number)
    return Rounded(most - ece.value / 1e3, most - ece.high / 1e3, most - ece.low / 1e3)


def filled_share(error: Rounded, dice: Rounded) -> Rounded:
    """Share of the volume that structures must fill to have so many wrong voxels at a Dice (in %)."""
    return ratio(error, Rounded(*(2 * (1 - end / 100) for end in (dice.value, dice.high, dice.low))))


def percent(share: Rounded) -> str:
    """``5.0 %``."""
    return f"{100 * share.value:.1f} %"


GROUP = {
    "C51": all_voxels_count,
    "C52": one_prediction,
    "C53": ends_of_the_range,
    "C54": one_setting_one_result,
    "C55": faint_weight,
    "C56": within_a_voxel,
}
CLAIM = GROUP
