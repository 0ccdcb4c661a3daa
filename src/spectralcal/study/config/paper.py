"""What a paper's folder says of the paper (``paper.yaml``): names, order and looks, roles of experiments, settings."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from spectralcal.base import registry
from spectralcal.base.errors import ConfigError, choices
from spectralcal.base.papers import FILE, paper_of
from spectralcal.base.validation import explain
from spectralcal.study.config.section import Section
from spectralcal.study.config.training import TrainingConfig
from spectralcal.study.methods import canonical_method


class LookConfig(Section):
    """How a method is drawn."""

    color: str = Field(pattern=r"^#[0-9A-Fa-f]{6}$", description="Colour of lines and markers, #rrggbb.")
    marker: str = Field("o", min_length=1, description="Marker, in matplotlib's letters.")
    dashes: str | tuple[float, tuple[float, ...]] = Field(
        "-", description="Line: '-', or an offset and lengths of dashes and gaps in line widths."
    )
    width: float = Field(1.0, gt=0, description="Width of lines in points.")
    order: int = Field(2, description="Methods of a higher order lie on top.")


class PaperMethod(Section):
    """A training loss as the paper has it."""

    label: str | None = Field(None, description="Name in tables and legends; null: the loss's LABEL, else its name.")
    printed: str | None = Field(None, description="Name in the paper's tables; null: the paper does not have it.")
    options: dict[str, str | dict[str, str]] = Field(
        {},
        description="What its options are called in print: option -> phrase, with {} for the value, or value -> "
        "phrase, with `other` for all other values. Without one: its name and value in words.",
    )
    look: LookConfig | None = Field(None, description="How it is drawn; null: a spare colour by its name.")


class PaperConfig(Section):
    """A paper. Everything has a default: a paper of one table needs a title."""

    title: str = Field("", description="Title of the paper.")
    venue: str = Field("", description="Where and when it appeared.")
    baseline: str | None = Field(
        None, description="Method that the others are compared with; null: the first of the experiment."
    )
    method: str | None = Field(None, description="The method under test; null: none stands out.")
    protocol: str = Field(
        "paper", min_length=1, description="Protocol of calibration scores where nothing else is said."
    )
    headline: tuple[str, ...] = Field(
        ("paper", "predicted_foreground", "predicted_boundary"),
        min_length=1,
        description="Protocols that say whether a network is calibrated, in the order of tables: those that are 0 for "
        "one that is (docs/ambiguities.md, E1).",
    )
    methods: dict[str, PaperMethod] = Field({}, description="Losses in the order of tables and figures.")
    datasets: dict[str, str] = Field({}, description="Registered data set -> its name in the paper's tables.")
    stated: dict[str, Any] = Field({}, description="Keys of `training` that the paper states, with its values.")
    roles: dict[str, str] = Field(
        {}, description="Roles that experiments play for claims (`claims` of a configuration) -> what the role is."
    )

    @property
    def stated_training(self) -> dict[str, Any]:
        """`stated` with the types of a training's settings."""
        settings = TrainingConfig.model_validate(self.stated)
        return {key: getattr(settings, key) for key in self.stated}


@functools.cache
def read_paper(name: str | None) -> PaperConfig:
    """What the ``paper.yaml`` of a paper says; for None, the defaults of a study without a paper.

    Args:
        name: the configuration's `paper`.

    Raises:
        ConfigError: there is no such paper, or one line with the file and the key that is wrong.
    """
    if name is None:
        return PaperConfig()
    place = paper_of(name)
    where = str(place.folder / FILE)
    try:
        paper = PaperConfig.model_validate(place.content)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error, PaperConfig)}") from None
    _check(paper, name, where)
    return paper


def known_roles(claims: Mapping[str, str | None], paper: str | None) -> dict[str, str | None]:
    """Role -> experiment for every role of a paper, in its order; None where no experiment plays it.

    Raises:
        ConfigError: there is no paper, or it has no such role.
    """
    if paper is None:
        raise ConfigError("claims: expected `paper`, the name or folder of the paper whose claims are decided; add it")
    roles = read_paper(paper).roles
    if unknown := [role for role in claims if role not in roles]:
        close = difflib.get_close_matches(unknown[0], roles, 1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise ConfigError(f"claims.{unknown[0]}: unknown role of the paper '{paper}'; {hint}expected {choices(roles)}")
    return {role: claims.get(role) for role in roles}


def _check(paper: PaperConfig, name: str, where: str) -> None:
    """Raise ConfigError at the first name that nothing answers to."""
    for loss in paper.methods:
        registry.require("losses", loss, f"{where}: methods", name)
    for key in ("baseline", "method"):
        if (method := getattr(paper, key)) is not None:
            canonical_method(method, where=f"{where}: {key}")
    for dataset in paper.datasets:
        registry.require("datasets", dataset, f"{where}: datasets", name)
    try:
        TrainingConfig.model_validate(paper.stated)
    except ValidationError as error:
        raise ConfigError(f"{where}: stated.{explain(error, TrainingConfig)}") from None
