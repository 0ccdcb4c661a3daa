"""The paper's comparison, the sum with the term minus the spatial loss, in our cells and in its printed tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from spectralcal.base.errors import ResultError
from spectralcal.papers.spectral_correlation.arms import SPATIAL, SPELT, TERM, find, network
from spectralcal.papers.spectral_correlation.tested import UnderCondition, conditions, test_set
from spectralcal.report.claims.catalogue import Claim
from spectralcal.report.claims.finding import (
    PRINTED,
    Finding,
    Measure,
    NotMeasured,
    Part,
    above,
    below,
    conclude,
    not_measured,
)
from spectralcal.report.claims.sample import Sample
from spectralcal.report.claims.study import THIS_STUDY, Score, Study
from spectralcal.report.printed import paper_values
from spectralcal.study.conditions import TEST, condition_of

FOLDER = Path(__file__).parents[1]
#: half of the last printed digit, less what keeps neighbours apart
HALF = 0.005 - 1e-8

DSC, IOU, SE, SP = (Score(name, 100.0, "pp", higher=True, protocol="paper") for name in ("DSC", "IOU", "SE", "SP"))
HD95 = Score("HD95", 1.0, "mm", protocol="paper")
HD95_VOXELS = Score("HD95", 1.0, "voxels", protocol="transunet")
ECE = Score("ECE", 100.0, "pp", protocol="paper")
#: the reading of Table 4 whose ratio of MCE to ECE is the printed one
MCE = Score("MCE", 100.0, "pp", protocol="two_classes")
BRIER, NLL = (Score(name, 1e3, "×10⁻³", protocol="paper") for name in ("Brier", "NLL"))


def architectures(study: Study, role: str = "main") -> tuple[str, ...]:
    """Networks of a role's experiment."""
    return study.results.config.experiments[study.experiment(role)].architectures


def under(study: Study, role: str, name: str, condition: str) -> Study:
    """The study as a condition shows it, of one data set."""
    if condition == TEST:
        return study
    return Study(UnderCondition(study.results, study.experiment(role), name, condition), study.roles)


def pair(
    study: Study,
    role: str,
    name: str,
    scores: Sequence[Score],
    architecture: str,
    arms: Sequence[str] = (TERM, SPATIAL),
) -> Sample:
    """Scores of the arms on one network, the first minus the second being what is claimed.

    Raises:
        NotMeasured: an arm, a cell or a score is missing.
    """
    methods = find(study.results, study.experiment(role), *arms)
    return study.scores(role, name, methods, scores, architecture)


def change(
    study: Study, sample: Sample, quantity: int, score: Score, name: str, architecture: str, up: bool, said: str = ""
) -> Part:
    """The first arm minus the second in one score, expected to rise or to fall."""
    first, second = (study.results.label(method) for method in sample.methods[:2])
    measure = sample.measure(lambda m: m[..., 0, quantity] - m[..., 1, quantity])
    unit = study.results.unit(name) if score.unit == "mm" else score.unit
    convention = ", TransUNet's convention" if score.protocol == "transunet" else ""
    text = f"{spelt(study, name, architecture)}, {score.metric}{convention}{said}, {first} - {second}"
    holds, fails = (above(0), below(0)) if up else (below(0), above(0))
    return Part(text, measure, holds, fails, unit)


def spelt(study: Study, name: str, architecture: str) -> str:
    """A network as this project writes it."""
    paper = network(study.results, name, architecture)
    return SPELT.get(paper, paper)


def by_condition(
    study: Study,
    claim: Claim,
    role: str,
    noise: bool,
    measure: Callable[[str, str], Finding],
    wanted: Callable[[str], bool] = lambda condition: True,
) -> list[Finding]:
    """One finding for each condition of the role's data sets that is noise, or that is a shift.

    A finding belongs to the data set that is tested. Data sets of the claim without a condition are named holes.

    Args:
        measure: data set that the networks know, condition -> finding.
        wanted: which conditions.
    """
    results, findings = study.results, []
    for name in study.data_sets(role):
        for condition in filter(wanted, conditions(results, name, noise)):
            place = condition_of(results.config, condition).dataset or name
            try:
                found = measure(name, condition)
                said = f"{test_set(results, name, condition)}: {found.found}"
                findings.append(replace(found, where=place, found=said))
            except (NotMeasured, ResultError) as reason:
                findings.append(not_measured(place, f"{condition}: {reason}"))
    lacking = [name for name in claim.data_sets if name not in {finding.where for finding in findings}]
    what = "noise" if noise else "a shift to it"
    findings += [not_measured(name, f"the study has no condition that is {what}") for name in lacking]
    return findings or [
        not_measured(THIS_STUDY, f"the study has no condition that is {'noise' if noise else 'a shift'}")
    ]


def printed_change(table: str, data_set: str, metric: str, network_name: str) -> Measure:
    """The printed number with the term minus that without, with what rounding leaves open.

    Raises:
        KeyError: the paper has no such cells.
    """
    values = paper_values(FOLDER, table)
    ours, plain = (values[data_set, metric, row].value for row in (f"{network_name} (Ours)", network_name))
    return rounded(ours - plain, 2)


def rounded(value: float, numbers: int) -> Measure:
    """A sum or difference of so many printed numbers."""
    return Measure(value, value - numbers * HALF, value + numbers * HALF, "rounding")


def printed_finding(parts: Sequence[Part], tables: Iterable[str], note: str = "") -> Finding:
    """What the printed numbers say."""
    files = "; ".join(f"src/spectralcal/papers/{FOLDER.name}/printed/{table}.csv" for table in tables)
    return conclude("printed tables", parts, files, PRINTED, note=note)


def printed_changes(
    table: str, data_sets: Iterable[str], metrics: Iterable[str], up: Callable[[str, str, str], bool]
) -> Iterator[Part]:
    """Parts of all networks and data sets of a table; a metric that it does not print of a data set is left out.

    Args:
        up: data set, metric, network -> whether the number is said to rise.
    """
    metrics, values = tuple(metrics), paper_values(FOLDER, table)
    for data_set in data_sets:
        for metric in metrics:
            for name, said in SPELT.items():
                if (data_set, metric, name) not in values:
                    continue
                holds, fails = (above(0), below(0)) if up(data_set, metric, name) else (below(0), above(0))
                measure = printed_change(table, data_set, metric, name)
                yield Part(f"{data_set}, {said}, {metric}, with the term - without", measure, holds, fails)
