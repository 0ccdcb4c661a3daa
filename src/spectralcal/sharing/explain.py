"""What a file of a study was made from, and the command that makes it again."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spectralcal.base.digests import digest, package_digest
from spectralcal.base.errors import ResultError, choices
from spectralcal.base.files import read_record
from spectralcal.base.integrity import altered, seal_holds
from spectralcal.records.arithmetic import arithmetic_text, reached_limits
from spectralcal.records.checks import check_cell
from spectralcal.records.products import VERBS, collected_cells
from spectralcal.study.conditions import TEST
from spectralcal.study.config import StudyConfig
from spectralcal.study.grid import Cell, experiment_cells
from spectralcal.study.paths import StudyPaths
from spectralcal.study.recipe import differences, evaluation_identity, output_recipe, training_identity
from spectralcal.study.resolved import resolve

_KEYS = ("dataset", "architecture", "method", "seed")
_PROBED = r"(numbers/)?([^/]+)/dataset=([^/]+)/arch=([^/]+)/seed=(\d+)\.npz"


def explain(config: StudyConfig, path: Path, row: Sequence[str] = (), column: str | None = None) -> str:
    """What a table, figure, cell or other file of a study was made from, as text.

    Args:
        config: the study that the file belongs to.
        path: the file, or the folder of a cell.
        row: of a table's or figure's CSV, which row: ``["method=ce", "metric=DSC"]``; empty for all of it.
        column: with `row`, which value.

    Raises:
        ResultError: the file is no product of the study, or the table has no such row or column.
    """
    paths, path = StudyPaths(config), path.resolve()
    cells = (config.results / "cells").resolve()
    if path.is_relative_to(cells) and (cell := Cell.from_path(path.relative_to(cells))):
        condition = re.search(r"(?:^|/)condition=([^/]+)", path.relative_to(cells).as_posix())
        return _lines(_cell(config, cell, condition[1] if condition else TEST))
    for kind, folder in (("tables", config.results / "tables"), ("figures", config.figures_folder)):
        if path.parent == folder.resolve() and path.stem in getattr(config, kind):
            return _lines(_output(config, paths, kind, path, row, column))
    if path in (paths.cases.resolve(), paths.cells.resolve()):
        record = read_record(paths.record("scores", "cases")) or {}
        sound, what = seal_holds(record) is not False, "scores of all cells of the study"
        return _lines(_product(paths, record, what, _command(config, "collect"), sound))
    if path in (paths.claims.resolve(), paths.claims.with_suffix(".md").resolve()):
        record = read_record(paths.record("claims", "claims")) or {}
        sound, what = seal_holds(record) is not False, f"verdicts on the paper's claims by the study '{config.study}'"
        return _lines(_product(paths, record, what, _command(config, "claims"), sound))
    return _lines(_other(config, paths, path))


def _cell(config: StudyConfig, cell: Cell, condition: str) -> list[tuple[str, str]]:
    resolved, paths = resolve(config, cell, condition), StudyPaths(config)
    files, (source, *others) = resolved.files, resolved.parents
    run, scores = read_record(paths.cell(source).run), read_record(files.evaluation)
    where = ["--dataset", cell.dataset, "--arch", cell.architecture, "--method", cell.method, "--seed", str(cell.seed)]
    step = resolved.method.post_hoc
    lines = [("what", f"cell {resolved} of the study '{config.study}'")]
    after = f", after the post-hoc step '{step}'" if step else ""
    if others:
        lines.append(("weights", f"of {len(others) + 1} cells, whose probabilities are averaged{after}"))
        lines += [("member", _member(config, paths, member)) for member in (source, *others)]
    else:
        if step:
            lines.append(("weights", f"of the cell {source}{after}"))
        lines += _stage("training", run, training_identity(resolve(config, source)), "train", config, where)
    tested = where if condition == TEST else [*where, "--condition", condition]
    lines += _stage("scores", scores, evaluation_identity(resolved), "evaluate", config, tested)
    if run:
        lines.append(("loss", _options(run.get("settings", {}))))
        if not others:
            lines.append(("seeds", _options(run.get("seeds", {"cell": cell.seed}))))
    if files.light.is_file() and not files.cases.is_file():
        lines.append(("form", f"light: {files.light.name} stands for scores, histograms, spectra and history"))
    findings, notes = check_cell(cell, files)
    return [*lines, ("state", "; ".join(findings or notes) or "as recorded")]


def _member(config: StudyConfig, paths: StudyPaths, cell: Cell) -> str:
    """A training that an ensemble is made of, in one line."""
    run = read_record(paths.cell(cell).run)
    if not run:
        return f"{cell}: not trained yet"
    same = (run.get("parts") or {}).get("recipe") == digest(training_identity(resolve(config, cell)))
    now = "as configuration and numerics are now" if same else "of other settings or numerics: it would run again"
    return f"{cell}: fingerprint {run.get('fingerprint')} ({now})"


def _stage(
    title: str,
    record: dict[str, Any] | None,
    identity: dict[str, Any],
    verb: str,
    config: StudyConfig,
    where: list[str],
) -> list[tuple[str, str]]:
    if not record:
        return [(title, "none yet"), ("command", _command(config, verb, *where))]
    parts = record.get("parts", {"recipe": record.get("recipe", "")})
    made_of = ", ".join(f"{name} {str(value)[:16]}" for name, value in parts.items())
    recipe = digest(identity)
    same = parts.get("recipe") == recipe
    now = "as configuration and numerics are now" if same else f"now {recipe}: it would run again"
    lines = [(title, f"fingerprint {record.get('fingerprint')}"), ("made of", f"{made_of} ({now})")]
    lines += [("differs", line) for line in differences(record.get("identity") or identity, identity)]
    cost = {
        "started": record.get("started"),
        "seconds": record.get("seconds"),
        "resumes": record.get("resumes"),
        "device": record.get("device"),
        "peak memory (MiB)": record.get("peak_memory_mb"),
        "peak GPU memory (MiB)": record.get("peak_gpu_memory_mb"),
    }
    lines.append(("cost", _options({key: value for key, value in cost.items() if value is not None})))
    if record.get("precision"):
        lines.append(("precision", arithmetic_text(record)))
    lines += [("limit", line) for line in reached_limits(record)]
    if record.get("environment"):
        lines.append(("made by", _made_by(record["environment"])))
    lines.append(("code", _code(record)))
    return [*lines, ("command", _command(config, verb, *where))]


def _output(
    config: StudyConfig, paths: StudyPaths, kind: str, path: Path, row: Sequence[str], column: str | None
) -> list[tuple[str, str]]:
    name = path.stem
    output = getattr(config, kind)[name]
    experiments = [output.experiment, *output.options.get("experiments", ())]
    record = read_record(paths.record(kind, name))
    command = _command(config, VERBS[kind], name)
    what = f"{VERBS[kind]} '{name}' of the study '{config.study}', experiments: {', '.join(experiments)}"
    condition = output.condition or TEST
    what += "" if condition == TEST else f", under the condition {condition}"
    if not record:
        collected = collected_cells(paths, condition)
        cells = dict.fromkeys(cell for experiment in experiments for cell in experiment_cells(config, experiment))
        listed = [
            {**vars(c), "condition": condition, "status": "missing", "fingerprint": "", **collected.get(c, {})}
            for c in cells
        ]
        record = {"cells": listed}
        what += " (made before records were kept: the cells are those of now)"
    sound = seal_holds(record) is not False
    chosen: dict[str, str] = {}
    if row:
        chosen = _row(path.with_suffix(".csv"), row, column)
        matching = {key: chosen[key] for key in _KEYS if chosen.get(key)}
        kept = [c for c in record["cells"] if all(str(c[key]) == value for key, value in matching.items())]
        record = {**record, "cells": kept}
    lines = _product(paths, record, what, command, sound)
    if "recipe" in record:
        now = output_recipe(config, kind, name)
        same = "as code and configuration are now" if now == record["recipe"] else f"now {now}: it would be made again"
        lines.insert(1, ("recipe", f"{record['recipe']} ({same})"))
    if chosen:
        value = ", ".join(f"{key}={value}" for key, value in chosen.items() if column is None or key == column)
        lines.insert(1, ("value", value))
    return lines


def _product(
    paths: StudyPaths, record: dict[str, Any], what: str, command: str, sound: bool = True
) -> list[tuple[str, str]]:
    lines = [("what", what)]
    if record.get("environment"):
        lines.append(("made by", _made_by(record["environment"])))
    lines.append(("command", command))
    if record.get("files"):
        folder = paths.config.figures_folder if record["kind"] == "figures" else paths.config.results
        folder = folder / "tables" if record["kind"] == "tables" else folder
        odd = altered(folder, record["files"])
        state = f"altered since: {', '.join(odd)}" if odd else "as made"
        lines.append(("state", state if sound else "its record was altered"))
    cells = record.get("cells", [])
    lines.append(("cells", f"{sum(c['status'] == 'complete' for c in cells)} of {len(cells)} complete"))
    for entry in cells:
        cell = Cell(*(entry[key] for key in _KEYS))
        files = paths.cell(cell, entry.get("condition", TEST))
        now = (read_record(files.evaluation) or {}).get("fingerprint", "")
        changed = "" if now == entry["fingerprint"] else f" (now {now or 'gone'})"
        lines.append(("", f"{cell}: {entry['fingerprint'] or entry['status']}{changed}"))
    return lines


def _row(path: Path, row: Sequence[str], column: str | None) -> dict[str, str]:
    """The one row of a CSV that fits `row`."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    wanted = dict(item.partition("=")[::2] for item in row)
    known = list(rows[0]) if rows else []
    for name in [*wanted, *([column] if column else [])]:
        if name not in known:
            raise ResultError(f"{path}: no column '{name}'; expected {choices(known)}")
    matching = [entry for entry in rows if all(entry[key] == value for key, value in wanted.items())]
    if len(matching) != 1:
        differ = [key for key in known if len({entry[key] for entry in matching}) > 1][:4]
        hint = f"; they differ in {', '.join(differ)}" if matching else ""
        asked = " ".join(row)
        raise ResultError(f"{path}: expected one row with {asked}, found {len(matching)}{hint}; add --row column=value")
    return matching[0]


