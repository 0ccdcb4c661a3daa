"""The option that an experiment varies."""

from __future__ import annotations

from spectralcal.report.results import Results
from spectralcal.study.methods import loss_options, method_of


def swept_option(results: Results, experiment: str) -> tuple[str, dict[str, object]]:
    """The one option that an experiment varies, and its value by method.

    Returns:
        An empty name and no values unless all variants are of one loss and differ from it in the same single option.
        Methods of other losses have no value.
    """
    parsed = {name: method_of(results.config, name) for name in results.methods(experiment)}
    varied = {(method.loss, key) for method in parsed.values() for key, _ in method.options}
    if len(varied) != 1:
        return "", {}
    loss, option = varied.pop()
    same = [name for name, method in parsed.items() if method.loss == loss and method.is_trained]
    return option, {name: loss_options(results.config, name)[option] for name in same}
