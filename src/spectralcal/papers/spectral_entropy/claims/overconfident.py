"""Our preregistered hypotheses on networks that are overconfident (docs/preregistration.md, H-01 to H-11)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from spectralcal.papers.spectral_entropy.claims._comparison import (
    ECE_ALL,
    ERRORS,
    NLL,
    Pair,
    adjusted,
    better_at_no_cost,
    brackets,
    contrast,
    finding,
    outcomes,
    repaired,
)
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import INCONCLUSIVE, REFUTED, SUPPORTED, Finding, Measure, every, number
from spectralcal.report.claims.study import Score, Study

TITLE = "Overconfident regime"
#: listed in the ledgers of studies that play one of these roles
ROLES = ("overconfident", "other_patients", "more_patients", "wider")

CE = "ce"
CE_T = "ce+temperature"
LEAD = "spectral@confidence=max_prob,weight=10.0"
LEAD_T = f"{LEAD}+temperature"
PAPER = "spectral"
HEAVY = "spectral@weight=1.0"
#: share of cross-entropy's gap within which overconfidence counts as unchanged
UNCHANGED = 0.1

GAP_FOREGROUND = Score("signed_gap", 1e3, "×10⁻³", protocol="predicted_foreground")
GAP_BOUNDARY = Score("signed_gap", 1e3, "×10⁻³", protocol="predicted_boundary")

#: the families within which p-values are adjusted
PRIMARY = (Pair(LEAD, CE), Pair(LEAD, CE_T), Pair(LEAD_T, CE_T))
PAPERS_LOSS = (Pair(PAPER, CE), Pair(HEAVY, CE))
TEMPERATURE = (Pair(CE_T, CE),)
ONLY_LEAD = (Pair(LEAD, CE),)


def premise(study: Study, claim: Claim) -> list[Finding]:
    """H-01: cross-entropy is overconfident over predicted foreground."""

    def on(name: str) -> Finding:
        sample = study.scores("overconfident", name, [CE], [GAP_FOREGROUND])
        gap = contrast(sample, 0, 0)
        verdict = INCONCLUSIVE
        if not gap.shortage:
            verdict = SUPPORTED if gap.low > 0 else REFUTED if gap.high < 0 else INCONCLUSIVE
        text = f"{study.results.label(CE)}: confidence - accuracy over predicted foreground"
        said = f"{text}: {brackets(gap)} {GAP_FOREGROUND.unit}"
        return _found(name, verdict, text, gap, GAP_FOREGROUND.unit, [said, gap.shortage],
                      study.table("overconfident", "protocols"))  # fmt: skip

    return study.each(claim, "overconfident", on)


def loophole(study: Study, claim: Claim) -> list[Finding]:
    """H-07: at weight 1 the entropy of the maximum logit rises and the overconfidence stays."""

    def on(name: str) -> Finding:
        def read(cell):
            return study.spectra(cell, "cases"), study.spectra(cell, "entropy_max_logit")[:, None]

        spectra = study.arrays("overconfident", name, [HEAVY, CE], read)
        scores = study.scores("overconfident", name, [HEAVY, CE], [GAP_BOUNDARY])
        rise, change = contrast(spectra, 0, 0, 1), contrast(scores, 0, 0, 1)
        margin = UNCHANGED * abs(float(np.nanmean(scores.values[1, 0])))
        verdict = INCONCLUSIVE
        if not (rise.shortage or change.shortage):
            if rise.high < 0 or change.high < -margin:
                verdict = REFUTED
            elif rise.low > 0 and -margin < change.low and change.high < margin:
                verdict = SUPPORTED
        names = " - ".join(study.results.label(method) for method in (HEAVY, CE))
        said = [
            f"{names}: spectral entropy of the maximum logit {brackets(rise)} nat; confidence - accuracy near the "
            f"predicted boundary {brackets(change)} {GAP_BOUNDARY.unit}, unchanged within ±{number(margin)}"
        ]
        evidence = study.files("overconfident", name, [HEAVY, CE], "spectra.npz")
        return _found(name, verdict, f"spectral entropy of the maximum logit, {names}", rise, "nat",
                      [*said, rise.shortage or change.shortage], evidence)  # fmt: skip

    return study.each(claim, "overconfident", on)


def compared(
    role: str,
    family: Sequence[Pair],
    position: int,
    verdict: Callable = better_at_no_cost,
    errors: Sequence[Score] = ERRORS,
) -> Callable[[Study, Claim], list[Finding]]:
    """A function that decides one pair of a family."""

    def decide(study: Study, claim: Claim) -> list[Finding]:
        def on(name: str) -> Finding:
            by_competitor = outcomes(study, role, name, family, errors)
            p = adjusted(by_competitor)[position]
            return finding(study, role, name, by_competitor[position], p, verdict, sensitivity=role == "overconfident")

        return study.each(claim, role, on)

    return decide


def wider(study: Study, claim: Claim) -> list[Finding]:
    """H-11: the lead over cross-entropy on every architecture of the experiment; all must agree."""

    def on(name: str) -> Finding:
        architectures = study.results.config.experiments[study.experiment("wider")].architectures
        family = outcomes(study, "wider", name, [Pair(LEAD, CE, each) for each in architectures], ERRORS)
        findings = [
            finding(study, "wider", name, one, p, better_at_no_cost)
            for one, p in zip(family, adjusted(family), strict=True)
        ]
        verdict = every(one.verdict for one in findings)
        shown = next(one for one in findings if one.verdict == verdict)
        said = ". ".join(f"{one.found} ({one.verdict})" for one in findings)
        return replace(shown, found=said)

    return study.each(claim, "wider", on)


def _found(
    name: str, verdict: str, effect: str, one: Measure, unit: str, said: Sequence[str], evidence: str
) -> Finding:
    return Finding.of(one, name, verdict, effect, unit, ". ".join(filter(None, said)), evidence)


GROUP = {
    "H-01": premise,
    "H-02": compared("overconfident", PRIMARY, 0),
    "H-03": compared("overconfident", PRIMARY, 1),
    "H-04": compared("overconfident", PRIMARY, 2),
    "H-05": compared("overconfident", PAPERS_LOSS, 0),
    "H-06": compared("overconfident", PAPERS_LOSS, 1),
    "H-07": loophole,
    "H-08": compared("overconfident", TEMPERATURE, 0, repaired, (ECE_ALL, NLL)),
    "H-09": compared("other_patients", ONLY_LEAD, 0),
    "H-10": compared("more_patients", ONLY_LEAD, 0),
    "H-11": wider,
}
CLAIM = GROUP
