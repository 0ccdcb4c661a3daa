"""The table of faults: what was tried, what was finished and got lost, what came out wrong."""

from __future__ import annotations

import pytest

COLUMNS = ("fault", "tries", "lost", "wrong")


@pytest.fixture
def tally(record_property):
    """Counts the tries of a fault, what was finished and got lost, and results that came out different."""
    count = {"tries": 0, "lost": 0, "wrong": 0}

    def add(fault, *, lost=False, wrong=False):
        count["fault"] = fault
        count["tries"] += 1
        count["lost"] += bool(lost)
        count["wrong"] += bool(wrong)

    yield add
    if count["tries"]:
        record_property("fault", {name: count[name] for name in COLUMNS})
        assert (count["lost"], count["wrong"]) == (0, 0), count


def table(rows: list[dict[str, object]]) -> list[str]:
    """Lines of a Markdown table; rows of the same fault are added up."""
    total: dict[str, dict[str, int]] = {}
    for row in rows:
        counts = total.setdefault(row["fault"], dict.fromkeys(COLUMNS[1:], 0))
        for name in COLUMNS[1:]:
            counts[name] += row[name]
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- | --: | --: | --: |"]
    lines += [
        f"| {fault} | {' | '.join(str(counts[name]) for name in COLUMNS[1:])} |" for fault, counts in total.items()
    ]
    return lines if total else []


def counted(stats: dict[str, list]) -> list[dict[str, object]]:
    """Rows of all tests in pytest's reports; a test has several reports and one row."""
    rows = {}
    for reports in stats.values():
        for report in reports:
            for name, row in getattr(report, "user_properties", ()):
                if name == "fault":
                    rows[report.nodeid] = row
    return list(rows.values())
