"""The records of a study in one file: an RO-Crate that ties tables and figures to the cells that they show.

Metadata of an RO-Crate (https://www.researchobject.org/ro-crate) as JSON-LD: what was made (files with SHA-256), from
what (cells, splits, manifests) and by what (the version and commit of this software).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectralcal.base.digests import file_digest
from spectralcal.base.files import read_record, write_json
from spectralcal.records.light.files import light_of
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, parent_cells, study_cells, trained_cells
from spectralcal.study.paths import CellPaths, StudyPaths

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

SOFTWARE = "#spectralcal"
_TYPES = {".csv": "text/csv", ".md": "text/markdown", ".tex": "application/x-tex", ".pdf": "application/pdf",
          ".png": "image/png", ".json": "application/json", ".parquet": "application/vnd.apache.parquet",
          ".zip": "application/zip"}  # fmt: skip


def write_crate(config: StudyConfig) -> Path:
    """Write ``provenance.json`` of a study from the records that its steps left."""
    path = StudyPaths(config).provenance
    write_json(path, crate_of(config))
    return path


def crate_of(config: StudyConfig) -> dict[str, Any]:
    """The crate of a study as JSON-LD; equal records give equal content."""
    from rocrate.rocrate import ROCrate

    import spectralcal

    paths = StudyPaths(config)
    crate = ROCrate()
    crate.name = f"Results of the study '{config.study}'"
    crate.description = config.description or f"Calibration of segmentation networks, study '{config.study}'"
    crate.license = "https://spdx.org/licenses/Apache-2.0"
    _entity(crate, SOFTWARE, "SoftwareApplication", name="spectralcal", softwareVersion=spectralcal.__version__)
    data = _add_data(crate, paths)
    runs, dates = _add_trainings(crate, config, paths, data)
    cells = _add_scores(crate, config, paths, data, runs)
    products = sorted((config.results / "provenance").glob("*/*.json"))
    for product in products:
        if record := read_record(product):
            _add_product(crate, config, record, cells)
    parts = [e for e in crate.contextual_entities if e.type in ("File", "Dataset")]
    crate.root_dataset["hasPart"] = [{"@id": part.id} for part in parts]
    # The crate's own default is the present, which would change the file with every run.
    crate.datePublished = max(dates, default="1970-01-01")
    return crate.metadata.generate()


def _add_data(crate: ROCrate, paths: StudyPaths) -> dict[str, list[dict[str, str]]]:
    """Splits and manifests; references to them by data set."""
    by_dataset: dict[str, list[dict[str, str]]] = {}
    for dataset in paths.config.datasets:
        split, manifest = paths.split(dataset), paths.known_manifest(dataset)
        if split.is_file():
            name = f"splits/{dataset}.json"
            by_dataset.setdefault(dataset, []).append(_file(crate, name, split, name=f"Split of {dataset}"))
        if manifest is not None:
            about = {"name": f"Cases of {dataset}: names, grids and hashes", "sha256": file_digest(manifest)}
            by_dataset.setdefault(dataset, []).append(_entity(crate, f"#manifest-{dataset}", "CreativeWork", **about))
    return by_dataset


def _add_trainings(
    crate: ROCrate, config: StudyConfig, paths: StudyPaths, data: dict[str, list[dict[str, str]]]
) -> tuple[dict[Cell, dict[str, str]], list[str]]:
    """An action for each training, whose result is the network; when each began."""
    runs, dates = {}, []
    for cell in trained_cells(config, study_cells(config)):
        run = read_record(paths.cell(cell).run)
        if not run:
            continue
        place = f"cells/{cell.path.as_posix()}"
        weights_name = paths.cell(cell).weights.name
        weights = _entity(
            crate, f"#weights/{cell.path.as_posix()}", "CreativeWork", name=f"Weights of {cell}",
            identifier=run.get("fingerprint"), sha256=run.get("files", {}).get(weights_name),
        )  # fmt: skip
        hashes = {name: value for name, value in run.get("files", {}).items() if name != weights_name}
        files = _files(crate, place, paths.cell(cell), hashes)
        _action(crate, f"#train/{cell.path.as_posix()}", f"Training of {cell}", run, data.get(cell.dataset, []),
                [weights, *files], startTime=run.get("started"))  # fmt: skip
        runs[cell] = weights
        dates += [run["started"]] if run.get("started") else []
    return runs, dates


def _add_scores(
    crate: ROCrate,
    config: StudyConfig,
    paths: StudyPaths,
    data: dict[str, list[dict[str, str]]],
    runs: dict[Cell, dict[str, str]],
) -> dict[Cell, dict[str, str]]:
    """A folder for each scored cell, and the action that scored it."""
    folders = {}
    for cell in study_cells(config):
        record = read_record(paths.cell(cell).evaluation)
        if not record:
            continue
        place = f"cells/{cell.path.as_posix()}"
        files = _files(crate, place, paths.cell(cell), record.get("files", {}))
        folder = _entity(
            crate, f"{place}/", "Dataset", name=f"Scores of {cell}", identifier=record.get("fingerprint"), hasPart=files
        )
        parents = [runs[parent] for parent in parent_cells(config, cell) if parent in runs]
        used = [*data.get(cell.dataset, []), *parents]
        _action(crate, f"#evaluate/{cell.path.as_posix()}", f"Scoring of {cell}", record, used, [folder])
        folders[cell] = folder
    return folders


def _add_product(
    crate: ROCrate, config: StudyConfig, record: dict[str, Any], cells: dict[Cell, dict[str, str]]
) -> None:
    """A table, figure or the collected scores: its files, and the action that made them from cells."""
    kind, name = record["kind"], record["name"]
    place = {"tables": "tables/", "figures": "#figures/"}.get(kind, "")
    files = []
    for file, value in record["files"].items():
        more = {}
        if kind == "figures":
            # Figures lie outside the results, and a crate's files must lie inside: they are named, not contained.
            more["contentUrl"] = str(config.figures_folder / file)
        files.append(_listed(crate, place.rstrip("/"), file, value, **more))
    keys = [Cell(c["dataset"], c["architecture"], c["method"], int(c["seed"])) for c in record["cells"]]
    used = [cells[key] for key in keys if key in cells]
    more = {"description": record["command"]}
    _action(crate, f"#make/{kind}/{name}", f"Making of {name} ({kind})", record, used, files, **more)


def _files(crate: ROCrate, place: str, files: CellPaths, hashes: dict[str, str]) -> list[dict[str, str]]:
    """The files of a cell that a record lists; by name only where the light file, which then follows, has them."""
    light = light_of(files)
    in_light = (
        set() if light is None else {n for n in hashes if n in light.stands_for and not (files.folder / n).is_file()}
    )
    listed = [_listed(crate, f"#{place}" if name in in_light else place, name, value) for name, value in hashes.items()]
    return [*listed, *([_listed(crate, place, files.light.name, file_digest(files.light))] if in_light else [])]


def _listed(crate: ROCrate, place: str, name: str, value: str, **more: Any) -> dict[str, str]:
    kind = "CreativeWork" if place.startswith("#") else "File"
    identity = f"{place}/{name}" if place else name
    return _entity(crate, identity, kind, name=name, sha256=value, encodingFormat=_TYPES.get(Path(name).suffix), **more)


def _file(crate: ROCrate, identity: str, path: Path, **more: Any) -> dict[str, str]:
    return _entity(crate, identity, "File", sha256=file_digest(path), encodingFormat=_TYPES.get(path.suffix), **more)


def _action(
    crate: ROCrate,
    identity: str,
    name: str,
    record: dict[str, Any],
    used: Iterable[dict[str, str]],
    made: Iterable[dict[str, str]],
    **more: Any,
) -> dict[str, str]:
    environment = record.get("environment", {})
    commit = environment.get("commit")
    instrument = {"@id": SOFTWARE}
    if commit:
        edited = bool(environment.get("dirty"))
        instrument = _entity(
            crate, f"#commit-{commit}{'-edited' if edited else ''}", "SoftwareSourceCode", name="spectralcal",
            version=environment.get("spectralcal"), identifier=commit, isBasedOn={"@id": SOFTWARE},
            description="edited since that commit" if edited else "as committed",
            runtimePlatform=json.dumps(environment.get("packages", {}), sort_keys=True),
        )  # fmt: skip
    return _entity(
        crate, identity, "CreateAction", name=name, instrument=instrument, object=list(used), result=list(made),
        identifier=record.get("fingerprint") or record.get("recipe"), **more,
    )  # fmt: skip


def _entity(crate: ROCrate, identity: str, kind: str, **properties: Any) -> dict[str, str]:
    """Add an entity with those properties that have a value; returns a reference to it."""
    from rocrate.model.contextentity import ContextEntity

    content = {key: value for key, value in properties.items() if value not in (None, [])}
    crate.add(ContextEntity(crate, identity, properties={"@type": kind, **content}))
    return {"@id": identity}
