"""Tables and figures: what is made of which experiment."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from spectralcal.study.config.section import Section


class OutputConfig(Section):
    """A table or figure: which registered file draws it, and from which experiment."""

    source: str | None = Field(None, description="Name of the file in tables/ or figures/; null: the same name.")
    experiment: str = Field(description="Name under `experiments`.")
    condition: str | None = Field(
        None,
        description="Name under `evaluation.conditions`: show what networks score under it; null: the ordinary test.",
    )
    options: dict[str, Any] = Field({}, description="Keyword options of the table or figure.")

    @model_serializer(mode="wrap")
    def _without_what_is_new(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Outputs of before there were conditions say the same as ever, so that their digests stay valid."""
        content = handler(self)
        if self.condition is None:
            content.pop("condition", None)
        return content
