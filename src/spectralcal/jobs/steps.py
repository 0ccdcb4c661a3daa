"""The steps around the cells: preparing and splitting data sets, collecting scores, saying where things are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spectralcal.base.console import progress, say
from spectralcal.base.digests import digest, file_digest
from spectralcal.base.files import read_json, write_json
from spectralcal.jobs.data_sets import build_dataset
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import study_cells
from spectralcal.study.numerics import component, engine
from spectralcal.study.paths import StudyPaths


def prepare_step(config: StudyConfig, name: str, workers: int | None = None) -> None:
    """Find (or fetch) a data set and prepare it."""
    from spectralcal.preparation.prepare import prepare_dataset

    dataset = build_dataset(config, name)
    root = dataset.locate(config.raw_root)
    if root is None:
        say(f"{name}: not at {dataset.expected_at(config.raw_root)}; fetching it")
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
            code=digest(component("datasets", config.kind_of(name)), engine("preparation")),
            progress=lambda done, total: bar.advance(done - bar.done),
            **settings,
        )
    say(f"{name}: {total} cases in {manifest}")


def split_step(config: StudyConfig, name: str) -> None:
    """Split a prepared data set by patient, or take its published split; then check it for leaks as it was written."""
    from spectralcal.data.fewer_patients import keep_train_patients
    from spectralcal.data.manifest import read_manifest
    from spectralcal.data.splits import read_split, split_patients, write_split
    from spectralcal.preparation.published import published_split

    paths, settings = StudyPaths(config), config.split_of(name)
    cases = read_manifest(paths.manifest(name))
    if settings.file is None:
        split, origin = split_patients(cases, settings.ratio, settings.seed), None
    else:
        split = published_split(settings.file, cases, fold=settings.fold, ratio=settings.ratio, seed=settings.seed)
        origin = {"file": str(settings.file), "sha256": file_digest(settings.file), "fold": settings.fold}
    if settings.train_patients is not None:
        split = keep_train_patients(split, cases, settings.train_patients, settings.seed)
    path = paths.split(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_split(path, split, dataset=name, seed=settings.seed, ratio=settings.ratio, origin=origin)
    read_split(path, cases)
    sizes = ", ".join(f"{len(split[side])} {side}" for side in ("train", "val", "test"))
    left_out = f", {len(split['left_out'])} left out" if "left_out" in split else ""
    say(f"{name}: {sizes}{left_out} in {path}")


def collect_step(config: StudyConfig, allow_missing: bool = False) -> None:
    """Gather cases.csv of all cells in cases.parquet, and list every cell with its status in cells.csv."""
    from spectralcal.jobs.collect import collect
    from spectralcal.records.products import write_record

    paths = StudyPaths(config)
    done, total = collect(config, allow_missing)
    command = f"spectralcal collect --config {paths.resolved_config}"
    write_record(config, "scores", "cases", [paths.cases, paths.cells], command=command, cells=study_cells(config))
    say(f"{done} of {total} cells in {paths.cases}")


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
    path = StudyPaths(config).resolved_config
    content = config.model_dump(mode="json")
    if read_json(path) != content:
        write_json(path, content)
    return path


def missing_data(config: StudyConfig, needed: Iterable[str]) -> str | None:
    """A list of the `needed` data sets that are neither in place nor downloadable, with how to get each; or None.

    A data set that is already prepared is not missing. Data of the user's own take one line, as does a published split
    that is not there.

    Raises:
        ConfigError, DataError: as :func:`build_dataset`.
    """
    needed = [name for name in dict.fromkeys(needed) if name in config.datasets]
    absent = {name: build_dataset(config, name) for name in needed if not _available(config, name)}
    own = {name: dataset for name, dataset in absent.items() if "path" in config.options_of(name)}
    lines = [
        f"datasets.{name}.path: expected {dataset.layout} at {dataset.expected_at(config.raw_root)}, found nothing; "
        "correct the path"
        for name, dataset in own.items()
    ]
    for name in needed:
        file = config.split_of(name).file
        if file is not None and not file.is_file():
            lines.append(f"split.file of {name}: expected a split at {file}, found nothing; correct the path")
    public = {name: dataset for name, dataset in absent.items() if name not in own}
    if public:
        lines += [f"{len(public)} of {len(config.datasets)} data sets are missing under {config.raw_root}:"]
    for name, dataset in public.items():
        lines += [
            "",
            f"  {name}: {dataset.title}",
            f"    folder  {dataset.expected_at(config.raw_root)}",
            f"    licence {dataset.licence}",
        ]
        lines += [f"    {line}".rstrip() for line in dataset.source.strip().splitlines()]
    if public:
        lines += ["", "Set data_root in the configuration or SPECTRALCAL_DATA in the environment to look elsewhere."]
    return "\n".join(lines) or None


def _available(config: StudyConfig, name: str) -> bool:
    if StudyPaths(config).manifest(name).is_file():
        return True
    dataset = build_dataset(config, name)
    return dataset.open_access or dataset.locate(config.raw_root) is not None
