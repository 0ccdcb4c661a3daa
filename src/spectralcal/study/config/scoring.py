"""Prediction and scores of a trained cell."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from spectralcal.study.config.section import Section


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
    side: Literal["test", "validation"] = Field(
        "test",
        description="Side of the split that is scored. validation: for a study that chooses between variants, so that "
        "the choice has not seen the test cases.",
    )
