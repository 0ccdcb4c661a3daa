"""The table of faults: what was tried, what was finished and got lost, what came out wrong."""

from __future__ import annotations

import pytest

COLUMNS = ("fault", "tries", "lost", "wrong")


@pytest.fixture
def tally(record_property):
    """Counts the tries of a fault, what was finished and got lost, and results that came out different.

    What a test does not look at is None, not 0.
    """
    count = {"tries": 0, "lost": None, "wrong": None}

    def add(fault, **found):
        count["fault"] = fault
        count["tries"] += 1
        for name, failed in found.items():
            count[name] = (count[name] or 0) + bool(failed)

    yield add
    if count["tries"]:
        record_property("fault", {name: count[name] for name in COLUMNS})
        assert not count["lost"], count
        assert not count["wrong"], count


def table(rows: list[dict[str, object]]) -> list[str]:
    """Lines of a Markdown table; rows of the same fault are added up."""
    total: dict[str, dict[str, int | None]] = {}
    for row in rows:
        counts = total.setdefault(row["fault"], dict.fromkeys(COLUMNS[1:]))
        for name in COLUMNS[1:]:
            if row[name] is not None:
                counts[name] = (counts[name] or 0) + row[name]
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- | --: | --: | --: |"]
    for fault, counts in total.items():
        shown = ("-" if counts[name] is None else str(counts[name]) for name in COLUMNS[1:])
        lines.append(f"| {fault} | {' | '.join(shown)} |")
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
