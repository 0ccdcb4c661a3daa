"""Shared by the faults: an undisturbed study to compare with, and the table of what was tried."""

import pytest
from faulty import Study, cell_arguments, numbers
from tallying import counted, table, tally  # noqa: F401


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


def pytest_terminal_summary(terminalreporter):
    """The table, after a run of any of the faults."""
    for line in ["", *table(counted(terminalreporter.stats))]:
        terminalreporter.write_line(line)
