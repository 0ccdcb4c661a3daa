"""Verbs for what people read: tables, figures, verdicts, pages, and the records of what they were made from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spectralcal.cli.app import DEFAULT, Config, app, load_study


@app.command()
def table(name: str, config: Config = DEFAULT) -> None:
    """Make a table (CSV, Markdown, LaTeX) from the collected scores."""
    from spectralcal.report.steps import table_step

    table_step(load_study(config), name)


@app.command()
def figure(name: str, config: Config = DEFAULT) -> None:
    """Draw a figure (PDF, PNG and the CSV behind it) from the collected scores."""
    from spectralcal.report.steps import figure_step

    figure_step(load_study(config), name)


@app.command()
def claims(config: Config = DEFAULT) -> None:
    """Decide every claim of the paper from the results (CSV and a page in Markdown)."""
    from spectralcal.report.steps import claims_step

    claims_step(load_study(config))


@app.command()
def report(config: Config = DEFAULT) -> None:
    """Make all tables, figures and records again from the finished cells; needs no data, weights or GPU."""
    from spectralcal.report.rebuild import rebuild_study

    rebuilt = rebuild_study(load_study(config))
    typer.echo(rebuilt.text)
    if rebuilt.failed:
        raise typer.Exit(1)


@app.command()
def provenance(config: Config = DEFAULT) -> None:
    """Write provenance.json (RO-Crate): which cells each table and figure shows, and what made them."""
    from spectralcal.records.crate import write_crate

    typer.echo(write_crate(load_study(config)))


@app.command()
def page(
    source: Annotated[Path, typer.Argument(help="A table or the ledger in Markdown.")],
    target: Annotated[Path, typer.Argument(help="The HTML file to write.")],
) -> None:
    """Turn a page in Markdown into one HTML file, as the report shows it."""
    from spectralcal.report.webpage import webpage_step

    webpage_step(source, target)


@app.command()
def where(config: Config = DEFAULT) -> None:
    """Say where the tables, figures and report of a study are."""
    from spectralcal.jobs.steps import where_step

    typer.echo(where_step(load_study(config)))
