"""Verbs for results that travel: export, import, what something was made from, and whether it was altered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spectralcal.base.errors import ConfigError
from spectralcal.cli.app import DEFAULT, app, load_study


@app.command("export")
def export_(
    study: Annotated[str, typer.Argument(help="Name of a study, its results folder or its configuration.")],
    out: Annotated[Path | None, typer.Option(help="The archive; <study>-results.zip by default.")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Plain files in a folder in place of an archive: for a repository.")
    ] = None,
    images: Annotated[bool, typer.Option(help="Also the volumes and slices that figures show of patients.")] = False,
    full: Annotated[bool, typer.Option(help="Files of cells as they are in place of their light form.")] = False,
) -> None:
    """Pack the results of a study without images and weights, for another machine."""
    from spectralcal.sharing.publish import publish_study
    from spectralcal.sharing.shared import export_study
    from spectralcal.study.locate import find_study

    study_config = find_study(study)
    if folder is not None:
        if out is not None:
            raise ConfigError("expected --out or --folder, received both")
        if full:
            raise ConfigError("expected --full with --out, received --folder: a repository takes the light form")
        typer.echo(publish_study(study_config, folder, images=images).text)
        return
    out = out or Path(f"{study_config.study}-results.zip")
    typer.echo(f"{export_study(study_config, out, images=images, full=full)}  {out}")


@app.command("import")
def import_(
    archive: Annotated[Path, typer.Argument(help="A file of `spectralcal export`.")],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The study that it belongs to.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of results, where --config is not given.")] = Path("results"),
    limit_gib: Annotated[float, typer.Option(help="Largest size of the unpacked archive.")] = 8.0,
) -> None:
    """Merge the results of another machine; an archive that is altered, unsafe or in conflict is refused completely."""
    from spectralcal.sharing.merging import import_study

    study = None if config is None else load_study(config)
    merged = import_study(archive, study, results, int(limit_gib * 2**30))
    for note in merged.notes:
        typer.echo(f"note: {note}")
    place = merged.config.results
    typer.echo(f"{place}: {len(merged.taken)} cells taken, {len(merged.kept)} were here already")
    typer.echo(f"next: spectralcal report --config {config or place / 'config.json'}")


@app.command("explain")
def explain_(
    path: Annotated[Path, typer.Argument(help="A table, figure, cell or file of a cell.", exists=True)],
    row: Annotated[list[str] | None, typer.Option(help="Row of a table: column=value; may be repeated.")] = None,
    column: Annotated[str | None, typer.Option(help="With --row: which value.")] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="The study, if it is not beside PATH.")] = None,
) -> None:
    """Say what a result was made from, and the command that makes it again."""
    from spectralcal.sharing.explain import explain
    from spectralcal.study.locate import study_of

    study = study_of(path, None if config is None else load_study(config))
    typer.echo(explain(study, path, row or (), column))


@app.command("verify")
def verify_(
    study: Annotated[str | None, typer.Argument(help="Name of a study or its results folder.")] = None,
    config: Annotated[Path, typer.Option("--config", "-c", envvar="SPECTRALCAL_CONFIG")] = DEFAULT,
    data: Annotated[bool, typer.Option(help="Also hash all prepared arrays.")] = False,
) -> None:
    """Compare all files of a study with the hashes recorded when they were written; exit code 1 if any was altered."""
    from spectralcal.sharing.verify import verify_study
    from spectralcal.study.locate import find_study

    verification = verify_study(find_study(study) if study else load_study(config), data=data)
    typer.echo(verification.text)
    if verification.findings:
        raise typer.Exit(1)
