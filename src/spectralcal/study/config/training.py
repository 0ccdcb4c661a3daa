"""One training run, and the augmentation of its patches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from spectralcal.study.config.section import Section


class AugmentationConfig(Section):
    """The paper's four augmentations at nnU-Net's ranges, which it does not print (docs/ambiguities.md D11)."""

    noise_probability: float = Field(0.1, ge=0, le=1, description="Gaussian noise: probability per sample.")
    noise_variance: tuple[float, float] = Field((0.0, 0.1), description="Gaussian noise: range of the variance.")
    blur_probability: float = Field(0.2, ge=0, le=1, description="Gaussian blur: probability per sample.")
    blur_sigma: tuple[float, float] = Field((0.5, 1.0), description="Gaussian blur: range of sigma in voxels.")
    brightness_probability: float = Field(0.15, ge=0, le=1, description="Brightness: probability per sample.")
    brightness_factor: tuple[float, float] = Field((0.75, 1.25), description="Brightness: range of the factor.")
    gamma_probability: float = Field(0.3, ge=0, le=1, description="Gamma: probability per sample.")
    gamma_exponent: tuple[float, float] = Field((0.7, 1.5), description="Gamma: range of the exponent.")


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
        description="Autocast type of the network; auto: bf16 where the device computes it natively. Losses stay fp32.",
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
    augmentation: AugmentationConfig = Field(default_factory=AugmentationConfig, description="Intensity augmentation.")

    @model_validator(mode="after")
    def _selectable(self) -> TrainingConfig:
        if self.select == "best" and self.validation_interval == 0:
            raise ValueError("select 'best' needs validation_interval >= 1")
        return self
