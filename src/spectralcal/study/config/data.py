"""Data sets, how their volumes become arrays, and how their patients are split."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from spectralcal.study.config.section import Section


class PreparationConfig(Section):
    """How raw volumes become arrays (paper, appendix A.2; docs/ambiguities.md D1-D3, D13)."""

    spacing: Literal["median_all", "median_inplane", "per_axis", "original"] | tuple[float | None, ...] = Field(
        "median_all",
        description="Target voxel spacing: a rule over the data set's spacings, or millimetres per axis (null: each "
        "case keeps its own along that axis). "
        "`median_all` (the median of all axes pooled) is the isotropic reading of the paper.",
    )
    normalize: Literal["zscore", "minmax", "none"] = Field(
        "zscore", description="Intensities per volume: CT after clipping, MR over non-zero voxels (appendix A.2)."
    )
    ct_clip: tuple[float, float] = Field((-1000.0, 400.0), description="Hounsfield units kept before the CT z-score.")
    crop_nonzero: bool | None = Field(
        None, description="Crop to the non-zero box first; null: as the data set says (skull-stripped brains only)."
    )
    dtype: Literal["float32", "float16"] = Field("float32", description="Stored type of prepared images.")
    foreground_samples: int = Field(
        10_000,
        ge=1,
        description="Voxels per class kept as centres for foreground patches, so that drawing one needs no scan.",
    )
    workers: int = Field(1, ge=1, description="Processes that prepare cases side by side; cannot change a result.")


class SplitConfig(Section):
    """Patient-level split into training, validation and test (paper: 4:1:1)."""

    ratio: tuple[int, int, int] = Field((4, 1, 1), description="Training : validation : test, in patients.")
    seed: int = Field(
        0, ge=0, description="Seed of the shuffle; one split serves all seeds, methods and architectures."
    )
    file: Path | None = Field(
        None,
        description="A published split instead of one drawn here: JSON with train, val and test, or nnU-Net's "
        "splits_final.json; `{dataset}` in it stands for the data set's name. null: drawn by patient.",
    )
    fold: int = Field(0, ge=0, description="Which fold of a file that lists several.")
    train_patients: int | None = Field(
        None,
        ge=1,
        description="Train on so many patients only: the first training patients in the order in which `seed` hashes "
        "their names, so that fewer are always among more. Validation and test stay as they are. null: on all.",
    )


class DatasetConfig(Section):
    """One data set of the study: what it is, its options and what it overrides."""

    kind: str | None = Field(
        None,
        description="What reads the data set: nnunet_raw, decathlon, datalist or folder_pair for data of one's own, or "
        "another registered data set under this name; null: the registered data set of this name.",
    )
    path: Path | None = Field(
        None, description="Folder (nnunet_raw, decathlon, folder_pair) or JSON file (datalist) of data of one's own."
    )
    options: dict[str, Any] = Field({}, description="Options of the data set (keyword arguments of its class).")
    preparation: dict[str, Any] = Field({}, description="Keys of `preparation` that differ for this data set.")
    split: dict[str, Any] = Field({}, description="Keys of `split` that differ for this data set (file, fold, ...).")
    training: dict[str, Any] = Field(
        {}, description="Keys of `training` that differ for this data set (patch, steps, ...)."
    )
    architectures: dict[str, dict[str, Any]] = Field(
        {},
        description="Keys of an entry of `architectures` that differ for this data set: thick slices may want a U-Net "
        "planned for their spacing (network: nnunet).",
    )

    @field_validator("options")
    @classmethod
    def _as_json(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Keys of mappings as text: YAML has numbers there and JSON has none, but both must give the same recipe."""
        return _text_keys(options)


def _text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _text_keys(item) for key, item in value.items()}
    return [_text_keys(item) for item in value] if isinstance(value, list) else value