def _other(config: StudyConfig, paths: StudyPaths, path: Path) -> list[tuple[str, str]]:
    for dataset in config.datasets:
        if path == paths.split(dataset).resolve():
            return [
                ("what", f"split of {dataset}, hash {(read_record(path) or {}).get('hash')}"),
                ("command", _command(config, "split", "--dataset", dataset)),
            ]
        if path.is_relative_to(paths.prepared(dataset).resolve()):
            return [
                ("what", f"prepared arrays of {dataset}"),
                ("command", _command(config, "prepare", "--dataset", dataset)),
            ]
        if path == paths.shared_manifest(dataset).resolve():
            return [("what", f"cases of {dataset}: names, grids and hashes, as they came with shared results")]
    place = re.fullmatch(rf"{re.escape(config.results.resolve().as_posix())}/{_PROBED}", path.as_posix())
    if place:
        shared, probe, dataset, architecture, seed = place.groups()
        names = (probe, "--dataset", dataset, "--arch", architecture, "--seed", seed)
        what = f"{probe} of {dataset}, {architecture}, seed {seed}{', their numbers without images' if shared else ''}"
        return [("what", what), ("command", _command(config, "probe", *names))]
    if path == paths.resolved_config.resolve():
        return [("what", f"the configuration of the study '{config.study}' as validated")]
    if path == paths.provenance.resolve():
        what = "the records of all cells, tables and figures of the study, as an RO-Crate"
        return [("what", what), ("command", _command(config, "provenance"))]
    complete = [paths.report, *map(paths.notebook, config.notebooks)]
    if path in [place.resolve() for place in complete]:
        made = "the report" if path == paths.report.resolve() else f"the executed notebook {path.stem}"
        what = f"{made}: it shows tables and figures, each of which can be explained by itself"
        return [("what", what), ("shows", f"{config.results / 'tables'}, {config.figures_folder}")]
    raise ResultError(
        f"{path}: is no table, figure, cell, score, split or prepared array of the study '{config.study}'; "
        f"look under {config.results} and {config.figures_folder}"
    )


