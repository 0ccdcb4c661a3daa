"""The ledger as a page: one screen of counts, a table, a short paragraph per claim."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spectralcal.report.claims.catalogue import ANY, NAMED, hypotheses
from spectralcal.report.claims.finding import (
    CONSTRUCTION,
    CONTRADICTED,
    INCONCLUSIVE,
    MOOT,
    NOT_MEASURED,
    PRINTED,
    REFUTED,
    STUDY,
    SUPPORTED,
    VERDICTS,
    Finding,
    with_spread,
)
from spectralcal.report.claims.ledger import Entry, place
from spectralcal.report.results import Results
from spectralcal.statistics import FEWEST_PATIENTS, FEWEST_SEEDS
from spectralcal.study.config import StudyConfig

#: decided claims that the first screen has room to spell out, and the verdicts that decide something
IN_FULL = 16
DECISIVE = (SUPPORTED, REFUTED, CONTRADICTED, MOOT)
#: what our runs can say of one data set
OF_RUNS = (SUPPORTED, REFUTED, MOOT, INCONCLUSIVE)
#: what a finding can say
OF_FINDINGS = (SUPPORTED, REFUTED, CONTRADICTED, MOOT, INCONCLUSIVE, NOT_MEASURED)
#: wording of verdicts on several claims
SEVERAL = {CONTRADICTED: "contradict their own table"}
#: beside the verdict on a claim that was read from damaged text
DAMAGED = "†"
SOURCES = {
    STUDY: "this study's runs",
    PRINTED: "the paper's printed numbers",
    CONSTRUCTION: "first principles",
}


def page(entries: Sequence[Entry], results: Results) -> str:
    """Markdown."""
    parts = [
        "# Claims ledger",
        _opening(entries, results),
        _by_verdict(entries),
        _decided(entries),
        *_by_data_set(entries, results),
        "## How to read it",
        _reading(results.config),
        "## Findings by source",
        _by_place(entries, results),
        "## All claims",
        _table(entries),
        "## Claim by claim",
        *(_paragraph(entry, results) for entry in entries),
    ]
    return "\n\n".join(parts) + "\n"


def _opening(entries: Sequence[Entry], results: Results) -> str:
    counts = ", ".join(f"**{counted(entries, verdict)}**" for verdict in VERDICTS)
    config = results.config
    named = ", ".join(results.title(name) for name in config.datasets)
    own = sum(entry.claim.id in hypotheses(config.paper) for entry in entries)
    kinds = (_many(len(entries) - own, "claim", "claims of the paper"), _many(own, "hypothesis", "hypotheses of ours"))
    return f"Study {config.study} ({named}): {' and '.join(filter(None, kinds)) or 'no claim'}, {counts}."


def _many(number: int, one: str, several: str) -> str:
    words, _, whose = several.partition(" of ")
    return f"{number} {one if number == 1 else words} of {whose}" if number else ""


def counted(entries: Sequence[Entry], verdict: str) -> str:
    """``3 refuted``, ``2 contradict their own table``."""
    number = sum(entry.verdict == verdict for entry in entries)
    return f"{number} {verdict if number == 1 else SEVERAL.get(verdict, verdict)}"


def _decided(entries: Sequence[Entry]) -> str:
    """What a reader looks for first: which claims have a verdict, and from what; in full if they fit on a screen."""
    lines = []
    in_full = sum(entry.verdict in DECISIVE for entry in entries) <= IN_FULL
    for verdict in VERDICTS:
        chosen = [entry for entry in entries if entry.verdict == verdict]
        if in_full and verdict in DECISIVE:
            lines += [
                f"* **{verdict.capitalize()}** {_link(entry)}{_mark(entry)}: {entry.claim.claim} "
                f"*({_basis(entry, _measured(entry))})*"
                for entry in chosen
            ]
        elif chosen:
            lines.append(f"* **{verdict.capitalize()}**: {', '.join(map(_link, chosen))}")
    return "\n".join(lines)


def _by_data_set(entries: Sequence[Entry], results: Results) -> list[str]:
    """Findings on each data set that was run, including those that the paper does not name."""
    rows = []
    for name in results.config.datasets:
        title = results.title(name)
        judged = [(e, f) for e in entries for f in e.findings if f.source == STUDY and place(results, f) == title]
        links = [", ".join(_link(e) for e, f in judged if f.verdict == verdict) for verdict in OF_RUNS]
        if any(links):
            measured = [f for _, f in judged if f.verdict != NOT_MEASURED]
            seeds, patients = max(f.seeds for f in measured), max(f.patients for f in measured)
            rows.append(f"| {title} | up to {seeds}, {patients} | {' | '.join(links)} |")
    head = f"| | seeds, patients | {' | '.join(OF_RUNS)} |\n|---|---{'|---' * len(OF_RUNS)}|\n"
    return ["## On each data set by itself", head + "\n".join(rows)] if rows else []


def _mark(entry: Entry) -> str:
    return f" {DAMAGED}" if entry.claim.damaged else ""


def _link(entry: Entry) -> str:
    return f"[{entry.claim.id}](#{entry.claim.id.lower()})"


def _by_verdict(entries: Sequence[Entry]) -> str:
    rows = [f"| | claims | {' | '.join(VERDICTS)} |", f"|---|---:{'|---:' * len(VERDICTS)}|"]
    kinds = {
        "on data sets that the paper names": [e for e in entries if e.claim.kind == NAMED],
        "on training in general": [e for e in entries if e.claim.kind == ANY],
        "decided without training": [e for e in entries if e.claim.kind not in (NAMED, ANY)],
    }
    for text, chosen in kinds.items():
        counts = [str(sum(entry.verdict == verdict for entry in chosen)) for verdict in VERDICTS]
        rows.append(f"| {text} | {len(chosen)} | {' | '.join(counts)} |")
    return "\n".join(rows)


def _by_place(entries: Sequence[Entry], results: Results) -> str:
    """Findings by data set, printed tables and constructions."""
    places: dict[str, list[Finding]] = {}
    for entry in entries:
        for finding in entry.findings:
            name = SOURCES[finding.source] if finding.source != STUDY else place(results, finding)
            places.setdefault(name, []).append(finding)
    rows = [f"| findings by source | {' | '.join(OF_FINDINGS)} |", f"|---{'|---:' * len(OF_FINDINGS)}|"]
    for name in sorted(places, key=lambda name: (name in SOURCES.values(), name.lower())):
        counts = [str(sum(f.verdict == verdict for f in places[name])) for verdict in OF_FINDINGS]
        rows.append(f"| {name} | {' | '.join(counts)} |")
    return "\n".join(rows)


def _reading(config: StudyConfig) -> str:
    said = [
        "A finding on a data set is *supported* or *refuted* only if its whole 95 % interval lies on one side of the "
        f"rule's bound, with at least {FEWEST_SEEDS} seeds and {FEWEST_PATIENTS} test patients; otherwise it is "
        "*inconclusive*, whatever the means say.",
        "Brackets are such intervals: seeds and patients are crossed random effects, so an interval holds for new "
        "trainings and new patients (Hillis 2007). The number of each training follows the word *seeds*. "
        "The interval of a printed number is the range that rounds to it.",
        "*Detectable* is how far beyond the bound the true value must lie for a study of this size to detect it with a "
        "power of 80 %; an inconclusive finding does not exclude an effect of up to that size.",
        "A missing cell or file makes it *not measured*; the finding names what is missing.",
        "A claim as a whole must hold on each data set that it is about: one refuted finding refutes it, one data set "
        "that was not run leaves it not measured. Claims about training in general rest on the real data that were "
        "run.",
        "Synthetic data never count; they show that the measurement works.",
        "Printed numbers stand for everything that rounds to them. They can contradict what the text says about them, "
        f"which is a verdict of its own (*{CONTRADICTED}*) and says nothing about the method; they never support a "
        "claim.",
        "*True by definition* holds whatever the method does, and *moot* means that there is no effect for the claim "
        "to be about: a control already does what is claimed.",
        f"{DAMAGED}: the claim, or the printed numbers behind it, were read from damaged text; its paragraph says what "
        "is damaged.",
        "Evidence names a file, or the folder of a cell and, after a colon, the file in it; a published cell has that "
        "file inside its light.zip. Files below numbers/ are made from local files with images "
        "when a study is published.",
        "A claim that is not about architectures uses the experiment's first.",
        "Intervals account for few patients and for picking the best of several methods, not for the number of "
        "data sets and claims: if all methods were equal, chance alone would refute about one in ten claims on six "
        "data sets.",
    ]
    differing = [_deviation(config, name) for name in config.datasets]
    if any(differing):
        said.append(
            "Settings that differ from those that the paper states: " + "; ".join(filter(None, differing)) + "."
        )
    return "\n".join(f"* {sentence}" for sentence in said)


def _deviation(config: StudyConfig, data_set: str) -> str:
    training, stated = (
        config.training_of(data_set, next(iter(config.architectures))),
        config.paper_facts.stated_training,
    )
    used = {key: getattr(training, key) for key in stated}
    other = [f"{key} {_text(used[key])} ({_text(value)})" for key, value in stated.items() if used[key] != value]
    return f"{data_set}: {', '.join(other)}" if other else ""


def _text(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _table(entries: Sequence[Entry]) -> str:
    rows = ["| | claim | place | verdict | effect | rests on |", "|---|---|---|---|---|---|"]
    for entry in entries:
        claim, measured = entry.claim, _measured(entry)
        effect = _effect(measured[0]) if len(measured) == 1 else ""
        verdict = f"**{entry.verdict}**{_mark(entry)}"
        cells = [_link(entry), claim.claim, claim.place, verdict, effect, _basis(entry, measured)]
        rows.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(rows)


def _measured(entry: Entry) -> list[Finding]:
    """Findings that the verdict rests on."""
    flagged = zip(entry.findings, entry.counted, strict=True)
    return [finding for finding, counts in flagged if counts and finding.verdict != NOT_MEASURED]


def _basis(entry: Entry, measured: Sequence[Finding]) -> str:
    if not measured:
        return "printed numbers" if entry.verdict != NOT_MEASURED else "nothing"
    if measured[0].source == CONSTRUCTION:
        return "construction" if len(measured) == 1 else f"{len(measured)} constructions"
    sets = f"{len(measured)} data set{'' if len(measured) == 1 else 's'}"
    return f"{sets}, {_resting(measured)}"


def _resting(findings: Sequence[Finding]) -> str:
    seeds = min(f.seeds for f in findings)
    said = [f"{seeds} seed{'' if seeds == 1 else 's'}"]
    if patients := sum(f.patients for f in findings):
        said.append(f"{patients} patient{'' if patients == 1 else 's'}")
    if cases := sum(f.cases for f in findings):
        said.append(f"{cases} case{'' if cases == 1 else 's'}")
    return ", ".join(said)


def _paragraph(entry: Entry, results: Results) -> str:
    claim = entry.claim
    parts = [
        f"### {claim.id}",
        f"{claim.claim} ({claim.place}; {entry.group.lower()}.) **{entry.verdict.capitalize()}.** {entry.reason}",
        f"Rule: {claim.measured_by}; supported if {claim.supported_if}, refuted if {claim.refuted_if}. In print: "
        f"{claim.printed}",
        *([f"{DAMAGED} Read from damaged text: {claim.damaged}"] if claim.damaged else []),
    ]
    lines = []
    by_reason: dict[str, list[str]] = {}
    for finding in entry.findings:
        name = place(results, finding)
        if finding.verdict == NOT_MEASURED:
            by_reason.setdefault(finding.found, []).append(name)
            continue
        basis = f" ({_resting([finding])})" if finding.seeds else ""
        evidence = f" Evidence: `{finding.evidence}`." if finding.evidence else ""
        lines.append(f"* {name}: *{finding.verdict}*{basis}. {finding.found}.{evidence}")
    lines += [f"* {', '.join(names)}: *not measured*: {reason}." for reason, names in by_reason.items()]
    return "\n\n".join([*parts, "\n".join(lines)])


def _effect(finding: Finding) -> str:
    if not np.isfinite(finding.value):
        return ""
    f = finding
    return with_spread(f.value, f.low, f.high, f.unit, f.interval, f.by_seed)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
