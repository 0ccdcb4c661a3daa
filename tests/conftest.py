"""The order in which several workers take the files of tests."""

#: folders whose tests start whole processes: a file takes a minute and more
LONG = {"workflow", "faults"}


def pytest_collection_modifyitems(config, items):
    """Long files first, so that no worker is left alone with one at the end; `make test` keeps xdist from sorting."""
    if not hasattr(config, "workerinput"):
        return
    long = {item.path for item in items if item.path.parent.name in LONG or item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)  # stable: files stay together, tests in their order