def _command(config: StudyConfig, verb: str, *arguments: str) -> str:
    return shlex.join(["spectralcal", verb, *arguments, "--config", str(StudyPaths(config).resolved_config)])


def _made_by(environment: dict[str, Any]) -> str:
    commit = environment.get("commit") or "unknown"
    edited = ", edited since" if environment.get("dirty") else ""
    torch = environment.get("packages", {}).get("torch")
    version = f", torch {torch}" if torch else ""
    return f"spectralcal {environment.get('spectralcal')}, commit {commit}{edited}{version}"


def _code(record: dict[str, Any]) -> str:
    """Whether the code is as it was. This is evidence only: what identifies numbers is declared."""
    if before := record.get("restamped"):
        return f"identified by the code's text until commit {before['commit'][:12]}, as recipe {before['recipe']}"
    if "code" not in record:
        return "not recorded"
    same = record["code"] == package_digest()
    return f"{record['code']} ({'as it is now' if same else 'code differs since; the declared numbers are the same'})"


def _options(values: dict[str, Any]) -> str:
    if "loss" in values:
        return ": ".join(filter(None, [values["loss"], _options(values.get("loss_options", {}))]))
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _lines(entries: list[tuple[str, str]]) -> str:
    return "\n".join(f"{title:>9}  {text}" for title, text in entries)
