"""Puts tables of the published studies into pages of docs, between comments: `python docs/replication_tables.py`.

A test fails when a page is not what this script makes of the published results.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from spectralcal.records.light.files import has
from spectralcal.report.claims.finding import with_spread
from spectralcal.study.config import load_config
from spectralcal.study.grid import experiment_cells

PAGE = Path(__file__).parent / "replication.md"
PAGES = (PAGE, PAGE.with_name("overconfident.md"))
RESULTS = Path(__file__).parents[1] / "results"
LEDGER = "../results/open/claims.md"
TITLES = {"hippocampus": "hippocampus", "acdc": "ACDC"}
#: metric and protocol of the columns in the tables of the exploration
SHOWN = (
    "DSC paper",
    "ECE paper",
    "ECE crac-legacy",
    "ECE union",
    "ECE boundary",
    "SCE paper",
    "SCE crac-legacy",
    "TACE paper",
    "Brier paper",
    "NLL paper",
)
#: the same in the overconfident regime, with the gap confidence - accuracy that it is about
REGIME = (
    "DSC paper",
    "ECE paper",
    "ECE predicted_foreground",
    "ECE predicted_boundary",
    "NLL paper",
    "Brier paper",
    "signed_gap predicted_foreground",
)
#: suffix of Table 1 and the tables of protocols and proper scores, and data set, of each subject of `variants`
VARIANTS = {
    "validation": ("", "hippocampus"),
    "test": ("_exploratory", "hippocampus"),
    "confirmation": ("_exploratory", "acdc"),
    "beyond": ("_beyond", "hippocampus"),
    "tuned": ("_tuned", "hippocampus"),
    "long": ("_long", "acdc"),
}
VERDICTS = ("refuted", "supported", "moot", "inconclusive")


def filled(page: str, results: Path = RESULTS) -> str:
    """The text of the page with every table made again; a comment names table, subject and, but for open, study."""

    def table(match: re.Match) -> str:
        study, made = match[4] or "open", MAKERS[match[2]]
        return f"{match[1]}\n{made(results / study, match[3])}\n{match[5]}"

    return re.sub(r"(<!-- (\w+) of (\w+)(?: in (\w+))? -->)\n(?:.*?\n)??(<!-- end -->)", table, page, flags=re.DOTALL)


def scores(results: Path, data_set: str) -> str:
    """Rows of Tables 1 and 2 for a data set, without their intervals, and the paper's below where it has some."""
    lines: list[str] = []
    for name in ("table1", "table2"):
        metric, own = "", False
        for first, *cells in _rows(results / f"tables/{name}.md"):
            if re.match(r"[A-Z]\w+ [↑↓]", first):
                metric, own = first, False
                lines = lines or [_row("", cells), "|---" + "|---:" * len(cells) + "|"]
            elif first == data_set:
                own = True
                lines.append(_row(metric, cells))
            elif first == "*paper*" and own:
                lines.append(_row(f"*{metric.split()[0]}, paper*", [re.sub("<sup>.*?</sup>", "", c) for c in cells]))
            elif not first.startswith("*"):
                own = False
    return "\n".join(lines)


def protocols(results: Path, data_set: str) -> str:
    """ECE of a data set under every protocol, without the intervals."""
    lines, wanted = [], False
    for first, *cells in _rows(results / "tables/protocols.md"):
        if " ↓" in first:
            wanted = first.startswith(f"{data_set}, ECE")
            first = ""
        if wanted and not first.startswith("*"):
            lines.append(_row(first, cells))
    return "\n".join(lines)


