"""Making a table or a figure: load results, call the registered function, write the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spectralcal.base import registry
from spectralcal.base.console import say
from spectralcal.base.errors import ConfigError, choices
from spectralcal.base.files import atomic_write, write_text
from spectralcal.records.products import record_claims, record_output
from spectralcal.report.results import Results
from spectralcal.study.config import StudyConfig
from spectralcal.study.paths import StudyPaths


def table_step(config: StudyConfig, name: str) -> None:
    """Write a table of the study as CSV (tidy), Markdown and LaTeX (as printed)."""
    output = _output(config, "tables", name)
    results = Results(config).under(output.condition)
    table = registry.load("tables", output.source or name, config.paper)(results, output.experiment, **output.options)
    path = StudyPaths(config).table(name)
    write_text(path, table.frame.to_csv(index=False))
    write_text(path.with_suffix(".md"), _with_what_was_tested(table.markdown, results))
    write_text(path.with_suffix(".tex"), table.latex)
    record_output(config, "tables", name, [path, path.with_suffix(".md"), path.with_suffix(".tex")])
    say(f"{name}: {path}")


def figure_step(config: StudyConfig, name: str) -> None:
    """Write a figure of the study as PDF and PNG, its caption, and the CSV that it was drawn from."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from spectralcal.report.style import use_style

    output = _output(config, "figures", name)
    use_style()
    results = Results(config).under(output.condition)
    figure = registry.load("figures", output.source or name, config.paper)(results, output.experiment, **output.options)
    path = StudyPaths(config).figure(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without dates in the files, the same input gives the same bytes.
    _save(figure.drawing, path, {"CreationDate": None})
    _save(figure.drawing, path.with_suffix(".png"), {"Software": None})
    plt.close(figure.drawing)
    write_text(path.with_suffix(".csv"), figure.frame.to_csv(index=False))
    write_text(path.with_suffix(".md"), _with_what_was_tested(figure.caption + "\n", results))
    record_output(config, "figures", name, [path.with_suffix(suffix) for suffix in (".pdf", ".png", ".csv", ".md")])
    say(f"{name}: {path}")


def claims_step(config: StudyConfig) -> None:
    """Write the claims ledger of the study as CSV (tidy) and Markdown (as read)."""
    from spectralcal.report.claims import step

    step.claims_step(config)
    path = StudyPaths(config).claims
    record_claims(config, [path, path.with_suffix(".md")])


def _output(config: StudyConfig, kind: str, name: str) -> Any:
    outputs = getattr(config, kind)
    if name not in outputs:
        raise ConfigError(f"{kind}: '{name}' is not in the study '{config.study}'; expected {choices(outputs)}")
    return outputs[name]


def _with_what_was_tested(text: str, results: Results) -> str:
    """A text for people, which must not pass for the ordinary test where its author did not think of another."""
    return text if results.tested in text else f"{text}\n{results.tested}\n"


def _save(drawing: Any, path: Path, metadata: dict[str, None]) -> None:
    with atomic_write(path) as temporary:
        drawing.savefig(temporary, format=path.suffix[1:], metadata=metadata)
