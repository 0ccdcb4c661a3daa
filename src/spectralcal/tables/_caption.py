"""What a reader must know to read a table: study, seeds, cases, protocol, marks."""

from __future__ import annotations

import pandas as pd

from spectralcal import registry
from spectralcal.results import Results


def titles(datasets: list[str]) -> dict[str, str]:
    """Printed names of data sets."""
    return {name: registry.load("datasets", name).title for name in datasets}


def caption(results: Results, experiment: str, frame: pd.DataFrame, protocol: str) -> str:
    """Sentences that hold for this table; a mark is explained only where it occurs."""
    names = titles(list(dict.fromkeys(frame.dataset)))
    cases = ", ".join(f"{title} {_counts(frame[frame.dataset == name].cases)}" for name, title in names.items())
    seeds = list(results.config.experiments[experiment].seeds)
    said = [f"Study {results.config.study}, experiment {experiment}, protocol '{protocol}'.", f"Test cases: {cases}."]
    if len(seeds) > 1:
        listed = ", ".join(map(str, seeds))
        said.append(f"Mean over cases, then mean ± standard deviation over {len(seeds)} seeds ({listed}).")
    else:
        said.append(f"Mean over cases for one seed ({seeds[0]}), so there is no spread over seeds.")
    said.append(
        "Bold: best, italics: second best of a row, as printed; equal numbers share, and nothing is tested here."
    )
    missed = frame[(frame.missed > 0) & frame.metric.isin(["HD95", "ASD"])]
    if len(missed):
        said.append("[n]: n structures of all cases and seeds were missed and are priced with the image diagonal.")
    if (frame.status == "incomplete").any():
        said.append("† n/m: n of m seeds are there.")
    if (frame.status == "missing").any():
        said.append("missing: the cell has no scores.")
    if (frame.status == "undefined").any():
        said.append("undefined: no case has a score.")
    if (frame.paper_status != "").any():
        said.append("Rows 'paper': the numbers that the paper prints, on its own split and seeds.")
    return " ".join(said)


def _counts(cases: pd.Series) -> str:
    found = sorted({count for count in cases if count})
    return "none" if not found else str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"
