"""The claims ledger: every claim with its verdict, as a table and as a page."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spectralcal.base import registry
from spectralcal.report.claims.catalogue import ANY, FILE, NONE, OWN, Claim, catalogue, hypotheses
from spectralcal.report.claims.finding import (
    CONSTRUCTION,
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_MEASURED,
    PRINTED,
    REFUTED,
    STUDY,
    SUPPORTED,
    TOGETHER,
    TRIVIAL,
    VERDICTS,
    Finding,
    agreed,
    every,
)
from spectralcal.report.claims.study import THIS_STUDY, Study
from spectralcal.report.results import Results
from spectralcal.study.config import StudyConfig

Function = Callable[[Study, Claim], list[Finding]]

COLUMNS = (
    "id", "group", "claim", "place", "damaged", "where", "source", "counts", "verdict", "effect", "value", "low",
    "high", "unit", "interval", "detectable", "by_seed", "seeds", "patients", "cases", "found", "evidence",
)  # fmt: skip
#: in the column "where" of the table: the claim as a whole
WHOLE = "claim"


@dataclass(frozen=True)
class Entry:
    """A claim with all findings about it.

    Attributes:
        claim: as in the list.
        group: title of its group.
        verdict: of the claim as a whole.
        reason: one sentence on how the whole follows from the findings.
        findings: by data set, printed table or construction.
        counted: which of the findings the whole rests on.
    """

    claim: Claim
    group: str
    verdict: str
    reason: str
    findings: tuple[Finding, ...]
    counted: tuple[bool, ...]


def ledger(results: Results) -> list[Entry]:
    """Decide every claim that a study lists (:func:`listed`) from its results, in the order of the list.

    Raises:
        ResultError: a result file is damaged.
        ValueError: a claim has no function or several, or a function has no claim.
    """
    study = Study(results, roles(results.config))
    return [decide(study, claim) for claim in listed(results.config)]


def listed(config: StudyConfig) -> list[Claim]:
    """The paper's claims, then those of our own hypotheses whose role the study plays.

    A study that was made for hypotheses alone, so that it plays no other role, lists no claims of the paper: it would
    leave all of them unmeasured.
    """
    own = hypotheses(config.paper)
    needed = own_roles(config.paper)
    played = {role for role, experiment in roles(config).items() if experiment}
    only_own = bool(played) and played <= {role for some in needed.values() for role in some}
    claims = [] if only_own else list(catalogue(config.paper).values())
    return claims + [claim for name, claim in own.items() if played & set(needed[name])]


@functools.cache
def own_roles(paper: str) -> dict[str, tuple[str, ...]]:
    """Id of each hypothesis of our own -> the roles of its file (``ROLES``), one of which a study must play."""
    by_claim = {}
    for name in registry.names("claims", paper):
        for identity in registry.load("claims", name, paper):
            if identity in hypotheses(paper):
                by_claim[identity] = tuple(registry.constant("claims", name, "ROLES", paper) or ())
    return by_claim


def decide(study: Study, claim: Claim) -> Entry:
    """Decide one claim."""
    group, function = functions(study.results.config.paper)[claim.id]
    findings = tuple(function(study, claim))
    counted = tuple(_counts(study, claim, finding) for finding in findings)
    return Entry(claim, group, *_whole(study, claim, findings, counted), findings, counted)


@functools.cache
def functions(paper: str) -> dict[str, tuple[str, Function]]:
    """Id of each claim -> (title of its group, the function that decides it).

    Raises:
        ValueError: as :func:`ledger`.
    """
    by_claim: dict[str, tuple[str, Function]] = {}
    for name in registry.names("claims", paper):
        for identity, function in registry.load("claims", name, paper).items():
            if identity in by_claim:
                raise ValueError(f"claim {identity}: expected one function, found a second in claims/{name}.py")
            by_claim[identity] = (registry.constant("claims", name, "TITLE", paper), function)
    if difference := set(by_claim) ^ (set(catalogue(paper)) | set(hypotheses(paper))):
        raise ValueError(
            f"expected a function for every claim of {FILE} and {OWN} and no other, found a difference in "
            f"{', '.join(sorted(difference))}"
        )
    return by_claim


def roles(config: StudyConfig) -> dict[str, str | None]:
    """Role -> experiment."""
    return dict(config.claims or {})


def table(entries: list[Entry]) -> pd.DataFrame:
    """One row for each claim as a whole and one for each of its findings.

    Returns:
        id, group, claim, place, damaged (what is damaged in the text that it was read from), where (data set,
        construction, "printed tables", or "claim" for the whole), source (study, printed, construction), counts (does
        the whole rest on it), verdict, effect, value, low, high, unit, interval (what low and high span), detectable
        (distance from the rule's bound that would have been found with a power of 80 %), by_seed (each training's
        number, separated by spaces), seeds, patients, cases, found, evidence.
    """
    rows = []
    for entry in entries:
        claim = entry.claim
        common = {"id": claim.id, "group": entry.group, "claim": claim.claim, "place": claim.place,
                  "damaged": claim.damaged}  # fmt: skip
        resting = [f for f, counts in zip(entry.findings, entry.counted, strict=True) if counts]
        measured = [f for f in resting if f.verdict != NOT_MEASURED]
        whole = {"where": WHOLE, "source": "", "counts": True, "verdict": entry.verdict, "found": entry.reason}
        if len(measured) == 1:
            whole |= _number_of(measured[0])
        whole |= {"evidence": "; ".join(dict.fromkeys(f.evidence for f in measured if f.evidence))}
        rows.append(common | whole)
        for finding, counts in zip(entry.findings, entry.counted, strict=True):
            one = {"where": finding.where, "source": finding.source, "counts": counts, "verdict": finding.verdict,
                   "found": finding.found, "evidence": finding.evidence}  # fmt: skip
            rows.append(common | one | _number_of(finding))
    frame = pd.DataFrame(rows, columns=COLUMNS)
    counts = ["seeds", "patients", "cases"]
    return frame.assign(**frame[counts].fillna(0).astype(int))


def _number_of(finding: Finding) -> dict[str, object]:
    if not np.isfinite(finding.value):
        return {}
    names = ("effect", "value", "low", "high", "unit", "interval", "detectable", "seeds", "patients", "cases")
    return {name: getattr(finding, name) for name in names} | {"by_seed": " ".join(map(str, finding.by_seed))}


def _counts(study: Study, claim: Claim, finding: Finding) -> bool:
    if finding.source == CONSTRUCTION:
        return claim.kind == NONE
    if finding.source == PRINTED or claim.kind == NONE:
        return False
    return finding.where == TOGETHER or study.counts(claim, finding.where)


def _whole(study: Study, claim: Claim, findings: tuple[Finding, ...], counted: tuple[bool, ...]) -> tuple[str, str]:
    """Verdict and reason of a claim.

    The claim must hold on every data set that counts; where a claim is about several together, their joint finding
    decides, and one about training in general must hold on all that were run. Printed numbers can contradict what is
    said about them, but neither support nor refute a claim about the method: that takes a measurement.
    """
    resting = [finding for finding, counts in zip(findings, counted, strict=True) if counts]
    if claim.kind == NONE:
        contradicted = [f.where for f in findings if f.source == STUDY and f.verdict == REFUTED]
        if contradicted:
            return REFUTED, f"Contradicted by the cells of {', '.join(contradicted)}."
        verdict = agreed(finding.verdict for finding in resting)
        if claim.trivial and verdict == SUPPORTED:
            return TRIVIAL, claim.trivial
        split = "Constructions disagree" if verdict == INCONCLUSIVE and len(resting) > 1 else "From first principles"
        return verdict, f"{split}: {_listed(resting, study)}."
    joint = [finding for finding in resting if finding.where == TOGETHER]
    deciding = joint or resting
    if claim.kind == ANY:  # about no data set by name: it rests on those that were run, and the reason names the others
        deciding = [finding for finding in deciding if finding.verdict != NOT_MEASURED]
    verdict = every(finding.verdict for finding in deciding)
    reason = f"{_listed(joint or resting, study)}." if resting else _why_nothing_counts(findings)
    reason = reason[0].upper() + reason[1:]
    in_print = next((finding for finding in findings if finding.source == PRINTED), None)
    if in_print and in_print.verdict == CONTRADICTED:
        if verdict in (NOT_MEASURED, INCONCLUSIVE):
            ran = any(finding.source == STUDY for finding in findings)
            return CONTRADICTED, f"The paper's own printed numbers contradict it.{f' By our runs: {reason}' * ran}"
        return verdict, f"{reason} The paper's own printed numbers contradict it."
    return verdict, reason


def _why_nothing_counts(findings: tuple[Finding, ...]) -> str:
    if all(finding.source == PRINTED for finding in findings):
        return "It is about the printed numbers alone, which support nothing by themselves."
    reasons = [finding.found for finding in findings if finding.where == THIS_STUDY]
    return f"{reasons[0]}." if reasons else "Only synthetic data were run."


def _listed(findings: list[Finding], study: Study) -> str:
    by_verdict: dict[str, list[str]] = {}
    for finding in findings:
        by_verdict.setdefault(finding.verdict, []).append(place(study.results, finding))
    return "; ".join(f"{verdict} on {', '.join(by_verdict[verdict])}" for verdict in VERDICTS if verdict in by_verdict)


def place(results: Results, finding: Finding) -> str:
    """Printed name of where a finding comes from."""
    if finding.source == STUDY and finding.where in results.config.datasets:
        return results.title(finding.where)
    if finding.source == STUDY and finding.where in registry.names("datasets"):
        return registry.load("datasets", finding.where).title
    return finding.where
