"""Augmentation of the patches of a training."""

from __future__ import annotations

from typing import Any

from pydantic import Field, NonNegativeInt, model_validator

from spectralcal.study.config.section import GrownSection, Section


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


class TransformConfig(Section):
    """A registered transform as an augmentation: how often, with which options, and which of them are drawn."""

    name: str = Field(description="Registered transform, or my_package.module:MyTransform.")
    probability: float = Field(1.0, ge=0, le=1, description="Probability per sample.")
    options: dict[str, Any] = Field({}, description="Its keyword options.")
    ranges: dict[str, tuple[float, float]] = Field(
        {}, description="Options that are drawn evenly for each sample: the two ends of the range."
    )

    @model_validator(mode="after")
    def _drawn(self) -> TransformConfig:
        for key, (low, high) in self.ranges.items():
            if not low <= high:
                raise ValueError(f"ranges.{key} needs low <= high, found [{low:g}, {high:g}]")
            if key in self.options:
                raise ValueError(f"expected '{key}' in options or in ranges, found it in both")
        return self


class AugmentationConfig(GrownSection):
    """The paper's four augmentations at nnU-Net's ranges, which it does not print (docs/ambiguities.md D11), geometric
    ones and any others by name."""

    later = ("geometry", "transforms")

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
    transforms: tuple[TransformConfig, ...] = Field(
        (), description="Further transforms by name, after the others, one after another."
    )
