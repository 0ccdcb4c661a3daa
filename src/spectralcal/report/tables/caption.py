"""What a reader must know to read a table: study, seeds, cases, protocol, marks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd

from spectralcal.report.results import Results
from spectralcal.report.tables.lines import COMPARED
from spectralcal.report.units import unit_sentence
from spectralcal.statistics import FEWEST_PATIENTS, FEWEST_SEEDS

#: when the best is marked, see :func:`spectralcal.statistics.lead`
DISTINGUISHABLE = (
    "the interval of their difference, paired by seed and patient, excludes 0 at Bonferroni's level for the best "
    "against every other method"
)


def titles(results: Results, datasets: Iterable[str]) -> dict[str, str]:
    """Printed names of data sets."""
    return {name: results.title(name) for name in dict.fromkeys(datasets)}


def caption(
    results: Results, experiments: str | Iterable[str], frame: pd.DataFrame, along: Literal["row", "column"] = "row"
) -> str:
    """Sentences that hold for this table; a mark is explained only where it occurs.

    Args:
        results: the study's results.
        experiments: names of the experiments that the table shows.
        frame: the summary.
        along: where the methods that are compared stand, in a row or in a column.
    """
    experiments = [experiments] if isinstance(experiments, str) else list(experiments)
    names = titles(results, frame.dataset)
    cases = ", ".join(f"{title} {_counts(frame[frame.dataset == name])}" for name, title in names.items())
    protocols = list(dict.fromkeys(frame.protocol))
    said = [
        f"Study {results.config.study}, {_listed('experiment', experiments)}, "
        f"{_listed('protocol', [repr(name) for name in protocols])}.",
        *([results.tested] if results.tested else []),
        f"{results.side.capitalize()} cases: {cases}.",
        _averages(results, experiments, frame),
        f"Bold: best, italics: second best of a {along}{_within(frame)}, as printed; equal numbers share the mark.",
        *_certainty(frame, names),
    ]
    distances = frame[frame.metric.isin(["HD95", "ASD"])]
    if units := unit_sentence(results, distances.dataset):
        said.append(units)
    if (distances.missed > 0).any():
        said.append("[n]: n structures of all cases and seeds were missed and are priced with the image diagonal.")
    said += _false_structures(results, experiments, distances)
    if (frame.status == "incomplete").any():
        said.append("† n/m: n of m seeds are available.")
    if (frame.status == "missing").any():
        said.append("missing: the cell has no scores.")
    if (frame.status == "undefined").any():
        said.append("undefined: no case has a score.")
    if (frame.paper_status != "").any():
        said.append("Rows 'paper': the numbers that the paper prints, on its own split and seeds.")
    return " ".join(said)


def _false_structures(results: Results, experiments: list[str], distances: pd.DataFrame) -> list[str]:
    """What predicted structures cost that no reference has, where there are any."""
    if not len(distances):
        return []
    columns = ["dataset", "architecture", "method", "metric", "protocol"]
    scores = pd.concat([results.scores(name) for name in experiments])
    scores = scores[scores.status == "spurious"].merge(distances[columns].drop_duplicates(), on=columns)
    spurious = scores.drop_duplicates(["dataset", "architecture", "method", "protocol", "seed", "case", "class"])
    if not len(spurious):
        return []
    priced = int(np.isfinite(spurious.value.astype(float)).sum())
    said = []
    if priced:
        said.append(f"{priced} predicted structures that no reference has are priced with the image diagonal, too.")
    if priced < len(spurious):
        said.append(
            f"{len(spurious) - priced} predicted structures that no reference has have no distance and are left out of "
            "HD95 and ASD (evaluation.spurious: priced counts them)."
        )
    return said


def _averages(results: Results, experiments: list[str], frame: pd.DataFrame) -> str:
    seeds = list(dict.fromkeys(seed for name in experiments for seed in results.config.experiments[name].seeds))
    pooled = ""
    if frame.pooled.any():
        which = (
            ""
            if frame.pooled.all()
            else f" of {_listed('protocol', sorted({repr(name) for name in frame[frame.pooled].protocol}))}"
        )
        pooled = (
            f" All {results.side} voxels{which} are one pool: one value per seed, so no interval over "
            "patients and no mark."
        )
    over = "" if frame.pooled.all() and len(frame) else "over cases"
    if frame.seeds_expected.max() > 1:
        listed = ", ".join(map(str, seeds))
        spread = f"mean ± standard deviation over {len(seeds)} seeds ({listed})."
        return (f"Mean {over}, then {spread}" if over else spread.capitalize()) + pooled
    one = f"one seed ({seeds[0]}), so there is no spread over seeds."
    return (f"Mean {over} for {one}" if over else one.capitalize()) + pooled


def _certainty(frame: pd.DataFrame, names: dict[str, str]) -> list[str]:
    """What can be said about the best method, by data set."""
    said = []
    if frame.low.notna().any():
        alone = " One seed: over patients alone, which says nothing about other trainings."
        one = alone if (frame.seeds == 1).any() else ""
        said.append(f"Below our numbers: 95 % interval of the mean, seeds and patients both random.{one}")
    if frame.distinct.any():
        said.append(f"‡: the best is distinguishable from the second best: {DISTINGUISHABLE}.")
    compared = frame[~frame.pooled & frame["rank"].notna()]
    short = compared[compared.shortage != ""]
    if len(short):
        reasons = short.groupby("dataset", sort=False).shortage.first()
        listed = ", ".join(f"{names[name]} ({reason})" for name, reason in reasons.items())
        said.append(
            f"No best value is marked as distinguishable with fewer than {FEWEST_SEEDS} seeds or "
            f"{FEWEST_PATIENTS} patients: {listed}."
        )
    tested = compared[compared.gap_low.notna() & (compared.shortage == "")]
    equal = [names[name] for name, rows in tested.groupby("dataset", sort=False) if not rows.distinct.any()]
    if equal:
        # Of this comparison alone: the same cases may distinguish other methods.
        needed = "" if frame.distinct.any() else f" (criterion: {DISTINGUISHABLE})"
        said.append(
            f"No best value of this table is distinguishable from the second best on {', '.join(equal)}{needed}."
        )
    if smallest := _detectable(tested[~tested.distinct], names):
        said.append(
            "Where there is no mark, the smallest true difference that would be detected with a power of 80 % is "
            f"{smallest}."
        )
    if any(
        len(rows) > 1 and rows.gap_low.isna().all()
        for _, rows in compared.groupby([key for key in COMPARED if key in compared])
    ):
        said.append("Not compared: best values that print as equal, and methods that lack seeds.")
    return said


def _detectable(unmarked: pd.DataFrame, names: dict[str, str]) -> str:
    """``DSC 0.4 %, ECE 0.3 ×10⁻³ on Hippocampus; ...``: the largest of a metric's smallest detectable differences."""
    said = []
    for name, rows in unmarked[np.isfinite(unmarked.detectable)].groupby("dataset", sort=False):
        listed = [f"{metric} {of.detectable.max():.2g} {of.unit.iloc[0]}".strip()
                  for metric, of in rows.groupby("metric", sort=False)]  # fmt: skip
        said.append(f"{', '.join(listed)} on {names[name]}")
    return "; ".join(said)


def _within(frame: pd.DataFrame) -> str:
    return " within its block" if "experiment" in frame and frame.experiment.nunique() > 1 else ""


def _listed(noun: str, names: list[str]) -> str:
    return f"{noun}{'' if len(names) == 1 else 's'} {', '.join(names)}"


def _counts(rows: pd.DataFrame) -> str:
    numbers = sorted({count for count in rows.cases if count})
    if not numbers:
        return "none"
    cases = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    patients = rows.patients.max()
    return cases if patients == numbers[-1] else f"{cases} of {patients} patient{'' if patients == 1 else 's'}"