def verdicts(results: Path, data_set: str) -> str:
    """The ledger's verdicts on a data set, with the effect that each rests on first."""
    with (results / "claims.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["where"] == data_set and row["verdict"] in VERDICTS]
    lines = [f"| | claim | on {TITLES[data_set]} | effect |", "|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: (VERDICTS.index(row["verdict"]), row["id"])):
        name, effect = row["id"], ""
        if row["value"]:
            ends = (float(row[key] or "nan") for key in ("value", "low", "high"))
            seeds = [float(text) for text in row["by_seed"].split()]
            effect = f"{row['effect']}: {with_spread(*ends, row['unit'], row['interval'], seeds)}".replace("|", "\\|")
        lines.append(f"| [{name}]({LEDGER}#{name.lower()}) | {row['claim']} | **{row['verdict']}** | {effect} |")
    return "\n".join(lines)


def cells(results: Path, study: str) -> str:
    """How many cells of each experiment are published, by data set."""
    config = load_config(PAGE.parents[1] / f"config/{study}.yaml")
    lines = [
        f"| experiment of `config/{study}.yaml` | {' | '.join(TITLES.values())} |",
        "|---" * (1 + len(TITLES)) + "|",
    ]
    for name, experiment in config.experiments.items():
        counts = []
        for data_set in TITLES:
            wanted = [cell for cell in experiment_cells(config, name) if cell.dataset == data_set]
            done = sum(has(results / "cells" / cell.path / "cases.csv") for cell in wanted)
            counts.append(f"{done} of {len(wanted)}" if wanted else "-")
        lines.append(_row(f"`{name}`: {experiment.description}", counts))
    return "\n".join(lines)


def architectures(results: Path, data_set: str) -> str:
    """Dice (%) and ECE (x 10^-3) of cross-entropy, the proposed loss and their paired difference on each network."""
    found: dict[str, list[str]] = {}
    with (results.parents[1] / "figures" / results.name / "figure4.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["dataset"] != data_set or row["level"] == "seed":
                continue
            ours = row["level"] == "difference"
            text = f"{float(row['value']):{'+.2f' if ours else '.1f'}}" if row["value"] else row["status"]
            if ours and row["value"]:
                text += f" [{float(row['low']):.2f}, {float(row['high']):.2f}]"
            found.setdefault(row["architecture"], []).append(text)
    head = [f"{metric}, {what}" for metric in ("DSC", "ECE") for what in ("CE", "Spectral", "Spectral - CE")]
    lines = [_row("", head), "|---" + "|---:" * len(head) + "|"]
    return "\n".join([*lines, *(_row(f"`{name}`", texts) for name, texts in found.items())])


def variants(results: Path, which: str) -> str:
    """Dice (%) and calibration errors (x 10^-3) of the methods of a subject, see VARIANTS."""
    return _by_method(results, *VARIANTS[which], SHOWN)


def regime(results: Path, data_set: str) -> str:
    """The same in the overconfident regime: errors over the headline's regions, likelihood, signed gap."""
    return _by_method(results, "", data_set, REGIME)


def hypotheses(results: Path, data_set: str) -> str:
    """The ledger's verdicts on the preregistered hypotheses about a data set, each with what was found."""
    with (results / "claims.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["id"].startswith("H") and row["where"] == data_set]
    lines = ["| | hypothesis | verdict | found |", "|---|---|---|---|"]
    lines += [
        _row(row["id"], [row["claim"], f"**{row['verdict']}**", row["found"].replace("|", "\\|")]) for row in rows
    ]
    return "\n".join(lines)


def _by_method(results: Path, suffix: str, data_set: str, shown: tuple[str, ...]) -> str:
    """A row per method: means over cases and seeds, with the standard deviation of seeds."""
    found: dict[str, dict[str, str]] = {}
    for name in (f"table1{suffix}", f"protocols{suffix}", f"proper_scores{suffix}"):
        with (results / f"tables/{name}.csv").open(encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if row["dataset"] != data_set:
                    continue
                text = f"{float(row['mean']):.1f}" if row["mean"] else row["status"]
                text += f" ± {float(row['sd_seeds']):.1f}" if row["sd_seeds"] else ""
                found.setdefault(row["label"], {})[f"{row['metric']} {row['protocol']}"] = text
    head = [", ".join(key.replace("DSC paper", "DSC").rsplit(" ", 1)).replace("_", " ") for key in shown]
    lines = [_row("", head), "|---" + "|---:" * len(head) + "|"]
    return "\n".join([*lines, *(_row(label, [numbers[key] for key in shown]) for label, numbers in found.items())])


def _rows(file: Path) -> Iterator[list[str]]:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def _row(first: str, cells: list[str]) -> str:
    return f"| {' | '.join([first, *cells])} |"


MAKERS: dict[str, Callable[[Path, str], str]] = {
    "scores": scores,
    "protocols": protocols,
    "verdicts": verdicts,
    "cells": cells,
    "architectures": architectures,
    "variants": variants,
    "regime": regime,
    "hypotheses": hypotheses,
}

if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
