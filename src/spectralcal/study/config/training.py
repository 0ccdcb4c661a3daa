"""One training run, and the augmentation of its patches."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from spectralcal.study.config.section import Section


class GeometryConfig(Section):
    """Geometric augmentation of images and labels, off by default: the paper names none (docs/ambiguities.md D11)."""

    flip_probability: float = Field(0.0, ge=0, le=1, description="Mirroring: probability per sample and axis.")
    flip_axes: tuple[NonNegativeInt, ...] | None = Field(
        None,
        description="Spatial axes that may be mirrored, counted from 0; null: all. Leave out the axis from right to "
        "left where classes name a side.",
    )
    rot90_probability: float = Field(0.0, ge=0, le=1, description="One to three quarter turns: probability per sample.")
    rotation_probability: float = Field(0.0, ge=0, le=1, description="Rotation: probability per sample.")
    rotation_degrees: tuple[float, float] = Field((-30.0, 30.0), description="Rotation: range of the angle.")
    scaling_probability: float = Field(0.0, ge=0, le=1, description="Scaling: probability per sample.")
    scaling_factor: tuple[float, float] = Field(
        (0.7, 1.4), description="Scaling: range of the factor, one for all axes; above 1 structures grow."
    )
    plane: tuple[NonNegativeInt, NonNegativeInt] = Field(
        (0, 1), description="Spatial axes of the plane of turns and rotations; of a volume (0, 1) is axial."
    )

    @property
    def active(self) -> bool:
        """Whether any transform can happen."""
        shares = (self.flip_probability, self.rot90_probability, self.rotation_probability, self.scaling_probability)
        return any(share > 0 for share in shares)

    @model_validator(mode="after")
    def _ranges(self) -> GeometryConfig:
        if self.plane[0] == self.plane[1]:
            raise ValueError(f"plane needs two different axes, found {list(self.plane)}")
        for name in ("rotation_degrees", "scaling_factor"):
            low, high = getattr(self, name)
            if low > high or (name == "scaling_factor" and low <= 0):
                raise ValueError(f"{name} needs low <= high, and factors above 0, found [{low:g}, {high:g}]")
        return self


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
    geometry: GeometryConfig = Field(
        default_factory=GeometryConfig, description="Mirroring, turns, rotation and scaling, before the others."
    )

    @model_serializer(mode="wrap")
    def _without_default_geometry(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Settings of before there was geometry say the same as ever, so that their digests and records stay valid."""
        content = handler(self)
        if self.geometry == GeometryConfig():
            content.pop("geometry", None)
        return content


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
