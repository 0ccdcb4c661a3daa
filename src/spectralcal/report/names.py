"""Printed names of methods: the paper's label of a loss, and a phrase for each option that was set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spectralcal.base import registry
from spectralcal.study.config.paper import PaperConfig
from spectralcal.study.methods import Method

#: key of the phrase for all values of an option that have none of their own
OTHER = "other"


def method_name(paper: PaperConfig, method: Method) -> str:
    """``FL``, ``FL, γ = 1``, ``CE + temperature``, ``Spectral, on probability``, ``Ensemble of 5, CE``.

    Args:
        paper: says what losses and their options are called (`methods` of paper.yaml).
        method: parsed.
    """
    name = ", ".join([loss_name(paper, method.loss), *(phrase(paper, method.loss, *pair) for pair in method.options)])
    if method.members:
        name = f"Ensemble of {method.members}, {name}"
    return name + (f" + {_words(method.post_hoc)}" if method.post_hoc else "")


def loss_name(paper: PaperConfig, loss: str) -> str:
    """The paper's label of a loss, else the loss's own LABEL, else its name."""
    entry = paper.methods.get(loss)
    label = (entry and entry.label) or registry.constant("losses", loss, "LABEL")
    return label or loss.rpartition(":")[2]


def phrase(paper: PaperConfig, loss: str, option: str, value: Any) -> str:
    """What an option with a value is called: the paper's phrase, else ``fit bias``, ``no fit bias``, ``fit bias 2``."""
    entry = paper.methods.get(loss)
    said: str | Mapping[str, str] = (entry.options if entry else {}).get(option, {})
    if isinstance(said, str):
        said = {OTHER: said}
    default = {"true": _words(option), "false": f"no {_words(option)}"}.get(_shown(value), f"{_words(option)} {{}}")
    return said.get(_shown(value), said.get(OTHER, default)).replace("{}", _words(_shown(value)))


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")
