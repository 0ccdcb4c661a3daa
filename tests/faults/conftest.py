"""Shared by the faults: an undisturbed study to compare with, and the table of what was tried."""

import pytest
from faulty import Study, cell_arguments, numbers

COLUMNS = ("fault", "tries", "lost", "wrong")


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A study that nothing happened to, and its numbers."""
    study = Study(tmp_path_factory.mktemp("whole"))
    study.do("prepare", "--dataset", "phantom")
    study.do("split", "--dataset", "phantom")
    study.do("train", *cell_arguments(), "--then-evaluate")
    study.do("evaluate", *cell_arguments())
    study.do("collect")
    study.do("table", "table1")
    study.numbers = numbers(study.cell)
    return study


@pytest.fixture
def tally(request, record_property):
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


def pytest_terminal_summary(terminalreporter):
    """The table, after a run of any of the faults."""
    rows = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, row in getattr(report, "user_properties", ()):
                if name == "fault":
                    rows[report.nodeid] = row
    total = {}
    for row in rows.values():
        for name in COLUMNS[1:]:
            counts = total.setdefault(row["fault"], dict.fromkeys(COLUMNS[1:], 0))
            counts[name] += row[name]
    if total:
        lines = ["", f"| {' | '.join(COLUMNS)} |", "| --- | --: | --: | --: |"]
        lines += [
            f"| {fault} | {' | '.join(str(counts[name]) for name in COLUMNS[1:])} |" for fault, counts in total.items()
        ]
        for line in lines:
            terminalreporter.write_line(line)
