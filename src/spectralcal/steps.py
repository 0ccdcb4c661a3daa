"""The steps around the cells: preparing and splitting data sets, collecting scores, saying where things are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spectralcal import registry
from spectralcal.cells import write_json, write_text
from spectralcal.config import StudyConfig
from spectralcal.console import progress, say
from spectralcal.errors import ConfigError, ResultError
from spectralcal.fingerprint import code_digest
from spectralcal.grid import study_cells
from spectralcal.paths import StudyPaths


def build_dataset(config: StudyConfig, name: str):
    """A data set of the study with its options.

    Raises:
        ConfigError: an option is out of its range.
    """
    try:
        return registry.load("datasets", name)(**config.datasets[name].options)
    except ValueError as error:
        raise ConfigError(f"datasets.{name}.options: {error}") from error


def prepare_step(config: StudyConfig, name: str, workers: int | None = None) -> None:
    """Find (or fetch) a data set and prepare it."""
    from spectralcal.preparation.prepare import prepare_dataset

    dataset = build_dataset(config, name)
    root = dataset.locate(config.raw_root)
    if root is None:
        say(f"{name}: not under {config.raw_root}; fetching it")
        root = dataset.fetch(config.raw_root)
    settings = config.preparation_of(name).model_dump()
    if workers is not None:
        settings["workers"] = workers
    total = len(dataset.cases(root))
    with progress(f"{name}: preparing", total) as bar:
        manifest = prepare_dataset(
            dataset,
            root,
            StudyPaths(config).prepared(name),
            code=code_digest("preparation.prepare", f"datasets.{name}"),
            progress=lambda done, total: bar.advance(done - bar.done),
            **settings,
        )
    say(f"{name}: {total} cases in {manifest}")


def split_step(config: StudyConfig, name: str) -> None:
    """Split a prepared data set by patient."""
    from spectralcal.preparation.manifest import read_manifest
    from spectralcal.preparation.splits import split_patients, write_split

    paths = StudyPaths(config)
    cases = read_manifest(paths.manifest(name))
    split = split_patients(cases, config.split.ratio, config.split.seed)
    path = paths.split(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_split(path, split, dataset=name, seed=config.split.seed, ratio=config.split.ratio)
    say(f"{name}: {', '.join(f'{len(split[side])} {side}' for side in ('train', 'val', 'test'))} in {path}")


def collect_step(config: StudyConfig, allow_missing: bool = False) -> None:
    """Gather cases.csv of all cells in cases.parquet, and list every cell with its status in cells.csv."""
    import json

    import pandas as pd

    paths = StudyPaths(config)
    frames, status = [], []
    for cell in study_cells(config):
        files = paths.cell(cell)
        entry = {"dataset": cell.dataset, "architecture": cell.architecture, "method": cell.method, "seed": cell.seed}
        try:
            frames.append(
                pd.read_csv(
                    files.cases,
                    dtype={"case": str, "patient": str, "class": str},
                    keep_default_na=False,
                    na_values={"value": [""]},
                )
            )
            fingerprint = json.loads(files.evaluation.read_text())["fingerprint"]
        except (OSError, ValueError, KeyError) as error:
            if not allow_missing and not config.partial:
                raise ResultError(
                    f"{files.cases}: cell is not scored ({error}); run it, or collect with --allow-missing"
                ) from None
            status.append({**entry, "status": "missing", "fingerprint": ""})
            continue
        status.append({**entry, "status": "complete", "fingerprint": fingerprint})
    if not frames:
        raise ResultError(f"{config.results / 'cells'}: no cell of the study '{config.study}' is scored yet")
    paths.cases.parent.mkdir(parents=True, exist_ok=True)
    pd.concat(frames, ignore_index=True).to_parquet(paths.cases, index=False)
    write_text(paths.cells, pd.DataFrame(status).to_csv(index=False))
    say(f"{len(frames)} of {len(status)} cells in {paths.cases}")


def where_step(config: StudyConfig) -> str:
    """Where the products of a study are, those that exist."""
    paths = StudyPaths(config)
    places: list[tuple[str, Path]] = [
        ("tables", config.results / "tables"),
        ("figures", config.figures_folder),
        ("notebooks", config.results / "notebooks"),
        ("scores", paths.cases),
        ("report", paths.report),
    ]
    return "\n".join(f"{label:>10}: {place}" for label, place in places if place.exists())


def write_resolved(config: StudyConfig) -> Path:
    """Write the validated configuration where every step reads it; untouched if it says the same already."""
    import json

    path = StudyPaths(config).resolved_config
    content = config.model_dump(mode="json")
    try:
        if json.loads(path.read_text()) == content:
            return path
    except (OSError, ValueError):
        pass
    write_json(path, content)
    return path


def missing_data(config: StudyConfig, needed: Iterable[str]) -> str | None:
    """A list of the `needed` data sets that are neither in place nor downloadable, with how to get each; or None.

    A data set that is already prepared is not missing.
    """
    absent = [name for name in needed if name in config.datasets and not _available(config, name)]
    if not absent:
        return None
    lines = [f"{len(absent)} of {len(config.datasets)} data sets are missing under {config.raw_root}:"]
    for name in absent:
        dataset = registry.load("datasets", name)
        lines += [
            "",
            f"  {name}: {dataset.title}",
            f"    folder  {config.raw_root / dataset.folder}",
            f"    licence {dataset.licence}",
        ]
        lines += [f"    {line}".rstrip() for line in dataset.source.strip().splitlines()]
    lines += ["", "Set data_root in the configuration or SPECTRALCAL_DATA in the environment to look elsewhere."]
    return "\n".join(lines)


def _available(config: StudyConfig, name: str) -> bool:
    if StudyPaths(config).manifest(name).is_file():
        return True
    from spectralcal.datasets import Dataset

    dataset = build_dataset(config, name)
    return dataset.locate(config.raw_root) is not None or type(dataset).fetch is not Dataset.fetch
