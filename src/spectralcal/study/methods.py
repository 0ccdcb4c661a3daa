"""Methods: a loss with its options, an ensemble of its seeds and a post-hoc step where wanted, under one name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError
from spectralcal.study.entries import ParsedEntry, parse_entry

if TYPE_CHECKING:
    from spectralcal.study.config import StudyConfig

_ENSEMBLE = re.compile(r"ensemble\((?P<of>.*)\)(?:@(?P<options>.*))?")
_MEMBERS = re.compile(r"members=(\d+)")
#: networks of an ensemble where nothing else is said; deep ensembles gain little beyond (Lakshminarayanan et al. 2017)
MEMBERS = 5


@dataclass(frozen=True)
class Method:
    """A named loss with its options and, optionally, an ensemble of its seeds and a post-hoc step.

    Attributes:
        loss: registered name.
        options: what was said explicitly; everything else is the loss's default.
        post_hoc: name of the post-hoc step; None: none.
        members: networks of an ensemble, at least 2; 0: one network.
        arguments: all keyword options that the loss is built with, in the study that the method was parsed for.
    """

    loss: str
    options: tuple[tuple[str, Any], ...] = ()
    post_hoc: str | None = None
    members: int = 0
    arguments: tuple[tuple[str, Any], ...] = field(default=(), compare=False, repr=False)

    @property
    def trained(self) -> Method:
        """The method whose weights this one uses: itself without ensemble and post-hoc step."""
        return replace(self, post_hoc=None, members=0)

    @property
    def is_trained(self) -> bool:
        """Whether it has a training of its own: it is no ensemble and has no post-hoc step."""
        return not self.members and self.post_hoc is None

    def seeds(self, seed: int) -> tuple[int, ...]:
        """Seeds of the trainings that its cell with this seed is made of.

        Ensemble k of n members has the seeds k n to k n + n - 1. No two ensembles of a method share a
        network, so they vary as independent repetitions do.
        """
        return tuple(range(seed * self.members, (seed + 1) * self.members)) if self.members else (seed,)

    def __str__(self) -> str:
        text = str(ParsedEntry(self.loss, self.options, self.arguments))
        if self.members:
            text = f"ensemble({text})" + (f"@members={self.members}" if self.members != MEMBERS else "")
        return text + (f"+{self.post_hoc}" if self.post_hoc else "")


def parse_method(text: str, study_options: Mapping[str, Mapping[str, Any]] | None = None, where: str = "") -> Method:
    """Parse ``loss[@key=value,...][+step]`` or ``ensemble(loss[@key=value,...])[@members=n][+step]``.

    Every part is checked; options that equal the default are dropped.

    Args:
        text: for example ``spectral@window=1,weight=0.05``, ``ce+temperature`` or ``ensemble(ce)+temperature``.
        study_options: the study's own defaults by loss (`methods` in the configuration).
        where: place in the configuration, for messages.

    Raises:
        ConfigError: unknown loss, option, value or post-hoc step; an ensemble of one network, or of no trained ones.
    """
    place = f"{where}: " if where else ""
    rest, plus, step = _split_step(text)
    if plus:
        registry.require("posthoc", step, f"{place}'{text}'")
    rest, members = _split_ensemble(rest, text, place)
    entry = parse_entry("losses", rest, study_options, where, whole=text)
    return Method(entry.name, entry.options, step if plus else None, members, entry.arguments)


def canonical_method(text: str, study_options: Mapping[str, Mapping[str, Any]] | None = None, where: str = "") -> str:
    """The one name of a method: options sorted, defaults dropped. ``spectral@window=50`` is ``spectral``."""
    return str(parse_method(text, study_options, where))


def method_of(config: StudyConfig, name: str) -> Method:
    """The method of that name in a study, with all options of its loss."""
    return parse_method(name, config.methods)


def loss_options(config: StudyConfig, name: str) -> dict[str, Any]:
    """All keyword options with which a method's loss is built."""
    return dict(method_of(config, name).arguments)


def _split_step(text: str) -> tuple[str, str, str]:
    """Split off a post-hoc step; a `+` may also stand inside a number (1e+3)."""
    head, plus, step = text.rpartition("+")
    return (head, plus, step) if plus and step.replace("_", "").isalpha() else (text, "", "")


def _split_ensemble(rest: str, text: str, place: str) -> tuple[str, int]:
    """The method that an ensemble is made of, and its number of members; of another method itself and 0."""
    match = _ENSEMBLE.fullmatch(rest)
    if match is None:
        return rest, 0
    inner = match["of"]
    if _ENSEMBLE.fullmatch(inner) or _split_step(inner)[1]:
        raise ConfigError(
            f"{place}'{text}': expected an ensemble of trained networks, found one of '{inner}'; a post-hoc step goes "
            "behind it, as in ensemble(ce)+temperature"
        )
    if match["options"] is None:
        return inner, MEMBERS
    members = _MEMBERS.fullmatch(match["options"])
    if members is None or int(members[1]) < 2:
        raise ConfigError(
            f"{place}'{text}': expected members=n with n of 2 or more behind the ensemble, found '{match['options']}'"
        )
    return inner, int(members[1])
