"""Which paper a configuration is about that names tables or figures of a paper, but no paper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError
from spectralcal.base.papers import known_papers, paper_of


def paper_of_outputs(content: Mapping[str, Any]) -> str | None:
    """The paper of the package that has every table and figure of a study which the package itself has not, and every
    loss of it that papers have: the rule for a configuration in which the key `paper` is missing.

    None, so that checks go on as for a study without a paper: no table or figure needs one, or no paper answers to all
    these names, or more than one does.

    Args:
        content: a configuration as it was read; nothing about it is taken for granted.
    """
    wanted = {kind: _sources(content.get(kind)) - set(registry.names(kind)) for kind in ("tables", "figures")}
    if not any(wanted.values()):
        return None
    methods = {paper: _methods(paper) for paper in known_papers()}
    losses = _losses(content.get("experiments")) & set().union(*methods.values())
    answering = [
        paper
        for paper in methods
        if losses <= methods[paper]
        and all(sources <= set(registry.names(kind, paper)) for kind, sources in wanted.items())
    ]
    return answering[0] if len(answering) == 1 else None


def _sources(outputs: Any) -> set[str]:
    """Names of the files that draw what a section lists, but for those that are imported by a dotted name."""
    if not isinstance(outputs, Mapping):
        return set()
    sources = {entry.get("source") or name for name, entry in outputs.items() if isinstance(entry, Mapping)}
    return {source for source in sources if isinstance(source, str) and ":" not in source}


def _losses(experiments: Any) -> set[str]:
    """Losses that are trained: methods without their options and post-hoc steps."""
    entries = experiments.values() if isinstance(experiments, Mapping) else ()
    listed = [entry.get("methods") for entry in entries if isinstance(entry, Mapping)]
    methods = {method for methods in listed if isinstance(methods, list | tuple) for method in methods}
    return {str(method).partition("@")[0].partition("+")[0] for method in methods}


def _methods(paper: str) -> set[str]:
    """Losses that a paper's file names."""
    try:
        named = paper_of(paper).content.get("methods")
    except ConfigError:
        return set()
    return set(named) if isinstance(named, Mapping) else set()
