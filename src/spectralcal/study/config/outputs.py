"""Tables and figures: what is made of which experiment."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from spectralcal.study.config.section import GrownSection


class OutputConfig(GrownSection):
    """A table or figure: which registered file draws it, and from which experiment."""

    later = ("condition",)

    source: str | None = Field(None, description="Name of the file in tables/ or figures/; null: the same name.")
    experiment: str = Field(description="Name under `experiments`.")
    condition: str | None = Field(
        None,
        description="Name under `evaluation.conditions`: show what networks score under it; null: the ordinary test.",
    )
    options: dict[str, Any] = Field({}, description="Keyword options of the table or figure.")
