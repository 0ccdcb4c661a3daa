"""The order in which several workers take the files of tests, and which tests compute with two threads."""

import pytest

#: folders whose tests start whole processes: a file takes a minute and more
LONG = {"workflow", "faults"}
#: folders whose tests compute with two threads, which sum in another order; elsewhere the mark `two_threads` does it
TWO_THREADS = {"losses", "spectral"}


def pytest_collection_modifyitems(config, items):
    """Long files first, so that no worker is left alone with one at the end; `make test` keeps xdist from sorting."""
    if not hasattr(config, "workerinput"):
        return
    long = {item.path for item in items if item.path.parent.name in LONG or item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)  # stable: files stay together, tests in their order


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """`make test` gives each of its workers one thread; what a second thread could break has two all the same."""
    if item.path.parent.name not in TWO_THREADS and item.get_closest_marker("two_threads") is None:
        return (yield)
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        return (yield)
    finally:
        torch.set_num_threads(before)
