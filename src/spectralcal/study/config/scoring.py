"""Prediction and scores of a trained cell."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from spectralcal.study.config.section import Section

#: what a cell is scored by where nothing else is said
SCORERS = ("segmentation", "nested", "calibration", "truth", "distance", "spectra")


class InferenceConfig(Section):
    """Sliding-window prediction (docs/ambiguities.md T10). Probabilities are averaged, not logits."""

    overlap: float = Field(0.5, ge=0, lt=1, description="Overlap of neighbouring windows, as a share of the patch.")
    blending: Literal["gaussian", "constant"] = Field(
        "gaussian", description="Weight of a voxel by its place in the window."
    )
    batch_size: int = Field(1, ge=1, description="Windows per forward pass; cannot change a result beyond rounding.")


class EvaluationConfig(Section):
    """Scores of a cell. Bins, thresholds and regions belong to the named protocols (spectralcal.metrics.protocols)."""

    spectral_bands: int = Field(5, ge=1, description="Bands K of the spectra that are analysed.")
    nsd_tolerance_mm: float = Field(2.0, gt=0, description="Tolerance of the normalised surface distance, in mm.")
    spurious: Literal["left_out", "priced"] = Field(
        "left_out",
        description="Distances of a predicted structure that is not in the reference: left out of means, or priced "
        "with the image's diagonal as a missed one is, as BraTS does.",
    )
    side: Literal["test", "validation"] = Field(
        "test",
        description="Side of the split that is scored. validation: for a study that chooses between variants, so that "
        "the choice has not seen the test cases.",
    )
    scorers: tuple[str, ...] = Field(
        SCORERS,
        min_length=1,
        description="Families of scores: registered names, or my_package.module:MyScorer.",
    )

    @field_validator("scorers")
    @classmethod
    def _each_once(cls, scorers: tuple[str, ...]) -> tuple[str, ...]:
        """The usual ones in their order, then the others as they are named: the order of a list changes no file."""
        if len(set(scorers)) < len(scorers):
            raise ValueError(f"expected each scorer once, found {list(scorers)}")
        return (*(name for name in SCORERS if name in scorers), *(name for name in scorers if name not in SCORERS))

    @model_serializer(mode="wrap")
    def _without_later_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Settings of before these keys were there say the same as ever, so that digests and records stay valid."""
        content = handler(self)
        if self.scorers == SCORERS:
            content.pop("scorers", None)
        if self.spurious == "left_out":
            content.pop("spurious", None)
        return content

    @property
    def further_scorers(self) -> tuple[str, ...]:
        """Those beyond the usual set."""
        return tuple(name for name in self.scorers if name not in SCORERS)
