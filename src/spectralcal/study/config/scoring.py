"""Prediction and scores of a trained cell."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from spectralcal.study.config.section import NAME, GrownSection, Section

#: what a cell is scored by where nothing else is said
SCORERS = ("segmentation", "nested", "calibration", "truth", "distance", "spectra")


class InferenceConfig(Section):
    """Sliding-window prediction (docs/ambiguities.md T10). Probabilities are averaged, not logits."""

    overlap: float = Field(0.5, ge=0, lt=1, description="Overlap of neighbouring windows, as a share of the patch.")
    blending: Literal["gaussian", "constant"] = Field(
        "gaussian", description="Weight of a voxel by its place in the window."
    )
    batch_size: int = Field(1, ge=1, description="Windows per forward pass; cannot change a result beyond rounding.")


class ConditionConfig(Section):
    """What trained networks are tested on besides their own test cases: other data, another side, changed images, or
    several predictions of each.

    Nothing is trained for it, and a post-hoc step stays fitted to the validation cases of the network's own data.
    """

    dataset: str | None = Field(
        None,
        description="Data set whose cases are scored; its classes and channels are those of the network's. null: that "
        "which the network was trained on.",
    )
    side: Literal["test", "validation"] | None = Field(
        None,
        description="Side of that data set's split whose cases are scored; null: the study's. A method with a post-hoc "
        "step is not tested on the validation cases that the step was fitted to.",
    )
    corrupt: tuple[str, ...] = Field(
        (),
        description="Transforms of each image, one after another: `noise@variance=0.1`, `blur@sigma=2`, or "
        "my_package.module:MyTransform. What they draw depends on the case alone: every method sees the same image.",
    )
    samples: int = Field(
        0,
        ge=0,
        description="Predictions that a network which draws its predictions makes of each image: scores are those of "
        "their mean, and scorers that need samples see them all. 0: its one ordinary prediction.",
    )
    trained_on: tuple[str, ...] | None = Field(
        None,
        description="Data sets whose networks are tested so; null: all whose ordinary test is another.",
    )

    @model_validator(mode="after")
    def _something_is_different(self) -> ConditionConfig:
        if self.dataset is None and self.side is None and not self.corrupt and not self.samples:
            raise ValueError(
                "expected `dataset`, `side`, `corrupt` or `samples`, found none of them: that is the ordinary test"
            )
        return self


class EvaluationConfig(GrownSection):
    """Scores of a cell. Bins, thresholds and regions belong to the named protocols (spectralcal.metrics.protocols)."""

    later = ("scorers", "conditions", "spurious")

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

    conditions: dict[str, ConditionConfig] = Field(
        {},
        description="What trained networks are tested on besides their test cases, by name: data sets they were not "
        "trained on, and corrupted images.",
    )

    @field_validator("conditions")
    @classmethod
    def _plain_names(cls, conditions: dict[str, ConditionConfig]) -> dict[str, ConditionConfig]:
        for name in conditions:
            if name == "test" or not re.fullmatch(NAME, name):
                raise ValueError(
                    f"expected names of letters, digits, '_', '-' and '.', as they name folders, and not 'test', "
                    f"found '{name}'"
                )
        return conditions

    @field_validator("scorers")
    @classmethod
    def _each_once(cls, scorers: tuple[str, ...]) -> tuple[str, ...]:
        """The usual ones in their order, then the others as they are named: the order of a list changes no file."""
        if len(set(scorers)) < len(scorers):
            raise ValueError(f"expected each scorer once, found {list(scorers)}")
        return (*(name for name in SCORERS if name in scorers), *(name for name in scorers if name not in SCORERS))

    @property
    def further_scorers(self) -> tuple[str, ...]:
        """Those beyond the usual set."""
        return tuple(name for name in self.scorers if name not in SCORERS)
