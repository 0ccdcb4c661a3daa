"""One training run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from spectralcal.study.config.augmentation import AugmentationConfig
from spectralcal.study.config.section import Section


class TrainingConfig(Section):
    """One training run. Defaults are the paper's where it states them, nnU-Net's companions where it does not."""

    steps: int = Field(50_000, ge=1, description="Optimiser steps; the paper states none (docs/ambiguities.md T1).")
    epoch_steps: int = Field(
        250, ge=1, description="Steps per epoch: the unit of validation and of multiplier updates."
    )
    batch_size: int = Field(2, ge=1, description="Patches per step (paper: 2).")
    patch: tuple[PositiveInt, ...] = Field(
        (96, 96, 96), min_length=2, description="Patch size in voxels per axis (paper: 96 x 96 x 96)."
    )
    foreground_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of a batch's patches centred on a foreground voxel (docs/ambiguities.md D12).",
    )
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="Optimiser (paper: SGD).")
    learning_rate: float = Field(0.01, gt=0, description="Initial learning rate (paper: 0.01).")
    momentum: float = Field(0.99, ge=0, lt=1, description="SGD momentum (Nesterov); unstated in the paper, T2.")
    weight_decay: float = Field(3e-5, ge=0, description="Weight decay; unstated in the paper, T2.")
    schedule: Literal["poly", "constant"] = Field("poly", description="Learning-rate schedule; unstated, T3.")
    poly_power: float = Field(0.9, gt=0, description="Exponent of the poly schedule.")
    pad_small: bool = Field(
        True,
        description="Pad volumes that are smaller than the patch with their minimum (M22); false: they are an error.",
    )
    gradient_clip: float | None = Field(
        12.0, gt=0, description="Gradient norm limit (nnU-Net's); null: none. SGD with momentum 0.99 needs one."
    )
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto",
        description="Autocast type of the network; auto: bf16 where the device has it and the network passes a probe "
        "there, else fp32. Losses stay fp32.",
    )
    channels_last: bool = Field(True, description="Channels-last memory format: faster convolutions, same mathematics.")
    compile: bool = Field(
        False,
        description="Compile the network (torch.compile): up to a quarter faster after minutes of compiling, so for "
        "long runs; rounding differs from a run without.",
    )
    log_interval: int = Field(10, ge=1, description="Steps between rows of history.csv.")
    checkpoint_interval: int = Field(250, ge=1, description="Steps between checkpoints; cannot change a result.")
    validation_interval: int = Field(
        0, ge=0, description="Epochs between sliding-window validations (mean Dice); 0: never. Needed by select: best."
    )
    select: Literal["last", "best"] = Field(
        "last", description="Weights kept: the last, or those of the best validation Dice. Never calibration (T4)."
    )
    augmentation: AugmentationConfig = Field(default_factory=AugmentationConfig, description="Augmentation of patches.")

    @model_validator(mode="after")
    def _axes_of_geometry(self) -> TrainingConfig:
        geometry, axes = self.augmentation.geometry, len(self.patch)
        if not geometry.active:
            return self
        turned = geometry.rot90_probability > 0 or geometry.rotation_probability > 0
        for name, used in (("plane", geometry.plane if turned else ()), ("flip_axes", geometry.flip_axes or ())):
            if any(axis >= axes for axis in used):
                raise ValueError(f"augmentation.geometry.{name} {list(used)} is not in a patch of {axes} axes")
        sizes = [self.patch[axis] for axis in geometry.plane] if geometry.rot90_probability > 0 else [1]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"augmentation.geometry.rot90_probability needs a square patch in its plane, found {sizes}"
            )
        return self

    @model_validator(mode="after")
    def _selectable(self) -> TrainingConfig:
        if self.select == "best" and self.validation_interval == 0:
            raise ValueError("select 'best' needs validation_interval >= 1")
        return self
