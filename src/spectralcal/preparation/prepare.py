"""A raw data set made ready for training: one folder of arrays per case, and a manifest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from spectralcal.base.errors import DataError
from spectralcal.base.files import flush_all, remove_leftovers
from spectralcal.data.manifest import PreparedCase, write_manifest
from spectralcal.datasets import Case, Dataset
from spectralcal.preparation._case import Settings, bad_ids, prepare_case
from spectralcal.preparation._parallel import run_jobs
from spectralcal.preparation.facts import write_facts
from spectralcal.preparation.intensity import Normalization
from spectralcal.preparation.spacing import SpacingMode, target_spacing

#: problems spelt out in one error; the others are counted
SHOWN = 5


def prepare_dataset(
    dataset: Dataset,
    root: Path,
    out: Path,
    *,
    spacing: SpacingMode | tuple[float | None, ...] = "median_all",
    normalize: Normalization = "zscore",
    ct_clip: tuple[float, float] = (-1000.0, 400.0),
    crop_nonzero: bool | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    foreground_samples: int = 10_000,
    workers: int = 1,
    code: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Prepare every case of a data set; a case whose source and settings did not change is not made again.

    Each case is cropped, normalised on its original grid and resampled (image linear, label nearest neighbour), and
    written completely or not at all. Equal input and settings give equal bytes.

    Args:
        dataset: what to prepare.
        root: its folder, as :meth:`Dataset.locate` gives it.
        out: where ``manifest.csv``, ``facts.json`` and ``cases/<id>/*.npy`` go.
        spacing: see :func:`~spectralcal.preparation.spacing.target_spacing`.
        normalize, ct_clip: see :func:`~spectralcal.preparation.intensity.normalize`.
        crop_nonzero: crop to the non-zero voxels; None takes the data set's default.
        dtype: of the stored image; float16 halves disk and page cache and rounds a Z-score by at most 0.1 %.
        foreground_samples: voxels stored per class for patches centred on foreground.
        workers: processes; each needs memory for about one case.
        code: names the version of the code that prepares; cases that another version prepared are made again.
        progress: called with (cases done, cases in all).

    Returns:
        Path of the manifest.

    Raises:
        DataError: cases cannot be used (all are checked, the first few are spelt out) or `out` cannot be written.
            The manifest is written only if every case is good.
        ValueError: an option out of range.
    """
    if dtype not in ("float32", "float16") or foreground_samples < 1 or workers < 1:
        raise ValueError(
            "expected dtype 'float32' or 'float16', foreground_samples >= 1 and workers >= 1, "
            f"got {dtype!r}, {foreground_samples} and {workers}"
        )
    root, out = Path(root), Path(out)
    cases = _checked_ids(dataset, dataset.cases(root))
    settings = Settings(
        spacing_mm=_spacing(dataset, cases, spacing, workers),
        normalize=normalize,
        ct_clip=tuple(float(value) for value in ct_clip),
        crop_nonzero=dataset.crop_nonzero if crop_nonzero is None else crop_nonzero,
        dtype=dtype,
        foreground_samples=foreground_samples,
        code=code,
    )
    try:
        (out / "cases").mkdir(parents=True, exist_ok=True)
        remove_leftovers(out / "cases")
        jobs = [(dataset, case, settings, out) for case in cases]
        prepared = _all_good(dataset, run_jobs(_prepare, jobs, workers, progress), len(cases))
        flush_all()  # the manifest says that the cases are there
        write_facts(dataset.facts, out)
        return write_manifest(prepared, out)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{dataset.name}: {out}: expected a writable folder with free space, got: {reason}; choose another folder"
        ) from error


def _spacing(
    dataset: Dataset, cases: list[Case], mode: SpacingMode | tuple[float | None, ...], workers: int
) -> tuple[float | None, ...] | None:
    """The common spacing from all headers. If a header is bad, every case is read, so that one run names them all."""
    geometries, bad = [], False
    for case in cases:
        try:
            geometries.append(dataset.geometry(case))
        except DataError:
            bad = True
    if bad:
        _all_good(dataset, run_jobs(_validate, [(dataset, case) for case in cases], workers), len(cases))
    return target_spacing([spacing for _, spacing in geometries], mode)


def _checked_ids(dataset: Dataset, cases: list[Case]) -> list[Case]:
    if problems := bad_ids(dataset.name, cases):
        raise DataError(problems[0])
    return cases


def _all_good(dataset: Dataset, results: Iterable[Any], total: int) -> list[Any]:
    """The results, or one DataError about all the cases that failed."""
    results = list(results)
    problems = sorted(str(result) for result in results if isinstance(result, DataError))
    if problems:
        prefix = f"{dataset.name}: "
        shown = "; ".join(problem.removeprefix(prefix) for problem in problems[:SHOWN])
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise DataError(f"{prefix}{len(problems)} of {total} cases cannot be used: {shown}{more}")
    return results


def _prepare(dataset: Dataset, case: Case, settings: Settings, out: Path) -> PreparedCase | DataError:
    try:
        return prepare_case(dataset, case, settings, out)
    except DataError as error:
        return error


def _validate(dataset: Dataset, case: Case) -> DataError | None:
    try:
        dataset.load(case)
    except DataError as error:
        return error
    return None
