"""The two methods of a figure that compares one with a baseline."""

from __future__ import annotations

from spectralcal.base.errors import ConfigError, choices
from spectralcal.report.results import Results
from spectralcal.study.methods import canonical_method


def the_two(results: Results, experiment: str, baseline: str, ours: str) -> tuple[str, str]:
    """Canonical names of baseline and compared method.

    Raises:
        ConfigError: the experiment does not have one of them, or both are the same.
    """
    valid = results.methods(experiment)
    pair = []
    for option, method in (("baseline", baseline), ("ours", ours)):
        name = canonical_method(method, results.config.methods, where=option)
        if name not in valid:
            raise ConfigError(
                f"experiments.{experiment}.methods: {option} '{method}' is not in it; expected {choices(valid)}"
            )
        pair.append(name)
    if pair[0] == pair[1]:
        raise ConfigError(f"baseline and ours: expected two methods, received '{pair[0]}' twice")
    return pair[0], pair[1]
